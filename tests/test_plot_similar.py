"""SimilarNodesDisplay: who is drawn, how wide the edges are, and whether the names can be read."""

from __future__ import annotations

from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.patches import PathPatch
from matplotlib.text import Annotation
from sklearn.exceptions import NotFittedError

from diptych import HeteroGraph, PathSim, datasets
from diptych.plot import SimilarNodesDisplay
from diptych.plot._similar import THICKEST, THINNEST

mpl.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

# x publishes 3, 2, 1 times at u, v, w; y as x does, z at u alone, and nobody meets o.
COUNTS = {"x": {"u": 3, "v": 2, "w": 1}, "y": {"u": 3, "v": 2, "w": 1}, "z": {"u": 3}, "o": {"q": 1}}
EDGES = [(a, v, n) for a, venues in COUNTS.items() for v, n in venues.items()]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(name="model")
def fitted():
    return PathSim("AVA").fit(HeteroGraph({("author", "publishes at", "venue"): EDGES}))


def drawn(display):
    display.plot()
    display.figure_.canvas.draw()
    return display


def labels(display):
    return [text for text in display.ax_.texts if isinstance(text, Annotation)]


def widths(display):
    return [edge.get_linewidth() for edge in display.ax_.patches if isinstance(edge, PathPatch)]


def test_shares_of_the_middle_nodes(model):
    display = SimilarNodesDisplay.from_estimator(model, "x")
    assert display.similar == [("y", 1.0), ("z", 18 / 23)]
    assert display.middle == ["u", "v", "w"]  # 9/14 + 1, 4/14, 1/14
    np.testing.assert_array_equal(display.shares, [[9 / 14, 1], [4 / 14, 0], [1 / 14, 0]])
    assert (display.node, display.n_others) == ("x", 0)


def test_edges_are_as_wide_as_shares(model):
    display = drawn(SimilarNodesDisplay.from_estimator(model, "x"))
    # From the middle node: to x the mean of what goes on, then to y and z where there is something to draw.
    shares = [(9 / 14 + 1) / 2, 9 / 14, 1, 2 / 14, 4 / 14, 1 / 28, 1 / 14]
    assert widths(display) == pytest.approx([max(THICKEST * share, THINNEST) for share in shares])


def test_labels(model):
    display = drawn(SimilarNodesDisplay.from_estimator(model, "x"))
    assert [label.get_text() for label in labels(display)] == ["x", "u", "v", "w", "y  1.000", "z  0.783"]
    assert display.ax_.get_title() == "Most similar to x along author-venue-author"


def test_the_rest_of_the_middle_is_drawn_as_one(model):
    display = drawn(SimilarNodesDisplay.from_estimator(model, "x", n_middle=1))
    assert (display.middle, display.n_others) == (["u"], 2)
    assert [label.get_text() for label in labels(display)][1:3] == ["u", "2 others"]
    shares = [(9 / 14 + 1) / 2, 9 / 14, 1, 5 / 28, 5 / 14]
    assert widths(display) == pytest.approx([THICKEST * share for share in shares])
    display = drawn(SimilarNodesDisplay.from_estimator(model, "x", n_middle=2))
    assert "1 other" in [label.get_text() for label in labels(display)]


def test_dollar_signs_are_no_mathematics():
    graph = HeteroGraph({("author", "writes", "paper"): [("$a_{$", "$\\no$"), ("b", "$\\no$")]})
    display = drawn(SimilarNodesDisplay.from_estimator(PathSim("APA").fit(graph), "$a_{$"))
    assert [label.get_text() for label in labels(display)] == ["$a_{$", "$\\no$", "b  1.000"]


def test_k_is_how_many(model):
    assert SimilarNodesDisplay.from_estimator(model, "x", 1).similar == [("y", 1.0)]


def test_a_node_that_meets_nobody(model):
    display = drawn(SimilarNodesDisplay.from_estimator(model, "o"))
    assert display.shares.shape == (0, 0)
    assert widths(display) == []
    assert [text.get_text() for text in display.ax_.texts] == ["o", "shares a path with no other"]


@pytest.mark.parametrize("long", [False, True])
def test_names_can_be_read(long):
    graph = datasets.load_academic_network()
    if long:
        nodes = {kind: [f"{name} {'and so on ' * 8}" for name in graph.nodes[kind]] for kind in graph.nodes}
        graph = HeteroGraph(graph.relations, nodes)
    model = PathSim("APVPA").fit(graph)
    node = model.node_names_[0]
    display = drawn(SimilarNodesDisplay.from_estimator(model, node, 20))
    boxes = [label.get_window_extent() for label in labels(display)]
    assert len(boxes) == 1 + 3 + 20
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    page = display.figure_.bbox
    assert all(
        page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 <= box.y1 <= page.y1 for box in boxes
    )


def test_an_axes_of_the_caller_is_used(model):
    _, (left, _) = plt.subplots(1, 2)
    assert SimilarNodesDisplay.from_estimator(model, "x").plot(left).ax_ is left
    assert len(plt.get_fignums()) == 1


def test_bad_arguments(model):
    with pytest.raises(ValueError, match="no author is named 'zoe'"):
        SimilarNodesDisplay.from_estimator(model, "zoe")
    with pytest.raises(ValueError, match="n_middle=0"):
        SimilarNodesDisplay.from_estimator(model, "x", n_middle=0)
    with pytest.raises(ValueError, match="k=0"):
        SimilarNodesDisplay.from_estimator(model, "x", 0)
    with pytest.raises(NotFittedError):
        SimilarNodesDisplay.from_estimator(PathSim(), "x")
