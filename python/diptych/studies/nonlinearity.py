"""The study `nonlinearity`: why tanh and not ReLU in a recurrent net.

A recurrent net h_t = φ(W x_t + U h_{t−1}) sends its state through the same U at every step. What U does once
it does T times: lengths are multiplied by about its spectral radius ρ a step, and so are gradients on their
way back. The study runs nets with ρ = 0.5, 1 and 1.5 that nobody has trained and measures the length of the
state, ‖h_t‖, and what arrives of a change of it, ‖∂h_T/∂h_t‖. Two starts of U: random (normal entries,
scaled to ρ), and ρ·I, which was proposed for ReLU. Two strengths of the input: quiet, where tanh is nearly
linear, and loud.

What comes out is only half of what one hears:

- **Yes**: a tanh state cannot exceed √H, a ReLU state can: with U = ρ·I it grows by ρ a step. From a random
  start it takes more than ρ = 1, for ReLU sets half the units to 0 and with them half of ‖U h‖²: lengths
  grow by about ρ/√2. A random ReLU net of 64 units begins to grow at ρ = 1.5, and forgets at ρ = 1.
- **No**: tanh does not hold gradients. Its slope is at most 1, and so is ReLU's: what U shrinks vanishes with
  both. At ρ = 1.5 a quiet tanh net has a bounded state and an exploding gradient; a loud one has a vanishing
  gradient, for it is saturated. With ReLU the strength of the input does not matter: twice the input is twice
  the state and the same gradient. And the one net here whose gradients neither vanish nor explode is ReLU
  with U = I.

The bound that remains is that of the chain rule: ‖∂h_T/∂h_t‖ <= ‖U‖₂^(T−t), whichever of the two it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diptych import _validate
from diptych import plot as _plot
from diptych.kernels.recurrent import rnn, state_jacobian_norms
from diptych.studies._moving import MovingDisplay, write_gif
from diptych.studies._result import StudyResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["NonlinearityDisplay", "Run", "nonlinearity"]

QUESTION = "Why tanh and not ReLU in a recurrent net: what becomes of the state, and of the gradient?"
LAW = (
    "A tanh state never exceeds √H, while a ReLU state with U = 1.5·I grows 1.5-fold a step; a random U "
    "takes ρ of about 1.5 for that, not 1; no gradient exceeds ‖U‖₂^(T−t), and at ρ = 0.5 all vanish, tanh "
    "or ReLU; but a bounded state is no bounded gradient: at ρ = 1.5, from a random start, tanh's explodes "
    "when the input is quiet and vanishes when it is loud, and that of ReLU does not depend on the input's "
    "strength; only ReLU with U = I passes gradients on as they are."
)
RADII = (0.5, 1.0, 1.5)
STARTS = ("random", "identity")
NONLINEARITIES = ("tanh", "relu")
STRENGTHS = {"quiet": 0.1, "loud": 1.5}  # standard deviation of W x_t
N_SEQUENCES = 4  # a net reads
INPUTS = 8
N_UNDRIVEN = 21  # nets without input, to find where ReLU begins to grow
SETTLED = 100  # steps before their growth is measured, and as many for it
BEGINS = (1.2, 1.8)  # about √2: a net of 64 units scatters, and so does its median over 21
NEAR = 10  # steps back at which gradients are told, besides the longest way
PACE = 12  # frames for each second of the animation

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """What nets of one kind did.

    Attributes
    ----------
    start : {"random", "identity"}
        What U is: normal entries or the identity, scaled.
    radius : float
        Spectral radius of U.
    nonlinearity : {"tanh", "relu"}
        φ.
    strength : {"quiet", "loud"}
        The input.
    lengths : ndarray of shape (T,)
        ‖h_t‖ / √H, the median over nets and sequences.
    arrives : ndarray of shape (T,)
        ‖∂h_T/∂h_t‖, the median likewise.
    longest : float
        The greatest ‖h_t‖ / √H of any net and step.
    share_of_bound : float
        The greatest ‖∂h_T/∂h_t‖ / ‖U‖₂^(T−t) of any net and step.
    """

    start: str
    radius: float
    nonlinearity: str
    strength: str
    lengths: Floats
    arrives: Floats
    longest: float
    share_of_bound: float

    @property
    def growth(self) -> float:
        """By which factor a step the length grows, on geometric average over the second half."""
        half = len(self.lengths) // 2
        ratio = self.lengths[-1] / self.lengths[half - 1]
        return float(ratio ** (1 / (len(self.lengths) - half)))

    def arrives_after(self, steps: int) -> float:
        """Return ‖∂h_T/∂h_t‖ for T − t steps."""
        return float(self.arrives[-1 - steps])

    def __str__(self) -> str:
        far = len(self.arrives) - 1
        return (
            f"length {self.lengths[-1]:.3g} √H, arrives after {NEAR} steps {self.arrives_after(NEAR):.3g}, "
            f"after {far} {self.arrives_after(far):.3g}"
        )


@dataclass(frozen=True)
class _Answer:
    """All runs, by start, radius, nonlinearity and strength; from which ρ on random ReLU nets grow."""

    runs: dict[tuple[str, float, str, str], Run]
    begins: float

    @property
    def bounded(self) -> bool:
        """Whether no tanh state exceeds √H, and ReLU's grows: with ρ·I by ρ, else from about √2 on."""
        tanh = all(run.longest <= 1 for run in self.runs.values() if run.nonlinearity == "tanh")
        relu = [self.runs["identity", RADII[-1], "relu", name] for name in STRENGTHS]
        grows = all(run.lengths[-1] > 1 and abs(run.growth - RADII[-1]) < 0.01 for run in relu)
        return tanh and grows and BEGINS[0] < self.begins < BEGINS[1]

    @property
    def below_the_chain_rule(self) -> bool:
        """Whether no gradient exceeds ‖U‖₂^(T−t), and all vanish where U shrinks."""
        return all(
            run.share_of_bound <= 1 + 1e-9 and (run.radius > RADII[0] or run.arrives[0] < 1e-6)
            for run in self.runs.values()
        )

    @property
    def bounded_state_is_no_bounded_gradient(self) -> bool:
        """Whether tanh's gradient explodes when the input is quiet and vanishes when it is loud."""
        quiet, loud = (self.runs["random", RADII[-1], "tanh", name] for name in STRENGTHS)
        return bool(quiet.arrives[0] > 1 > loud.arrives[0])

    @property
    def relu_scales(self) -> bool:
        """Whether ReLU's gradient is the same for quiet and loud inputs, and its state in proportion."""
        times = STRENGTHS["loud"] / STRENGTHS["quiet"]
        pairs = [
            [self.runs[start, radius, "relu", name] for name in STRENGTHS]
            for start in STARTS
            for radius in RADII
        ]
        return all(
            np.allclose(quiet.arrives, loud.arrives, rtol=1e-9, atol=0)
            and np.allclose(times * quiet.lengths, loud.lengths, rtol=1e-9, atol=0)
            for quiet, loud in pairs
        )

    @property
    def identity_passes_on(self) -> bool:
        """Whether ReLU with U = I is the only net that passes gradients on as they are."""
        as_it_is = {key for key, run in self.runs.items() if np.allclose(run.arrives, 1, rtol=0, atol=1e-12)}
        return as_it_is == {("identity", 1.0, "relu", name) for name in STRENGTHS}


