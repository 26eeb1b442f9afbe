"""The study `lstm_or_transformer`: memory along the way, or attention over all positions.

An LSTM carries what it read from step to step; a Transformer's layer looks at all positions at once, so that
far is as near as next. Three questions are put to both, and to a plain RNN:

- **Tags**: travel requests with known tags (and ATIS, where it is given) are tagged by a `SlotTagger` with
  each encoder: chunk F1, and the time of training.
- **Distance**: a sequence begins with one of eight symbols, noise follows, and at the end the symbol is asked
  for. *From short to long*, one net is taught at distance 8, then 16, … up to 1024, each time until it knows
  or for so many batches at most; *at 8 alone*, one is taught there and only tried elsewhere; *at once*, a
  new net is taught at the distance itself.
- **Cost**: the time of a step of teaching, and what a call keeps for the way back, against the length.

What comes out is not what the question expects:

- On travel requests nothing speaks for the Transformer: what decides is a few words away, RNN and LSTM make
  no mistake (1000 sentences, seeds 0 to 3), the Transformer a few, F1 0.98 to 0.996, and it takes longer, for
  each epoch too. Nor does anything on ATIS (seed 0): F1 is 0.9511 of the RNN, 0.9545 of the LSTM, 0.9452 of
  the Transformer. (`diptych study lstm_or_transformer --seed 1`, and `--atis folder`.)
- An LSTM *can* remember over 1024 steps, taught from short to long: from 16 on, 5 to 9 batches at each
  distance do, 5 being the fewest there are. What it learnt at 8 alone carries far, but not all the way: it
  recalls 0.99 or more over 32 and 0.70 to 0.98 over 1024 (seeds 0 to 3), and the Transformer 0.62 to 1.
- What an LSTM cannot is *learn* it from far: at distance 64 at once it is right as often as by guessing. For
  the Transformer no way is longer than a step, and there it learns as it does from near.
- What becomes of a plain RNN is luck. With seeds 1 to 3 it does not learn in 300 batches to recall over 8
  steps; with seed 0 it does, but as if it counted rather than kept: over 16 it is right less often than by
  guessing, until it is taught there.
- The price: the time of a step grows with the square of the length for the Transformer, with the length for
  the others. Its memory need not: this kernel never has all weights at once, and what it keeps grows as what
  the LSTM keeps.

What is to be kept here is one symbol. How much fits into the state of an LSTM, when it has to keep many, is
another question, and not measured.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diptych import _validate
from diptych import plot as _plot
from diptych._blas import one_thread
from diptych.datasets import make_travel_requests
from diptych.estimators import SlotTagger
from diptych.studies import _recall as runs
from diptych.studies._moving import MovingDisplay
from diptych.studies._recall import Cost, Recall
from diptych.studies._result import StudyResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Cost", "LstmOrTransformerDisplay", "Recall", "Tagger", "lstm_or_transformer"]

QUESTION = "LSTM or Transformer: who tags better, who recalls from how far, and at what price?"
LAW = (
    "RNN, LSTM and Transformer all tag travel requests with F1 0.97 or more. Taught from short to long, LSTM "
    "and Transformer recall a symbol over all distances from 8 to 1024, 0.95 or more of them; taught at 8 "
    "alone, over 32 as well, and over 1024 more than half; taught at distance 64 at once, the Transformer "
    "recalls 0.95 or more, and RNN and LSTM are right less than half the time. At length 1024 a step takes "
    "longer with the Transformer than with the LSTM; from 64 to 1024 what is kept for the way back grows 16 "
    "times for all three."
)
ENCODERS: dict[str, dict[str, Any]] = {
    "RNN": {"encoder": "rnn"},
    "LSTM": {"encoder": "lstm"},
    "Transformer": {"encoder": "transformer", "dropout": 0.1},  # half of all is too much to drop for it
}
EPOCHS = 30
OF_ATIS: dict[str, Any] = {"embedding_dim": 100, "hidden_size": 128}  # its words are many
GRAMMAR = "travel requests"
DISTANCES = tuple(2**k for k in range(3, 11))
AT_ONCE = DISTANCES[:4]
NEAR = 3  # distances over which what was learnt at the first is kept
LENGTHS = DISTANCES
GROWN = 16  # times the length, over which costs are compared
TAGGED, RECALLED, GUESSED = 0.97, 0.95, 0.5
PACE = 2  # frames for each second of the animation


@dataclass(frozen=True)
class Tagger:
    """How a tagger did on sentences that it had not seen.

    Attributes
    ----------
    data : str
        What was tagged.
    net : {"RNN", "LSTM", "Transformer"}
        The encoder.
    f1 : float
        Chunk F1.
    seconds : float
        Of training.
    epochs : int
        How often it went through the sentences.
    """

    data: str
    net: str
    f1: float
    seconds: float
    epochs: int

    def __str__(self) -> str:
        each = self.seconds / self.epochs
        return f"F1 {self.f1:.4f}, trained in {self.seconds:.1f} s, {self.epochs} epochs of {each:.2f} s"


@dataclass(frozen=True)
class _Answer:
    """What was measured; all but taggers by net, then by distance or length."""

    taggers: tuple[Tagger, ...]
    taught: dict[str, tuple[Recall, ...]]
    near_alone: dict[str, tuple[Recall, ...]]
    at_once: dict[str, tuple[Recall, ...]]
    costs: dict[str, tuple[Cost, ...]]

    @property
    def all_tag(self) -> bool:
        """Whether all three tag travel requests."""
        return all(found.f1 >= TAGGED for found in self.taggers if found.data == GRAMMAR)

    @property
    def both_recall_from_short_to_long(self) -> bool:
        """Whether LSTM and Transformer recall over all distances."""
        return all(one.after >= RECALLED for net in ("LSTM", "Transformer") for one in self.taught[net])

    @property
    def what_is_learnt_near_carries_far(self) -> bool:
        """Whether LSTM and Transformer, taught at 8 alone, recall over four times that, and some of all."""
        found = [self.near_alone[net] for net in ("LSTM", "Transformer")]
        near = all(one.after >= RECALLED for by in found for one in by[:NEAR])
        return near and all(by[-1].after > GUESSED for by in found)

    @property
    def one_learns_from_far(self) -> bool:
        """Whether the Transformer alone learns at the longest distance at once."""
        last = {net: found[-1].after for net, found in self.at_once.items()}
        return last["Transformer"] >= RECALLED and max(last["RNN"], last["LSTM"]) < GUESSED

    @property
    def length_has_its_price(self) -> bool:
        """Whether the Transformer takes longer in the end, and what is kept grows alike for all."""
        # Not how times grow: beyond the caches that depends on a machine's memory as much as on the work.
        steps = {net: {one.length: one for one in found} for net, found in self.costs.items()}
        far, near = LENGTHS[-1], LENGTHS[-1] // GROWN
        kept = [by[far].kept / by[near].kept for by in steps.values()]
        slower = steps["Transformer"][far].seconds > steps["LSTM"][far].seconds
        return slower and bool(np.allclose(kept, GROWN, rtol=0.05))


def lstm_or_transformer(
    n_sentences: int = 1000,
    *,
    n_fresh: int = 300,
    hidden_size: int = 64,
    batches: int = 300,
    atis: str | os.PathLike[str] | None = None,
    rng: int = 0,
) -> StudyResult:
    """Compare an RNN, an LSTM and a Transformer: F1 of tags, recall against distance, time and memory.

    Trains taggers with each encoder on travel requests, teaches nets to recall a symbol over distances from 8
    to 1024, and measures what a step of teaching costs.

    Parameters
    ----------
    n_sentences : int
        Travel requests to learn from.
    n_fresh : int
        Travel requests to be tried on.
    hidden_size : int
        Units of RNN and LSTM in each direction, and between the linear layers of the Transformer, whose width
        is that of the vectors of words, 32.
    batches : int
        Of 16 sequences, that a net is taught by at one distance at most.
    atis : str, path-like or None
        A folder with ATIS, which the project may not ship: ``train`` and ``test``, each with ``seq.in`` and
        ``seq.out``. It is tagged too then, which takes some minutes.
    rng : int
        Seed of sentences, weights and sequences.

    Returns
    -------
    StudyResult
        ``display`` is a `LstmOrTransformerDisplay`, which has how each `Tagger` did as ``taggers``, each
        `Recall` as ``taught``, ``near_alone`` and ``at_once``, and each `Cost` as ``costs``.

    Raises
    ------
    ValueError
        If a number is below 1.
    OSError
        If ATIS is not in that folder.

    References
    ----------
    .. [1] A. Vaswani et al., "Attention is all you need", NeurIPS, 2017, section 4.
    .. [2] Y. Bengio, P. Simard and P. Frasconi, "Learning long-term dependencies with gradient descent is
       difficult", IEEE Transactions on Neural Networks, 1994.
    """
    for name, value in (("n_sentences", n_sentences), ("n_fresh", n_fresh), ("batches", batches)):
        _validate.count(value, name)
    texts: dict[str, tuple[Any, Any, dict[str, Any]]] = {}
    known, fresh = (
        make_travel_requests(n, rng=np.random.default_rng([rng, part]))[:2]
        for part, n in enumerate((n_sentences, n_fresh))
    )
    texts[GRAMMAR] = known, fresh, {"embedding_dim": 32, "hidden_size": hidden_size}
    if atis is not None:
        texts["ATIS"] = _read(Path(atis) / "train"), _read(Path(atis) / "test"), OF_ATIS
    with one_thread():
        taggers = tuple(_tag(data, net, *given, rng) for data, given in texts.items() for net in ENCODERS)
        answer = _Answer(
            taggers,
            {
                net: tuple(runs.from_short_to_long(net, DISTANCES, batches, rng, enough=RECALLED))
                for net in runs.NETS
            },
            {net: tuple(runs.near_alone(net, DISTANCES, batches, rng)) for net in runs.NETS},
            {net: tuple(runs.at_once(net, AT_ONCE, batches, rng)) for net in runs.NETS},
            {net: tuple(runs.cost(net, length) for length in LENGTHS) for net in runs.NETS},
        )
    holds = (
        answer.all_tag
        and answer.both_recall_from_short_to_long
        and answer.what_is_learnt_near_carries_far
        and answer.one_learns_from_far
        and answer.length_has_its_price
    )
    display = LstmOrTransformerDisplay(
        answer.taggers, answer.taught, answer.near_alone, answer.at_once, answer.costs
    )
    return StudyResult("lstm_or_transformer", QUESTION, LAW, holds, _numbers(answer), display)


def _read(folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Return words and tags of a part of ATIS."""
    words, tags = ((folder / f"seq.{kind}").read_text(encoding="utf-8") for kind in ("in", "out"))
    return [line.split() for line in words.splitlines()], [line.split() for line in tags.splitlines()]


