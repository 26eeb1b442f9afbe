"""Pictures of clusters, and of the distances that help to choose them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diptych.plot._canvas import (
    BASE_COLOURS,
    GUIDE_COLOUR,
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

    from diptych.estimators.dbscan import DBSCAN


class DBSCANDisplay:
    """The clusters that DBSCAN found: core points filled, border points hollow, noise as grey crosses.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        Where to draw each point.
    labels : ndarray of shape (n,)
        Cluster of each point, -1 for noise.
    kinds : ndarray of shape (n,)
        "core", "border" or "noise".
    axis_labels : tuple of str, optional
        Names of the two axes.
    title : str, optional
        Title of the picture.

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
        labels: NDArray[np.intp],
        kinds: NDArray[np.str_],
        *,
        axis_labels: tuple[str, str] = ("", ""),
        title: str | None = None,
    ) -> None:
        self.points = points
        self.labels = labels
        self.kinds = kinds
        self.axis_labels = axis_labels
        self.title = title

    @classmethod
    def from_estimator(cls, estimator: DBSCAN, X: ArrayLike) -> DBSCANDisplay:
        """Make the display of a fitted estimator.

        Parameters
        ----------
        estimator : DBSCAN
            A fitted estimator.
        X : array-like of shape (n, d)
            The points it was fitted to. More than two columns are projected onto the first two principal
            components; latitudes and longitudes (metric "haversine") are drawn as a map, in degrees.
            For metric "precomputed": coordinates to draw the points at.

        Returns
        -------
        DBSCANDisplay
        """
        title = f"DBSCAN, eps={estimator.eps:.4g}, min_samples={estimator.min_samples}"
        as_map = estimator.metric == "haversine"
        return cls.from_labels(
            X, estimator.core_sample_indices_, estimator.labels_, as_map=as_map, title=title
        )

    @classmethod
    def from_labels(
        cls,
        X: ArrayLike,
        core_sample_indices: NDArray[np.intp],
        labels: NDArray[np.intp],
        *,
        as_map: bool = False,
        title: str | None = None,
    ) -> DBSCANDisplay:
        """Make the display of a result of `diptych.dbscan`.

        Parameters
        ----------
        X : array-like of shape (n, d)
            The points; more than two columns are projected onto the first two principal components.
        core_sample_indices, labels : ndarray
            The result.
        as_map : bool
            Whether the columns are latitudes and longitudes in radians.
        title : str, optional
            Title of the picture.

        Returns
        -------
        DBSCANDisplay
        """
        coordinates = dense_points(X)
        if len(coordinates) != len(labels):
            raise ValueError(f"X has {len(coordinates)} rows, the labels are of {len(labels)}.")
        kinds = np.where(labels >= 0, "border", "noise")
        kinds[core_sample_indices] = "core"
        axis_labels = ("", "")
        if as_map:
            points = np.degrees(coordinates[:, ::-1])
            axis_labels = ("longitude (°)", "latitude (°)")
        else:
            points, shares = project(coordinates)
            axis_labels = component_labels(shares)
        return cls(points, labels, kinds, axis_labels=axis_labels, title=title)

    @classmethod
    def from_X(  # noqa: N802  (X is scikit-learn's name for the data)
        cls, X: ArrayLike, eps: float = 0.5, **parameters: Any
    ) -> DBSCANDisplay:
        """Fit a DBSCAN and make its display.

        Parameters
        ----------
        X : array-like of shape (n, d)
            The points.
        eps : float
            Radius of a neighbourhood.
        **parameters
            The other parameters of `diptych.DBSCAN`.

        Returns
        -------
        DBSCANDisplay
        """
        from diptych.estimators.dbscan import DBSCAN

        return cls.from_estimator(DBSCAN(eps, **parameters).fit(X), X)

    def plot(self, ax: Axes | None = None, *, size: float | None = None) -> DBSCANDisplay:
        """Draw the clusters.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure when not given.
        size : float, optional
            Area of a core point in square points; chosen from the number of points when not given.

        Returns
        -------
        DBSCANDisplay
            This display, with ``ax_`` and ``figure_``.
        """
        ax = axes_to_draw_on(ax, (7.0, 5.5))
        n_clusters = int(self.labels.max(initial=-1)) + 1
        colours = cluster_colours(n_clusters)
        if size is None:
            size = mark_area(len(self.labels))
        line = 0.17 * size**0.5  # a hollow mark keeps about the size of a filled one
        raster = len(self.labels) > 10_000  # a vector file with a million marks opens nowhere

        def draw(kind: str, **style: Any) -> None:
            x, y = self.points[self.kinds == kind].T
            ax.scatter(x, y, s=size, rasterized=raster, **style)

        of_point = colours[self.labels] if n_clusters else np.zeros((len(self.labels), 3))
        draw("noise", c=NOISE_COLOUR, marker="x", linewidths=line)
        draw("border", facecolors="none", edgecolors=of_point[self.kinds == "border"], linewidths=line)
        draw("core", c=of_point[self.kinds == "core"], linewidths=0)
        ax.set_xlabel(self.axis_labels[0])
        ax.set_ylabel(self.axis_labels[1])
        if self.title:
            ax.set_title(self.title)
        self._explain(ax, colours)
        self.ax_, self.figure_ = ax, ax.figure  # type: ignore[assignment]
        return self

    def _explain(self, ax: Axes, colours: NDArray[np.float64]) -> None:
        """Say what the marks mean: few clusters in a legend, many in a line below the title."""
        counts = np.bincount(self.labels[self.labels >= 0], minlength=len(colours))
        n_border, n_noise = (int(np.count_nonzero(self.kinds == kind)) for kind in ("border", "noise"))
        if len(counts) > LEGEND_CLUSTERS:
            text = f"{len(counts)} clusters: {counts.sum()}, {n_border} of them border (hollow)"
            ax.set_title(f"{ax.get_title()}\n{text}; {n_noise} noise (×)".strip(), fontsize="medium")
            return
        marks = [
            legend_mark(f"cluster {k}: {count}", colours[k], marker="o") for k, count in enumerate(counts)
        ]
        if n_border:
            marks.append(legend_mark(f"of these border: {n_border}", "#555555", marker="o", fillstyle="none"))
        if n_noise:
            marks.append(legend_mark(f"noise: {n_noise}", NOISE_COLOUR, marker="x"))
        legend_beside(ax, marks)


