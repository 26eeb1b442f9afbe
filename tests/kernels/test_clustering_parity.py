"""Rust equals the reference bit for bit: sizes about every block, ties, extremes, any threads and SIMD path.

`DIPTYCH_SIMD=portable pytest tests/kernels` runs all of it on the portable path.
"""

import hashlib
import itertools
import os

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import sparse
from simd_paths import available_paths
from sklearn.cluster import DBSCAN

SIZES = [1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 128, 129, 191, 193, 255, 256, 257, 401]
WIDTHS = [1, 2, 3, 4, 5, 6, 8, 12, 13, 16, 17, 20, 33, 64]
METRICS = ["euclidean", "manhattan", "chebyshev", "minkowski", "cosine"]


def agree(both_panels, X, eps, threads=(1, 3), **options):
    reference, rust = (panel.clustering for panel in both_panels)
    with np.errstate(all="ignore"):
        core, labels = reference.dbscan(X, eps, **options)
    for n_jobs in threads:
        found = rust.dbscan(X, eps, n_jobs=n_jobs, **options)
        np.testing.assert_array_equal(found[0], core, err_msg=f"core rows, n_jobs={n_jobs}")
        np.testing.assert_array_equal(found[1], labels, err_msg=f"labels, n_jobs={n_jobs}")
    return core, labels


def agree_on_queries(both_panels, X, eps, core, labels, k, **options):
    reference, rust = (panel.clustering for panel in both_panels)
    new = np.concatenate([X[::2], X[:5] * 0.99])
    with np.errstate(all="ignore"):
        expected = reference.dbscan_predict(new, X[core], labels[core], eps, **options)
        distances = reference.k_distances(X, k, **options) if k < len(X) else None
    found = rust.dbscan_predict(new, X[core], labels[core], eps, n_jobs=2, **options)
    np.testing.assert_array_equal(found, expected)
    if distances is not None:
        np.testing.assert_array_equal(rust.k_distances(X, k, n_jobs=2, **options), distances)