def _tag(data: str, net: str, known: Any, fresh: Any, sizes: dict[str, Any], rng: int) -> Tagger:
    """Train a tagger, and try it on fresh sentences."""
    tagger = SlotTagger(**ENCODERS[net], **sizes, epochs=EPOCHS, random_state=rng)
    started = time.perf_counter()
    tagger.fit(*known)
    seconds = time.perf_counter() - started
    return Tagger(data, net, tagger.score(*fresh), seconds, len(tagger.losses_))


def _numbers(answer: _Answer) -> dict[str, Any]:
    """Return what was measured, by name: the table."""
    numbers: dict[str, Any] = {}
    for tagger in answer.taggers:
        numbers[f"{tagger.data},_{tagger.net}"] = str(tagger)

    def row(name: str, values: list[str]) -> None:
        numbers[name] = "".join(f"{value:>8}" for value in values).strip("\n")

    row("distance_or_length", [str(d) for d in DISTANCES])
    for net, found in answer.taught.items():
        row(f"{net},_recalls,_taught_from_short_to_long", [f"{one.after:.2f}" for one in found])
        row(f"{net},_recalled_before_it_was_taught_there", [f"{one.before:.2f}" for one in found])
        row(f"{net},_batches_it_took", [str(one.batches or "–") for one in found])
    for net, found in answer.near_alone.items():
        row(f"{net},_recalls,_taught_at_{DISTANCES[0]}_alone", [f"{one.after:.2f}" for one in found])
    for net, found in answer.at_once.items():
        row(f"{net},_recalls,_taught_there_at_once", [f"{one.after:.2f}" for one in found])
    for net, costs in answer.costs.items():
        row(f"{net},_ms_for_a_step_of_teaching", [f"{1e3 * one.seconds:.3g}" for one in costs])
        row(f"{net},_MiB_kept_for_the_way_back", [f"{one.kept / 2**20:.2f}" for one in costs])
    row("MiB_that_all_weights_would_take", [f"{all_weights(d) / 2**20:.2f}" for d in LENGTHS])
    return numbers


