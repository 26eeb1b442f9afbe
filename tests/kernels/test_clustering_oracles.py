"""Both panels against scikit-learn with its predicate pinned (see sklearn_oracle), bit for bit."""

import functools
import itertools

import numpy as np
import pytest
import sklearn_oracle as oracle
from scipy import sparse

MINKOWSKI = [
    ("euclidean", None),
    ("manhattan", None),
    ("chebyshev", None),
    ("minkowski", None),
    ("minkowski", 1),
    ("minkowski", 1.5),
    ("minkowski", 3),
    ("minkowski", np.inf),
]


def shapes():
    """Named inputs with eps values on which something hangs."""
    rng = np.random.default_rng(2)
    blobs = rng.normal(size=(6, 1, 2)) * 8 + rng.normal(size=(6, 40, 2))
    decimals = np.stack(np.meshgrid(*[np.arange(9) * 0.1] * 2), axis=-1).reshape(-1, 2)
    cube = np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3)
    utm = np.array([5e5, 4.5e6]) + np.round(rng.uniform(0, 1000, size=(250, 2)), 1)
    return {
        "random 2-D": (blobs.reshape(-1, 2), [0.4, 0.8]),
        "random 1-D": (rng.normal(size=(200, 1)) * 10, [0.1, 0.3]),
        "random 5-D": (rng.normal(size=(200, 5)), [1.0, 1.6]),
        "random 17-D": (rng.normal(size=(150, 17)), [3.5, 4.5]),
        "decimal lattice": (rng.permutation(decimals), [0.1, 0.2, 0.1 * 3]),
        "whole lattice": (rng.permutation(cube), [1.0, np.sqrt(2), np.sqrt(3)]),
        "ties": (rng.integers(0, 20, size=(250, 2)).astype(float), [1.0, 2.0]),
        "duplicates": (rng.normal(size=(25, 2))[rng.integers(0, 25, size=200)], [0.2, 0.5]),
        "utm": (utm, [25.0, 40.3]),
        "utm lattice": (np.array([5e5, 4.5e6]) + decimals, [0.1, 0.1 * np.sqrt(2)]),
        "decimals on a line": (rng.permutation(np.arange(60) * 0.1)[:, None], [0.1, 0.3]),
        "constant": (np.full((40, 3), 0.1), [1e-3]),
        "constant column": (np.column_stack([np.full(120, 7.7), rng.normal(size=120)]), [0.05]),
        "float32": (rng.normal(size=(200, 3)).astype(np.float32), [0.5]),
        "float32 lattice": (rng.permutation(decimals).astype(np.float32), [0.1, float(np.float32(0.1))]),
        "float32 utm": (utm.astype(np.float32), [25.0]),
    }


SHAPES = shapes()


def weights(kind, n):
    if kind == "none":
        return None
    return np.random.default_rng(n).integers(-1024, 4096, size=n) / 1024


def same(result, expected):
    np.testing.assert_array_equal(result[0], expected[0])
    np.testing.assert_array_equal(result[1], expected[1])


@functools.cache
def expected(shape, eps, min_samples, metric, p, kind):
    X = SHAPES[shape][0]
    return oracle.one_leaf(X, eps, min_samples, metric, p, weights(kind, len(X)))


@pytest.mark.parametrize(("metric", "p"), MINKOWSKI)
@pytest.mark.parametrize("shape", SHAPES)
def test_minkowski_family(panel, shape, metric, p):
    X, radii = SHAPES[shape]
    kinds, radii = (["weighted"], radii[:1]) if metric == "minkowski" else (["none", "weighted"], radii)
    for eps, kind, min_samples in itertools.product(radii, kinds, (1, 5)):
        w = weights(kind, len(X))
        found = panel.clustering.dbscan(X, eps, min_samples=min_samples, metric=metric, p=p, sample_weight=w)
        same(found, expected(shape, eps, min_samples, metric, p, kind))


def test_the_inputs_are_not_trivial():
    mixed = 0
    for X, radii in SHAPES.values():
        core, labels = oracle.one_leaf(X, radii[0], 4)
        mixed += 0 < len(core) < len(X) and labels.max() > 0 and (labels == -1).any()
    assert mixed >= 8


@pytest.mark.parametrize("kind", ["none", "weighted"])
@pytest.mark.parametrize("place", ["globe", "town", "date line", "pole", "duplicates", "float32"])
def test_haversine(panel, place, kind):
    rng = np.random.default_rng(3)
    n, eps = 250, 0.02
    latitude, longitude = rng.uniform(-1.5, 1.5, n), rng.uniform(-np.pi, np.pi, n)
    if place == "globe":
        eps = 0.15
    elif place == "town":
        latitude, longitude, eps = 0.9 + rng.normal(0, 1e-4, n), 0.4 + rng.normal(0, 1e-4, n), 2e-5
    elif place == "date line":
        longitude = np.where(rng.random(n) < 0.5, 1, -1) * (np.pi - rng.exponential(0.01, n))
        latitude = rng.uniform(-0.2, 0.2, n)
    elif place == "pole":
        latitude = np.pi / 2 - np.where(rng.random(n) < 0.2, 0, rng.exponential(0.03, n))
    X = np.column_stack([latitude, longitude])
    if place == "duplicates":
        X = X[rng.integers(0, 40, size=n)]
    if place == "float32":
        X, eps = X.astype(np.float32), 0.15
    w = weights(kind, n)
    for min_samples in (1, 3, 5):
        expected = oracle.one_leaf(X, eps, min_samples, "haversine", sample_weight=w)
        same(
            panel.clustering.dbscan(X, eps, min_samples=min_samples, metric="haversine", sample_weight=w),
            expected,
        )


