"""Skip-gram: the laws, Levy and Goldberg's limit, and the ends of the scale, on both panels."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array
from walk_graphs import p_value

from diptych import _rust, kernels, reference, testing
from diptych.kernels import _training

UNLIKELY = 1e-6  # seeds are fixed: a right implementation passes always or, once in a million, never

KARATE = Path(__file__).parents[1] / "oracles" / "karate.json"
NAMES = [
    "window_pairs",
    "noise_distribution",
    "negative_samples",
    "sgns_loss",
    "sgns_gradients",
    "train",
]


@pytest.fixture(scope="module")
def karate():
    edges = np.array(json.loads(KARATE.read_text())["edges"])
    both = np.concatenate([edges, edges[:, ::-1]])
    return csr_array((np.ones(len(both)), both.T), shape=(34, 34))


@pytest.mark.parametrize("name", NAMES)
def test_laws(panel, name):
    function = getattr(panel.skipgram, name)
    report = testing.check(function, f"skipgram.{name}", seed=1, examples=20, strict=True, timeout=60)
    assert report.passed, str(report)
    assert {law.status for law in report.laws} == {"holds"}, str(report)


def test_scores_tend_to_shifted_pointwise_mutual_information(panel, karate):
    # Levy and Goldberg (2014): v · c tends to log(#(v, c) / (#(v) · K · P(c))) when d >= n.
    walks = reference.walks.random_walks(karate, walk_length=20, walks_per_node=1, rng=1)
    centers, inputs = panel.skipgram.window_pairs(walks, window=2, shrink=False)
    pairs, K = np.zeros((34, 34)), 5
    np.add.at(pairs, (inputs, centers), 1)
    P = panel.skipgram.noise_distribution(np.bincount(walks.ravel(), minlength=34))
    options = {"n_nodes": 34, "dimensions": 34, "window": 2, "negative": K, "shrink": False, "rng": 3}
    model = panel.skipgram.train(walks, epochs=300, learning_rate=0.05, **options)
    seen = pairs > 0
    scores = (model.vectors @ model.contexts.T)[seen]
    of_v = pairs.sum(1, keepdims=True)
    assert np.corrcoef(scores, np.log(pairs[seen] / (of_v * K * P)[seen]))[0, 1] > 0.99
    # Draws of the middle node are dropped, which leaves it #(v) − #(v, c) chances to be a negative of v.
    limit = np.log(pairs[seen] / ((of_v - pairs) * K * P)[seen])
    assert np.abs(scores - limit).mean() < 0.1
    assert 0.98 < np.polyfit(limit, scores, 1)[0] < 1.05


def test_scores_tend_to_it_where_pairs_learn_together():
    # As above, on a graph without hubs: eight walks at a time, ten pairs. Only the kernel is quick enough.
    if _rust.simd_path() == "portable":
        pytest.skip("takes minutes without wide instructions; its bits are those of the other paths")
    offsets = np.array([1, 2, 5, 12, 31])
    u = np.arange(120)
    v = (u[:, None] + offsets) % 120
    half = csr_array((np.ones(v.size), (u.repeat(5), v.ravel())), shape=(120, 120))
    walks = reference.walks.random_walks(half + half.T, walk_length=80, walks_per_node=20, rng=0)
    visits = np.bincount(walks.ravel(), minlength=120)
    assert reference.skipgram.at_once(len(walks), visits) == (_training.BATCH, _training.SHARE)
    centers, inputs = kernels.skipgram.window_pairs(walks, window=2, shrink=False)
    pairs = np.zeros((120, 120))
    np.add.at(pairs, (inputs, centers), 1)
    options = {"n_nodes": 120, "dimensions": 128, "window": 2, "negative": 1, "shrink": False, "rng": 0}
    model = kernels.skipgram.train(walks, epochs=200, learning_rate=0.05, **options)
    seen, P = pairs > 0, kernels.skipgram.noise_distribution(visits)
    limit = np.log(pairs[seen] / (pairs.sum(1, keepdims=True) * P)[seen])
    assert np.corrcoef((model.vectors @ model.contexts.T)[seen], limit)[0, 1] > 0.99


def test_pair_by_pair_is_a_step_against_the_gradients(panel, monkeypatch):
    module = reference.skipgram if panel.name == "reference" else _training
    monkeypatch.setattr(module, "BATCH", 1)
    monkeypatch.setattr(module, "SHARE", 1)
    monkeypatch.setattr(module, "POOL", 10_000)
    rng = np.random.default_rng(0)
    V, C = rng.normal(size=(2, 4, 3)).astype(np.float32)
    # Node 3 alone is visited often enough to be drawn, so every negative is known.
    walks = np.array([[0, 1, 2], [3, -1, -1], [3, -1, -1], [3, -1, -1]])
    model = panel.skipgram.train(
        walks, n_nodes=4, dimensions=3, window=2, negative=2, exponent=400, shrink=False, learning_rate=0.1,
        min_learning_rate=0.1, initial=(V, C), rng=0,
    )  # fmt: skip
    V, C = V.astype(float), C.astype(float)
    for target, v in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]:
        step = panel.skipgram.sgns_gradients(V[v], C[target], C[[3, 3]])
        V[v] -= 0.1 * step.center
        C[target] -= 0.1 * step.positive
        C[3] -= 0.1 * step.negatives.sum(0)
    np.testing.assert_allclose(model.vectors, V, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.contexts, C, rtol=1e-5, atol=1e-6)


def test_negatives_follow_a_noise_of_hundreds_of_nodes(panel):
    P = panel.skipgram.noise_distribution(np.random.default_rng(3).integers(0, 40, size=300))
    draws = panel.skipgram.negative_samples(P, 600_000, rng=4)
    assert p_value(np.bincount(draws, minlength=300), P) > UNLIKELY


def test_the_default_settings_are_stable_on_a_small_graph(panel, karate):
    # With 8 walks of a batch on copies, whatever the graph, the changes of a hub add up to a step that is too
    # long, and training diverges: hence VISITS.
    walks = reference.walks.random_walks(karate, walk_length=80, walks_per_node=2, rng=1)
    model = panel.skipgram.train(walks, n_nodes=34, dimensions=32, epochs=12, rng=3)
    assert model.losses[-1] < model.losses[0]


def test_windows_of_pairs_are_those_of_training(panel):
    # Vectors 0, contexts 1, no negatives: to first order each pair moves its input by rate / 2.
    walks = np.random.default_rng(1).integers(0, 9, size=(5, 30))
    tables, rate = (np.zeros((9, 1)), np.ones((9, 1))), 2.0**-16
    model = panel.skipgram.train(
        walks, n_nodes=9, dimensions=1, negative=0, window=4, learning_rate=rate, min_learning_rate=rate,
        initial=tables, rng=5,
    )  # fmt: skip
    inputs = panel.skipgram.window_pairs(walks, window=4, rng=5)[1]
    learnt = model.vectors[:, 0] / (rate / 2)
    np.testing.assert_allclose(learnt, np.bincount(inputs, minlength=9), atol=0.4)


def test_a_vocabulary_of_one_ends(panel):
    model = panel.skipgram.train([[0, 0, 0, 0]], n_nodes=1, dimensions=4, negative=20, epochs=3, rng=0)
    assert np.isfinite(model.vectors).all()
    assert (model.losses > 0).all()


def test_a_rate_that_diverges_is_named(panel):
    with pytest.raises(FloatingPointError, match=r"epoch \d+.*rate of [\d.e+]+: lower learning_rate"):
        panel.skipgram.train([[0, 1] * 20] * 10, n_nodes=2, dimensions=4, epochs=50, learning_rate=1e6, rng=0)


def test_results_are_owned_arrays(panel):
    model = panel.skipgram.train([[0, 1, 2]], n_nodes=5, dimensions=3, epochs=2, rng=0)
    arrays = [*model, *panel.skipgram.window_pairs([[0, 1]], rng=0), panel.skipgram.noise_distribution([1])]
    kinds = [np.float32, np.float32, np.float64, np.int64, np.int64, np.float64]
    assert [a.dtype for a in arrays] == kinds
    assert [a.shape for a in arrays] == [(5, 3), (5, 3), (2,), (2,), (2,), (1,)]
    assert all(a.flags.c_contiguous and a.flags.writeable for a in arrays)
    assert type(model).__name__ == "SkipGram"
    assert type(panel.skipgram.sgns_gradients([1.0], [1.0], [[1.0]])).__name__ == "SGNSGradients"


def test_a_generator_moves_on(panel):
    generator, options = np.random.default_rng(4), {"n_nodes": 3, "dimensions": 2}
    first, second = (panel.skipgram.train([[0, 1, 2]], rng=generator, **options) for _ in range(2))
    assert (first.vectors != second.vectors).any()
    again = panel.skipgram.train([[0, 1, 2]], rng=np.random.default_rng(4), **options)
    np.testing.assert_array_equal(first.vectors, again.vectors)


def test_begins_with_small_vectors_and_no_contexts(panel):
    model = panel.skipgram.train([[0, 1]], n_nodes=300, dimensions=10, epochs=0, rng=1)
    assert not model.contexts.any()
    assert 0.0999 < np.abs(model.vectors).max() <= 0.1  # 1 / dimensions
    assert abs(model.vectors.mean()) < 6 * 0.1 / np.sqrt(3 * 3000)
