"""Linear, Embedding, Dropout, the loss, and Adam."""

import math
import pickle

import numpy as np
import pytest

from diptych import nn

rng = np.random.default_rng(0)


def slope(function, array, direction, step=1e-6):
    """The derivative along a direction, by central differences."""
    return (function(array + step * direction) - function(array - step * direction)) / (2 * step)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5,), (2, 5), (4, 3, 5)])
def test_linear(bias, shape):
    layer = nn.Linear(5, 3, bias=bias, dtype=np.float64, rng=0)
    x, weights = rng.normal(size=shape), layer.state_dict()
    expected = np.einsum("...i,oi->...o", x, weights["weight"]) + weights.get("bias", 0.0)
    y = layer(x, training=True)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-14)
    dy = rng.normal(size=y.shape)
    by = layer.backward(dy)
    assert list(by.weights) == list(weights)
    away = rng.normal(size=shape)
    assert (by.x * away).sum() == pytest.approx(slope(lambda x: (layer(x) * dy).sum(), x, away), rel=1e-7)
    for name, weight in weights.items():

        def loss(moved, name=name):
            layer.load_state_dict(weights | {name: moved})
            return (layer(x) * dy).sum()

        away = rng.normal(size=weight.shape)
        assert (by.weights[name] * away).sum() == pytest.approx(slope(loss, weight, away), rel=1e-7)
        layer.load_state_dict(weights)


def test_first_weights_of_linear_and_embedding():
    weight = nn.Linear(64, 500, rng=0).state_dict()["weight"]
    assert weight.dtype == np.float32
    assert 0.12 < np.abs(weight).max() <= 1 / 8
    vectors = nn.Embedding(1000, 100, rng=0).state_dict()["weight"].astype(float)
    n = vectors.size
    assert abs(vectors.mean()) < 5 / math.sqrt(n)  # of a normal law: mean 0, variance 1, fourth moment 3
    assert abs((vectors**2).mean() - 1) < 5 * math.sqrt(2 / n)
    assert abs((vectors**4).mean() - 3) < 5 * math.sqrt(96 / n)


@pytest.mark.parametrize("shape", [(), (7,), (4, 6), (0,)])
def test_embedding(shape):
    layer = nn.Embedding(5, 3, dtype=np.float64, rng=0)
    places = rng.integers(0, 4, size=shape)  # the last vector is never asked for
    vectors = layer(places, training=True)
    np.testing.assert_array_equal(vectors, layer.state_dict()["weight"][places])
    dy = rng.normal(size=vectors.shape)
    expected = np.zeros((5, 3))
    np.add.at(expected, places, dy)
    by = layer.backward(dy)
    assert by.x is None
    np.testing.assert_allclose(by.weights["weight"], expected, rtol=0, atol=1e-14)
    assert not by.weights["weight"][4].any()


def test_dropout():
    dropout, x = nn.Dropout(0.3, rng=5), np.ones((100, 1000), np.float32)
    assert dropout(x) is x
    y = dropout(x, training=True)
    assert y.dtype == np.float32
    kept = y != 0
    np.testing.assert_allclose(y[kept], 1 / 0.7, rtol=1e-6)
    assert abs(kept.mean() - 0.7) < 5 * math.sqrt(0.21 / x.size)
    assert abs((kept[:, 1:] & kept[:, :-1]).mean() - 0.49) < 5 * math.sqrt(
        0.25 / x.size
    )  # neighbours are independent
    np.testing.assert_array_equal(dropout.backward(x), y)
    second = dropout(x, training=True)
    assert (second != y).any()
    again = nn.Dropout(0.3, rng=5)
    np.testing.assert_array_equal(again(x, training=True), y)
    np.testing.assert_array_equal(again(x, training=True), second)
    with pytest.raises(RuntimeError, match="training=True"):
        again.backward(again.backward(x))
    none = nn.Dropout(0.0)
    assert none(x, training=True) is x
    assert none.backward(x) is x