class KDistanceDisplay:
    """Distances to the k-th other point in descending order, and a hint where the curve bends.

    To choose ``eps`` for ``min_samples=m``, take ``k = m - 1`` (``min_samples`` counts the point itself):
    left of the bend lie the points whose neighbourhoods are thin, its height is a first guess of ``eps``.

    Parameters
    ----------
    distances : ndarray of shape (n,)
        Distance of each point to its k-th other point, in any order.
    k : int
        Which neighbour.
    eps : float, optional
        A radius to mark.

    Attributes
    ----------
    elbow_ : float
        Height of the curve where it is farthest below the chord between its ends: a hint and no more. NaN
        where there is no bend.
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.
    """

    ax_: Axes
    figure_: Figure

    def __init__(self, distances: NDArray[np.float64], k: int, *, eps: float | None = None) -> None:
        self.distances = np.sort(distances)[::-1]
        self.k = k
        self.eps = eps
        self.elbow_ = _elbow(self.distances)

    @classmethod
    def from_X(  # noqa: N802  (X is scikit-learn's name for the data)
        cls, X: ArrayLike, k: int = 4, **parameters: Any
    ) -> KDistanceDisplay:
        """Compute the k-distances of points and make their display.

        Parameters
        ----------
        X : array-like of shape (n, d)
            The points.
        k : int
            Which neighbour.
        **parameters
            ``metric``, ``p`` and ``n_jobs`` of `diptych.kernels.clustering.k_distances`.

        Returns
        -------
        KDistanceDisplay
        """
        from diptych.kernels.clustering import k_distances

        return cls(k_distances(X, k, **parameters), k)

    @classmethod
    def from_estimator(cls, estimator: DBSCAN, X: ArrayLike) -> KDistanceDisplay:
        """Take k, metric and the marked radius from an estimator, fitted or not.

        Parameters
        ----------
        estimator : DBSCAN
            Gives ``k = min_samples - 1`` (at least 1), metric, p and eps.
        X : array-like of shape (n, d)
            The points.

        Returns
        -------
        KDistanceDisplay
        """
        k = max(1, estimator.min_samples - 1)
        display = cls.from_X(X, k, metric=estimator.metric, p=estimator.p, n_jobs=estimator.n_jobs)
        display.eps = estimator.eps
        return display

    def plot(self, ax: Axes | None = None) -> KDistanceDisplay:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure when not given.

        Returns
        -------
        KDistanceDisplay
            This display, with ``ax_`` and ``figure_``.
        """
        ax = axes_to_draw_on(ax, (7.0, 4.5))
        finite = self.distances[np.isfinite(self.distances)]
        first = len(self.distances) - len(
            finite
        )  # sparse distances: points with fewer than k stored neighbours
        ax.plot(np.arange(first, len(self.distances)) + 1, finite, color=BASE_COLOURS[0])
        if np.isfinite(self.elbow_):
            ax.axhline(self.elbow_, color=GUIDE_COLOUR, linestyle=":", label=f"bend at {self.elbow_:.4g}")
        if self.eps is not None:
            dense = int(np.count_nonzero(self.distances <= self.eps))
            ax.axhline(
                self.eps,
                color="#333333",
                linewidth=1,
                label=f"eps={self.eps:.4g}: {dense} points at or below",
            )
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize="small")
        ax.set_xlabel(f"points, by descending distance ({len(self.distances)})")
        ax.set_ylabel(f"distance to neighbour {self.k}")
        ax.margins(x=0.01)
        self.ax_, self.figure_ = ax, ax.figure  # type: ignore[assignment]
        return self


def _elbow(descending: NDArray[np.float64]) -> float:
    curve = descending[np.isfinite(descending)]
    if len(curve) < 3 or curve[0] == curve[-1]:
        return float("nan")
    chord = np.linspace(curve[0], curve[-1], len(curve))
    gap = chord - curve
    return float(curve[gap.argmax()]) if gap.max() > 0 else float("nan")
