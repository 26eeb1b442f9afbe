"""The picture of the study `pathsim_or_walks`."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from diptych import plot as _plot
from diptych.studies._moving import MovingDisplay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from diptych.studies.pathsim_or_walks import Answers, Similar

NAME_LENGTH = 24


class PathSimOrWalksDisplay(MovingDisplay):
    """PathSim against cosine for everyone else, a panel for each author; the best of either have numbers.

    Parameters
    ----------
    answers : tuple of Answers
        What was said of each author.
    metapath : str
        The meta-path, in words.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        One for each author.
    figure_ : matplotlib Figure
        Their figure.
    """

    axes_: list[Axes]
    _pace = 1
    _dots = 120

    def __init__(self, answers: tuple[Answers, ...], metapath: str) -> None:
        self.answers = answers
        self.metapath = metapath

    def _open(self) -> None:
        _plot.import_matplotlib()
        import matplotlib.pyplot as plt

        n = len(self.answers)
        self.figure_, grid = plt.subplots(n, 1, figsize=(9.5, 4.8 * n), squeeze=False)
        self.figure_.subplots_adjust(left=0.08, right=0.62, top=1 - 0.08 / n, bottom=0.12 / n, hspace=0.25)
        self.axes_ = list(grid[:, 0])

    def _frames(self) -> Sequence[int]:
        last = max(max(len(found.by_pathsim), len(found.by_walks)) for found in self.answers)
        return [*range(last + 1), last]  # the whole a second longer

    def _draw(self, until: int) -> None:
        for ax, found in zip(self.axes_, self.answers, strict=True):
            ax.clear()
            self._panel(ax, found, until)

    def _panel(self, ax: Axes, found: Answers, ranks: int) -> None:
        blue, orange = _plot.cluster_colours(2)
        for worked, colour, label in (
            (False, _plot.NOISE_COLOUR, "never worked with the author"),
            (True, "#222222", "worked with the author"),
        ):
            those = [other for other in found.others if (other.together > 0) == worked]
            x, y = [other.cosine for other in those], [other.score for other in those]
            area = 12 if len(found.others) < 1000 else 4
            ax.scatter(x, y, s=area, c=[colour], linewidths=0, label=label, rasterized=True)
        for answers, colour, shift, side in (
            (found.by_pathsim, blue, (-4, 1), "right"),
            (found.by_walks, orange, (4, 1), "left"),
        ):
            shown = answers[:ranks]
            x, y = [other.cosine for other in shown], [other.score for other in shown]
            ax.scatter(x, y, s=34, facecolors="none", edgecolors=[colour], linewidths=1.3)
            for rank, place in enumerate(zip(x, y, strict=True), start=1):
                style = {"color": colour, "fontsize": "small", "fontweight": "bold", "ha": side}
                ax.annotate(str(rank), place, shift, textcoords="offset points", **style)
        ax.set_xlim(min(other.cosine for other in found.others) - 0.05, 1.05)
        ax.set_ylim(-0.05, 1.08)
        ax.set_title(str(found.author), parse_math=False)
        ax.set_xlabel("cosine of DeepWalk's vectors")
        ax.set_ylabel("PathSim")
        ax.legend(fontsize="x-small", loc="upper left", bbox_to_anchor=(1.02, 0.12), frameon=False)
        self._list(ax, "PathSim:", found.by_pathsim[:ranks], "score", blue, 1.0)
        self._list(ax, "Walks:", found.by_walks[:ranks], "cosine", orange, 0.57)

    def _list(
        self, ax: Axes, title: str, answers: tuple[Similar, ...], value: str, colour: Any, top: float
    ) -> None:
        """Write the names beside the picture, where no point is under them."""
        lines = [title]
        for rank, other in enumerate(answers, start=1):
            name = textwrap.shorten(str(other.name), NAME_LENGTH, placeholder=" …")
            lines.append(f"{rank:>2} {name}  {getattr(other, value):.2f}, {other.together} together")
        size = "small" if len(lines) <= 7 else "x-small"
        style = {"va": "top", "color": colour, "fontsize": size, "parse_math": False}
        ax.text(1.03, top, "\n".join(lines), transform=ax.transAxes, **style)
