"""The study `gates`: why does an LSTM have so many gates.

    i, f, o = σ(…);  g = tanh(…)         what to let in, to keep, to show; what there is to write
    c_t = f ∘ c_{t−1} + i ∘ g
    h_t = o ∘ tanh(c_t)

Each part is taken out in turn: the forget gate (f = 1), the input gate (i = 1), the output gate (o = 1), the
input gate's own weights (i = 1 − f), the squashing (h = o ∘ c). All six learn the same two tasks from the
same batches, with three seeds each: to add up the marked numbers of a sequence, which asks for a memory that
takes in little and keeps it for long, and to tag the cities of English travel requests as from, to or via,
which asks for one that is overwritten ("leave taipei *and arrive in* rome").

Either task misses a gate. Adding misses the input gate: without it every step writes, and the net has to
learn to write exactly nothing. (It may miss the forget gate as much: which of the two more is decided by
the last bits, and differs between machines whose BLAS rounds otherwise.) The grammar misses the forget
gate: what is never dropped has to be outvoted. (The LSTM of 1997 had none; Gers, Schmidhuber and Cummins
added it for this reason.) Both are lost time rather than lost power: the errors are those after as many
batches, and fall with more.

And then the "no": neither task misses the output gate, nor tanh(c), and one gate for two, i = 1 − f, comes
near the full net. On large tasks Greff et al. found the same of coupled gates; but nets without
the squashing did badly there, and do well here. Small tasks do not drive c far enough for it to matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diptych import _validate
from diptych import plot as _plot
from diptych._blas import one_thread
from diptych.studies import _gates_runs as runs
from diptych.studies._gates_runs import VARIANTS, Learnt
from diptych.studies._moving import MovingDisplay
from diptych.studies._result import StudyResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["GatesDisplay", "Learnt", "gates"]

QUESTION = "Why so many gates: what does an LSTM lose when one of its parts is taken out?"
LAW = (
    "Without an input gate (i = 1) adding is learnt with three times the error of the full net or more. "
    "Without a forget gate (f = 1) the grammar is, and of the six variants that net is the worst at it. "
    "Without an output gate (o = 1), without tanh(c), and with one gate for two (i = 1 − f), neither task is "
    "learnt worse than by the full net: at most twice its error, or 0.02 above."
)
TIMES = 3.0
NO_WORSE = 2.0
SLACK = 0.02
PACE = 3  # frames for each second of the animation
CHANCE = {"adding": "always the mean", "grammar": "no city word right"}  # what an error of 1 is


@dataclass(frozen=True)
class _Answer:
    """What was learnt of either task."""

    adding: Learnt
    grammar: Learnt

    @property
    def adding_misses_the_input_gate(self) -> bool:
        """Whether i = 1 is far worse at adding than the full net."""
        return _is_far_worse(self.adding, "i = 1")

    @property
    def grammar_misses_the_forget_gate(self) -> bool:
        """Whether f = 1 is the worst at the grammar, by far."""
        finals = self.grammar.finals()
        return _is_far_worse(self.grammar, "f = 1") and max(finals, key=finals.__getitem__) == "f = 1"

    @property
    def three_parts_are_not_missed(self) -> bool:
        """Whether both tasks are learnt as well without output gate, without tanh(c), with i = 1 − f."""
        return all(
            task.final(variant) <= max(NO_WORSE * task.final("full"), task.final("full") + SLACK)
            for task in (self.adding, self.grammar)
            for variant in ("o = 1", "no tanh(c)", "i = 1 − f")
        )


def _is_far_worse(task: Learnt, variant: str) -> bool:
    return task.final(variant) >= TIMES * task.final("full")


def gates(batches: int = 500, *, epochs: int = 30, n_seeds: int = 3, rng: int = 0) -> StudyResult:
    """Show why an LSTM has so many gates, by taking each of its parts out.

    Trains six variants side by side to add up marked numbers and to tag travel requests, each with several
    seeds.

    Parameters
    ----------
    batches : int
        Of 32 sequences, from which adding is learnt.
    epochs : int
        How often to go through the 600 sentences.
    n_seeds : int
        Nets of each variant; they differ in weights and in what they learn from.
    rng : int
        Seed of all that.

    Returns
    -------
    StudyResult
        ``display`` is a `GatesDisplay`, which has what was `Learnt` of each task as ``tasks``.

    Raises
    ------
    ValueError
        If a number is below 1.

    References
    ----------
    .. [1] S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation, 1997.
    .. [2] F. A. Gers, J. Schmidhuber and F. Cummins, "Learning to forget: continual prediction with LSTM",
       Neural Computation, 2000.
    .. [3] K. Greff, R. K. Srivastava, J. Koutník, B. R. Steunebrink and J. Schmidhuber, "LSTM: a search space
       odyssey", IEEE Transactions on Neural Networks and Learning Systems, 2017.
    """
    _validate.count(batches, "batches")
    _validate.count(epochs, "epochs")
    _validate.count(n_seeds, "n_seeds")
    with one_thread():
        answer = _Answer(runs.adding(n_seeds, batches, rng), runs.grammar(n_seeds, epochs, rng))
    holds = (
        answer.adding_misses_the_input_gate
        and answer.grammar_misses_the_forget_gate
        and answer.three_parts_are_not_missed
    )
    numbers: dict[str, Any] = {"nets_of_each_variant": n_seeds, "units": runs.HIDDEN}
    tasks = (answer.adding, answer.grammar)
    for task in tasks:
        numbers[f"{task.task}:_batches"] = int(task.batches[-1])
        for variant, errors in zip(VARIANTS, task.errors[:, :, -1], strict=True):
            each = ", ".join(f"{error:.4f}" for error in errors)
            numbers[f"{task.task},_{variant}"] = f"error {task.final(variant):.4f} ({each})"
    return StudyResult("gates", QUESTION, LAW, holds, numbers, GatesDisplay(tasks))


class GatesDisplay(MovingDisplay):
    """How each variant learns, and where each seed ends, a row for each task.

    In the animation they learn.

    Parameters
    ----------
    tasks : tuple of Learnt
        Adding and the grammar.

    Attributes
    ----------
    axes_ : dict of tuple to matplotlib Axes
        By task and "curves" or "ends".
    figure_ : matplotlib Figure
        Their figure.
    """

    axes_: dict[tuple[str, str], Axes]
    figure_: Figure
    _pace = PACE

    def __init__(self, tasks: tuple[Learnt, ...]) -> None:
        self.tasks = tasks

    def _frames(self) -> range:
        return range(1, self._points() + 1)

    def _points(self) -> int:
        return max(len(task.batches) for task in self.tasks)

    def _open(self) -> None:
        _plot.import_matplotlib()
        import matplotlib.pyplot as plt

        self.figure_, grid = plt.subplots(
            len(self.tasks), 2, figsize=(11.0, 7.4), width_ratios=[3, 2], sharey="row", squeeze=False
        )
        self.figure_.subplots_adjust(left=0.08, right=0.98, bottom=0.08, top=0.9, hspace=0.3, wspace=0.05)
        self.axes_ = {
            (task.task, what): grid[row, column]
            for row, task in enumerate(self.tasks)
            for column, what in enumerate(("curves", "ends"))
        }

    def _draw(self, points: int) -> None:
        """Draw the first points of the curves, and where they are then."""
        colours = _plot.cluster_colours(len(VARIANTS))
        for task in self.tasks:
            curves, ends = self.axes_[task.task, "curves"], self.axes_[task.task, "ends"]
            curves.clear()
            ends.clear()
            for place, (variant, errors, colour) in enumerate(
                zip(VARIANTS, np.maximum(task.errors[:, :, :points], 1e-4), colours, strict=True)
            ):
                x = task.batches[:points]
                curves.plot(
                    x, np.median(errors, axis=0), color=colour, marker="o", markersize=3, label=variant
                )
                curves.fill_between(x, errors.min(axis=0), errors.max(axis=0), color=colour, alpha=0.08)
                ends.scatter(np.full(len(errors), place), errors[:, -1], color=colour, s=18)
                ends.hlines(np.median(errors[:, -1]), place - 0.3, place + 0.3, color=colour)
            curves.set_yscale("log")
            curves.set_xlim(0, task.batches[-1] * 1.02)
            curves.set_ylabel(f"{task.task}: error, 1 is {CHANCE[task.task]}", fontsize="small")
            ends.set_xticks(range(len(VARIANTS)), VARIANTS, fontsize="small")
            ends.set_xlim(-0.6, len(VARIANTS) - 0.4)
        curves.set_xlabel("batches")
        first = self.axes_[self.tasks[0].task, "curves"]
        first.legend(ncols=6, fontsize="small", frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0))
