"""A picture of a node, the nodes most similar to it along a meta-path, and what makes them similar."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diptych import _validate
from diptych.plot._canvas import BASE_COLOURS, NOISE_COLOUR, axes_to_draw_on, cluster_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from diptych.estimators.pathsim import PathSim

LABEL_LENGTH = 30  # longer names are cut
THICKEST = 11.0  # width in points of an edge that carries everything
THINNEST = 0.4


class SimilarNodesDisplay:
    """A node at the left, its most similar nodes at the right, the middle nodes of their paths in between.

    An edge from a middle node to a similar one is as wide as the share of the paths through it; so the edges
    of each similar node are together of the same width. An edge from the node itself is as wide as the mean
    of those that go on from its end.

    Parameters
    ----------
    node : hashable
        The name of the node.
    similar : list of (name, float)
        The nodes most similar to it, with their scores.
    middle : list of hashable
        The names of the middle nodes.
    shares : ndarray of shape (m, k), float64
        Entry (t, y) is the share of the paths between the node and similar node y that pass middle node t; a
        column sums to at most 1, and what is missing passes others.
    n_others : int, default=0
        How many middle nodes are not named; they are drawn as one.
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
        node: Any,
        similar: list[tuple[Any, float]],
        middle: list[Any],
        shares: NDArray[np.float64],
        *,
        n_others: int = 0,
        title: str | None = None,
    ) -> None:
        self.node = node
        self.similar = similar
        self.middle = middle
        self.shares = shares
        self.n_others = n_others
        self.title = title

    @classmethod
    def from_estimator(
        cls, estimator: PathSim, node: Any, k: int = 8, *, n_middle: int = 8
    ) -> SimilarNodesDisplay:
        """Ask a fitted estimator, and make the display of its answer.

        Parameters
        ----------
        estimator : PathSim
            A fitted estimator.
        node : hashable
            The name of a node.
        k : int, default=8
            How many similar nodes to draw, at most.
        n_middle : int, default=8
            How many middle nodes to name, at most: those with the greatest shares, summed over the similar
            nodes.

        Returns
        -------
        SimilarNodesDisplay

        Raises
        ------
        ValueError
            If there is no such node, or a number is below 1.
        NotFittedError
            If the estimator is not fitted.
        """
        limit = _validate.count(n_middle, "n_middle")
        similar = estimator.top_k(node, k)
        of_middle: dict[Any, NDArray[np.float64]] = {}
        for column, (name, _) in enumerate(similar):
            found = estimator.explain(node, name, limit=1)
            for middle, share in found.shares:
                of_middle.setdefault(middle, np.zeros(len(similar)))[column] = share / found.M_xy
        ranked = sorted(of_middle, key=lambda middle: -of_middle[middle].sum())
        shown = ranked[:limit]
        shares = np.array([of_middle[middle] for middle in shown]).reshape(len(shown), len(similar))
        title = f"Most similar to {node} along {estimator.metapath_}"
        return cls(node, similar, shown, shares, n_others=len(ranked) - len(shown), title=title)

    def plot(self, ax: Axes | None = None) -> SimilarNodesDisplay:
        """Draw the node and those similar to it.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure when not given, as high as the names need.

        Returns
        -------
        SimilarNodesDisplay
            This display, with ``ax_`` and ``figure_``.
        """
        names, shares, colours = self._middle_rows()
        lines = max(len(names), len(self.similar))
        ax = axes_to_draw_on(ax, (9.0, max(2.5, 1.0 + 0.45 * lines)))
        left, middle, right = (_places(n) for n in (1, len(names), len(self.similar)))
        for t, colour in enumerate(colours):
            if len(self.similar):
                _edge(ax, (0.0, left[0]), (1.0, middle[t]), shares[t].mean(), colour)
            for y in np.flatnonzero(shares[t]):
                _edge(ax, (1.0, middle[t]), (2.0, right[y]), shares[t, y], colour)
        _marks(ax, 0.0, left, [BASE_COLOURS[0]])
        _marks(ax, 1.0, middle, colours)
        _marks(ax, 2.0, right, [BASE_COLOURS[0]] * len(right))
        _label(ax, 0.0, left[0], self.node, "right")
        for name, place in zip(names, middle, strict=True):
            _label(ax, 1.0, place, name, "center")
        for (name, score), place in zip(self.similar, right, strict=True):
            _label(ax, 2.0, place, name, "left", after=f"  {score:.3f}")
        if not self.similar:
            ax.text(1.0, left[0], "shares a path with no other", ha="center", va="center")
        ax.set_xlim(-0.05, 2.05)
        ax.set_ylim(1.0, 0.0)  # the most similar at the top
        ax.set_axis_off()
        if self.title:
            ax.set_title(self.title, parse_math=False)  # a name may hold dollar signs
        self.ax_, self.figure_ = ax, ax.figure  # type: ignore[assignment]
        return self

    def _middle_rows(self) -> tuple[list[Any], NDArray[np.float64], list[Any]]:
        """Return names, shares and colours of what is drawn in the middle: the others as one, in grey."""
        colours: list[Any] = list(cluster_colours(len(self.middle) + 1)[1:])  # the first is the nodes'
        if not self.n_others:
            return self.middle, self.shares, colours
        rest = np.maximum(1.0 - self.shares.sum(axis=0), 0.0)
        noun = "other" if self.n_others == 1 else "others"
        names = [*self.middle, f"{self.n_others:,} {noun}"]
        return names, np.vstack([self.shares, rest]), [*colours, NOISE_COLOUR]


def _places(n: int) -> NDArray[np.float64]:
    """Return heights for n nodes of a column, evenly apart."""
    return (np.arange(n) + 0.5) / max(n, 1)


def _edge(ax: Axes, start: tuple[float, float], end: tuple[float, float], share: float, colour: Any) -> None:
    """Draw a curve that leaves and arrives level, as wide as the share it carries."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    halfway = (start[0] + end[0]) / 2
    points = [start, (halfway, start[1]), (halfway, end[1]), end]
    path = Path(points, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    width = max(THICKEST * share, THINNEST)
    ax.add_patch(PathPatch(path, facecolor="none", edgecolor=colour, linewidth=width, alpha=0.5))


def _marks(ax: Axes, x: float, places: NDArray[np.float64], colours: list[Any]) -> None:
    ax.scatter(np.full(len(places), x), places, s=42, c=colours, linewidths=0, zorder=3, clip_on=False)


def _label(ax: Axes, x: float, y: float, name: Any, side: str, after: str = "") -> None:
    """Write a name beside its mark, or above it in the middle, on white where edges pass."""
    text = textwrap.shorten(str(name), LABEL_LENGTH, placeholder=" …") + after
    shift = {"right": (-9, 0), "center": (0, 7), "left": (9, 0)}[side]
    ax.annotate(
        text,
        (x, y),
        shift,
        textcoords="offset points",
        ha=side,
        va="bottom" if side == "center" else "center",
        fontsize="small",
        bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        annotation_clip=False,
        parse_math=False,
        zorder=4,
    )
