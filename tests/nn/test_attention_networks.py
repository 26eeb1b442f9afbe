"""LayerNorm, MultiheadAttention, TransformerEncoderLayer: torch's equations, gradients, panels, masks."""

import math
import pickle

import numpy as np
import pytest

from diptych import nn

BACKENDS = pytest.mark.parametrize("backend", ["rust", "reference"])
B, L, S, E, H = 2, 4, 5, 6, 3
CLOSE = {"rtol": 1e-7, "atol": 2e-8}  # of central differences in float64
# In float64, sums of at most some hundred terms of the order of 1: hundreds of units of the last place.
EQUAL = {"rtol": 0, "atol": 1e-13}


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def attention_of(embed_dim=E, num_heads=H, **options):
    """A layer with biases that are not 0, as after training."""
    return filled(nn.MultiheadAttention(embed_dim, num_heads, **{"dtype": np.float64, "rng": 1} | options))


def layer_of(**options):
    return filled(nn.TransformerEncoderLayer(E, H, 7, **{"dtype": np.float64, "rng": 1} | options))


def filled(layer):
    layer.load_state_dict(
        {
            name: array + 0.1 * normal(*array.shape, seed=2).astype(layer.dtype)
            for name, array in layer.state_dict().items()
        }
    )
    return layer


def differences(function, array, step=1e-5):
    found = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        ends = []
        for sign in (1, -1):
            moved = array.copy()
            moved[place] += sign * step
            ends.append(function(moved))
        found[place] = (ends[0] - ends[1]) / (2 * step)
    return found


def assert_gradients_of_weights(layer, by, loss):
    weights = layer.state_dict()
    assert list(by) == list(weights)
    for name, array in weights.items():

        def moved(array, name=name):
            layer.load_state_dict(weights | {name: array})
            return loss()

        expected = differences(moved, array)
        layer.load_state_dict(weights)
        np.testing.assert_allclose(by[name], expected, **CLOSE, err_msg=name)


# ---- torch's equations, written out ----


def attended_by_hand(weights, num_heads, query, key, value, allowed, added):
    """torch.nn.MultiheadAttention, batch first, number by number; `allowed` and `added` (B, heads, L, S)."""
    width = query.shape[2] // num_heads
    blocks = {}
    for number, name in enumerate("qkv"):
        rows = slice(number * query.shape[2], (number + 1) * query.shape[2])
        bias = weights["in_proj_bias"][rows] if "in_proj_bias" in weights else 0.0
        blocks[name] = weights["in_proj_weight"][rows], bias
    output = np.zeros_like(query)
    shares = np.zeros((len(query), num_heads, query.shape[1], key.shape[1]))
    for b in range(len(query)):
        q, k, v = (
            x[b] @ blocks[name][0].T + blocks[name][1]
            for name, x in zip("qkv", (query, key, value), strict=True)
        )
        for i in range(len(q)):
            said = np.zeros(query.shape[2])
            for h in range(num_heads):
                own = slice(h * width, (h + 1) * width)
                e = [
                    math.exp(q[i, own] @ k[j, own] / math.sqrt(width) + added[b, h, i, j])
                    if allowed[b, h, i, j]
                    else 0.0
                    for j in range(len(k))
                ]
                total = math.fsum(e)
                shares[b, h, i] = [x / total for x in e]
                for j in range(len(k)):
                    said[own] += shares[b, h, i, j] * v[j, own]
            output[b, i] = weights["out_proj.weight"] @ said + weights.get("out_proj.bias", 0.0)
    return output, shares


def normed_by_hand(x, weight, bias, eps):
    y = np.zeros_like(x)
    for place in np.ndindex(x.shape[:-1]):
        row = x[place].tolist()
        mean = math.fsum(row) / len(row)
        variance = math.fsum((a - mean) ** 2 for a in row) / len(row)
        y[place] = [(a - mean) / math.sqrt(variance + eps) for a in row]
    return y * weight + bias


ACTIVATIONS = {
    "relu": lambda a: a if a > 0 else 0.0,
    "gelu": lambda a: a * 0.5 * (1 + math.erf(a / math.sqrt(2))),
}


