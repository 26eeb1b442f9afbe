"""EmbeddingDisplay: where vectors are drawn, in which colour, and what the legend says."""

from __future__ import annotations

import sys
import types

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from diptych import DBSCAN
from diptych.plot import EmbeddingDisplay, project

mpl.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

# Two clouds in five dimensions, and one vector between them.
CLOUDS = np.concatenate(
    [np.random.default_rng(0).normal(centre, 0.1, (12, 5)) for centre in (0.0, 4.0)] + [np.full((1, 5), 2.0)]
).astype(np.float32)


class Fitted(BaseEstimator):
    """Stands for any estimator of vectors."""

    def fit(self):
        self.embedding_ = CLOUDS
        return self


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def drawn(display):
    display.plot()
    display.figure_.canvas.draw()
    return display


def legend(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_principal_components_by_default():
    display = drawn(EmbeddingDisplay.from_embedding(CLOUDS))
    points, shares = project(CLOUDS)
    np.testing.assert_array_equal(display.points, points)
    without, all_alike = display.ax_.collections
    assert (len(without.get_offsets()), len(all_alike.get_offsets())) == (0, 25)
    assert display.ax_.get_legend() is None
    assert display.ax_.get_xlabel() == f"component 1 ({shares[0]:.0%} of the variance)"


def test_labels_give_colours_and_a_legend():
    labels = ["west"] * 12 + ["east"] * 12 + [None]
    display = drawn(EmbeddingDisplay.from_embedding(CLOUDS, labels, title="clouds"))
    assert legend(display) == ["east: 12", "west: 12", "no label: 1"]
    assert display.ax_.get_title() == "clouds"
    without, marks = display.ax_.collections
    assert len(without.get_offsets()) == 1
    np.testing.assert_array_equal(without.get_offsets(), display.points[24:])
    colours = marks.get_facecolors()[:, :3]
    assert len(np.unique(colours, axis=0)) == 2
    np.testing.assert_array_equal(colours[0], colours[11])
    assert (colours[0] != colours[12]).any()
    handles = display.ax_.get_legend().legend_handles
    np.testing.assert_allclose(mpl.colors.to_rgb(handles[0].get_color()), colours[12])  # east
    np.testing.assert_allclose(mpl.colors.to_rgb(handles[1].get_color()), colours[0])


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, -1])
@pytest.mark.parametrize("kind", [("a", "b"), (3, 10), (2, "b")])
def test_missing_labels(missing, kind):
    labels = [kind[0]] * 12 + [kind[1]] * 12 + [missing]
    display = EmbeddingDisplay.from_embedding(CLOUDS, labels)
    assert display.classes.tolist() == [0] * 12 + [1] * 12 + [-1]
    assert display.class_names == list(map(str, kind))


def test_clusters_of_the_embedding():
    model = DBSCAN(1.0, min_samples=3)
    display = drawn(EmbeddingDisplay.from_embedding(CLOUDS, model))
    np.testing.assert_array_equal(display.classes, DBSCAN(1.0, min_samples=3).fit(CLOUDS).labels_)
    assert legend(display) == ["0: 12", "1: 12", "noise: 1"]


def test_an_estimator():
    display = drawn(EmbeddingDisplay.from_estimator(Fitted().fit(), np.arange(25) % 2))
    assert display.ax_.get_title() == "Fitted, 5 dimensions"
    assert legend(display) == ["0: 13", "1: 12"]
    with pytest.raises(NotFittedError):
        EmbeddingDisplay.from_estimator(Fitted())


def test_many_classes_are_counted():
    display = drawn(EmbeddingDisplay.from_embedding(CLOUDS, [*range(24), -1], title="many"))
    assert display.ax_.get_legend() is None
    assert display.ax_.get_title() == "many\n24 classes; 1 no label (×)"


def test_tsne_keeps_neighbours_and_its_seed():
    display = drawn(EmbeddingDisplay.from_embedding(CLOUDS, method="tsne", random_state=3))
    again = EmbeddingDisplay.from_embedding(CLOUDS, method="tsne", random_state=3)
    np.testing.assert_array_equal(display.points, again.points)
    left, right = display.points[:12], display.points[12:24]
    assert max(np.ptp(left, axis=0).max(), np.ptp(right, axis=0).max()) < np.linalg.norm(
        left.mean(axis=0) - right.mean(axis=0)
    )
    assert display.ax_.get_xlabel() == "t-SNE 1"
    EmbeddingDisplay.from_embedding(CLOUDS, method="tsne", perplexity=5.0, random_state=0)


def test_umap_is_imported_when_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    EmbeddingDisplay.from_embedding(CLOUDS)
    with pytest.raises(ImportError, match="pip install umap-learn"):
        EmbeddingDisplay.from_embedding(CLOUDS, method="umap")


def test_umap_gets_its_parameters(monkeypatch):
    class UMAP:
        def __init__(self, **parameters):
            assert parameters.pop("n_components") == 2
            assert parameters.pop("n_neighbors") == 4
            assert set(parameters) == {"random_state"}

        def fit_transform(self, X):
            return X[:, :2] + 1

    module = types.ModuleType("umap")
    module.UMAP = UMAP
    monkeypatch.setitem(sys.modules, "umap", module)
    display = EmbeddingDisplay.from_embedding(CLOUDS, method="umap", n_neighbors=4)
    np.testing.assert_array_equal(display.points, CLOUDS[:, :2] + 1)


@pytest.mark.parametrize("X", [np.zeros((1, 1)), np.zeros((3, 2)), np.full((2, 40), 3.0)])
def test_few_and_equal_vectors(X):
    drawn(EmbeddingDisplay.from_embedding(X))


def test_an_axes_of_the_caller_is_used():
    _, (left, _) = plt.subplots(1, 2)
    assert EmbeddingDisplay.from_embedding(CLOUDS).plot(left).ax_ is left
    assert len(plt.get_fignums()) == 1


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"method='lda'.*'pca', 'tsne', 'umap'"):
        EmbeddingDisplay.from_embedding(CLOUDS, method="lda")
    with pytest.raises(ValueError, match=r"labels has shape \(3,\).*25 vectors"):
        EmbeddingDisplay.from_embedding(CLOUDS, [0, 1, 2])
    with pytest.raises(ValueError, match=r"vectors\[0, 0\]=nan"):
        EmbeddingDisplay.from_embedding([[np.nan]])
    with pytest.raises(TypeError, match="no parameter 'perplexity'"):
        EmbeddingDisplay.from_embedding(CLOUDS, perplexity=3)
