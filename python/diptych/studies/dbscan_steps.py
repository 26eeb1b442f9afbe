"""The study `dbscan_steps`: in what order does DBSCAN do what, and does the order change the answer.

The study walks through the definition one step at a time. The points are visited in turn; a point with at
least ``min_samples`` points within ``eps``, itself included, is a core point and opens a cluster. The cluster
grows from core point to core point; points that are reached without being core become its border; what
nothing reaches is noise.

The law it shows: the core points of each cluster do not depend on the order of the visits. Only a border
point in reach of two clusters does: it goes to the one that comes first. Visits in the order of the rows give
it to the cluster with the smallest number, and that makes the labels a function of the data alone: they equal
the reference.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diptych import plot as _plot
from diptych.datasets import make_moons_and_noise
from diptych.reference import clustering as reference
from diptych.studies._result import StudyResult

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["DBSCANStepsDisplay", "Step", "dbscan_steps", "walk_through"]

QUESTION = "In what order does DBSCAN do what, and does the order change the answer?"
LAW = (
    "Any order of visits finds the same core points in the same groups; only border points in reach of two "
    "clusters change hands, and visits in row order give the labels of the reference."
)
PACE = 12  # frames for each second of the animation

Kind = Literal["visit", "open", "expand", "border", "noise"]
Indices = NDArray[np.intp]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """One step of the walk.

    Attributes
    ----------
    kind : {"visit", "open", "expand", "border", "noise"}
        visit: the neighbours of a point are counted. open: it is a core point and opens a cluster. expand: a
        core point takes its unlabelled neighbours into its cluster. border: a point just taken is not core
        and takes nobody. noise: a visited point is not core; a cluster may still reach it later.
    point : int
        The row this step is about.
    cluster : int
        The cluster that grows, -1 where there is none.
    neighbours : ndarray of intp
        The rows within eps of the point, itself included.
    labels : ndarray of intp
        The labels after this step.
    """

    kind: Kind
    point: int
    cluster: int
    neighbours: Indices
    labels: Indices


def walk_through(
    X: ArrayLike,
    eps: float = 0.5,
    *,
    min_samples: int = 5,
    metric: str = "euclidean",
    p: float | None = None,
    order: Sequence[int] | None = None,
) -> Iterator[Step]:
    """Replay DBSCAN one step at a time.

    Parameters
    ----------
    X : array-like of shape (n, d)
        The points.
    eps : float
        Radius of a neighbourhood.
    min_samples : int
        Points within eps, itself included, that make a point core.
    metric, p
        As in `diptych.dbscan`.
    order : sequence of int, optional
        In which order to visit the points; by row when not given.

    Yields
    ------
    Step
        The labels of the last one are the result.
    """
    near = [np.sort(found) for found in reference.neighbourhoods(X, eps, metric, p)]
    labels = np.full(len(near), -1, dtype=np.intp)
    cluster = -1

    def step(kind: Kind, point: int, grown: int = -1) -> Step:
        return Step(kind, point, grown, near[point], labels.copy())

    for start in range(len(near)) if order is None else order:
        if labels[start] != -1:
            continue
        yield step("visit", start)
        if len(near[start]) < min_samples:
            yield step("noise", start)
            continue
        cluster += 1
        labels[start] = cluster
        yield step("open", start, cluster)
        growing = deque([start])
        while growing:
            core = growing.popleft()
            taken = near[core][labels[near[core]] == -1]
            labels[taken] = cluster
            yield step("expand", core, cluster)
            for point in taken.tolist():
                if len(near[point]) >= min_samples:
                    growing.append(point)
                else:
                    yield step("border", point, cluster)


def dbscan_steps(
    X: ArrayLike | None = None, *, eps: float = 0.3, min_samples: int = 5, n_orders: int = 20, rng: int = 8
) -> StudyResult:
    """Show in what order DBSCAN does what, and whether the order changes the answer.

    Walks through the definition step by step, in row order and then in random orders.

    Parameters
    ----------
    X : array-like of shape (n, d), optional
        The points; two half circles with noise when not given. Keep it small: each step is kept.
    eps : float
        Radius of a neighbourhood.
    min_samples : int
        Points within eps, itself included, that make a point core.
    n_orders : int
        How many random orders of visits to compare with the order of the rows.
    rng : int
        Seed of the points and of the orders.

    Returns
    -------
    StudyResult
        ``display`` is a `DBSCANStepsDisplay`.
    """
    if X is None:
        X = make_moons_and_noise(110, noise_share=0.2, spread=0.09, rng=rng).X
    points = np.asarray(X, dtype=np.float64)
    steps = list(walk_through(points, eps, min_samples=min_samples))
    labels = steps[-1].labels
    core, expected = reference.dbscan(points, eps, min_samples=min_samples)
    contested = _contested(points, eps, core, labels)
    same_groups, moved = _other_orders(points, eps, min_samples, core, labels, n_orders, rng)
    equal = np.array_equal(labels, expected)
    n_noise = int(np.count_nonzero(labels == -1))
    numbers = {
        "points": len(points),
        "core": len(core),
        "border": len(points) - len(core) - n_noise,
        "noise": n_noise,
        "clusters": int(labels.max(initial=-1)) + 1,
        "steps": len(steps),
        "equal_to_the_reference": equal,
        "other_orders_tried": n_orders,
        "same_core_groups_in_all_of_them": same_groups,
        "border_points_in_reach_of_two_clusters": sorted(contested),
        "points_that_changed_hands": sorted(moved),
    }
    holds = equal and same_groups and moved <= contested
    return StudyResult("dbscan_steps", QUESTION, LAW, holds, numbers, DBSCANStepsDisplay(points, steps, eps))


def _contested(points: Floats, eps: float, core: Indices, labels: Indices) -> set[int]:
    """Return the border points with core neighbours of two clusters or more."""
    near = reference.neighbourhoods(points, eps, "euclidean", None)
    border = np.setdiff1d(np.flatnonzero(labels >= 0), core)
    return {int(i) for i in border if len(set(labels[np.intersect1d(near[i], core)])) > 1}


def _other_orders(
    points: Floats, eps: float, min_samples: int, core: Indices, labels: Indices, n_orders: int, rng: int
) -> tuple[bool, set[int]]:
    """Walk in random orders: whether the core groups stay, and which points change hands."""
    generator = np.random.default_rng(rng)
    same_groups, moved = True, set()
    for _ in range(n_orders):
        order = generator.permutation(len(points)).tolist()
        *_, last = walk_through(points, eps, min_samples=min_samples, order=order)
        renamed = _rename(last.labels, labels, core)
        same_groups &= np.array_equal(renamed[core], labels[core])
        moved |= set(np.flatnonzero(renamed != labels).tolist())
    return same_groups, moved


def _rename(labels: Indices, like: Indices, core: Indices) -> Indices:
    """Give each cluster of `labels` the number that its first core point has in `like`."""
    numbers, first = np.unique(labels[core], return_index=True)
    names = np.full(
        labels.max(initial=-1) + 2, -1, dtype=np.intp
    )  # the last entry is that of noise, label -1
    names[numbers] = like[core[first]]
    return names[labels]


class DBSCANStepsDisplay:
    """The walk as a filmstrip or an animation.

    Parameters
    ----------
    points : ndarray of shape (n, d)
        The points; more than two columns are projected onto the first two principal components.
    steps : list of Step
        The walk.
    eps : float
        Radius of the circle about the point of the step; drawn in one and two dimensions.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        Where the frames were drawn.
    figure_ : matplotlib Figure
        Their figure.
    """

    axes_: list[Axes]
    figure_: Figure

    def __init__(self, points: Floats, steps: list[Step], eps: float) -> None:
        self.points, shares = _plot.project(points)
        self.steps = steps
        self.eps = eps if shares is None else None
        self.is_core = np.zeros(len(points), dtype=bool)
        self.is_core[[step.point for step in steps if step.kind == "expand"]] = True

    def plot(self, n_frames: int = 8) -> DBSCANStepsDisplay:
        """Draw a filmstrip.

        Parameters
        ----------
        n_frames : int
            How many steps to show: the first of each kind, the last, and some between.

        Returns
        -------
        DBSCANStepsDisplay
            This display, with ``axes_`` and ``figure_``.
        """
        _plot.import_matplotlib()
        import matplotlib.pyplot as plt

        chosen = self._choose(n_frames)
        columns = min(4, len(chosen))
        rows = -(-len(chosen) // columns)
        self.figure_, grid = plt.subplots(
            rows, columns, figsize=(3.4 * columns, 2.7 * rows), layout="constrained", squeeze=False
        )
        self.axes_ = list(grid.flat[: len(chosen)])
        for ax in grid.flat[len(chosen) :]:
            ax.set_axis_off()
        for ax, number in zip(self.axes_, chosen, strict=True):
            self._draw(ax, number)
        return self

    def animate(self, path: str, *, every: int = 1) -> None:
        """Write the walk as a gif.

        Parameters
        ----------
        path : str
            Where to write it.
        every : int
            Show each ``every``-th step only.
        """
        _plot.import_matplotlib()
        import matplotlib.pyplot as plt
        from matplotlib.animation import FuncAnimation, PillowWriter

        figure, ax = plt.subplots(figsize=(6.0, 4.6), dpi=80)
        figure.subplots_adjust(left=0.02, right=0.98, bottom=0.02, top=0.92)

        def frame(number: int) -> list[Artist]:
            ax.clear()
            self._draw(ax, number)
            return []

        numbers = [*range(0, len(self.steps) - 1, every), *[len(self.steps) - 1] * PACE]
        FuncAnimation(figure, frame, frames=numbers, blit=False).save(path, writer=PillowWriter(fps=PACE))
        plt.close(figure)

    def _choose(self, n_frames: int) -> list[int]:
        last = len(self.steps) - 1
        kinds = [step.kind for step in self.steps]
        chosen = {last, *(kinds.index(kind) for kind in dict.fromkeys(kinds))}
        chosen |= {i for i, kind in enumerate(kinds) if kind == "open"}
        chosen = set(sorted(chosen)[: n_frames - 1]) | {last}
        while len(chosen) < min(n_frames, last + 1):  # halve the widest gap
            known = sorted(chosen | {-1})
            gap, left = max((b - a, a) for a, b in pairwise(known))
            chosen.add(left + gap // 2)
        return sorted(chosen)

    def _draw(self, ax: Axes, number: int) -> None:
        from matplotlib.patches import Circle

        step = self.steps[number]
        x, y = self.points.T
        colours = _plot.cluster_colours(int(self.steps[-1].labels.max(initial=-1)) + 1)
        done = number == len(self.steps) - 1
        free = step.labels == -1
        core = ~free & self.is_core
        border = ~free & ~self.is_core
        if done:
            ax.scatter(x[free], y[free], s=14, c=_plot.NOISE_COLOUR, marker="x", linewidths=0.9)
        else:
            ax.scatter(
                x[free], y[free], s=12, facecolors="none", edgecolors=_plot.NOISE_COLOUR, linewidths=0.8
            )
        rims = colours[step.labels[border]]
        ax.scatter(x[border], y[border], s=14, facecolors="none", edgecolors=rims, linewidths=1.1)
        ax.scatter(x[core], y[core], s=14, c=colours[step.labels[core]], linewidths=0)
        if not done:
            colour = colours[step.cluster] if step.cluster >= 0 else "#333333"
            centre = self.points[step.point]
            if self.eps is not None:
                ax.add_patch(
                    Circle(tuple(centre), self.eps, facecolor="none", edgecolor=colour, linewidth=1.2)
                )
            ax.scatter(centre[0], centre[1], s=46, facecolors="none", edgecolors="black", linewidths=1.3)
        ax.set_title(self._caption(number), fontsize="small")
        ax.set_aspect("equal", adjustable="datalim")
        ax.set_xticks([])
        ax.set_yticks([])

    def _caption(self, number: int) -> str:
        step = self.steps[number]
        if number == len(self.steps) - 1:  # core points filled, border points hollow, noise crossed
            n_clusters, n_noise = int(step.labels.max(initial=-1)) + 1, np.count_nonzero(step.labels == -1)
            return f"{number + 1}. done: {n_clusters} clusters, {n_noise} noise"
        count = len(step.neighbours)
        text = {
            "visit": f"visit {step.point}: {count} within eps",
            "open": f"{step.point} is core: opens cluster {step.cluster}",
            "expand": f"core {step.point} takes its neighbours",
            "border": f"{step.point}: {count} within eps, border",
            "noise": f"{step.point}: {count} within eps, noise so far",
        }[step.kind]
        return f"{number + 1}. {text}"