def layer_by_hand(weights, x, allowed, activation, norm_first, eps=1e-5):
    """torch.nn.TransformerEncoderLayer without dropout, batch first."""

    def norm(number, x):
        bias = weights.get(f"norm{number}.bias", 0.0)
        return normed_by_hand(x, weights[f"norm{number}.weight"], bias, eps)

    def attended(x):
        own = {n.removeprefix("self_attn."): w for n, w in weights.items() if n.startswith("self_attn.")}
        return attended_by_hand(own, H, x, x, x, allowed, np.zeros(allowed.shape))[0]

    def forwarded(x):
        units = x @ weights["linear1.weight"].T + weights.get("linear1.bias", 0.0)
        units = np.vectorize(ACTIVATIONS[activation])(units)
        return units @ weights["linear2.weight"].T + weights.get("linear2.bias", 0.0)

    if norm_first:
        x = x + attended(norm(1, x))
        return x + forwarded(norm(2, x))
    x = norm(1, x + attended(x))
    return norm(2, x + forwarded(x))


# ---- LayerNorm ----


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5,), (2, 5), (4, 3, 5)])
def test_layer_norm(bias, shape):
    layer = filled(nn.LayerNorm(5, 1e-3, bias=bias, dtype=np.float64))
    x, weights = normal(*shape), layer.state_dict()
    y = layer(x, training=True)
    expected = normed_by_hand(x, weights["weight"], weights.get("bias", 0.0), 1e-3)
    np.testing.assert_allclose(y, expected, **EQUAL)
    dy = normal(*shape, seed=1)
    by = layer.backward(dy)
    np.testing.assert_allclose(by.x, differences(lambda x: (layer(x) * dy).sum(), x), **CLOSE)
    assert_gradients_of_weights(layer, by.weights, lambda: (layer(x) * dy).sum())
    with pytest.raises(RuntimeError, match="training=True"):
        layer.backward(dy)


def test_layer_norm_of_numbers_that_hardly_differ():
    layer = nn.LayerNorm(4)
    x = np.float32([[1e4, 1e4, 1e4, 1e4], [1e4, 1e4 + 1, 1e4, 1e4 + 1]])
    y = layer(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, [[0, 0, 0, 0], [-1, 1, -1, 1]], atol=1e-4)


# ---- MultiheadAttention ----

_BOOL = np.array([[0, 1, 0, 0, 1], [0, 0, 0, 1, 0], [1, 1, 0, 1, 1], [0, 0, 0, 0, 0]], bool)
_PADDING = np.array([[0, 0, 0, 0, 1], [0, 1, 0, 0, 1]], bool)
_PER_HEAD = np.random.default_rng(3).random((B * H, L, S)) < 0.3
_PER_HEAD[:, :, 2] = False  # nobody is left without a key
MASKS = {
    "none": {},
    "padding": {"key_padding_mask": _PADDING},
    "padding as numbers": {"key_padding_mask": np.where(_PADDING, -np.inf, 0.5)},
    "pairs": {"attn_mask": _BOOL},
    "pairs of each head": {"attn_mask": _PER_HEAD},
    "numbers": {"attn_mask": normal(L, S, seed=5)},
    "numbers of each head": {"attn_mask": np.where(_PER_HEAD, -np.inf, normal(B * H, L, S, seed=6))},
    "both": {"attn_mask": _BOOL, "key_padding_mask": _PADDING},
    "both, one in numbers": {"attn_mask": normal(L, S, seed=7), "key_padding_mask": _PADDING},
    "causal": {"is_causal": True},
    "causal and padding": {"is_causal": True, "key_padding_mask": _PADDING},
    "lists": {"attn_mask": _BOOL.tolist(), "key_padding_mask": _PADDING.tolist()},
}
EACH_MASK = pytest.mark.parametrize("masks", MASKS.values(), ids=MASKS)


def by_torchs_meaning(masks):
    """What may be looked at and what is added, (B, H, L, S) each."""
    allowed, added = np.ones((B, H, L, S), bool), np.zeros((B, H, L, S))
    for name, shape in (("key_padding_mask", (B, 1, 1, S)), ("attn_mask", (-1, H, L, S))):
        if name in masks:
            mask = np.asarray(masks[name])
            mask = mask[None, None] if mask.shape == (L, S) else mask.reshape(shape)
            if mask.dtype == bool:
                allowed &= ~mask
            else:
                allowed &= mask != -np.inf
                added += np.where(mask == -np.inf, 0, mask)
    if masks.get("is_causal"):
        allowed &= np.tri(L, S, dtype=bool)
    return allowed, added