def nonlinearity(hidden_size: int = 64, *, steps: int = 100, n_nets: int = 5, rng: int = 0) -> StudyResult:
    """Show why tanh and not ReLU in a recurrent net, and what tanh does not do.

    Runs untrained nets of spectral radius 0.5, 1 and 1.5 on noise, and measures the length of their states
    and what arrives of a change.

    Parameters
    ----------
    hidden_size : int
        H, units of each net, at least 32: below that, single units decide.
    steps : int
        T, steps of each sequence, at least 60: what grows slowly must have time to.
    n_nets : int
        Nets of each kind; figures are medians over them.
    rng : int
        Seed of weights and inputs.

    Returns
    -------
    StudyResult
        ``display`` is a `NonlinearityDisplay`, which has each `Run` in ``runs``.

    Raises
    ------
    ValueError
        If a number is below what is said above.

    References
    ----------
    .. [1] R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks",
       ICML, 2013.
    .. [2] Q. V. Le, N. Jaitly and G. E. Hinton, "A simple way to initialize recurrent networks of rectified
       linear units", 2015: U = I.
    .. [3] H. Sompolinsky, A. Crisanti and H. J. Sommers, "Chaos in random neural networks", Physical Review
       Letters, 1988: tanh with ρ above 1.
    """
    for value, name, least in ((hidden_size, "hidden_size", 32), (steps, "steps", 60), (n_nets, "n_nets", 1)):
        if _validate.count(value, name) < least:
            raise ValueError(f"{name}={value}: must be {least} or more.")
    runs = {
        (start, radius, φ, strength): _run(start, radius, φ, strength, (hidden_size, steps, n_nets), rng)
        for start in STARTS
        for radius in RADII
        for φ in NONLINEARITIES
        for strength in STRENGTHS
    }
    answer = _Answer(runs, _begins_to_grow(hidden_size, rng))
    holds = (
        answer.bounded
        and answer.below_the_chain_rule
        and answer.bounded_state_is_no_bounded_gradient
        and answer.relu_scales
        and answer.identity_passes_on
    )
    numbers: dict[str, Any] = {"units": hidden_size, "steps": steps, "nets_of_each_kind": n_nets}
    for (start, radius, φ, strength), run in runs.items():
        numbers[f"ρ_{radius:g},_{start}_start,_{φ},_{strength}"] = str(run)
    growing = runs["identity", RADII[-1], "relu", "quiet"]
    numbers["growth_a_step,_ρ_1.5,_identity_start,_relu"] = round(growing.growth, 4)
    numbers["random_relu_nets_begin_to_grow_at_ρ"] = round(answer.begins, 3)
    display = NonlinearityDisplay(tuple(runs.values()))
    return StudyResult("nonlinearity", QUESTION, LAW, holds, numbers, display)


