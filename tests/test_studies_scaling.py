"""The study scaling: what it measures is so, and its law can break in each part."""

from __future__ import annotations

import functools
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from diptych import studies
from diptych.studies import _scaling_tagger as taggers
from study_answers import answer

module = import_module("diptych.studies.scaling")  # the package has the function by that name


@pytest.fixture(scope="module")
def result():
    return answer("scaling")


@pytest.fixture(name="right")
def _right(result):
    return module._Answer(result.display.scores, result.display.scaled, result.display.trained)


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def test_the_jacobian_is_that_of_softmax():
    z = np.random.default_rng(0).normal(size=6)
    J = module.softmax_jacobian(softmax(z))
    steps = [(softmax(z + h) - softmax(z - h)) / 2e-6 for h in 1e-6 * np.eye(6)]
    np.testing.assert_allclose(J, np.array(steps).T, rtol=0, atol=1e-9)
    np.testing.assert_allclose(J.sum(axis=0), 0, atol=1e-16)


def test_the_jacobian_does_not_cancel():
    """p = (1 − ε, ε) with ε far below rounding: J = ε (1, −1)(1, −1)ᵀ."""
    ε = 1e-30
    np.testing.assert_allclose(module.softmax_jacobian(np.array([1.0, ε])), ε * np.array([[1, -1], [-1, 1]]))


@pytest.mark.parametrize("s", [1.0, 0.1])
def test_quartiles_are_those_of_each_query(s):
    generator = np.random.default_rng(3)
    d, n = 9, 5
    q, K = generator.normal(size=(n, d)), generator.normal(size=(n, module.KEYS, d))
    expected = []
    for query, keys in zip(q, K, strict=True):
        p = softmax(s * keys @ query)
        J = np.diag(p) - np.outer(p, p)
        by_query = [
            (softmax(s * keys @ (query + h)) - softmax(s * keys @ (query - h))) / 2e-6
            for h in 1e-6 * np.eye(d)
        ]
        expected.append([-(p * np.log(p)).sum(), np.linalg.norm(J, 2), np.linalg.norm(np.array(by_query), 2)])
    products = np.einsum("nkd,nd->nk", K, q)
    found = module._quartiles(products, K @ K.swapaxes(1, 2), s)
    np.testing.assert_allclose(found, np.quantile(expected, (0.25, 0.5, 0.75), axis=0).T, rtol=1e-6)


def test_the_errors_of_mean_and_variance_are_those_of_many_trials():
    generator = np.random.default_rng(0)
    trials = [module._scores(module._draw(generator, 20, 4)[0], 4) for _ in range(400)]
    for what in ("mean", "variance"):
        spread = np.std([getattr(trial, what) for trial in trials])
        assert spread == pytest.approx(getattr(trials[0], f"{what}_error"), rel=0.15)


def test_uniform_and_settled(right):
    """Gradients of a uniform p are known, and so is the entropy under normal scores of variance 1."""
    for scale in ("1/d", "1/d²"):
        assert right.scaled[scale].median("entropy") == pytest.approx(np.log(64), rel=1e-3)
        assert right.scaled[scale].median("by_scores") == pytest.approx(1 / 64, rel=0.06)
    normal = np.random.default_rng(0).normal(size=(2000, 64))
    p = np.array([softmax(z) for z in normal])
    usual = np.median(-(p * np.log(p)).sum(axis=1))
    assert right.scaled["1/√d"].median("entropy") == pytest.approx(usual, abs=0.05)
    ratio = right.scaled["1/d²"].median("by_query") / right.scaled["1/d²"].median("by_query", 1024)
    assert ratio == pytest.approx(4 ** (-3 / 2), rel=0.2)


def test_the_error_of_a_median():
    generator = np.random.default_rng(1)
    trials = np.quantile(generator.normal(size=(2000, 50)), (0.25, 0.5, 0.75), axis=1).T
    columns = np.zeros((13, 3))
    columns[0] = trials.mean(axis=0)
    found = module.Scaled("1", 50, columns, columns, columns).error_of_median("entropy", 1)
    assert found == pytest.approx(trials[:, 1].std(), rel=0.05)


@pytest.mark.parametrize("rng", [1, 2])
def test_what_is_measured_of_draws_does_not_hang_on_the_seed(rng):
    found = module._Answer(*module._untrained(100, rng), {})
    assert found.variance_grows
    assert found.entropy_goes_both_ways
    assert found.gradients_vanish_where_they_do
    assert found.scaled["1"].largest("by_scores") in (16, 32)
    assert found.scaled["1"].largest("by_query") in (32, 64)


def test_where_the_gradient_is_largest_without_scaling(result):
    unscaled = result.display.scaled["1"]
    assert result.numbers["‖∂p/∂z‖,_scale_1:_largest_at_d"] == unscaled.largest("by_scores") == 32
    assert result.numbers["‖∂p/∂q‖,_scale_1:_largest_at_d"] == unscaled.largest("by_query") == 64
    for what in ("by_scores", "by_query"):
        medians = [unscaled.median(what, d) for d in module.DIMENSIONS]
        top = medians.index(max(medians))
        assert medians[: top + 1] == sorted(medians[: top + 1])
        assert medians[top:] == sorted(medians[top:], reverse=True)


# ---- taggers ----