@BACKENDS
@EACH_MASK
@pytest.mark.parametrize("bias", [True, False])
def test_attention_is_torchs_equations(backend, masks, bias):
    query, key, value = normal(B, L, E), normal(B, S, E, seed=1), normal(B, S, E, seed=2)
    allowed, added = by_torchs_meaning(masks)
    layer = attention_of(backend=backend, bias=bias, batch_first=True)
    wanted, shares = attended_by_hand(layer.state_dict(), H, query, key, value, allowed, added)
    output, weights = layer(query, key, value, **masks)
    np.testing.assert_allclose(output, wanted, **EQUAL)
    np.testing.assert_allclose(weights, shares.mean(axis=1), **EQUAL)
    _, weights = layer(query, key, value, average_attn_weights=False, **masks)
    np.testing.assert_allclose(weights, shares, **EQUAL)
    time_first = attention_of(backend=backend, bias=bias)
    turned = (x.swapaxes(0, 1) for x in (query, key, value))
    output, weights = time_first(*turned, need_weights=False, **masks)
    assert weights is None
    np.testing.assert_allclose(output.swapaxes(0, 1), wanted, **EQUAL)


@BACKENDS
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("masks", ["none", "both", "numbers of each head", "causal and padding"])
def test_gradients_of_attention_are_finite_differences(backend, batch_first, bias, masks):
    layer = attention_of(backend=backend, batch_first=batch_first, bias=bias)
    given = [normal(B, L, E), normal(B, S, E, seed=1), normal(B, S, E, seed=2)]
    given = given if batch_first else [np.ascontiguousarray(x.swapaxes(0, 1)) for x in given]
    output, _ = layer(*given, training=True, **MASKS[masks])
    dy = normal(*output.shape, seed=3)
    by = layer.backward(dy)

    def loss(given=given):
        return (layer(*given, need_weights=False, **MASKS[masks])[0] * dy).sum()

    for place in range(3):

        def moved(x, place=place):
            return loss([*given[:place], x, *given[place + 1 :]])

        np.testing.assert_allclose(by.x[place], differences(moved, given[place]), **CLOSE)
    assert_gradients_of_weights(layer, by.weights, loss)
    with pytest.raises(RuntimeError, match="training=True"):
        layer.backward(dy)


@BACKENDS
def test_ignored_keys_have_no_influence_whatever_they_hold(backend):
    layer = attention_of(backend=backend, batch_first=True)
    query, key, value = normal(B, L, E), normal(B, S, E, seed=1), normal(B, S, E, seed=2)
    output, _ = layer(query, key, value, key_padding_mask=_PADDING)
    shorter, _ = layer(query[:1], key[:1, :4], value[:1, :4])
    np.testing.assert_allclose(output[:1], shorter, **EQUAL)
    key[_PADDING] = value[_PADDING] = np.nan
    strange, _ = layer(query, key, value, key_padding_mask=_PADDING)
    np.testing.assert_array_equal(strange, output)


@BACKENDS
def test_a_query_without_keys_gets_the_last_bias(backend):
    layer = attention_of(backend=backend, batch_first=True)
    x = normal(1, L, E)
    output, weights = layer(x, x, x, key_padding_mask=np.ones((1, L), bool), training=True)
    np.testing.assert_array_equal(output, np.broadcast_to(layer.state_dict()["out_proj.bias"], x.shape))
    assert not weights.any()
    by = layer.backward(np.ones_like(x))
    assert not any(part.any() for part in by.x)
    assert not by.weights["in_proj_weight"].any()


def test_first_weights_are_those_of_torch():
    weights = nn.MultiheadAttention(64, 4, rng=0).state_dict()
    assert {name: w.shape for name, w in weights.items()} == {
        "in_proj_weight": (192, 64),
        "in_proj_bias": (192,),
        "out_proj.weight": (64, 64),
        "out_proj.bias": (64,),
    }
    for name, bound in (("in_proj_weight", math.sqrt(6 / 256)), ("out_proj.weight", 1 / 8)):
        assert 0.99 * bound < np.abs(weights[name]).max() <= bound
    assert not weights["in_proj_bias"].any()
    assert not weights["out_proj.bias"].any()


# ---- TransformerEncoderLayer ----

KINDS = [
    {"norm_first": norm_first, "activation": activation, "batch_first": batch_first, "bias": bias}
    for norm_first, activation, batch_first, bias in [
        (False, "relu", False, True),
        (False, "gelu", True, True),
        (True, "relu", True, False),
        (True, "gelu", False, True),
    ]
]
EACH_KIND = pytest.mark.parametrize("options", KINDS, ids=str)
_SRC_PADDING = np.array([[0, 0, 0, 0], [0, 0, 1, 1]], bool)


