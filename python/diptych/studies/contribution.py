"""The study `contribution`: how much does step t count, in a short memory and in a long one.

Nets learn to add up the marked numbers of a sequence: what each step adds is known, its number if it is
marked, else nothing. An LSTM and a tanh RNN learn it over 15 steps and over 60; a linear RNN beside them,
whose state is a sum by construction. Three measures of "how much did step t count" then meet the truth:

- **Removal**: take x_t out of the sequence; by how much less does the net say?
- **Gradient**: ‖∂ said / ∂x_t‖, what a small change of x_t would do.
- **Terms**: the memory of an LSTM is c_T = Σ_t (∏_{s>t} f_s) · i_t · g_t, that of a linear RNN
  Σ_t U^(T−t) (W x_t + b). Read by the output they sum to what the net says, to the last digit.

Over 15 steps both learn, over 60 the RNN does not: that is short and long memory. (How far it comes is a
matter of luck, which another seed shows.) Of the LSTM, removal finds the truth. The other two answer other
questions. A gradient tells where the net looks, hardly what it found: that of a marked 0.1 is more than a
third of that of a marked 0.9. And a term tells what was *written* at step t, which is not what x_t *caused*:
x_t also moves the gates of later steps, and what every step writes, marked or not, is part of the sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diptych import _validate
from diptych import plot as _plot
from diptych._blas import one_thread
from diptych.studies import _contribution_runs as runs
from diptych.studies._contribution_runs import Contributions
from diptych.studies._moving import MovingDisplay, write_gif
from diptych.studies._result import StudyResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ContributionDisplay", "Contributions", "contribution"]

QUESTION = "How much does step t count: in a short memory and a long one, by terms, by gradients, by removal?"
LAW = (
    "Both nets add up marked numbers over the short way, the LSTM alone over the long way; take a step out, "
    "and the LSTM says less by what the step was worth, within 0.1 on average, in the first third of the "
    "steps as in the last; the terms sum to what is said, but go along with the truth less well than "
    "removal does; the gradient of a marked small number is more than a third of that of a marked large one, "
    "and that of a linear RNN is the same for all inputs."
)
LEARNT = 0.1  # of the error of who always says the mean
MISS = 0.1
BINS = 6
PACE = 8  # frames for each second of the animation


@dataclass(frozen=True)
class _Answer:
    """What was measured: by net, over the short way and over the long way."""

    short: dict[str, Contributions]
    long: dict[str, Contributions]

    @property
    def one_memory_is_long(self) -> bool:
        """Whether both learn over the short way, and the LSTM alone over the long way."""
        both = all(net.error < LEARNT for net in self.short.values())
        return both and self.long["LSTM"].error < LEARNT < self.long["tanh RNN"].error

    @property
    def removal_is_right(self) -> bool:
        """Whether taking a step out costs the LSTM what the step was worth, far and near."""
        lstm = self.long["LSTM"]
        return all(lstm.miss(where) < MISS for where in (lstm.far, lstm.near, ~lstm.marked))

    @property
    def terms_are_exact(self) -> bool:
        """Whether terms sum to what is said, and go along with the truth less well than removal."""
        summed = [self.long[net] for net in ("LSTM", "linear RNN")]
        lstm = summed[0]
        return (
            all(net.does_not_add_up < 1e-10 for net in summed)
            and lstm.terms is not None
            and lstm.correlation(lstm.terms[1:]) < lstm.correlation(lstm.removed)
        )

    @property
    def gradients_are_something_else(self) -> bool:
        """Whether the gradient hardly tells small numbers from large ones, and a linear net's nothing."""
        small, large = self.long["LSTM"].gradient_of_small_and_large()
        linear = self.long["linear RNN"].gradients
        return small > large / 3 and bool(np.ptp(linear, axis=1).max() <= 1e-12 * linear.max())