def log_softmax(row):
    top = max(row)
    return [float(v) - top - math.log(math.fsum(math.exp(v - top) for v in row)) for v in row]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy(dtype):
    logits = rng.normal(size=(4, 3, 6)).astype(dtype) * 5
    targets = rng.integers(0, 6, (4, 3))
    targets[0, 1] = -100
    mask = rng.random((4, 3)) < 0.7
    loss, by = nn.softmax_cross_entropy(logits, targets, mask=mask)
    counted = [(t, b) for t in range(4) for b in range(3) if mask[t, b] and targets[t, b] != -100]
    expected = -sum(log_softmax(logits[place].tolist())[targets[place]] for place in counted) / len(counted)
    tolerance = 1e-6 if dtype == np.float32 else 1e-14  # some ten units of the last place
    assert loss == pytest.approx(expected, rel=tolerance)
    assert by.dtype == dtype
    for place in np.ndindex(4, 3):
        row = np.zeros(6)
        if place in counted:
            row = np.exp(log_softmax(logits[place].tolist()))
            row[targets[place]] -= 1
        np.testing.assert_allclose(by[place], row / len(counted), rtol=0, atol=tolerance)


@pytest.mark.parametrize("counted", [1, 7, 12, 13, 24, 25])
def test_rows_that_do_not_count_are_not_there(counted):
    logits, targets = rng.normal(size=(25, 6)).astype(np.float32) * 5, rng.integers(0, 6, 25)
    rows = np.sort(rng.permutation(25)[:counted])
    others = np.setdiff1d(np.arange(25), rows)
    loss, expected = nn.softmax_cross_entropy(logits[rows], targets[rows])
    logits[others[::2]], logits[others[1::2]], targets[others] = np.nan, -np.inf, -100
    found, by = nn.softmax_cross_entropy(logits, targets)
    assert found == loss
    np.testing.assert_array_equal(by[rows], expected)
    np.testing.assert_array_equal(by[others], 0)


def test_gradient_of_the_loss_is_a_finite_difference():
    logits, targets = rng.normal(size=(5, 4)), [0, 3, -100, 1, 2]
    _, by = nn.softmax_cross_entropy(logits, targets)
    away = rng.normal(size=logits.shape)
    found = slope(lambda moved: nn.softmax_cross_entropy(moved, targets)[0], logits, away)
    assert (by * away).sum() == pytest.approx(found, rel=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_of_huge_logits(dtype):
    logits = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype)
    loss, by = nn.softmax_cross_entropy(logits, [1, 2])
    assert loss == pytest.approx((2e4 + math.log(2)) / 2, rel=1e-6)
    np.testing.assert_allclose(by, [[0.5, -0.5, 0.0], [0.0, 0.25, -0.25]], atol=1e-7)


def test_rows_that_do_not_count_may_hold_anything():
    logits = np.array([[0.0, 1.0], [np.nan, 2.0], [np.inf, 0.0]])
    loss, by = nn.softmax_cross_entropy(logits, [1, 99, 1], mask=[True, False, False])
    assert math.isfinite(loss)
    assert not by[1:].any()
    assert math.isnan(nn.softmax_cross_entropy(logits, [1, 1, 1])[0])
    loss, by = nn.softmax_cross_entropy(logits, [-100, -100, -100])
    assert (loss, by.any()) == (0.0, False)


def adam_of_the_paper(weight, gradients, rate, betas, epsilon, clip=None):
    """Algorithm 1 of Kingma and Ba, number by number."""
    m = v = [0.0] * len(weight)
    weight = list(weight)
    for t, g in enumerate(gradients, start=1):
        norm = math.sqrt(math.fsum(x * x for x in g))
        if clip is not None and norm > clip:
            g = [x * clip / norm for x in g]
        m = [betas[0] * a + (1 - betas[0]) * x for a, x in zip(m, g, strict=True)]
        v = [betas[1] * a + (1 - betas[1]) * x * x for a, x in zip(v, g, strict=True)]
        for k in range(len(weight)):
            first, second = m[k] / (1 - betas[0] ** t), v[k] / (1 - betas[1] ** t)
            weight[k] -= rate * first / (math.sqrt(second) + epsilon)
    return weight


