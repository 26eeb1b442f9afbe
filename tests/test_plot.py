"""The displays: the numbers they draw, and that they draw."""

from __future__ import annotations

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest

from diptych import DBSCAN
from diptych.kernels.clustering import dbscan
from diptych.plot import DBSCANDisplay, KDistanceDisplay, cluster_colours, project

mpl.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

X = np.array(
    [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [2.0, 0.0], [10.0, 0.0], [10.5, 0.0], [10.0, 0.5], [50.0, 50.0]]
)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def drawn(display):
    display.figure_.canvas.draw()
    return display


def test_clusters_of_an_estimator():
    display = drawn(DBSCANDisplay.from_estimator(DBSCAN(1.0, min_samples=3).fit(X), X).plot())
    np.testing.assert_array_equal(display.points, X)
    assert display.kinds.tolist() == ["core"] * 3 + ["border"] + ["core"] * 3 + ["noise"]
    noise, border, core = display.ax_.collections
    assert [len(part.get_offsets()) for part in (noise, border, core)] == [1, 1, 6]
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["cluster 0: 4", "cluster 1: 3", "of these border: 1", "noise: 1"]
    assert display.ax_.get_title() == "DBSCAN, eps=1, min_samples=3"


def test_points_of_one_cluster_share_a_colour():
    display = DBSCANDisplay.from_X(X, 1.0, min_samples=3).plot()
    core = display.ax_.collections[2].get_facecolors()[:, :3]
    np.testing.assert_allclose(core[:3], np.broadcast_to(core[0], (3, 3)))
    assert not np.allclose(core[0], core[3])


def test_an_axes_of_the_caller_is_used():
    _, (left, right) = plt.subplots(1, 2)
    assert DBSCANDisplay.from_X(X, 1.0).plot(left).ax_ is left
    assert KDistanceDisplay.from_X(X, 2).plot(right).ax_ is right
    assert len(plt.get_fignums()) == 1


def test_labels_alone_are_enough():
    from_labels = DBSCANDisplay.from_labels(X, *dbscan(X, 1.0, min_samples=3))
    from_estimator = DBSCANDisplay.from_X(X, 1.0, min_samples=3)
    np.testing.assert_array_equal(from_labels.kinds, from_estimator.kinds)


@pytest.mark.parametrize("n_clusters", [0, 1, 30])
def test_any_number_of_clusters(n_clusters):
    line = np.repeat(np.arange(max(n_clusters, 1), dtype=float), 2)[:, None] * 10
    display = drawn(DBSCANDisplay.from_X(line, 1.0, min_samples=2 if n_clusters else 3).plot())
    assert display.labels.max() == n_clusters - 1
    assert ("30 clusters: 60," in display.ax_.get_title()) == (n_clusters == 30)
    assert (display.ax_.get_legend() is None) == (n_clusters == 30)


def test_a_map_has_longitude_to_the_right_in_degrees():
    stops = np.radians([[47.0, 8.0], [47.001, 8.0], [10.0, -20.0]])
    display = drawn(DBSCANDisplay.from_X(stops, 1e-3, min_samples=2, metric="haversine").plot())
    np.testing.assert_allclose(display.points, [[8.0, 47.0], [8.0, 47.001], [-20.0, 10.0]])
    assert "longitude" in display.ax_.get_xlabel()


def test_projection_is_principal_component_analysis_up_to_signs():
    from sklearn.decomposition import PCA

    X = np.random.default_rng(0).normal(size=(500, 6)) * [0.1, 9.0, 0.1, 3.0, 0.1, 0.1]
    points, shares = project(X)
    other = PCA(2).fit(X)
    np.testing.assert_allclose(np.abs(points), np.abs(other.transform(X)), atol=1e-9)
    np.testing.assert_allclose(shares, other.explained_variance_ratio_)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_projection_of_awkward_points(d):
    for X in (np.zeros((4, d)), np.full((1, d), 7.0), np.array([[-1e300] * d, [1e300] * d])):
        points, _ = project(X)
        assert points.shape == (len(X), 2)
        assert np.isfinite(points).all()


def test_colours_stay_when_clusters_are_added():
    np.testing.assert_array_equal(cluster_colours(40)[:9], cluster_colours(9))
    assert len(np.unique(cluster_colours(40).round(3), axis=0)) == 40
    assert ((cluster_colours(200) >= 0) & (cluster_colours(200) <= 1)).all()


def test_wrong_number_of_points_and_sparse_points():
    from scipy import sparse

    model = DBSCAN(1.0).fit(X)
    with pytest.raises(ValueError, match="X has 3 rows, the labels are of 8"):
        DBSCANDisplay.from_estimator(model, X[:3])
    with pytest.raises(TypeError, match="toarray"):
        DBSCANDisplay.from_estimator(model, sparse.csr_array(X))


def test_k_distances_are_sorted_and_the_bend_is_found():
    # 90 points a tenth apart and 10 far ones: the curve falls from tens to 0.1 and bends where they meet.
    line = np.concatenate([np.arange(90) * 0.1, 100.0 + 50.0 * np.arange(10)])[:, None]
    display = drawn(KDistanceDisplay.from_X(line, 1).plot())
    assert (np.diff(display.distances) <= 0).all()
    assert display.elbow_ == pytest.approx(0.1)
    assert "bend at 0.1" in display.ax_.get_legend().get_texts()[0].get_text()


def test_k_distances_of_an_estimator_take_its_settings():
    model = DBSCAN(1.2, min_samples=3, metric="manhattan")
    display = drawn(KDistanceDisplay.from_estimator(model, X).plot())
    assert (display.k, display.eps) == (2, 1.2)
    lines = {text.get_text() for text in display.ax_.get_legend().get_texts()}
    # A point is core when its second other point is within eps.
    assert f"eps=1.2: {len(dbscan(X, 1.2, min_samples=3, metric='manhattan')[0])} points at or below" in lines


def test_curves_without_a_bend():
    for distances in (
        np.ones(5),
        np.array([1.0, 2.0]),
        np.array([np.inf, np.inf]),
        np.array([3.0, 2.9, 0.0]),
    ):
        display = drawn(KDistanceDisplay(distances, 1).plot())
        assert np.isnan(display.elbow_)


def test_infinite_k_distances_are_left_out_of_the_curve():
    display = drawn(KDistanceDisplay(np.array([1.0, np.inf, 0.1, 0.1, 0.1]), 1).plot())
    assert display.ax_.lines[0].get_xdata().tolist() == [2, 3, 4, 5]


def test_plot_is_imported_without_matplotlib():
    code = "import sys, diptych.plot; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
