"""Nets that recall the first symbol of a sequence: how they are taught, and what a step of teaching costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diptych import nn

SYMBOLS = 8  # one of them is to be recalled
NOISE = 16  # other symbols, which stand in between
WIDTH = 32
HEADS = 2
BATCH = 16
RATE = 0.005  # rises over the first batches, and falls to 0 over the second half
WARM_UP = 20
LOSS = 0.05  # of a batch that was recalled well; after a few of them in a row there is no more to learn
IN_A_ROW = 5
TRIED = 128  # fresh sequences
REPEATS = 5  # steps that are timed, the quickest counts
NETS = ("RNN", "LSTM", "Transformer")

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Recall:
    """How a net did at one distance.

    Attributes
    ----------
    net : {"RNN", "LSTM", "Transformer"}
        Which.
    distance : int
        How many steps before the last the symbol stood.
    before, after : float
        Share of fresh sequences that were right, before it was taught at this distance and after.
    batches : int
        How many it was taught by, 0 if it had failed at a shorter distance or was not to be taught here.
    """

    net: str
    distance: int
    before: float
    after: float
    batches: int


@dataclass(frozen=True)
class Cost:
    """What one step of teaching costs.

    Attributes
    ----------
    net : {"RNN", "LSTM", "Transformer"}
        Which.
    length : int
        T.
    seconds : float
        There, back and a step of Adam, for a batch; the quickest of a few.
    kept : int
        Bytes that a call leaves for the way back.
    """

    net: str
    length: int
    seconds: float
    kept: int


def sequences(generator: np.random.Generator, distance: int, n: int) -> tuple[Ints, Ints]:
    """Make sequences that begin with a symbol and end with the question for it.

    Parameters
    ----------
    generator : Generator
        Where symbols come from.
    distance : int
        D, from the symbol to the question.
    n : int
        How many sequences.

    Returns
    -------
    x : ndarray of shape (D + 1, n), int64
        A symbol below SYMBOLS, then noise, then the question, the same in all.
    y : ndarray of shape (n,), int64
        The symbol.
    """
    x = generator.integers(SYMBOLS, SYMBOLS + NOISE, size=(distance + 1, n))
    x[0] = y = generator.integers(SYMBOLS, size=n)
    x[-1] = SYMBOLS + NOISE
    return x, y.copy()


class Net:
    """Vectors of symbols, a layer that reads, and a choice by what it says at the question.

    Parameters
    ----------
    kind : {"RNN", "LSTM", "Transformer"}
        What reads.
    rng : int
        Seed of the weights.
    """

    def __init__(self, kind: str, rng: int) -> None:
        keys = np.random.SeedSequence(rng).generate_state(3, np.uint64).tolist()
        self.kind = kind
        self.layers: dict[str, Any] = {"vectors": nn.Embedding(SYMBOLS + NOISE + 1, WIDTH, rng=keys[0])}
        if kind == "Transformer":
            self.layers["reads"] = nn.TransformerEncoderLayer(
                WIDTH, HEADS, 2 * WIDTH, norm_first=True, rng=keys[1]
            )
            self.layers["norm"] = nn.LayerNorm(WIDTH)
        else:
            self.layers["reads"] = (nn.LSTM if kind == "LSTM" else nn.RNN)(WIDTH, WIDTH, rng=keys[1])
        if kind == "LSTM":
            first = self.layers["reads"].state_dict()
            b = first["bias_ih_l0"].copy()
            b[WIDTH : 2 * WIDTH] = 1  # begins by keeping (Jozefowicz et al. 2015)
            self.layers["reads"].load_state_dict(first | {"bias_ih_l0": b})
        self.layers["says"] = nn.Linear(WIDTH, SYMBOLS, rng=keys[2])
        self.adam = nn.Adam(self.layers, RATE, clip_norm=1.0)

    def forward(self, x: Ints, *, training: bool = False) -> tuple[Any, tuple[int, ...]]:
        """Return scores of the symbols, (n, SYMBOLS), and the shape of what the reading layer said."""
        vectors = self.layers["vectors"](x, training=training)
        if self.kind == "Transformer":
            vectors = vectors + nn.sinusoidal_positions(len(x), WIDTH)[:, None]
            said = self.layers["reads"](vectors, training=training)
            last = self.layers["norm"](said[-1], training=training)
        else:
            said, _ = self.layers["reads"](vectors, training=training)
            last = said[-1]
        return self.layers["says"](last, training=training), said.shape

    def learn(self, x: Ints, y: Ints) -> float:
        """Take one step by a batch, and return its loss."""
        scores, shape = self.forward(x, training=True)
        loss, by_scores = nn.softmax_cross_entropy(scores, y)
        gradients = self.layers["says"].backward(by_scores)
        by: dict[str, Any] = {"says": gradients.weights}
        if "norm" in self.layers:
            gradients = self.layers["norm"].backward(gradients.x)
            by["norm"] = gradients.weights
        by_said = np.zeros(shape, np.float32)
        by_said[-1] = gradients.x
        gradients = self.layers["reads"].backward(by_said)
        by["reads"] = gradients.weights
        by["vectors"] = self.layers["vectors"].backward(gradients.x).weights
        self.adam.step(by)
        return float(loss)

    def right(self, distance: int, rng: int) -> float:
        """Return the share of fresh sequences whose symbol is recalled."""
        x, y = sequences(np.random.default_rng([rng, distance, 1]), distance, TRIED)
        return float((self.forward(x)[0].argmax(axis=1) == y).mean())


def teach(net: Net, distance: int, batches: int, rng: int) -> int:
    """Teach a net at one distance, until it has learnt it or for so many batches; return how many."""
    generator = np.random.default_rng([rng, distance, 0])
    good = 0
    for batch in range(batches):
        net.adam.learning_rate = RATE * min(1.0, (batch + 1) / WARM_UP, 2 * (1 - batch / batches))
        loss = net.learn(*sequences(generator, distance, BATCH))
        good = good + 1 if loss < LOSS else 0
        if good == IN_A_ROW:
            return batch + 1
    return batches


def from_short_to_long(
    kind: str, distances: Sequence[int], batches: int, rng: int, *, enough: float
) -> list[Recall]:
    """Teach one net at each distance in turn, and try it at all; who fails at one is not taught further."""
    net, found, goes_on = Net(kind, rng), [], True
    for distance in distances:
        before = net.right(distance, rng)
        taught = teach(net, distance, batches, rng) if goes_on else 0
        after = net.right(distance, rng) if taught else before
        goes_on = goes_on and after >= enough
        found.append(Recall(kind, distance, before, after, taught))
    return found


def near_alone(kind: str, distances: Sequence[int], batches: int, rng: int) -> list[Recall]:
    """Teach a net at the first distance and nowhere else, and try it at all."""
    net, nearest = Net(kind, rng), distances[0]
    before = net.right(nearest, rng)
    taught = teach(net, nearest, batches, rng)
    found = [Recall(kind, nearest, before, net.right(nearest, rng), taught)]
    for distance in distances[1:]:
        right = net.right(distance, rng)
        found.append(Recall(kind, distance, right, right, 0))
    return found


def at_once(kind: str, distances: Sequence[int], batches: int, rng: int) -> list[Recall]:
    """Teach a new net at each distance."""
    found = []
    for distance in distances:
        net = Net(kind, rng)
        before = net.right(distance, rng)
        taught = teach(net, distance, batches, rng)
        found.append(Recall(kind, distance, before, net.right(distance, rng), taught))
    return found


def cost(kind: str, length: int, *, clock: Callable[[], float] = time.perf_counter) -> Cost:
    """Measure a step of teaching over sequences of a length."""
    net = Net(kind, 0)
    x, y = sequences(np.random.default_rng(0), length - 1, BATCH)
    before = bytes_held(net.layers)
    net.forward(x, training=True)
    kept = bytes_held(net.layers) - before
    times = []
    for _ in range(1 + REPEATS):  # the first is not counted
        started = clock()
        net.learn(x, y)
        times.append(clock() - started)
    return Cost(kind, length, min(times[1:]), kept)


def bytes_held(root: Any) -> int:
    """Return the bytes of all arrays within reach of something; a view counts as all of its array."""
    seen: set[int] = set()
    total = 0
    waiting = [root]
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, np.ndarray):
            while isinstance(thing.base, np.ndarray):
                thing = thing.base
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, np.ndarray):
            total += thing.nbytes
        elif isinstance(thing, dict):
            waiting.extend(thing.values())
        elif isinstance(thing, list | tuple):
            waiting.extend(thing)
        elif type(thing).__module__.startswith("diptych."):
            waiting.extend(getattr(thing, "__dict__", {}).values())
    return total