def contribution(
    steps: int = 60, *, short: int = 15, batches: int = 1500, n_sequences: int = 64, rng: int = 0
) -> StudyResult:
    """Show how much each step counts in a short and a long memory, by terms, gradients and removal.

    Trains an LSTM, a tanh RNN and a linear RNN to add up the marked numbers of a sequence, and measures what
    each step did to what they say.

    Parameters
    ----------
    steps : int
        Length of the long sequences.
    short : int
        Length of the short ones, at least 3.
    batches : int
        Of 50 sequences that each net learns from.
    n_sequences : int
        Fresh sequences that are measured.
    rng : int
        Seed of weights and sequences.

    Returns
    -------
    StudyResult
        ``display`` is a `ContributionDisplay`, which has the `Contributions` of each net as ``short`` and
        ``long``.

    Raises
    ------
    ValueError
        If `short` is below 3, `steps` not above it, or another number below 1.

    References
    ----------
    .. [1] S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation, 1997.
    .. [2] Y. Bengio, P. Simard and P. Frasconi, "Learning long-term dependencies with gradient descent is
       difficult", IEEE Transactions on Neural Networks, 1994.
    """
    if _validate.count(short, "short") < 3:
        raise ValueError(f"short={short}: must be 3 or more.")
    if _validate.count(steps, "steps") <= short:
        raise ValueError(f"steps={steps}: must be more than short={short}.")
    sizes = _validate.count(batches, "batches"), _validate.count(n_sequences, "n_sequences")
    nets = ("LSTM", "tanh RNN", "linear RNN")
    with one_thread():
        answer = _Answer(
            {net: runs.contributions(net, short, *sizes, rng) for net in nets[:2]},
            {net: runs.contributions(net, steps, *sizes, rng) for net in nets},
        )
    holds = (
        answer.one_memory_is_long
        and answer.removal_is_right
        and answer.terms_are_exact
        and answer.gradients_are_something_else
    )
    display = ContributionDisplay(answer.short, answer.long)
    return StudyResult("contribution", QUESTION, LAW, holds, _numbers(answer), display)


def _numbers(answer: _Answer) -> dict[str, Any]:
    """Return what was measured, by name."""
    numbers: dict[str, Any] = {}
    for nets in (answer.short, answer.long):
        for name, net in nets.items():
            numbers[f"{net.steps}_steps,_{name}:_error_as_a_share_of_that_of_the_mean"] = round(net.error, 4)
    for name, net in answer.long.items():
        key = f"{net.steps}_steps,_{name}:"
        numbers[f"{key}_removal_misses_the_worth_by,_far,_near,_unmarked"] = [
            round(net.miss(where), 3) for where in (net.far, net.near, ~net.marked)
        ]
        numbers[f"{key}_gradient_far,_near"] = [
            float(f"{net.gradients[where].mean():.2g}") for where in (net.far, net.near)
        ]
        numbers[f"{key}_gradient_of_marked_small,_large"] = [
            float(f"{norm:.2g}") for norm in net.gradient_of_small_and_large()
        ]
        measures = {"removal": net.removed, "gradient": net.gradients}
        if net.terms is not None:
            measures["terms"] = net.terms[1:]
            numbers[f"{key}_terms_and_constant_miss_what_is_said_by"] = float(f"{net.does_not_add_up:.0e}")
        for measure, values in measures.items():
            numbers[f"{key}_correlation_of_{measure}_with_the_truth"] = round(net.correlation(values), 3)
    return numbers


