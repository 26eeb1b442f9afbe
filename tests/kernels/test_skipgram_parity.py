"""Rust equals the reference: the same draws; vectors to a tolerance; any number of threads, bit for bit."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from simd_paths import available_paths

from diptych.kernels import _training


@st.composite
def corpora(draw):
    """Walks with -1 after their ends, and the number of nodes."""
    n, length = draw(st.integers(1, 20)), draw(st.integers(1, 12))
    held = draw(st.lists(st.integers(0, length), min_size=0, max_size=20))
    seed = draw(st.integers(0, 2**32))
    walks = np.random.default_rng(seed).integers(0, n, size=(len(held), length), dtype=np.int32)
    walks[np.arange(length) >= np.array(held, dtype=int)[:, None]] = -1
    return walks, n + draw(st.integers(0, 3))


@given(corpora(), st.integers(1, 15), st.booleans(), st.integers(0, 2**40))
def test_pairs_are_equal(both_panels, corpus, window, shrink, seed):
    found = [
        panel.skipgram.window_pairs(corpus[0], window=window, shrink=shrink, rng=seed)
        for panel in both_panels
    ]
    np.testing.assert_array_equal(*found)


@given(
    st.lists(st.sampled_from([0.0, 1.0, 2.0, 7.0, 1e5, 1e300]), min_size=1, max_size=30).filter(any),
    st.sampled_from([-3.0, -0.5, 0.0, 0.5, 0.75, 1.0, 4.0]),
)
def test_noise_and_negatives_are_equal(both_panels, counts, exponent):
    reference, rust = (p.skipgram.noise_distribution(counts, exponent=exponent) for p in both_panels)
    np.testing.assert_allclose(rust, reference, rtol=1e-14)
    draws = [p.skipgram.negative_samples(reference, 500, rng=3) for p in both_panels]
    np.testing.assert_array_equal(*draws)


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=60).filter(any),
    st.sampled_from([-1.0, 0.3, 0.5, 0.75, 1.0]),
)
@example(
    [5, 8, 2, 2, 5, 8], 0.75
)  # NumPy's power differs from C's in the last bit, and every sixth draw with it
def test_each_panel_draws_the_same_from_noise_of_its_own(both_panels, counts, exponent):
    noise = [panel.skipgram.noise_distribution(counts, exponent=exponent) for panel in both_panels]
    np.testing.assert_array_equal(*noise)
    draws = [p.skipgram.negative_samples(P, 100, rng=3) for p, P in zip(both_panels, noise, strict=True)]
    np.testing.assert_array_equal(*draws)


@given(st.integers(1, 40), st.integers(0, 6), st.sampled_from([1e-3, 1.0, 100.0]), st.integers(0, 2**32))
def test_loss_and_gradients_are_equal(both_panels, d, K, scale, seed):
    rows = np.random.default_rng(seed).normal(scale=scale, size=(K + 2, d))
    pair = rows[0], rows[1], rows[2:]
    a, b = (panel.skipgram.sgns_loss(*pair) for panel in both_panels)
    assert a == pytest.approx(b, rel=1e-12, abs=1e-300)
    for x, y in zip(*(panel.skipgram.sgns_gradients(*pair) for panel in both_panels), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-13 * scale)


def agree(both_panels, walks, **options):
    """Train in both panels, and with 1, 2 and 3 threads."""
    reference, rust = (panel.skipgram for panel in both_panels)
    expected = reference.train(walks, **options)
    one, *more = (rust.train(walks, n_jobs=jobs, **options) for jobs in (1, 2, 3))
    for other in more:
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    for name in ("vectors", "contexts"):
        a, b = getattr(one, name), getattr(expected, name)
        assert np.abs(a - b).max(initial=0) <= 1e-4 * np.abs(b).max(initial=1e-30), name
    np.testing.assert_allclose(one.losses, expected.losses, rtol=1e-4)


@settings(max_examples=60)
@given(corpora(), st.integers(1, 20), st.integers(1, 8), st.integers(0, 7), st.integers(0, 2), st.booleans())
def test_small_corpora(both_panels, corpus, dimensions, window, negative, epochs, shrink):
    walks, n = corpus
    agree(
        both_panels, walks, n_nodes=n, dimensions=dimensions, window=window, negative=negative, epochs=epochs,
        shrink=shrink, rng=dimensions,
    )  # fmt: skip


@pytest.mark.parametrize("dimensions", [1, 15, 16, 17, 31, 33, 64, 128, 129])
@pytest.mark.parametrize("n_walks", [1, 7, 8, 9, 25])
def test_sizes_about_every_block(both_panels, n_walks, dimensions):
    walks = np.random.default_rng([n_walks, dimensions]).integers(0, 300, size=(n_walks, 20))
    agree(both_panels, walks, n_nodes=301, dimensions=dimensions, epochs=2, rng=1)


@pytest.mark.parametrize("window", [4, 5, 6, 10, 11, 16, 33])
def test_windows_of_more_than_one_group(both_panels, window):
    walks = np.random.default_rng(window).permuted(np.tile(np.arange(160), (3, 1)), axis=1)[:, :80]
    visits = np.bincount(walks.ravel(), minlength=160)
    assert both_panels[0].skipgram.at_once(len(walks), visits)[1] == _training.SHARE
    agree(both_panels, walks, n_nodes=160, dimensions=8, window=window, shrink=False, rng=2)


@pytest.mark.parametrize("negative", [0, 1, 5, 7, 249, 250, 251, 950])
def test_walks_around_the_pool_of_negatives(both_panels, negative):
    walks = np.random.default_rng(negative).integers(0, 400, size=(2, 41))
    # Hundreds of negatives drawn from the 80 nodes of two walks: short steps, lest rounding be compared.
    options = {"window": 17, "negative": negative, "learning_rate": 0.2 / (1 + negative)}
    agree(both_panels, walks, n_nodes=400, dimensions=8, rng=4, **options)


@pytest.mark.parametrize("length", [79, 80, 81, 160, 161, 250])
def test_stretches_of_a_walk_with_pools_of_their_own(both_panels, length):
    walks = np.random.default_rng(length).integers(0, 600, size=(2, length))
    agree(both_panels, walks, n_nodes=600, dimensions=8, window=3, rng=6)


@pytest.mark.parametrize("hub_share", [0.9, 0.5, 0.3, 0.1, 0.05, 0.02])
def test_fewer_inputs_together_where_one_node_is_everywhere(both_panels, hub_share):
    rng = np.random.default_rng(9)
    walks = np.where(rng.random((40, 30)) < hub_share, 0, rng.integers(1, 200, size=(40, 30)))
    agree(both_panels, walks, n_nodes=200, dimensions=8, window=6, rng=7)


@pytest.mark.parametrize("exponent", [-1.0, 0.0, 0.75, 1.0])
def test_thousands_of_updates(both_panels, exponent):
    walks = np.random.default_rng(7).integers(0, 400, size=(60, 40))
    rng = np.random.default_rng(8)
    initial = tuple(rng.normal(scale=0.1, size=(2, 400, 20)))
    agree(both_panels, walks, n_nodes=400, dimensions=20, exponent=exponent, initial=initial, epochs=2, rng=3)


def test_thousands_of_updates_pair_by_pair(both_panels, monkeypatch):
    """word2vec's own descent: each pair by itself, with negatives of its own, one walk after the other."""
    for module in (both_panels[0].skipgram, _training):
        for name, value in {"BATCH": 1, "SHARE": 1, "POOL": 10_000}.items():
            monkeypatch.setattr(module, name, value)
    walks = np.random.default_rng(7).integers(0, 400, size=(60, 40))
    agree(both_panels, walks, n_nodes=400, dimensions=20, window=5, rng=3)