@pytest.mark.parametrize("kind", ["none", "weighted"])
@pytest.mark.parametrize("d", [2, 7, 65])
def test_cosine(panel, d, kind):
    rng = np.random.default_rng(d)
    directions = rng.normal(size=(12, d))
    X = directions[rng.integers(0, 12, 160)] + 0.3 * rng.normal(size=(160, d))
    X[rng.integers(0, 160, 8)] = 0.0
    X[::20] = X[3] * np.arange(1, 9)[:, None]  # parallel rows
    w = weights(kind, len(X))
    for eps in (0.0123, 0.0771, 0.311):
        expected = oracle.cosine(X, eps, 4, w)
        same(panel.clustering.dbscan(X, eps, min_samples=4, metric="cosine", sample_weight=w), expected)


@pytest.mark.parametrize("kind", ["none", "weighted"])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_precomputed_dense(panel, dtype, symmetric, kind):
    rng = np.random.default_rng(4)
    for n in (1, 2, 30, 120):
        D = rng.integers(0, 40, size=(n, n)).astype(dtype)
        D = np.maximum(D, D.T) if symmetric else D
        if n != 30:  # with a diagonal as it comes, rows need not be their own neighbours
            np.fill_diagonal(D, 0)
        w = weights(kind, n)
        for eps in (1.0, 2.5):
            expected = oracle.precomputed(D, eps, 3, w)
            same(
                panel.clustering.dbscan(D, eps, min_samples=3, metric="precomputed", sample_weight=w),
                expected,
            )


@pytest.mark.parametrize("kind", ["none", "weighted"])
@pytest.mark.parametrize("diagonal", ["absent", "zero", "far"])
@pytest.mark.parametrize("symmetric", [True, False])
def test_precomputed_sparse(panel, symmetric, diagonal, kind):
    rng = np.random.default_rng(5)
    for n in (1, 2, 30, 150):
        held = rng.random((n, n)) < 6 / n
        D = rng.integers(0, 9, size=(n, n)).astype(float)
        if symmetric:
            held, D = held | held.T, np.maximum(D, D.T)
        np.fill_diagonal(held, diagonal != "absent")
        np.fill_diagonal(D, 0.0)
        rows, columns = np.nonzero(held)
        order = rng.permutation(len(rows))  # indices need not be sorted
        order = order[np.argsort(rows[order], kind="stable")]
        indptr = np.concatenate([[0], np.cumsum(held.sum(axis=1))])
        matrix = sparse.csr_array((D[rows, columns][order], columns[order], indptr), shape=(n, n))
        if diagonal == "far":  # a stored diagonal counts as 0 for us; scikit-learn keeps it, so it gets zeros
            matrix.data[matrix.indices == np.repeat(np.arange(n), np.diff(indptr))] = 50.0
        theirs = matrix.copy()
        theirs.data[theirs.indices == np.repeat(np.arange(n), np.diff(indptr))] = 0.0
        w = weights(kind, n)
        for eps in (0.5, 3.0):
            expected = oracle.precomputed(theirs, eps, 3, w)
            same(
                panel.clustering.dbscan(matrix, eps, min_samples=3, metric="precomputed", sample_weight=w),
                expected,
            )


@pytest.mark.parametrize(("metric", "p"), [*MINKOWSKI, ("haversine", None)])
@pytest.mark.parametrize("shape", ["random 2-D", "decimal lattice", "ties", "duplicates", "utm", "float32"])
def test_k_distances(panel, shape, metric, p):
    X = SHAPES[shape][0][:, :2]
    if metric == "haversine":
        X = np.clip(X / max(np.abs(X).max(), 1), -1, 1)
    for k in (1, 4, 10):
        expected = oracle.kth_distances(X, k, metric, p)
        np.testing.assert_array_equal(panel.clustering.k_distances(X, k, metric=metric, p=p), expected)


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
@pytest.mark.parametrize("shape", ["random 5-D", "whole lattice", "float32 lattice", "utm lattice"])
def test_predict(panel, shape, metric):
    X, radii = SHAPES[shape]
    old, new = X[: len(X) // 2], X[len(X) // 2 :]
    core, labels = oracle.one_leaf(old, radii[-1], 2, metric)
    expected = oracle.predict(new, old[core], labels[core], radii[-1], metric)
    assert (expected >= 0).any()
    ours = panel.clustering.dbscan_predict(new, old[core], labels[core], radii[-1], metric=metric)
    np.testing.assert_array_equal(ours, expected)


def test_larger_inputs_in_rust(both_panels):
    rust = both_panels[1].clustering
    rng = np.random.default_rng(7)
    for d, eps in [(1, 2e-4), (2, 0.012), (3, 0.05), (4, 0.1), (5, 0.16), (7, 0.3)]:
        X = rng.random((4000, d))
        same(rust.dbscan(X, eps, min_samples=6), oracle.one_leaf(X, eps, 6))
