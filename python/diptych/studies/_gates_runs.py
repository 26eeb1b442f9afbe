"""The nets of the study `gates`: what they are, what they learn, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diptych import nn
from diptych.datasets import TaggedSentences, make_travel_requests
from diptych.studies import _switched_lstm as cell
from diptych.studies._adding import error_of_the_mean, marked_numbers
from diptych.studies._switched_lstm import Floats, Switches

VARIANTS = ("full", "f = 1", "i = 1", "o = 1", "i = 1 − f", "no tanh(c)")
HIDDEN = 16
BATCH = 32
RATE = 0.02  # falls to 0 over the second half
CLIP = 1.0
POINTS = 10  # of a learning curve
ADDING_STEPS = 30
N_SENTENCES = 600
VECTOR = 24  # length of the vectors of words, which are drawn and not learnt
ROLES = ("from", "to", "via")
PADDING = -1  # the tag of what is no word


@dataclass(frozen=True)
class Learnt:
    """What variants learnt of a task.

    Attributes
    ----------
    task : {"adding", "grammar"}
        The mean square error of sums, as a share of that of who always says the mean; or the share of words
        of city names that have the wrong tag. Both of fresh sequences.
    batches : ndarray of shape (points,)
        After how many batches.
    errors : ndarray of shape (variants, seeds, points)
        The errors then.
    """

    task: str
    batches: NDArray[np.intp]
    errors: NDArray[np.float64]

    def final(self, variant: str) -> float:
        """Return the error of a variant in the end, the median over seeds."""
        return float(np.median(self.errors[VARIANTS.index(variant), :, -1]))

    def finals(self) -> dict[str, float]:
        """Return the final errors by variant."""
        return {variant: self.final(variant) for variant in VARIANTS}


def switches(variants: Sequence[str]) -> Switches:
    """Return what is off in a net of each variant."""

    def which(name: str) -> NDArray[np.bool_]:
        return np.array([variant == name for variant in variants])[:, None, None]

    return Switches(which("i = 1"), which("f = 1"), which("o = 1"), which("i = 1 − f"), which("no tanh(c)"))


class Descent:
    """Adam for nets side by side, each with its gradients clipped by their common norm."""

    def __init__(self, weights: list[Floats]) -> None:
        self.weights = weights
        self._means = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
        self._steps = 0

    def step(self, by: list[Floats], scale: float = 1.0) -> None:
        """Move all weights, (R, …) each, against their gradients."""
        R = len(by[0])
        norms = np.sqrt(sum((g.reshape(R, -1) ** 2).sum(axis=1) for g in by))
        clip = np.minimum(1, CLIP / np.maximum(norms, 1e-12)).astype(by[0].dtype)
        self._steps += 1
        for w, given, (m, v) in zip(self.weights, by, self._means, strict=True):
            g = given * clip.reshape(R, *[1] * (given.ndim - 1))
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            below = np.sqrt(v / (1 - 0.999**self._steps)) + 1e-8
            w -= (RATE * scale / (1 - 0.9**self._steps)) * m / below


class Nets:
    """A net of each variant for each seed, side by side, with what reads their states."""

    def __init__(self, n_seeds: int, inputs: int, outputs: int, rng: int) -> None:
        self.n_seeds = n_seeds
        self.off = switches([variant for variant in VARIANTS for _ in range(n_seeds)])
        bound, H = HIDDEN**-0.5, HIDDEN
        drawn = []
        for seed in range(n_seeds):
            generator = np.random.default_rng([rng, seed])
            shapes = [(4 * H, inputs), (4 * H, H), (4 * H,), (H, outputs), (1, outputs)]
            drawn.append([generator.uniform(-bound, bound, shape) for shape in shapes])
            drawn[-1][2][H : 2 * H] = 1  # begins by keeping (Jozefowicz et al. 2015)
        self.weights: list[Floats] = [
            self.for_all(np.stack(parts).astype(np.float32)) for parts in zip(*drawn, strict=True)
        ]
        self._descent = Descent(self.weights)

    def for_all(self, of_seeds: NDArray[Any]) -> NDArray[Any]:
        """Give each variant what is there for each seed."""
        return np.concatenate([of_seeds] * len(VARIANTS))

    def read(self, x: Floats) -> tuple[cell.Tape, Floats]:
        """Return the tape, and the outputs after each step, (T, R, B, outputs)."""
        W, U, b, out, constant = self.weights
        tape = cell.forward(self.for_all(x), W, U, b, self.off)
        return tape, tape.h[1:] @ out + constant

    def learn(self, tape: cell.Tape, by_outputs: Floats, scale: float) -> None:
        """Go back, and take a step."""
        W, U, _, out, _ = self.weights
        _, *by = cell.backward(tape, by_outputs @ out.swapaxes(1, 2), W, U, self.off)
        by.append((tape.h[1:].swapaxes(2, 3) @ by_outputs).sum(axis=0))
        by.append(by_outputs.sum(axis=(0, 2))[:, None])
        self._descent.step(by, scale)


def adding(n_seeds: int, batches: int, rng: int) -> Learnt:
    """Let all variants learn to add up marked numbers."""
    nets = Nets(n_seeds, 2, 1, rng)
    generators = [np.random.default_rng([rng, seed, 1]) for seed in range(n_seeds)]

    def draw(n: int, generators: list[np.random.Generator]) -> tuple[Floats, Floats]:
        drawn = [marked_numbers(generator, ADDING_STEPS, n) for generator in generators]
        x, y = (np.stack(parts) for parts in zip(*drawn, strict=True))
        return x, nets.for_all(y)

    fresh_x, fresh_y = draw(200, [np.random.default_rng([rng, seed, 2]) for seed in range(n_seeds)])
    at, errors = _points(batches), []
    for batch in range(1, batches + 1):
        x, y = draw(BATCH, generators)
        tape, outputs = nets.read(x)
        by_outputs = np.zeros_like(outputs)
        by_outputs[-1, :, :, 0] = 2 * (outputs[-1, :, :, 0] - y) / BATCH
        nets.learn(tape, by_outputs, min(1.0, 2 * (1 - batch / (batches + 1))))
        if batch in at:
            wrong = nets.read(fresh_x)[1][-1, :, :, 0] - fresh_y
            errors.append((wrong.astype(np.float64) ** 2).mean(axis=1) / error_of_the_mean(ADDING_STEPS))
    return _learnt("adding", at, errors, n_seeds)


def grammar(n_seeds: int, epochs: int, rng: int) -> Learnt:
    """Let all variants learn to tag English travel requests, reading forward."""
    made = [
        [make_travel_requests(n, rng=np.random.default_rng([rng, seed, n])) for n in (N_SENTENCES, 200)]
        for seed in range(n_seeds)
    ]
    words = {
        w: i for i, w in enumerate(_all(sentences for known, _ in made for sentences in known.sentences), 1)
    }
    tags = {t: i for i, t in enumerate(_all(row for pair in made for part in pair for row in part.tags))}
    known, fresh = (_stack([_table(pair[part], words, tags) for pair in made]) for part in (0, 1))
    draws = [np.random.default_rng([rng, seed, 3]) for seed in range(n_seeds)]
    vectors = np.stack([draw.normal(size=(len(words) + 1, VECTOR)) for draw in draws]).astype(np.float32)
    seeds = np.arange(n_seeds)[:, None, None]
    is_city = np.array([tag[2:] in ROLES for tag in tags])
    nets = Nets(n_seeds, VECTOR, len(tags), rng)
    per_epoch = N_SENTENCES // BATCH
    at, errors = _points(epochs * per_epoch), []
    lengths = (known[1] != PADDING).sum(axis=2)
    orders = np.random.default_rng([rng, 4])
    batch = 0
    for _ in range(epochs):
        nearly_sorted = np.argsort(lengths + orders.uniform(0, 3, lengths.shape), axis=1)
        for start in orders.permutation(per_epoch) * BATCH:
            batch += 1
            rows = nearly_sorted[:, start : start + BATCH]
            T = int(np.take_along_axis(lengths, rows, axis=1).max())
            x, right = (np.take_along_axis(a, rows[:, :, None], axis=1)[:, :, :T] for a in known)
            tape, outputs = nets.read(vectors[seeds, x.swapaxes(1, 2)])
            wanted = nets.for_all(right).transpose(2, 0, 1)
            _, by_outputs = nn.softmax_cross_entropy(outputs, wanted, ignore_index=PADDING)
            by_outputs *= len(nets.weights[0])  # the mean is over all nets, and each has its own loss
            nets.learn(tape, by_outputs, min(1.0, 2 * (1 - batch / (epochs * per_epoch + 1))))
            if batch in at:
                said = nets.read(vectors[seeds, fresh[0].swapaxes(1, 2)])[1].argmax(axis=3)
                wanted = nets.for_all(fresh[1]).transpose(2, 0, 1)
                cities = is_city[wanted] & (wanted != PADDING)
                errors.append(((said != wanted) & cities).sum(axis=(0, 2)) / cities.sum(axis=(0, 2)))
    return _learnt("grammar", at, errors, n_seeds)


def _points(batches: int) -> NDArray[np.intp]:
    """Return after which batches to look."""
    return np.unique(np.linspace(0, batches, min(POINTS, batches) + 1).astype(np.intp)[1:])


def _learnt(task: str, at: NDArray[np.intp], errors: list[Any], n_seeds: int) -> Learnt:
    return Learnt(task, at, np.array(errors, np.float64).T.reshape(len(VARIANTS), n_seeds, len(at)))


def _all(rows: Any) -> list[str]:
    return sorted({entry for row in rows for entry in row})


def _table(
    made: TaggedSentences, words: dict[str, int], tags: dict[str, int]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return numbers of words, 0 for unknown ones, and of tags, a row for each sentence."""
    shape = len(made.sentences), max(map(len, made.sentences))
    x, y = np.zeros(shape, np.intp), np.full(shape, PADDING, np.intp)
    for i, (sentence, row) in enumerate(zip(made.sentences, made.tags, strict=True)):
        x[i, : len(sentence)] = [words.get(word, 0) for word in sentence]
        y[i, : len(row)] = [tags[tag] for tag in row]
    return x, y


def _stack(tables: list[tuple[NDArray[np.intp], NDArray[np.intp]]]) -> tuple[NDArray[np.intp], ...]:
    """Stack the tables of all seeds, padded to one width."""
    width = max(x.shape[1] for x, _ in tables)

    def widen(a: NDArray[np.intp], filler: int) -> NDArray[np.intp]:
        return np.pad(a, ((0, 0), (0, width - a.shape[1])), constant_values=filler)

    return np.stack([widen(x, 0) for x, _ in tables]), np.stack([widen(y, PADDING) for _, y in tables])
