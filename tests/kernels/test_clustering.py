"""DBSCAN: the laws, worked examples and outside golden results, on both panels."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import sparse

from diptych import testing

NAMES = ["dbscan", "k_distances", "dbscan_predict"]


@pytest.mark.parametrize("name", NAMES)
def test_laws(panel, name):
    function = getattr(panel.clustering, name)
    report = testing.check(function, f"clustering.{name}", seed=1, examples=40, strict=True)
    assert report.passed, str(report)
    assert {law.status for law in report.laws} == {"holds"}, str(report)


def test_results_are_owned_integer_arrays(panel):
    core, labels = panel.clustering.dbscan(np.zeros((3, 2)), 1.0, min_samples=2)
    new = panel.clustering.dbscan_predict(np.zeros((2, 2)), np.zeros((3, 2)), labels, 1.0)
    distances = panel.clustering.k_distances(np.zeros((3, 2)), 1)
    assert [a.dtype for a in (core, labels, new, distances)] == [np.intp, np.intp, np.intp, np.float64]
    assert all(a.flags.c_contiguous and a.flags.writeable for a in (core, labels, new, distances))


def test_a_neighbour_across_two_cells_in_each_of_two_directions(panel):
    # Grids whose cells have the side eps / sqrt(d) meet such pairs from three dimensions on: the distance is
    # 1.556, eps is 1.732, and the cells lie two apart in two directions.
    X = np.array([[0, 0, -100], [0.95, 0.95, 0.5], [2.05, 2.05, 0.5]])
    core, labels = panel.clustering.dbscan(X, math.sqrt(3), min_samples=2)
    assert core.tolist() == [1, 2]
    assert labels.tolist() == [-1, 0, 0]


def test_decimals_on_a_line(panel):
    # 0.1 apart in decimals; in float64 some steps are longer than 0.1.
    x = np.arange(10) * 0.1
    near = [[j for j in range(10) if (x[i] - x[j]) ** 2 <= 0.1 * 0.1] for i in range(10)]
    core, _ = panel.clustering.dbscan(x[:, None], 0.1, min_samples=3)
    assert core.tolist() == [i for i in range(10) if len(near[i]) >= 3]
    assert 0 < len(core) < 8


def test_a_directed_chain_is_followed_along_its_rows(panel):
    D = np.full((4, 4), 9.0)
    np.fill_diagonal(D, 0.0)
    D[0, 1] = D[1, 2] = D[2, 3] = 1.0
    for follow, labels in ((D, [0, 0, 0, 0]), (D.T.copy(), [0, 0, 1, 2])):
        for matrix in (follow, sparse.csr_array(np.where(follow < 9, follow, 0.0))):
            found = panel.clustering.dbscan(matrix, 1.0, min_samples=2, metric="precomputed")
            assert found[1].tolist() == labels


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20), st.integers(1, 5))
@example([0.1] * 10, 1)
@example([0.1] * 9, 1)
@example([1e100, 1.0, -1e100], 1)
@example([1e16, 1.0, -1e16, 1.0], 2)
@example([2.0**53, 0.5, 0.5, -(2.0**53)], 1)
@example([1 - 2.0**-53, 2.0**-54], 1)
def test_weights_are_summed_as_by_fsum(both_panels, weights, min_samples):
    if not any(weights):
        weights = [*weights, 1.0]
    expected = list(range(len(weights))) if math.fsum(weights) >= min_samples else []
    for panel in both_panels:
        core, _ = panel.clustering.dbscan(
            np.zeros((len(weights), 2)), 1.0, min_samples=min_samples, sample_weight=np.array(weights)
        )
        assert core.tolist() == expected, panel.name


def test_haversine_knows_poles_and_date_line(panel):
    half = math.pi / 2
    X = np.array(
        [[half, 0.0], [half, 3.0], [half - 0.01, -2.0], [-half, 1.0], [0, math.pi], [0, -math.pi], [0, 3.13]]
    )
    core, labels = panel.clustering.dbscan(X, 0.02, min_samples=2, metric="haversine")
    assert core.tolist() == [0, 1, 2, 4, 5, 6]
    assert labels.tolist() == [0, 0, 0, -1, 1, 1, 1]


def test_zero_rows_are_far_from_each_other_under_cosine(panel):
    X = np.array([[0.0, 0], [0, 0], [2, 0], [5, 0], [0, 1]])
    assert panel.clustering.dbscan(X, 0.5, min_samples=2, metric="cosine")[1].tolist() == [-1, -1, 0, 0, -1]
    assert panel.clustering.dbscan(X, 1.0, min_samples=2, metric="cosine")[1].tolist() == [0, 0, 0, 0, 0]
    assert panel.clustering.k_distances(X, 1, metric="cosine").tolist() == [1, 1, 0, 0, 1]


def test_predict_of_the_rows_gives_the_labels(panel):
    X = np.round(np.random.default_rng(5).normal(size=(300, 2)), 1)
    core, labels = panel.clustering.dbscan(X, 0.2, min_samples=5)
    assert 0 < len(core) < 300
    np.testing.assert_array_equal(panel.clustering.dbscan_predict(X, X[core], labels[core], 0.2), labels)


def test_k_distances_say_which_rows_are_core(panel):
    X = np.random.default_rng(6).integers(0, 12, size=(200, 2)).astype(float)
    for k in (1, 3, 8):
        core, _ = panel.clustering.dbscan(X, 1.0, min_samples=k + 1)
        np.testing.assert_array_equal(core, np.flatnonzero(panel.clustering.k_distances(X, k) <= 1.0))