@pytest.mark.parametrize("clip", [None, 1.5])
def test_adam(clip):
    layers = {
        "a": nn.Linear(2, 1, bias=False, dtype=np.float64, rng=0),
        "b": nn.Linear(1, 1, dtype=np.float64, rng=1),
    }
    first = np.concatenate([w.ravel() for layer in layers.values() for w in layer.state_dict().values()])
    gradients = rng.normal(size=(12, 4))
    adam = nn.Adam(layers, 0.05, betas=(0.8, 0.95), epsilon=1e-3, clip_norm=clip)
    for g in gradients:
        by = {"a": {"weight": g[None, :2]}, "b": {"weight": g[None, 2:3], "bias": g[3:]}}
        assert adam.step(by) == pytest.approx(np.linalg.norm(g))
    found = np.concatenate([w.ravel() for layer in layers.values() for w in layer.state_dict().values()])
    expected = adam_of_the_paper(first, gradients, 0.05, (0.8, 0.95), 1e-3, clip)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_adam_replaces_and_does_not_write():
    layer = nn.LSTM(2, 3, rng=0)
    before = layer.state_dict()
    kept = {name: w.copy() for name, w in before.items()}
    adam = nn.Adam({"lstm": layer}, clip_norm=1.0)
    y, _ = layer(np.ones((4, 1, 2), np.float32), training=True)
    adam.step({"lstm": layer.backward(np.ones_like(y)).weights})
    for name, w in before.items():
        np.testing.assert_array_equal(w, kept[name])
        assert (layer.state_dict()[name] != w).any()
        assert not layer.state_dict()[name].flags.writeable
    assert (layer(np.ones((4, 1, 2), np.float32))[0] != y).any()


def test_adam_goes_on_after_a_pickle():
    layer = nn.Linear(2, 1, dtype=np.float64, rng=0)
    adam = nn.Adam({"layer": layer})
    by = {"layer": {"weight": np.ones((1, 2)), "bias": np.ones(1)}}
    adam.step(by)
    again = pickle.loads(pickle.dumps(adam))
    assert not again.layers["layer"].state_dict()["weight"].flags.writeable
    adam.step(by)
    again.step(by)
    for name, w in layer.state_dict().items():
        np.testing.assert_array_equal(again.layers["layer"].state_dict()[name], w)
        assert not again.layers["layer"].state_dict()[name].flags.writeable


def test_a_gradient_that_is_not_finite_touches_nothing():
    layer = nn.Linear(2, 1, dtype=np.float64, rng=0)
    before, adam = layer.state_dict(), nn.Adam({"out": layer}, clip_norm=1.0)
    with pytest.raises(FloatingPointError, match=r"gradient by out\.bias is not finite at step 1: lower"):
        adam.step({"out": {"weight": np.ones((1, 2)), "bias": np.array([np.nan])}})
    assert layer.state_dict()["bias"] is before["bias"]


@pytest.mark.parametrize(("dtype", "huge"), [(np.float32, 1e30), (np.float64, 1e300)])
def test_a_gradient_too_large_to_be_squared_is_clipped_or_refused(dtype, huge):
    def moved(gradient, clip):
        layer = nn.Linear(2, 1, bias=False, dtype=dtype, rng=0)
        adam = nn.Adam({"out": layer}, clip_norm=clip)
        norm = adam.step({"out": {"weight": np.array([gradient], dtype)}})
        return norm, layer.state_dict()["weight"]

    norm, weight = moved([3 * huge, 4 * huge], 1.0)
    assert norm == pytest.approx(5 * huge, rel=1e-6)
    np.testing.assert_array_equal(weight, moved([3.0, 4.0], 1.0)[1])
    with pytest.raises(FloatingPointError, match=r"out\.weight is too large.*set clip_norm"):
        moved([3 * huge, 4 * huge], None)


@pytest.mark.filterwarnings("error")
def test_logits_at_the_end_of_a_dtype():
    most = np.finfo(np.float32).max
    logits = np.array([[most, -most], [0.0, 0.0]], np.float32)
    loss, by = nn.softmax_cross_entropy(logits, [0, 1])
    assert loss == pytest.approx(np.log(2) / 2)
    np.testing.assert_array_equal(by, np.array([[0, 0], [0.25, -0.25]], np.float32))


def test_a_list_is_dropped_out_as_its_array():
    found = nn.Dropout(0.5, rng=0)([1.0, 2.0, 3.0], training=True)
    np.testing.assert_array_equal(found, nn.Dropout(0.5, rng=0)(np.array([1.0, 2.0, 3.0]), training=True))