def src_of(options, dtype=np.float64):
    x = normal(B, L, E).astype(dtype)
    return x if options["batch_first"] else np.ascontiguousarray(x.swapaxes(0, 1))


@BACKENDS
@EACH_KIND
def test_a_layer_is_torchs_equations(backend, options):
    layer, x = layer_of(backend=backend, **options), src_of(options)
    forbidden = ~np.tri(L, dtype=bool)
    for masks, allowed in [
        ((), np.ones((B, H, L, L), bool)),
        ((forbidden,), np.broadcast_to(~forbidden, (B, H, L, L))),
        ((None, _SRC_PADDING), np.broadcast_to(~_SRC_PADDING[:, None, None], (B, H, L, L))),
        ((None, _SRC_PADDING, True), ~forbidden & ~_SRC_PADDING[:, None, None] & np.ones((1, H, 1, 1), bool)),
    ]:
        y = layer(x, *masks)
        y = y if options["batch_first"] else y.swapaxes(0, 1)
        kind = options["activation"], options["norm_first"]
        wanted = layer_by_hand(layer.state_dict(), normal(B, L, E), allowed, *kind)
        np.testing.assert_allclose(y, wanted, **EQUAL)


@BACKENDS
@EACH_KIND
def test_gradients_of_a_layer_are_finite_differences(backend, options):
    layer, x = layer_of(backend=backend, **options), src_of(options)
    masks = {"src_key_padding_mask": _SRC_PADDING, "is_causal": True}
    dy = normal(*x.shape, seed=4)
    layer(x, training=True, **masks)
    by = layer.backward(dy)

    def loss(x=x):
        return (layer(x, **masks) * dy).sum()

    np.testing.assert_allclose(by.x, differences(lambda moved: loss(moved), x), **CLOSE)
    assert_gradients_of_weights(layer, by.weights, loss)
    with pytest.raises(RuntimeError, match="training=True"):
        layer.backward(dy)


@pytest.mark.parametrize("norm_first", [True, False])
def test_gradients_with_dropout(norm_first):
    layer, x = layer_of(dropout=0.4, norm_first=norm_first), normal(L, B, E)
    dy = normal(L, B, E, seed=4)

    def loss(x):  # a copy that was never called drops what the first call of the layer drops
        return (pickle.loads(pristine)(x, training=True) * dy).sum()

    pristine = pickle.dumps(layer)
    first = layer(x, training=True)
    np.testing.assert_allclose(layer.backward(dy).x, differences(loss, x), **CLOSE)
    assert (layer(x, training=True) != first).any()
    np.testing.assert_array_equal(layer(x), layer_of(norm_first=norm_first)(x))


@EACH_KIND
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_backends_are_equal(options, dtype):
    x, answers = src_of(options, dtype), []
    for backend in ("rust", "reference"):
        layer = layer_of(backend=backend, dtype=dtype, **options)
        y = layer(x, None, _SRC_PADDING, training=True)
        by = layer.backward(np.cos(np.arange(y.size)).reshape(y.shape).astype(dtype))
        answers.append([y, by.x, *by.weights.values()])
    for rust, reference in zip(*answers, strict=True):
        assert rust.dtype == reference.dtype == dtype
        scale = max(1, np.abs(reference).max())  # some hundred units of the last place
        np.testing.assert_allclose(rust, reference, rtol=0, atol=500 * np.finfo(dtype).eps * scale)


def test_threads_change_no_bit():
    x, found = normal(9, 3, E).astype(np.float32), []
    for n_jobs in (1, 3):
        layer = layer_of(dtype=np.float32, n_jobs=n_jobs)
        y = layer(x, training=True)
        found.append([y, *layer.backward(y).weights.values()])
    for one, three in zip(*found, strict=True):
        np.testing.assert_array_equal(one, three)


# ---- positions ----


