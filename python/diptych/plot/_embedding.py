"""Pictures of vectors: the nodes of a graph as an embedding places them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diptych import _validate
from diptych.plot._canvas import (
    LEGEND_CLUSTERS,
    NOISE_COLOUR,
    axes_to_draw_on,
    cluster_colours,
    component_labels,
    dense_points,
    legend_beside,
    legend_mark,
    mark_area,
    project,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_METHODS = ("pca", "tsne", "umap")


class EmbeddingDisplay:
    """Vectors brought to two dimensions, coloured by class; points without a class as grey crosses.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        Where to draw each vector.
    classes : ndarray of shape (n,), int
        Class of each, -1 for none.
    class_names : list of str
        Names of the classes 0, 1, …; empty to draw all alike without a legend.
    axis_labels : tuple of str, optional
        Names of the two axes.
    title : str, optional
        Title of the picture.
    no_class : str, default="no label"
        What to call points of class -1.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.
    """

    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        points: NDArray[np.float64],
        classes: NDArray[np.intp],
        class_names: list[str],
        *,
        axis_labels: tuple[str, str] = ("", ""),
        title: str | None = None,
        no_class: str = "no label",
    ) -> None:
        self.points = points
        self.classes = classes
        self.class_names = class_names
        self.axis_labels = axis_labels
        self.title = title
        self.no_class = no_class

    @classmethod
    def from_estimator(
        cls, estimator: Any, labels: Any = None, *, method: str = "pca", **options: Any
    ) -> EmbeddingDisplay:
        """Make the display of a fitted estimator that has an ``embedding_``.

        Parameters
        ----------
        estimator : DeepWalk, Node2Vec, …
            A fitted estimator.
        labels, method, **options
            As in :meth:`from_embedding`.

        Returns
        -------
        EmbeddingDisplay
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(estimator, "embedding_")
        vectors = estimator.embedding_
        options.setdefault("title", f"{type(estimator).__name__}, {vectors.shape[1]} dimensions")
        return cls.from_embedding(vectors, labels, method=method, **options)

    @classmethod
    def from_embedding(
        cls,
        vectors: ArrayLike,
        labels: Any = None,
        *,
        method: str = "pca",
        title: str | None = None,
        random_state: Any = None,
        **options: Any,
    ) -> EmbeddingDisplay:
        """Bring vectors to two dimensions and make their display.

        Parameters
        ----------
        vectors : array-like of shape (n, d)
            The vectors.
        labels : array-like of shape (n,), estimator, or None, default=None
            A label for each, of which -1, None, NaN and NA mean none; or a clustering estimator, such as
            ``diptych.DBSCAN(0.5)``, which is fitted to the vectors, in all their dimensions, -1 being
            noise; None draws all alike.
        method : {"pca", "tsne", "umap"}, default="pca"
            "pca" keeps the two directions of largest variance, and is linear and deterministic. "tsne" is
            :class:`sklearn.manifold.TSNE`, "umap" is ``umap.UMAP``, which umap-learn brings; they show who
            is near whom, distances between groups mean little.
        title : str, optional
            Title of the picture.
        random_state : None, int, SeedSequence or Generator, default=None
            Seed of t-SNE and UMAP.
        **options
            Parameters of ``TSNE`` or ``UMAP``; "pca" has none.

        Returns
        -------
        EmbeddingDisplay

        Raises
        ------
        ValueError
            If there is no such method, or there are not as many labels as vectors.
        ImportError
            If umap-learn is needed and not installed; the message says how to get it.
        """
        X = _validate.points(dense_points(vectors), "vectors")
        points, axis_labels = _two_dimensions(X, method, random_state, options)
        no_class = "no label"
        if hasattr(labels, "fit_predict"):
            labels = labels.fit_predict(X)
            no_class = "noise"
        classes, class_names = _coded(labels, len(X))
        return cls(points, classes, class_names, axis_labels=axis_labels, title=title, no_class=no_class)

    def plot(self, ax: Axes | None = None, *, size: float | None = None) -> EmbeddingDisplay:
        """Draw the vectors.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure when not given.
        size : float, optional
            Area of a point in square points; chosen from the number of points when not given.

        Returns
        -------
        EmbeddingDisplay
            This display, with ``ax_`` and ``figure_``.
        """
        ax = axes_to_draw_on(ax, (7.0, 5.5))
        colours = cluster_colours(max(len(self.class_names), 1))
        area = mark_area(len(self.points)) if size is None else size
        raster = len(self.points) > 10_000  # a vector file with a million marks opens nowhere
        without = self.classes < 0

        def draw(which: NDArray[np.bool_], **style: Any) -> None:
            x, y = self.points[which].T
            ax.scatter(x, y, s=area, rasterized=raster, **style)

        draw(without, c=NOISE_COLOUR, marker="x", linewidths=0.17 * area**0.5)
        draw(~without, c=colours[self.classes[~without]], linewidths=0)
        ax.set_xlabel(self.axis_labels[0])
        ax.set_ylabel(self.axis_labels[1])
        if self.title:
            ax.set_title(self.title)
        if self.class_names or without.any():
            self._explain(ax, colours)
        self.ax_, self.figure_ = ax, ax.figure  # type: ignore[assignment]
        return self

    def _explain(self, ax: Axes, colours: NDArray[np.float64]) -> None:
        """Name few classes in a legend, count many in a line below the title."""
        n_without = int(np.count_nonzero(self.classes < 0))
        if len(self.class_names) > LEGEND_CLUSTERS:
            text = f"{ax.get_title()}\n{len(self.class_names)} classes"
            text += f"; {n_without} {self.no_class} (×)" if n_without else ""
            ax.set_title(text.strip(), fontsize="medium")
            return
        counts = np.bincount(self.classes[self.classes >= 0], minlength=len(self.class_names))
        marks = [
            legend_mark(f"{name}: {count}", colour, marker="o")
            for name, count, colour in zip(self.class_names, counts, colours, strict=False)
        ]
        if n_without:
            marks.append(legend_mark(f"{self.no_class}: {n_without}", NOISE_COLOUR, marker="x"))
        legend_beside(ax, marks)