def test_evenness_is_that_of_known_rows():
    rows = np.array([[0.25, 0.25, 0.25, 0.25], [1, 0, 0, 0], [0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(taggers.evenness(rows), [1, 0, 0.5])


@pytest.mark.parametrize(("scale", "power"), [("1", 0.0), ("1/d", -1.0)])
def test_the_scale_is_all_that_differs(scale, power, monkeypatch):
    """Scores under one scale are those under another, times their ratio; weights begin alike."""
    monkeypatch.setattr(taggers, "RATE", 1e-12)  # as good as untrained
    made = []
    usual = taggers._Tagger.evenness
    monkeypatch.setattr(taggers._Tagger, "evenness", lambda self: made.append(self) or usual(self))
    taggers.train({"1/√d": -0.5, scale: power}, 20, 0, epochs=1)
    one, other = (tagger._fitted_network.layers["encoder"] for tagger in made)
    for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-8)
    x = np.random.default_rng(0).normal(size=(7, 1, taggers.WIDTH)).astype(np.float32)
    scores = [np.log(encoder.attention_weights(x)[0].astype(np.float64)) for encoder in (one, other)]
    differences = [z - z[..., :1] for z in scores]  # softmax leaves differences
    np.testing.assert_allclose(
        differences[1], differences[0] * taggers.WIDTH ** (power + 0.5), rtol=1e-3, atol=1e-3
    )


def test_taggers_are_trained_and_looked_at(right):
    for found in right.trained.values():
        assert found.losses.shape == (taggers.EPOCHS,)
        assert found.losses[-1] < 0.2 * found.losses[0]
        assert 0.6 < found.f1 <= 1
        assert 0 <= found.after <= 1
    assert right.trained["1"].after < 0.5 * right.trained["1/√d"].after
    assert right.trained["1/√d"].f1 > right.trained["1/d²"].f1 + 0.1


# ---- the answer ----


def test_the_law_breaks_with_each_of_its_parts(right):
    def changed(scale, what, values):
        broken = replace(right.scaled[scale], **{what: np.broadcast_to(values, (13, 3))})
        return replace(right, scaled=right.scaled | {scale: broken})

    assert right.variance_grows
    assert right.entropy_goes_both_ways
    assert right.gradients_vanish_where_they_do
    assert right.training_tells_them_apart
    last = right.scores[-1]
    for wrong in (replace(last, variance=0.9 * last.d), replace(last, mean=5.0)):
        assert not replace(right, scores=(*right.scores[:-1], wrong)).variance_grows
    for scale in module.SCALES:
        assert not changed(scale, "entropy", 2.0).entropy_goes_both_ways
        ends = 1e-4 if scale == "1/√d" else 0.5  # vanishes where it should stay, or the other way round
        wrong = np.geomspace(1, ends, 13)[:, None]
        assert not changed(scale, "by_query", wrong).gradients_vanish_where_they_do
    assert not changed("1", "by_scores", 0.1).gradients_vanish_where_they_do
    assert not changed("1/d", "by_scores", 0.1).gradients_vanish_where_they_do


def test_the_law_breaks_with_each_part_of_what_was_trained(right):
    def changed(scale, **change):
        return replace(right, trained=right.trained | {scale: replace(right.trained[scale], **change)})

    for scale in ("1", "1/d", "1/d²"):
        assert not changed(scale, losses=np.zeros(1)).training_tells_them_apart
        assert not changed("1/√d", losses=np.ones(1)).training_tells_them_apart
        assert not changed(scale, losses=np.ones(1)).training_tells_them_apart or scale == "1/d²"
    assert not changed("1/√d", f1=0.8).training_tells_them_apart
    assert not changed("1/d²", f1=0.95).training_tells_them_apart
    for scale in ("1/√d", "1/d", "1/d²"):
        assert not changed(scale, before=0.0).training_tells_them_apart
        assert not changed(scale, after=0.0).training_tells_them_apart
    assert not changed("1/d²", after=0.9).training_tells_them_apart


def test_the_same_run_gives_the_same_numbers(monkeypatch):
    monkeypatch.setattr(module, "train", functools.partial(taggers.train, epochs=1))
    first = studies.scaling(20, n_sentences=20)
    assert not first.holds  # nothing is learnt from so few
    assert studies.scaling(20, n_sentences=20).numbers == first.numbers
    assert studies.scaling(20, n_sentences=20, rng=1).numbers != first.numbers


def test_pictures(result, tmp_path):
    display = result.display.plot()
    assert set(display.axes_) == {"scores", "entropy", "by_scores", "by_query", "losses", "trained"}
    heights = [bar.get_height() for bar in display.axes_["trained"].patches]
    trained = display.trained.values()
    assert heights == [found.f1 for found in trained] + [found.after for found in trained]
    for line, found in zip(display.axes_["losses"].lines, trained, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), found.losses)
    for what in ("entropy", "by_scores", "by_query"):
        drawn = [line.get_ydata() for line in display.axes_[what].lines[:4]]
        for line, scaled in zip(drawn, display.scaled.values(), strict=True):
            np.testing.assert_array_equal(line, getattr(scaled, what)[:, 1])
    display.animate(str(tmp_path / "growing.gif"))
    assert (tmp_path / "growing.gif").read_bytes().startswith(b"GIF89a")


@pytest.mark.parametrize("n", [19, 0, 20.5])
def test_too_few_queries(n):
    with pytest.raises(ValueError, match=f"n_queries={n}"):
        studies.scaling(n)


def test_too_few_sentences():
    with pytest.raises(ValueError, match="n_sentences=0"):
        studies.scaling(n_sentences=0)