def _run(start: str, radius: float, φ: str, strength: str, sizes: tuple[int, int, int], rng: int) -> Run:
    """Run nets of one kind; those with the same start have the same weights and inputs but for scale."""
    H, T, n_nets = sizes
    lengths, arrives, shares = [], [], []
    for generator in np.random.default_rng(rng).spawn(n_nets):
        U = generator.normal(size=(H, H))
        W = generator.normal(size=(H, INPUTS)) / np.sqrt(INPUTS)
        x = generator.normal(size=(T, N_SEQUENCES, INPUTS))
        U = radius * (np.eye(H) if start == "identity" else U / np.abs(np.linalg.eigvals(U)).max())
        h0 = np.zeros((N_SEQUENCES, H))
        *_, tape = rnn(STRENGTHS[strength] * x, h0, W, U, nonlinearity=φ, return_tape=True)
        lengths.append(np.linalg.norm(tape.h, axis=2) / np.sqrt(H))
        arrives.append(state_jacobian_norms(tape))
        bounds = np.linalg.norm(U, 2) ** np.arange(T - 1, -1, -1.0)
        shares.append((arrives[-1] / bounds[:, None]).max())
    return Run(
        start,
        radius,
        φ,
        strength,
        np.median(lengths, axis=(0, 2)),
        np.median(arrives, axis=(0, 2)),
        float(np.max(lengths)),
        float(max(shares)),
    )