def test_positions():
    for length, d in ((7, 6), (4, 5), (1, 1)):
        wanted = np.zeros((length, d))
        for t in range(length):
            for c in range(d):
                angle = t / 10000 ** (2 * (c // 2) / d)
                wanted[t, c] = math.cos(angle) if c % 2 else math.sin(angle)
        found = nn.sinusoidal_positions(length, d, dtype=np.float64)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-14)
        assert nn.sinusoidal_positions(length, d).dtype == np.float32
    positions = nn.sinusoidal_positions(50, 16, dtype=np.float64)
    products = positions @ positions.T
    for apart in range(50):  # a product tells how far two positions are apart, and nothing else
        assert np.ptp(np.diagonal(products, apart)) < 1e-12


@BACKENDS
@pytest.mark.parametrize("norm_first", [True, False])
def test_permuted_inputs_give_permuted_outputs_unless_positions_are_added(backend, norm_first):
    layers = [layer_of(backend=backend, norm_first=norm_first, batch_first=True, rng=k) for k in (1, 2)]
    x, order = normal(B, L, E), np.array([2, 0, 3, 1])

    def encoded(x):
        return layers[1](layers[0](x))

    np.testing.assert_allclose(encoded(x[:, order]), encoded(x)[:, order], **EQUAL)
    positions = nn.sinusoidal_positions(L, E, dtype=np.float64)
    assert np.abs(encoded(x[:, order] + positions) - encoded(x + positions)[:, order]).max() > 0.01


@BACKENDS
def test_no_input_looks_at_later_ones(backend):
    layer, x = layer_of(backend=backend), normal(L, B, E)
    changed = x.copy()
    changed[2] += 1.0
    for masks in ({"is_causal": True}, {"src_mask": np.triu(np.ones((L, L), bool), 1)}):
        y, other = layer(x, **masks), layer(changed, **masks)
        np.testing.assert_allclose(y[:2], other[:2], **EQUAL)
        assert (np.abs(y[2:] - other[2:]).max(axis=2) > 1e-3).all()


# ---- weights ----

NAMES = [
    "self_attn.in_proj_weight",
    "self_attn.in_proj_bias",
    "self_attn.out_proj.weight",
    "self_attn.out_proj.bias",
    "linear1.weight",
    "linear1.bias",
    "linear2.weight",
    "linear2.bias",
    "norm1.weight",
    "norm1.bias",
    "norm2.weight",
    "norm2.bias",
]


def test_names_and_round_trip():
    layer, other, x = layer_of(), layer_of(rng=5), normal(L, B, E)
    assert list(layer.state_dict()) == NAMES
    assert list(layer_of(bias=False).state_dict()) == [name for name in NAMES if "bias" not in name]
    assert (other(x) != layer(x)).any()
    other.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(other(x), layer(x))
    again = pickle.loads(pickle.dumps(layer))
    np.testing.assert_array_equal(again(x), layer(x))
    for known in (layer, other, again, attention_of(), nn.LayerNorm(3)):
        assert not any(array.flags.writeable for array in known.state_dict().values())


def test_weights_that_do_not_fit_are_refused_by_name():
    layer = layer_of()
    weights, before = layer.state_dict(), layer(normal(L, B, E))
    wrong = {
        r"norm2\.bias is missing": {k: w for k, w in weights.items() if k != "norm2.bias"},
        r"self_attn\.q_proj_weight is not expected": weights | {"self_attn.q_proj_weight": np.eye(E)},
        r"take the prefix 'layers\.0\.' off": {f"layers.0.{k}": w for k, w in weights.items()},
        r"self_attn\.in_proj_weight has shape \(6, 18\), which is transposed": weights
        | {"self_attn.in_proj_weight": np.ones((E, 3 * E))},
        r"linear1\.bias\[3\]=nan": weights | {"linear1.bias": np.where(np.arange(7) == 3, np.nan, 0.0)},
    }
    for says, given in wrong.items():
        with pytest.raises(ValueError, match=says):
            layer.load_state_dict(given)
    np.testing.assert_array_equal(layer(normal(L, B, E)), before)


def test_adam_trains_a_layer():
    layer, x = nn.TransformerEncoderLayer(E, H, 16, rng=0, norm_first=True), normal(L, B, E)
    x, wanted = x.astype(np.float32), np.roll(x, 1, axis=0).astype(np.float32)
    adam, losses = nn.Adam({"layer": layer}, 0.01), []
    for _ in range(150):
        away = layer(x, training=True) - wanted
        losses.append(float((away**2).mean()))
        adam.step({"layer": layer.backward(2 * away / away.size).weights})
    assert losses[-1] < 0.1 * losses[0]


def test_repr():
    assert repr(nn.MultiheadAttention(4, 2, batch_first=True)) == "MultiheadAttention(4, 2, batch_first=True)"
    layer = nn.TransformerEncoderLayer(4, 2, 8, activation="gelu", norm_first=True, backend="reference")
    assert repr(layer) == (
        "TransformerEncoderLayer(4, 2, 8, activation='gelu', norm_first=True, backend='reference')"
    )
    assert repr(nn.LayerNorm(3)) == "LayerNorm(3, eps=1e-05, bias=True)"