class ContributionDisplay(MovingDisplay):
    """One sequence through each net of the long way, a row each; credit and gradients by distance beside.

    Parameters
    ----------
    short, long : dict of str to Contributions
        By net.

    Attributes
    ----------
    axes_ : dict of str to matplotlib Axes
        By net, and "credit" and "gradient".
    figure_ : matplotlib Figure
        Their figure.
    """

    axes_: dict[str, Axes]
    figure_: Figure
    _pace = PACE

    def __init__(self, short: dict[str, Contributions], long: dict[str, Contributions]) -> None:
        self.short = short
        self.long = long

    def animate(self, path: str, *, every: int = 2) -> None:
        """Write a gif in which one step after the other is asked about.

        Parameters
        ----------
        path : str
            Where to write it.
        every : int
            Show each ``every``-th step only.
        """
        self._open()
        frames = self._frames()
        write_gif(self.figure_, self._draw, [*frames[:-1:every], frames[-1]], path, pace=PACE)

    def _frames(self) -> range:
        return range(1, self.long["LSTM"].steps + 1)

    def _open(self) -> None:
        _plot.import_matplotlib()
        import matplotlib.pyplot as plt

        names = list(self.long)
        layout: list[Any] = [[name, name, "credit" if row < 3 else "gradient"] for row, name in enumerate(
            name for name in names for _ in range(2)
        )]  # fmt: skip
        self.figure_, self.axes_ = plt.subplot_mosaic(layout, figsize=(11.5, 7.4))
        self.figure_.subplots_adjust(left=0.07, right=0.98, bottom=0.08, top=0.9, wspace=0.3, hspace=0.9)

    def _draw(self, until: int) -> None:
        """Draw the first steps."""
        for ax in self.axes_.values():
            ax.clear()
        for name, net in self.long.items():
            self._draw_sequence(self.axes_[name], net, until)
        first = self.axes_[next(iter(self.long))]
        first.legend(fontsize="small", frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0.0, 1.12))
        self.axes_[list(self.long)[-1]].set_xlabel("step t")
        credit, gradient = self.axes_["credit"], self.axes_["gradient"]
        for (name, net), colour in zip(self.long.items(), _plot.cluster_colours(len(self.long)), strict=True):
            middles = (np.arange(BINS) + 0.5) * net.steps / BINS
            credit.plot(middles, net.credit(BINS), marker="o", markersize=3, color=colour, label=name)
            gradient.plot(np.median(net.gradients, axis=1), color=colour, label=name)
        for level in (0, 1):
            credit.axhline(level, color=_plot.NOISE_COLOUR, linewidth=0.8)
        credit.set_ylim(-1.5, 2.0)
        credit.set_title("how much of a marked number counts", fontsize="small")
        credit.legend(fontsize="x-small", frameon=False, loc="lower right")
        gradient.set_yscale("log")
        gradient.set_ylim(1e-4, 1e2)
        gradient.set_title("‖∂ said / ∂x_t‖, median", fontsize="small")
        gradient.set_xlabel("step t")

    def _draw_sequence(self, ax: Axes, net: Contributions, until: int) -> None:
        which, (blue, orange, green) = self._shown(), _plot.cluster_colours(3)
        t = np.arange(until)
        marked = np.flatnonzero(net.marked[:, which])
        ax.scatter(
            marked, net.truth[marked, which], s=60, facecolors="none", edgecolors="black", label="the truth"
        )
        if net.terms is not None:
            ax.bar(t, net.terms[1 : until + 1, which], color=green, width=0.7, label="term")
        ax.plot(t, net.gradients[:until, which], color=orange, linewidth=0.9, label="norm of the gradient")
        ax.vlines(t, 0, net.removed[:until, which], color=blue, linewidth=1.2)
        ax.scatter(t, net.removed[:until, which], s=10, color=blue, label="removal", zorder=3)
        ax.axhline(0, color=_plot.NOISE_COLOUR, linewidth=0.8)
        ax.set_xlim(-1, net.steps)
        ax.set_ylim(-0.6, 1.9)
        said, right = net.said[which], net.truth[:, which].sum()
        ax.set_title(f"{net.net} says {said:.2f}, right is {right:.2f}", fontsize="small", loc="left")

    def _shown(self) -> int:
        """Return a sequence with three marks or more, some of them far and some near."""
        net = self.long["LSTM"]
        good = net.far.any(axis=0) & net.near.any(axis=0) & (net.marked.sum(axis=0) >= 3)
        return int(good.argmax())