def rows(style, n, d, rng):
    if style == "mixture":
        centres = rng.uniform(-6, 6, size=(1 + n // 30, d))
        return centres[rng.integers(0, len(centres), n)] + rng.normal(size=(n, d)) / np.sqrt(d)
    if style == "lattice":
        return rng.integers(0, 4 if d > 2 else 9, size=(n, d)) * 0.1
    if style == "duplicates":
        return rng.normal(size=(1 + n // 5, d))[rng.integers(0, 1 + n // 5, n)]
    return np.resize([5e5, 4.5e6], d) + np.round(rng.uniform(0, 30, size=(n, d)), 1)


def an_eps(X, metric, rng):
    """The distance of two rows that are near each other: ties and rounding are certain."""
    x = X[rng.integers(len(X))]
    others = X[np.any(x != X, axis=1)]
    if not len(others):
        return 0.5
    t = np.abs(others - x)
    if metric == "cosine":
        return float(rng.uniform(0.05, 0.6))
    s = {"manhattan": t.sum(1), "chebyshev": t.max(1)}.get(metric, np.sqrt((t * t).sum(1)))
    return float(np.sort(s)[min(rng.integers(1, 9), len(s) - 1)])


def grid_of_shapes():
    few = itertools.product(SIZES, [1, 2, 3, 5, 17])
    wide = itertools.product([33, 65, 193, 257], [d for d in WIDTHS if d not in (1, 2, 3, 5, 17)])
    large = itertools.product([1001], [2, 3, 8, 16])
    return [*few, *wide, *large]


@pytest.mark.parametrize(("n", "d"), grid_of_shapes())
def test_sizes_about_every_block(both_panels, n, d):
    rng = np.random.default_rng([n, d])
    styles = ["mixture", "lattice", "duplicates", "offset"]
    for style in styles if n < 100 else styles[(n + d) % 2 :: 2]:
        X = rows(style, n, d, rng)
        metric = METRICS[(n + d + styles.index(style)) % 3]
        eps = an_eps(X, metric, rng)
        core, labels = agree(both_panels, X, eps, min_samples=int(rng.integers(2, 8)), metric=metric)
        agree_on_queries(both_panels, X, eps, core, labels, 4, metric=metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", WIDTHS)
def test_metrics_weights_and_float32(both_panels, d, metric):
    rng = np.random.default_rng([d, len(metric)])
    slow = metric == "minkowski"  # the reference takes one power at a time
    for n, style in [(50, "lattice"), (65 if slow else 150, "mixture"), (33 if slow else 130, "offset")]:
        X = rows(style, n, d, rng).astype(rng.choice([np.float32, np.float64]))
        p = rng.choice([0.5, 1.5, 2.5, 3.0]) if metric == "minkowski" else None
        eps = an_eps(X.astype(np.float64), metric, rng)
        weights = np.round(rng.normal(1, 1, size=n), 3)
        for w in (None, np.ones(n), weights):
            core, labels = agree(both_panels, X, eps, min_samples=4, metric=metric, p=p, sample_weight=w)
        agree_on_queries(both_panels, X, eps, core, labels, 7, metric=metric, p=p)


@pytest.mark.parametrize("n", [1, 2, 33, 64, 65, 257, 400])
@pytest.mark.parametrize("place", ["globe", "town", "date line", "pole"])
def test_haversine(both_panels, place, n):
    rng = np.random.default_rng(n)
    spread = {"globe": 1.0, "town": 1e-5, "date line": 1e-2, "pole": 1e-2}[place]
    latitude = {"globe": 0.0, "town": 0.9, "date line": 0.3, "pole": np.pi / 2}[place]
    longitude = np.pi if place == "date line" else 0.4
    X = np.column_stack([latitude + spread * rng.normal(size=n), longitude + spread * rng.normal(size=n)])
    X[:, 0] = np.clip(X[:, 0], -np.pi / 2, np.pi / 2)
    X[:, 1] = (X[:, 1] + np.pi) % (2 * np.pi) - np.pi
    X[rng.random(n) < 0.2] = X[0]
    for eps in (spread * 0.1, spread * 0.7):
        core, labels = agree(both_panels, X, eps, min_samples=3, metric="haversine")
        reference, rust = (panel.clustering for panel in both_panels)
        expected = reference.dbscan_predict(X[::-1], X[core], labels[core], eps, metric="haversine")
        found = rust.dbscan_predict(X[::-1], X[core], labels[core], eps, metric="haversine")
        np.testing.assert_array_equal(found, expected)
    if n > 3:
        expected = reference.k_distances(X, 3, metric="haversine")
        np.testing.assert_array_equal(rust.k_distances(X, 3, metric="haversine"), expected)


POOL = [
    0.0,
    -0.0,
    0.1,
    0.2,
    0.3,
    0.1 + 0.2,
    1.0,
    1.0 + 2**-52,
    3.0,
    4.0,
    5e5,
    4.5e6,
    4.5e6 + 0.1,
    1e16,
    1e16 + 2,
]
EXTREMES = [1e-320, 5e-324, 1e-200, -1e-200, 1e-160, 1e-154, 1e154, 1e155, 1e200, -1e200, 1e308, -1e308]
RADII = [
    0.1,
    0.2,
    0.3,
    0.1 * np.sqrt(2),
    1.0,
    5.0,
    5e-324,
    1e-320,
    1e-200,
    1e-162,
    1e-154,
    1e154,
    1e200,
    1e308,
]


@st.composite
def small_inputs(draw, pool):
    d = draw(st.sampled_from([1, 2, 3, 4, 7, 17]))
    n = draw(st.integers(1, 40))
    columns = draw(st.lists(st.lists(st.sampled_from(pool), min_size=d, max_size=d), min_size=1, max_size=n))
    repeats = draw(st.lists(st.integers(0, len(columns) - 1), min_size=n, max_size=n))
    return np.array([columns[i] for i in repeats]), draw(st.sampled_from(RADII)), draw(st.integers(1, 6))


@settings(max_examples=150)
@given(small_inputs(POOL), st.sampled_from(METRICS[:4]), st.sampled_from([None, 1.5, 3.0]))
def test_ties_and_rounding(both_panels, case, metric, p):
    X, eps, min_samples = case
    core, labels = agree(both_panels, X, eps, min_samples=min_samples, metric=metric, p=p)
    agree_on_queries(both_panels, X, eps, core, labels, 2, metric=metric, p=p)


@settings(max_examples=150)
@given(small_inputs(POOL + EXTREMES), st.sampled_from(METRICS[:3]))
def test_extremes(both_panels, case, metric):
    X, eps, min_samples = case
    agree(both_panels, X, eps, min_samples=min_samples, metric=metric)


ANGLES = st.sampled_from([1e-16, 0.01, 0.3, 1.0, 1.5, 2.0])


@settings(max_examples=100)
@given(small_inputs([0.0, 1.0, -1.0, 2.0, 3.0, 1e-150, 1e150]), ANGLES)
def test_cosine_of_few_directions(both_panels, case, eps):
    X, _, min_samples = case
    core, labels = agree(both_panels, X, eps, min_samples=min_samples, metric="cosine")
    agree_on_queries(both_panels, X, eps, core, labels, 3, metric="cosine")


@settings(max_examples=60)
@given(small_inputs([0.0, 1.0, -2.0, 1e-170, 1e-160, 1e160, -1e300]), ANGLES)
@example((np.array([[0.0, -1], [0, -1], [0, 1e-160], [1, 0]]), 1.0, 2), 1.0)
@example((np.array([[1.0, 0], [1, 0.1], [0, 1], [1e160, 1e160]]), 1.0, 2), 1.0)
def test_cosine_of_rows_whose_squares_overflow_or_vanish(both_panels, case, eps):
    # The contract divides by the length as computed: infinity leaves a zero row, a denormal square no unit.
    X, _, min_samples = case
    core, labels = agree(both_panels, X, eps, min_samples=min_samples, metric="cosine")
    agree_on_queries(both_panels, X, eps, core, labels, 1, metric="cosine")


@settings(max_examples=100)
@given(st.data())
def test_any_weights(both_panels, data):
    X, eps, min_samples = data.draw(small_inputs(POOL[:9]))
    values = st.sampled_from(
        [-2.5, -1.0, -0.1, 0.0, 0.1, 0.2, 1.0, 1 / 3, 2**-60, 1e16, -1e16, 1e300, -1e300]
    )
    w = np.array(data.draw(st.lists(values, min_size=len(X), max_size=len(X))))
    if not w.any():
        w[0] = 1.0
    agree(both_panels, X, eps, min_samples=min_samples, sample_weight=w)


@pytest.mark.parametrize("n", [1, 2, 17, 64, 65, 130, 300])
@pytest.mark.parametrize("kind", ["float64", "float32", "csr"])
def test_precomputed(both_panels, kind, n):
    reference, rust = (panel.clustering for panel in both_panels)
    rng = np.random.default_rng(n)
    for lopsided in (False, True):
        D = rng.integers(0, 30, size=(n, n)) / 10
        D = D if lopsided else np.maximum(D, D.T)
        D[rng.random((n, n)) < 0.5 if lopsided else D > 2] = 2.9
        if kind == "csr":
            held = (rng.random((n, n)) < 8 / n) | np.eye(n, k=1, dtype=bool)
            X = sparse.csr_array(
                (D[held], np.nonzero(held)[1], np.append(0, np.cumsum(held.sum(1)))), shape=(n, n)
            )
        else:
            X = D.astype(kind)
        w = np.round(rng.normal(1, 1, size=n), 3)
        for weight in (None, w):
            core, labels = agree(
                both_panels,
                X,
                0.3,
                min_samples=3,
                metric="precomputed",
                sample_weight=weight,
                threads=(1, 2, 3),
            )
        new = X[::2][:, core]
        expected = reference.dbscan_predict(new, None, labels[core], 0.3, metric="precomputed")
        found = rust.dbscan_predict(new, None, labels[core], 0.3, metric="precomputed")
        np.testing.assert_array_equal(found, expected)
        for k in {1, min(5, n - 1)} - {0} if n > 1 else ():
            expected = reference.k_distances(X, k, metric="precomputed")
            np.testing.assert_array_equal(rust.k_distances(X, k, metric="precomputed"), expected)


def test_counts_about_min_samples(both_panels):
    # Clumps with exactly one row fewer than min_samples, exactly as many, and one more.
    for min_samples in (2, 5, 16, 17, 33):
        sizes = [min_samples - 1, min_samples, min_samples + 1] * 4
        X = np.repeat(np.arange(len(sizes)) * 3.0, sizes)[:, None] * [[1.0, 0.5]]
        core, _ = agree(both_panels, X, 1.0, min_samples=min_samples)
        assert len(core) == 4 * (2 * min_samples + 1)


@pytest.mark.parametrize(
    ("n", "d", "eps"), [(16385, 2, 0.008), (65537, 2, 0.004), (66000, 3, 0.022), (9000, 6, 0.2)]
)
def test_more_rows_than_one_chunk(both_panels, n, d, eps):
    # Too many for the reference. No two random rows are within rounding of eps apart: any tree will do.
    X = np.random.default_rng(n).random((n, d))
    model = DBSCAN(eps=eps, min_samples=6, algorithm="kd_tree", n_jobs=2).fit(X)
    core, labels = both_panels[1].clustering.dbscan(X, eps, min_samples=6)
    np.testing.assert_array_equal(core, model.core_sample_indices_)
    np.testing.assert_array_equal(labels, model.labels_)
    assert 0 < len(core) < n


def many_results(clustering):
    """Results of many calls, in one fixed order."""
    rng = np.random.default_rng(11)
    for n, d in [
        (20000, 1),
        (20000, 2),
        (12000, 3),
        (6000, 5),
        (3000, 9),
        (2500, 17),
        (1500, 64),
        (1000, 300),
    ]:
        X = rows("mixture", n, d, rng)
        lattice = np.round(X, 1)
        for metric, p, points in [
            ("euclidean", None, X),
            ("euclidean", None, lattice),
            ("manhattan", None, lattice.astype(np.float32)),
            ("chebyshev", None, X),
            ("minkowski", 3.0, X[:1500]),
            ("cosine", None, X[:1500].astype(np.float32)),
        ]:
            eps = 0.02 if metric == "cosine" else 0.4 if d < 5 else 1.1
            yield (clustering.dbscan, (points, eps), {"min_samples": 6, "metric": metric, "p": p})
            yield (clustering.k_distances, (points[:2000], 5), {"metric": metric, "p": p})
    globe = np.column_stack([rng.uniform(-1.5, 1.5, 20000), rng.uniform(-3.1, 3.1, 20000)])
    yield (clustering.dbscan, (globe, 0.02), {"min_samples": 6, "metric": "haversine"})
    yield (clustering.k_distances, (globe[:3000], 5), {"metric": "haversine"})


def digest(result):
    words = hashlib.sha256()
    for array in result if isinstance(result, tuple) else (result,):
        words.update(np.ascontiguousarray(array).tobytes())
    return words.hexdigest()


def test_any_number_of_threads(both_panels):
    for function, arguments, options in many_results(both_panels[1].clustering):
        one = digest(function(*arguments, n_jobs=1, **options))
        for n_jobs in (2, 3, 16):
            assert digest(function(*arguments, n_jobs=n_jobs, **options)) == one, (
                function.__name__,
                options,
                n_jobs,
            )


def test_simd_path_is_no_wider_than_asked_for():
    from diptych import _rust

    paths = available_paths()
    if not os.path.exists("/proc/cpuinfo"):
        pytest.skip("the system does not tell what its processor has")
    forced = os.environ.get("DIPTYCH_SIMD")
    assert _rust.simd_path() == (forced if forced in paths else paths[-1])


@pytest.mark.parametrize("named", ["portable", "avx2"])
def test_narrower_paths_give_the_same_bits(both_panels, run_python, named):
    code = (
        "from test_clustering_parity import digest, many_results\n"
        "from diptych import _rust\n"
        "from diptych.kernels import clustering\n"
        "print(_rust.simd_path())\n"
        "for function, arguments, options in many_results(clustering):\n"
        "    print(digest(function(*arguments, **options)))\n"
    )
    here = os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])
    path, *narrow = run_python(code, DIPTYCH_SIMD=named, PYTHONPATH=here).split()
    assert path == (named if named in available_paths() else "portable")
    for theirs, (function, arguments, options) in zip(
        narrow, many_results(both_panels[1].clustering), strict=True
    ):
        assert digest(function(*arguments, **options)) == theirs, (function.__name__, options)