def _begins_to_grow(H: int, rng: int) -> float:
    """Return the ρ from which on a random ReLU net grows by itself, the median over nets.

    relu(ρ U h) = ρ relu(U h): a net that grows by λ a step with ρ = 1 grows by ρ·λ with any other, and begins
    at 1/λ.
    """
    begins: list[float] = []
    for generator in np.random.default_rng(rng).spawn(N_UNDRIVEN):
        U = generator.normal(size=(H, H))
        U /= np.abs(np.linalg.eigvals(U)).max()
        h = np.abs(generator.normal(size=(1, H)))
        nothing, no_weights = np.zeros((SETTLED, 1, 1)), np.zeros((H, 1))
        lengths = []
        for _ in range(2):
            _, h = rnn(nothing, h, no_weights, U, nonlinearity="relu")
            lengths.append(np.linalg.norm(h))
        begins.append(float((lengths[0] / lengths[1]) ** (1 / SETTLED)) if lengths[1] else np.inf)
    return float(np.median(begins))


class NonlinearityDisplay(MovingDisplay):
    """Length of the state above, what arrives of a change of it below, a column for each spectral radius.

    Parameters
    ----------
    runs : tuple of Run
        What was measured.

    Attributes
    ----------
    axes_ : dict of tuple to matplotlib Axes
        By ("length" or "gradient", radius).
    figure_ : matplotlib Figure
        Their figure.
    """

    axes_: dict[tuple[str, float], Axes]
    figure_: Figure
    _pace = PACE

    def __init__(self, runs: tuple[Run, ...]) -> None:
        self.runs = runs

    def animate(self, path: str, *, every: int = 4) -> None:
        """Write a gif in which the nets run.

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
        return range(2, len(self.runs[0].lengths) + 1)

    def _open(self) -> None:
        _plot.import_matplotlib()
        import matplotlib.pyplot as plt

        self.figure_, grid = plt.subplots(2, len(RADII), figsize=(11.0, 6.6), sharex=True, sharey="row")
        self.figure_.subplots_adjust(left=0.08, right=0.99, bottom=0.2, top=0.94, wspace=0.06, hspace=0.12)
        self.axes_ = {
            (what, radius): grid[row, column]
            for row, what in enumerate(("length", "gradient"))
            for column, radius in enumerate(RADII)
        }

    def _draw(self, until: int) -> None:
        """Draw what the first steps show, and the last steps of the way back."""
        last = len(self.runs[0].lengths)
        for (what, radius), ax in self.axes_.items():
            ax.clear()
            ax.axhline(1, color=_plot.NOISE_COLOUR, linewidth=0.8)
            for run in self.runs:
                if run.radius == radius:
                    values = run.lengths if what == "length" else run.arrives[::-1]
                    ax.plot(np.arange(until), np.maximum(values[:until], 1e-300), **self._style(run))
            ax.set_yscale("log")
            ax.set_xlim(0, last)
            ax.set_ylim(*((1e-3, 1e6) if what == "length" else (1e-12, 1e6)))
            if what == "length":
                ax.set_title(f"spectral radius {radius:g}", fontsize="medium")
                ax.annotate("√H", (last, 1), (-2, 2), textcoords="offset points", ha="right", color="#666666")
            ax.set_xlabel("" if what == "length" else "steps t; on the way back, T − t")
        self.axes_["length", RADII[0]].set_ylabel("length of the state, ‖h_t‖ / √H")
        self.axes_["gradient", RADII[0]].set_ylabel("what arrives, ‖∂h_T / ∂h_t‖")
        handles, labels = self.axes_["gradient", RADII[0]].get_legend_handles_labels()
        self.figure_.legends.clear()
        self.figure_.legend(handles, labels, ncols=4, loc="lower center", frameon=False, fontsize="small")

    def _style(self, run: Run) -> dict[str, Any]:
        colours = dict(zip(NONLINEARITIES, _plot.cluster_colours(2), strict=True))
        return {
            "color": colours[run.nonlinearity],
            "linestyle": "-" if run.start == "random" else "--",
            "linewidth": 1.1 if run.strength == "quiet" else 2.2,
            "label": f"{run.nonlinearity}, {run.start} start, {run.strength}",
        }