@pytest.mark.parametrize("name", ["BATCH", "VISITS", "SHARE", "POOL"])
def test_both_panels_train_with_the_same_settings(both_panels, name):
    assert getattr(both_panels[0].skipgram, name) == getattr(_training, name)


@pytest.mark.parametrize("batch", [3, 16])
def test_batches_of_any_size_over_many_walks(both_panels, monkeypatch, batch):
    monkeypatch.setattr(both_panels[0].skipgram, "BATCH", batch)
    monkeypatch.setattr(_training, "BATCH", batch)
    walks = np.random.default_rng(3).integers(0, 900, size=(2100, 16))  # more than the kernel fetches at once
    agree(both_panels, walks, n_nodes=900, dimensions=4, window=1, negative=2, rng=5)


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
@pytest.mark.parametrize(("p", "q"), [(1.0, 1.0), (0.5, 2.0)])
@pytest.mark.parametrize("weighted", [False, True])
def test_walking_and_training_at_once_is_training_on_walks(p, q, weighted, n_jobs):
    from diptych.kernels._training import embed
    from diptych.kernels.skipgram import train
    from diptych.kernels.walks import random_walks

    rng = np.random.default_rng(5)
    edges = rng.random((70, 70)) < 0.05  # some nodes are dead ends
    graph = csr_array(np.where(edges, rng.integers(1, 4, edges.shape) if weighted else 1, 0))
    steps = {"walk_length": 9, "walks_per_node": 9, "p": p, "q": q, "rng": 11, "n_jobs": n_jobs}
    how = {"dimensions": 20, "window": 3, "epochs": 2}
    composed = train(random_walks(graph, **steps), n_nodes=70, rng=11, **how)
    for one, other in zip(embed(graph, **steps, **how), composed, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_walking_and_training_at_once_on_more_nodes_than_are_fetched_at_once(n_jobs):
    from diptych.kernels._training import embed
    from diptych.kernels.skipgram import train
    from diptych.kernels.walks import random_walks

    n = 40_000  # a fetch has 2^15
    rng = np.random.default_rng(6)
    ends = rng.integers(0, n, size=(2, 4 * n))
    graph = csr_array((rng.random(4 * n) + 0.1, ends), shape=(n, n))
    steps = {"walk_length": 4, "walks_per_node": 2, "p": 0.5, "q": 2.0, "rng": 11, "n_jobs": n_jobs}
    how = {"dimensions": 4, "window": 2}
    composed = train(random_walks(graph, **steps), n_nodes=n, rng=11, **how)
    for one, other in zip(embed(graph, **steps, **how), composed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_simd_path_gives_the_same_bits(run_python):
    code = (
        "import hashlib, numpy as np\n"
        "from diptych import _rust\n"
        "from scipy.sparse import csr_array\n"
        "from diptych.kernels.skipgram import train\n"
        "from diptych.kernels.walks import random_walks\n"
        "walks = np.random.default_rng(0).integers(0, 50, size=(60, 12))\n"
        "how = dict(n_nodes=50, window=5, negative=7, epochs=2, rng=1)\n"
        "models = [train(walks, dimensions=d, **how) for d in (40, 64, 128, 256)]\n"
        "graph = csr_array(np.random.default_rng(1).integers(0, 3, size=(60, 60)))\n"
        "second = random_walks(graph, p=0.5, q=2.0, rng=2)\n"
        "parts = b''.join(part.tobytes() for model in models for part in model) + second.tobytes()\n"
        "print(_rust.simd_path(), hashlib.sha256(parts).hexdigest())\n"
    )
    found = dict(run_python(code, DIPTYCH_SIMD=named).split() for named in available_paths())
    assert list(found) == available_paths()
    assert len(set(found.values())) == 1, found
