"""Inputs at the edges of the fast paths: far longitudes, tiny and huge numbers, ties, one line, any k."""

import math
import time

import numpy as np
import pytest
from test_clustering_parity import agree

TURN = 2 * math.pi


def agree_on_k_distances(both_panels, X, k, **options):
    reference, rust = (panel.clustering for panel in both_panels)
    expected = reference.k_distances(X, k, **options)
    for n_jobs in (1, 3):
        np.testing.assert_array_equal(rust.k_distances(X, k, n_jobs=n_jobs, **options), expected)


def test_a_pair_fourteen_turns_apart(panel):
    X = [[0, 1.8218364314058628], [0, 89.7896079744269]]
    core, labels = panel.clustering.dbscan(X, 0.0031772425068333898, min_samples=2, metric="haversine")
    assert len(core) == 0
    np.testing.assert_array_equal(labels, [-1, -1])


@pytest.mark.parametrize("new_dtype", [np.float32, np.float64])
@pytest.mark.parametrize("core_dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pole", [math.pi / 2, -math.pi / 2])
def test_poles_of_two_dtypes_are_the_same_place(both_panels, pole, core_dtype, new_dtype):
    # float32 rounds the pole away from the equator, to what would be no latitude in float64.
    rng = np.random.default_rng(4)
    near = pole - math.copysign(0.1, pole) * rng.random(300)
    new, core = (np.column_stack([latitude, rng.uniform(-4, 4, 300)]) for latitude in (near, near[::-1]))
    new[:5, 0] = core[:5, 0] = pole
    tables = new.astype(new_dtype), core.astype(core_dtype), np.arange(5, 305)[::-1]
    for eps in (1e-6, 0.02):
        found, expected = (
            panel.clustering.dbscan_predict(*tables, eps, metric="haversine") for panel in both_panels
        )
        np.testing.assert_array_equal(found, expected)
        assert (found[:5] >= 0).all()


def far_longitudes(n, most, spread, rng):
    """Neighbours on the sphere, any number of turns apart in longitude."""
    turns = np.floor(rng.uniform(-1, 1, size=n) * (most / TURN - 1))
    latitude, longitude = rng.uniform(-1.4, 1.4), rng.uniform(-math.pi, math.pi)
    noise = spread * rng.normal(size=(2, n))
    return np.column_stack([np.clip(latitude + noise[0], -1.5, 1.5), longitude + noise[1] + TURN * turns])


@pytest.mark.parametrize("most", [10, 1000, 1e6])
def test_pairs_of_far_longitudes_at_ties(both_panels, most):
    rng = np.random.default_rng(int(most))
    reference = both_panels[0].clustering
    for case in range(150):
        X = far_longitudes(2, most, 10.0 ** -rng.integers(1, 5), rng)
        if case % 2:
            X[1, 0] = X[0, 0]  # apart in longitude only, as far as the bounds of a filter go
        tie = reference.k_distances(X, 1, metric="haversine")[0]
        for eps in (np.nextafter(tie, 0), tie, np.nextafter(tie, 4)):
            if 0 < eps <= math.pi:
                agree(both_panels, X, float(eps), threads=(1,), min_samples=2, metric="haversine")


@pytest.mark.parametrize("most", [10, 1000, 1e6])
@pytest.mark.parametrize("n", [40, 200])
def test_clouds_of_far_longitudes(both_panels, n, most):
    rng = np.random.default_rng([n, int(most)])
    for spread in (0.3, 1e-2, 1e-4):
        X = far_longitudes(n, most, spread, rng)
        eps = float(np.sort(both_panels[0].clustering.k_distances(X, 3, metric="haversine"))[n // 2])
        agree(both_panels, X, eps, min_samples=4, metric="haversine")
        agree_on_k_distances(both_panels, X, 3, metric="haversine")


@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
def test_k_distances_of_numbers_that_float32_cannot_tell_apart(both_panels, metric):
    X = np.random.default_rng(0).random((300, 20)) * 1e-43
    X[-1] = 1.0
    agree_on_k_distances(both_panels, X, 4, metric=metric)


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
def test_k_distances_to_the_farthest(both_panels, metric):
    X = np.random.default_rng(1).random((200, 3))
    for k in (150, 199):
        agree_on_k_distances(both_panels, X, k, metric=metric)


@pytest.mark.parametrize("d", [2, 5])
def test_weights_of_duplicates_that_sum_to_min_samples(both_panels, d):
    # Rounded once, 300 times 0.1 is 30, and 300 times the float64 before 0.1 is less.
    X = np.zeros((300, d))
    for weight, n_core in [(0.1, 300), (np.nextafter(0.1, 0), 0)]:
        core, _ = agree(both_panels, X, 0.5, min_samples=30, sample_weight=np.full(300, weight))
        assert len(core) == n_core


def clusters_on_a_line(x, eps):
    """With min_samples=2, clusters are the runs of two or more points without a gap above eps."""
    order = np.argsort(x)
    gaps = np.diff(x[order])
    run = np.concatenate([[0], np.cumsum(gaps * gaps > eps * eps)])
    starts = np.flatnonzero(np.diff(run, prepend=-1))
    first, size = np.minimum.reduceat(order, starts), np.diff(starts, append=len(x))
    by_first = np.argsort(first)
    by_first = by_first[size[by_first] > 1]
    number = np.full(len(starts), -1)
    number[by_first] = np.arange(len(by_first))
    labels = np.empty(len(x), dtype=np.intp)
    labels[order] = number[run]
    return labels


def test_many_points_on_a_line(both_panels):
    n = 400_000
    X = np.random.default_rng(2).random((n, 1)) * n
    start = time.monotonic()
    core, labels = both_panels[1].clustering.dbscan(X, 0.5, min_samples=2)
    assert time.monotonic() - start < 5
    expected = clusters_on_a_line(X[:, 0], 0.5)
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(core, np.flatnonzero(expected >= 0))


@pytest.mark.parametrize("d", [2, 5])
def test_an_eps_whose_square_is_zero(both_panels, d):
    X = np.random.default_rng(3).random((3000, d))
    X[-7:] = X[0]
    start = time.monotonic()
    core, labels = both_panels[1].clustering.dbscan(X, 1e-200)
    assert time.monotonic() - start < 2
    same = [0, *range(2993, 3000)]
    np.testing.assert_array_equal(core, same)
    np.testing.assert_array_equal(np.flatnonzero(labels == 0), same)
    assert (np.delete(labels, same) == -1).all()
