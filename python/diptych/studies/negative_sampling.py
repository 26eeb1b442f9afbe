"""The study `negative_sampling`: why negatives, how they move the vectors, and from which noise.

A pair (v, c) of the corpus says: c is near v. The softmax over all nodes, p(c | v) ∝ exp(v · c), would learn
it by comparing c with every node there is, n dot products a pair. Negative sampling compares c with K nodes
drawn from a noise, K + 1 dot products. Three runs show what that does:

- **Race.** The same pairs of a graph of 10,000 nodes are learnt both ways, from the same tables. The loss is
  that of the softmax for both, on fresh pairs.
- **Movement.** The karate club in two dimensions, by attraction alone (the positive pair), by repulsion
  alone (the negatives), and by both. Repulsion is between the two tables, a vector and the contexts of
  others: alone it does not spread the vectors, it drives all of them to one side and all contexts to the
  other.
- **Noise.** Trained long, v · c tends to ``log(#(v, c) / (#(v) · K · P(c)))`` (Levy and Goldberg), where P is
  the noise. With P(c) ∝ visits(c) ** exponent, the score of a hub falls by exponent · log visits.

The law has these three parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diptych import _validate
from diptych import plot as _plot
from diptych.studies import _negative_sampling_runs as runs
from diptych.studies._negative_sampling_runs import Descent, Movement, NoiseEffect, Race
from diptych.studies._result import StudyResult

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Descent", "Movement", "NegativeSamplingDisplay", "NoiseEffect", "Race", "negative_sampling"]

QUESTION = "Why negatives: what do they save, how do they move vectors, and from which noise are they drawn?"
LAW = (
    "A pair costs K + 1 dot products and not n, so that K negatives reach the loss of the softmax over all "
    "nodes in less time; attraction alone makes every score v · c positive and repulsion alone every score "
    "negative, and only both tell communities apart; noise ∝ visits ** 0.75 takes 0.75 · log visits off the "
    "scores of hubs."
)
PACE = 12  # frames for each second of the animation
SLACK = 0.1  # of the slope, which is exact after endless training alone


@dataclass(frozen=True)
class _Answer:
    """The three runs."""

    race: Race
    movements: dict[str, Movement]  # attraction, repulsion, both
    noises: tuple[NoiseEffect, ...]  # uniform first

    @property
    def cheaper(self) -> bool:
        """Whether negatives cost K + 1 dot products and reach the loss of the softmax sooner."""
        counted = self.race.softmax.dot_products_per_pair / self.race.negatives.dot_products_per_pair
        expected = self.race.n_nodes / (self.race.negative + 1)
        sooner = self.race.seconds_to_the_loss_of_softmax < self.race.softmax.seconds[-1]
        learnt = self.race.softmax.losses[-1] < self.race.softmax.losses[0]
        return bool(counted == expected and sooner and learnt)

    @property
    def takes_both(self) -> bool:
        """Whether either force alone makes all scores alike, and both tell communities apart."""
        attraction, repulsion, both = (self.movements[name] for name in ("attraction", "repulsion", "both"))
        gaps = [move.cosine_within - move.cosine_across for move in (attraction, repulsion, both)]
        one_sided = attraction.positive_scores == 1 and repulsion.positive_scores == 0
        return one_sided and gaps[2] > 3 * max(gaps[:2])

    @property
    def hubs_are_held(self) -> bool:
        """Whether the noise takes exponent · log visits off the scores."""
        uniform, *others = self.noises
        return all(abs(uniform.slope - noise.slope - noise.exponent) < SLACK for noise in others)


def negative_sampling(
    n_nodes: int = 10_000, *, negative: int = 5, softmax_pairs: int = 3000, rng: int = 0
) -> StudyResult:
    """Show why negatives: what they save, how they move the vectors, from which noise they are drawn.

    Trains a graph of hubs and leaves by the softmax over all nodes and with a few negatives, and the karate
    club by attraction and repulsion apart, and with two noises.

    Parameters
    ----------
    n_nodes : int
        Nodes of the graph of the race, at least 200.
    negative : int
        K, negatives for each pair.
    softmax_pairs : int
        Pairs that the softmax learns; with negatives eight times as many are.
    rng : int
        Seed of walks, pairs and draws. All numbers but seconds depend on it alone.

    Returns
    -------
    StudyResult
        ``display`` is a `NegativeSamplingDisplay`, which has the three runs as ``race``, ``movements`` and
        ``noises``.

    Raises
    ------
    ValueError
        If `n_nodes` is below 200, or another number below 1.

    References
    ----------
    .. [1] T. Mikolov, I. Sutskever, K. Chen, G. Corrado and J. Dean, "Distributed representations of words
       and phrases and their compositionality", NeurIPS, 2013.
    .. [2] O. Levy and Y. Goldberg, "Neural word embedding as implicit matrix factorization", NeurIPS, 2014.
    """
    if _validate.count(n_nodes, "n_nodes") < 2 * runs.HUBS:
        raise ValueError(f"n_nodes={n_nodes}: must be {2 * runs.HUBS} or more, for {runs.HUBS} are hubs.")
    _validate.count(negative, "negative")
    _validate.count(softmax_pairs, "softmax_pairs")
    answer = _Answer(
        runs.race(n_nodes, negative, softmax_pairs=softmax_pairs, rng=rng),
        {
            "attraction": runs.move(negative, attraction=True, repulsion=False, rng=rng),
            "repulsion": runs.move(negative, attraction=False, repulsion=True, rng=rng),
            "both": runs.move(negative, attraction=True, repulsion=True, rng=rng),
        },
        tuple(runs.noise_effect(exponent, negative, rng=rng) for exponent in runs.EXPONENTS),
    )
    holds = answer.cheaper and answer.takes_both and answer.hubs_are_held
    display = NegativeSamplingDisplay(answer.race, answer.movements, answer.noises)
    return StudyResult("negative_sampling", QUESTION, LAW, holds, _numbers(answer), display)


def _numbers(answer: _Answer) -> dict[str, Any]:
    """Return what was counted and measured, by name."""
    race = answer.race
    softmax, few = race.softmax, race.negatives
    numbers: dict[str, Any] = {
        "nodes": race.n_nodes,
        "negatives": race.negative,
        "dot_products_a_pair_softmax": round(softmax.dot_products_per_pair),
        "dot_products_a_pair_negatives": round(few.dot_products_per_pair),
        "microseconds_a_pair_softmax": _micro(softmax.seconds_per_pair),
        "microseconds_a_pair_negatives": _micro(few.seconds_per_pair),
        "microseconds_a_pair_in_the_kernel": _micro(race.kernel_seconds_per_pair),
        "loss_before": round(float(softmax.losses[0]), 3),
        "pairs_of_softmax": softmax.pairs,
        "loss_of_softmax": round(float(softmax.losses[-1]), 3),
        "seconds_of_softmax": round(float(softmax.seconds[-1]), 3),
        "loss_of_negatives_after_as_many_pairs": round(race.loss_after_as_many_pairs, 3),
        "seconds_of_negatives_to_the_loss_of_softmax": round(race.seconds_to_the_loss_of_softmax, 3),
    }
    for name, move in answer.movements.items():
        numbers[f"{name}_share_of_scores_above_0"] = round(move.positive_scores, 3)
        numbers[f"{name}_cosine_within_and_across"] = [
            round(move.cosine_within, 3),
            round(move.cosine_across, 3),
        ]
        numbers[f"{name}_cosine_of_mean_vector_and_context"] = round(move.cosine_to_contexts, 3)
    for noise in answer.noises:
        numbers[f"score_by_log_visits_exponent_{noise.exponent:g}"] = round(noise.slope, 3)
        numbers[f"hubs_among_the_best_exponent_{noise.exponent:g}"] = round(noise.hub_share, 3)
    return numbers


def _micro(seconds: float) -> float:
    return float(f"{seconds * 1e6:.3g}")


class NegativeSamplingDisplay:
    """The three runs as a picture, the movement as an animation.

    Parameters
    ----------
    race : Race
        Softmax and negatives.
    movements : dict of str to Movement
        By attraction, by repulsion, by both.
    noises : tuple of NoiseEffect
        One for each noise.

    Attributes
    ----------
    axes_ : dict of str to matplotlib Axes
        "race", "noise", and one for each movement.
    figure_ : matplotlib Figure
        Their figure.
    """

    axes_: dict[str, Axes]
    figure_: Figure

    def __init__(self, race: Race, movements: dict[str, Movement], noises: tuple[NoiseEffect, ...]) -> None:
        self.race = race
        self.movements = movements
        self.noises = noises

    def plot(self) -> NegativeSamplingDisplay:
        """Draw loss against seconds, scores against visits, and where the vectors went.

        Returns
        -------
        NegativeSamplingDisplay
            This display, with ``axes_`` and ``figure_``.
        """
        _plot.import_matplotlib()
        import matplotlib.pyplot as plt

        n = len(self.movements)
        layout: list[Any] = [
            ["race"] * n + ["noise"] * n,
            [name for name in self.movements for _ in range(2)],
        ]
        self.figure_, self.axes_ = plt.subplot_mosaic(layout, figsize=(11.0, 7.2), layout="constrained")
        self._draw_race(self.axes_["race"])
        self._draw_noise(self.axes_["noise"])
        for name, movement in self.movements.items():
            self._draw_movement(self.axes_[name], name, len(movement.steps) - 1)
        return self

    def animate(self, path: str, *, every: int = 1) -> None:
        """Write the movements as a gif.

        Parameters
        ----------
        path : str
            Where to write it.
        every : int
            Show each ``every``-th frame only.
        """
        _plot.import_matplotlib()
        import matplotlib.pyplot as plt
        from matplotlib.animation import FuncAnimation, PillowWriter

        figure, grid = plt.subplots(1, len(self.movements), figsize=(10.0, 3.8), dpi=80)
        figure.subplots_adjust(left=0.02, right=0.98, bottom=0.08, top=0.90, wspace=0.06)

        def frame(number: int) -> list[Artist]:
            for ax, name in zip(grid, self.movements, strict=True):
                ax.clear()
                self._draw_movement(ax, name, number)
            return []

        last = min(len(movement.steps) for movement in self.movements.values()) - 1
        numbers = [*range(0, last, every), *[last] * PACE]
        FuncAnimation(figure, frame, frames=numbers, blit=False).save(path, writer=PillowWriter(fps=PACE))
        plt.close(figure)

    def _draw_race(self, ax: Axes) -> None:
        race, colours = self.race, _plot.cluster_colours(2)
        for descent, name, colour in (
            (race.softmax, f"softmax over {race.n_nodes:,} nodes", colours[1]),
            (race.negatives, f"{race.negative} negatives", colours[0]),
        ):
            label = (
                f"{name}: {descent.dot_products_per_pair:,.0f} dot products, "
                f"{_micro(descent.seconds_per_pair):g} µs a pair"
            )
            x, y = descent.seconds[1:], descent.losses[1:]
            ax.plot(x, y, marker="o", markersize=3, color=colour, label=label)
        ax.axhline(float(race.softmax.losses[-1]), color=_plot.NOISE_COLOUR, linewidth=0.8, linestyle=":")
        ax.set_xscale("log")
        ax.set_xlabel("seconds")
        ax.set_ylabel("−log p(c | v) of fresh pairs")
        ax.legend(fontsize="small", frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0))

    def _draw_noise(self, ax: Axes) -> None:
        for noise, colour in zip(self.noises, _plot.cluster_colours(len(self.noises)), strict=True):
            kind = "uniform noise" if noise.exponent == 0 else f"noise ∝ visits ** {noise.exponent:g}"
            label = f"{kind}: slope {noise.slope:.2f}"
            ax.scatter(noise.visits, noise.scores, s=14, color=colour, linewidths=0, label=label)
            ends = np.array([noise.visits.min(), noise.visits.max()], dtype=np.float64)
            line = noise.scores.mean() + noise.slope * (np.log(ends) - np.log(noise.visits).mean())
            ax.plot(ends, line, color=colour, linewidth=0.9)
        ax.set_xscale("log")
        ax.tick_params(axis="x", which="minor", labelbottom=False)
        ax.set_xlabel("visits of c")
        ax.set_ylabel("mean v · c of pairs that occur")
        ax.legend(fontsize="small", frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0))

    def _draw_movement(self, ax: Axes, name: str, frame: int) -> None:
        movement = self.movements[name]
        reach = 1.08 * max(np.abs(table).max() for table in (movement.vectors, movement.contexts))
        colours = _plot.cluster_colours(int(movement.classes.max()) + 1)[movement.classes]
        x, y = movement.contexts[frame].T
        ax.scatter(x, y, s=12, c=_plot.NOISE_COLOUR, marker="x", linewidths=0.8)
        x, y = movement.vectors[frame].T
        ax.scatter(x, y, s=20, c=colours, linewidths=0)
        title = "both" if name == "both" else f"{name} alone"
        ax.set_xlabel("vectors by community, contexts as crosses", fontsize="small")
        ax.set_title(f"{title}, {movement.steps[frame]:,} pairs", fontsize="small")
        ax.set_xlim(-reach, reach)
        ax.set_ylim(-reach, reach)
        ax.set_aspect("equal")
        ax.set_xticks([])
        ax.set_yticks([])