def all_weights(length: int) -> int:
    """Return how many bytes the weights of a batch would take, were they kept."""
    return 4 * runs.BATCH * runs.HEADS * length**2


class LstmOrTransformerDisplay(MovingDisplay):
    """F1 with the time of training, recall against distance, and time and memory against length.

    In the animation distance and length grow.

    Parameters
    ----------
    taggers : tuple of Tagger
        How each tagger did on each text.
    taught, near_alone, at_once : dict of str to tuple of Recall
        By net.
    costs : dict of str to tuple of Cost
        By net.

    Attributes
    ----------
    axes_ : dict of str to matplotlib Axes
        "tags", "recall", "time" and "memory".
    figure_ : matplotlib Figure
        Their figure.
    """

    axes_: dict[str, Axes]
    figure_: Figure
    _pace = PACE

    def __init__(
        self,
        taggers: tuple[Tagger, ...],
        taught: dict[str, tuple[Recall, ...]],
        near_alone: dict[str, tuple[Recall, ...]],
        at_once: dict[str, tuple[Recall, ...]],
        costs: dict[str, tuple[Cost, ...]],
    ) -> None:
        self.taggers = taggers
        self.taught = taught
        self.near_alone = near_alone
        self.at_once = at_once
        self.costs = costs

    def _frames(self) -> range:
        return range(1, len(DISTANCES) + 1)

    def _open(self) -> None:
        _plot.import_matplotlib()
        import matplotlib.pyplot as plt

        layout: list[Any] = [["tags", "recall"], ["time", "memory"]]
        self.figure_, self.axes_ = plt.subplot_mosaic(layout, figsize=(11.0, 7.6))
        self.figure_.subplots_adjust(left=0.07, right=0.98, bottom=0.08, top=0.94, hspace=0.32, wspace=0.2)

    def _draw(self, until: int) -> None:
        """Draw the taggers, and all else up to some distance."""
        for ax in self.axes_.values():
            ax.clear()
        colours = dict(zip(runs.NETS, _plot.cluster_colours(len(runs.NETS)), strict=True))
        self._draw_tags(self.axes_["tags"], colours)
        recall, seconds, memory = (self.axes_[name] for name in ("recall", "time", "memory"))
        for net, colour in colours.items():
            style: dict[str, Any] = {"color": colour, "marker": "o", "markersize": 3}
            for how, line, label in (
                (self.taught, "-", net),
                (self.near_alone, "--", f"{net}, at {DISTANCES[0]} alone"),
                (self.at_once, ":", f"{net}, at once"),
            ):
                found = how[net][:until]
                x, y = [one.distance for one in found], [one.after for one in found]
                recall.plot(x, y, line, label=label, **style)
            costs = self.costs[net][:until]
            lengths = [one.length for one in costs]
            seconds.plot(lengths, [1e3 * one.seconds for one in costs], label=net, **style)
            memory.plot(lengths, [one.kept / 2**20 for one in costs], label=net, **style)
        memory.plot(
            LENGTHS[:until], [all_weights(d) / 2**20 for d in LENGTHS[:until]],
            "--", color=_plot.NOISE_COLOUR, label="all weights would take",
        )  # fmt: skip
        recall.axhline(1 / runs.SYMBOLS, color=_plot.NOISE_COLOUR, linewidth=0.8)
        recall.set_ylim(-0.05, 1.08)
        recall.set_title(
            f"symbols recalled, taught from short to long, near alone, at once; 1/{runs.SYMBOLS} is guessed",
            fontsize="small",
        )
        seconds.set_title(f"time of a step of teaching, {runs.BATCH} sequences, in ms", fontsize="small")
        memory.set_title("kept for the way back, in MiB", fontsize="small")
        for ax in (recall, seconds, memory):
            ax.set_xscale("log", base=2)
            ax.set_xticks(DISTANCES, [str(d) for d in DISTANCES])
            ax.set_xlim(0.8 * DISTANCES[0], 1.25 * DISTANCES[-1])
            ax.set_xlabel("distance" if ax is recall else "length")
        for ax in (seconds, memory):
            ax.set_yscale("log")
            ax.legend(fontsize="x-small", frameon=False, loc="upper left")
        recall.legend(fontsize="x-small", frameon=False, loc="center right", handlelength=4)

    def _draw_tags(self, ax: Axes, colours: dict[str, Any]) -> None:
        at = range(len(self.taggers))
        bars = ax.bar(at, [found.f1 for found in self.taggers], color=[colours[t.net] for t in self.taggers])
        ax.bar_label(
            bars, [f"{found.f1:.4f}\n{found.seconds:.1f} s" for found in self.taggers], fontsize="small"
        )
        ax.set_xticks(at, [f"{found.net}\n{found.data}" for found in self.taggers], fontsize="small")
        ax.set_ylim(0, 1.25)
        ax.set_title("chunk F1, and seconds of training", fontsize="small")