def _two_dimensions(
    X: _validate.FloatArray, method: str, random_state: Any, options: dict[str, Any]
) -> tuple[NDArray[np.float64], tuple[str, str]]:
    """Return where to draw each vector, and names for the axes."""
    if method not in _METHODS:
        raise ValueError(f"method={method!r}: must be one of {', '.join(map(repr, _METHODS))}.")
    if method == "pca":
        if options:
            raise TypeError(f"method='pca' has no parameter {next(iter(options))!r}.")
        points, shares = project(X)
        return points, component_labels(shares)
    seed = _validate.seed_key(random_state, "random_state") % 2**32  # all that scikit-learn takes
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(X) - 1) / 3)  # has to be below the number of points
        model = TSNE(2, **({"perplexity": perplexity, "random_state": seed} | options))
        return np.asarray(model.fit_transform(X), dtype=np.float64), ("t-SNE 1", "t-SNE 2")
    try:
        from umap import UMAP
    except ImportError:
        raise ImportError("method='umap' needs umap-learn: pip install umap-learn") from None
    model = UMAP(n_components=2, **({"random_state": seed} | options))
    return np.asarray(model.fit_transform(X), dtype=np.float64), ("UMAP 1", "UMAP 2")


def _coded(labels: Any, n: int) -> tuple[NDArray[np.intp], list[str]]:
    """Return labels as classes 0, 1, … in sorted order, -1 for none, and the names of the classes."""
    if labels is None:
        return np.zeros(n, dtype=np.intp), []
    array = np.asarray(labels, dtype=object)  # among strings, NaN would become "nan"
    if array.shape != (n,):
        raise ValueError(f"labels has shape {array.shape}: one label for each of the {n} vectors is needed.")
    listed = array.tolist()
    named = {label for label in listed if not _validate.is_missing(label) and label != -1}
    try:
        order = sorted(named)
    except TypeError:  # strings among numbers
        order = sorted(named, key=str)
    code = {label: at for at, label in enumerate(order)}
    return np.array([code.get(label, -1) for label in listed], dtype=np.intp), list(map(str, order))
