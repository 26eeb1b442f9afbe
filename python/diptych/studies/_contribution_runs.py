"""The nets of the study `contribution`: how they are trained, and what is measured of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diptych import nn
from diptych.kernels import recurrent
from diptych.studies._adding import error_of_the_mean, marked_numbers, worth

HIDDEN = 24
BATCH = 50
RATE = 0.01  # falls to 0 over the second half
NONLINEARITIES = {"tanh RNN": "tanh", "linear RNN": "identity"}  # of the nets that are no LSTM

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Contributions:
    """What steps did to what a net says, by three measures and in truth.

    Attributes
    ----------
    net : {"LSTM", "tanh RNN", "linear RNN"}
        Which net.
    x : ndarray of shape (T, B, 2)
        Fresh sequences: numbers and marks.
    said : ndarray of shape (B,)
        What the net says of them.
    removed : ndarray of shape (T, B)
        By how much it says less when step t is taken out of the sequence.
    gradients : ndarray of shape (T, B)
        ‖∂ said / ∂x_t‖.
    terms : ndarray of shape (T + 1, B), or None
        What step t left in the memory, as the output reads it; row 0 that of the state at the beginning. None
        for the tanh RNN, whose state is no sum.
    constant : float
        What the output adds to them.
    """

    net: str
    x: Floats
    said: Floats
    removed: Floats
    gradients: Floats
    terms: Floats | None
    constant: float

    @property
    def steps(self) -> int:
        """T."""
        return len(self.x)

    @property
    def truth(self) -> Floats:
        """What each step adds to the sum, (T, B)."""
        return worth(self.x)

    @property
    def marked(self) -> Mask:
        """Which steps are marked, (T, B)."""
        return np.asarray(self.x[:, :, 1] == 1)

    @property
    def far(self) -> Mask:
        """Which steps are marked and of the first third."""
        return self._within(0, 1 / 3)

    @property
    def near(self) -> Mask:
        """Which steps are marked and of the last third."""
        return self._within(2 / 3, 1)

    def _within(self, begin: float, end: float) -> Mask:
        t = np.arange(self.steps)[:, None]
        return self.marked & (t >= begin * self.steps) & (t < end * self.steps)

    @property
    def error(self) -> float:
        """The mean square error, as a share of that of who always says the mean."""
        return float(np.mean((self.said - self.truth.sum(axis=0)) ** 2) / error_of_the_mean(self.steps))

    def miss(self, where: Mask) -> float:
        """Return by how much the effect of removal is off the truth, on average over some steps."""
        return float(np.abs(self.removed - self.truth)[where].mean())

    def correlation(self, measure: Floats) -> float:
        """Return how well a measure, (T, B), goes along with the truth."""
        return float(np.corrcoef(measure.ravel(), self.truth.ravel())[0, 1])

    def gradient_of_small_and_large(self) -> tuple[float, float]:
        """Return the mean norm at marked steps with numbers below 0.2, and above 0.8."""
        v = self.x[:, :, 0]
        small, large = (self.gradients[self.marked & there].mean() for there in (v < 0.2, v > 0.8))
        return float(small), float(large)

    @property
    def does_not_add_up(self) -> float:
        """By how much the terms miss what the net says, at most."""
        if self.terms is None:
            return float("nan")
        return float(np.abs(self.terms.sum(axis=0) + self.constant - self.said).max())

    def credit(self, bins: int) -> Floats:
        """Return how much of a marked number counts, by where it stood: 1 is right, 0 forgotten.

        It is the slope of the effect of removal on the number, over the marked steps of each of a number of
        equal stretches.
        """
        found = []
        for begin in range(bins):
            there = self._within(begin / bins, (begin + 1) / bins)
            v = self.truth[there]
            found.append(float(self.removed[there] @ v) / max(float(v @ v), 1e-300))
        return np.array(found)


def train(net: str, steps: int, batches: int, rng: int) -> tuple[nn.LSTM | nn.RNN, nn.Linear]:
    """Teach a net to add up the marked numbers; return it and what reads its last state."""
    layer: nn.LSTM | nn.RNN
    if net == "LSTM":
        layer = nn.LSTM(2, HIDDEN, rng=rng)
        first = layer.state_dict()
        b = first["bias_ih_l0"].copy()
        b[HIDDEN : 2 * HIDDEN] = 1  # begins by keeping (Jozefowicz et al. 2015)
        layer.load_state_dict(first | {"bias_ih_l0": b})
    else:
        layer = nn.RNN(2, HIDDEN, nonlinearity=NONLINEARITIES[net], rng=rng)
    out = nn.Linear(HIDDEN, 1, rng=rng + 1)
    adam = nn.Adam({"layer": layer, "out": out}, RATE, clip_norm=1.0)
    generator = np.random.default_rng(rng)
    for batch in range(batches):
        adam.learning_rate = RATE * min(1.0, 2 * (1 - batch / batches))
        x, y = marked_numbers(generator, steps, BATCH)
        states, _ = layer(x, training=True)
        wrong = out(states[-1], training=True)[:, 0] - y
        by_out = out.backward(2 * wrong[:, None] / BATCH)
        by_states = np.zeros_like(states)
        by_states[-1] = by_out.x
        by_layer = layer.backward(by_states)
        adam.step({"layer": by_layer.weights, "out": by_out.weights})
    return layer, out


def measure(net: str, layer: nn.LSTM | nn.RNN, out: nn.Linear, x: Any) -> Contributions:
    """Measure what each step of sequences did, in double precision."""
    x = np.asarray(x, np.float64)
    T, B, _ = x.shape
    weights = [array.astype(np.float64) for array in layer.state_dict().values()]
    v, (b,) = (out.state_dict()[name].astype(np.float64).ravel() for name in ("weight", "bias"))
    H = len(v)

    def run(x: Floats) -> Any:
        """Return the last states, and the tape."""
        start = np.zeros((x.shape[1], H))
        if net == "LSTM":
            _, h, _, tape = recurrent.lstm(x, start, start, *weights, return_tape=True)
            return h, tape
        return recurrent.rnn(x, start, *weights, nonlinearity=NONLINEARITIES[net], return_tape=True)[1:]

    h, tape = run(x)
    by_h = np.tile(v, (B, 1))
    back: Any = recurrent.lstm_backward if net == "LSTM" else recurrent.rnn_backward
    by_x = back(tape, np.zeros((T, B, H)), by_h).x
    others = np.array([np.delete(np.arange(T), t) for t in range(T)])  # (T, T − 1): all but step t
    without = x[others].swapaxes(0, 1).reshape(T - 1, T * B, 2)
    said = h @ v + b
    removed = said - (run(np.ascontiguousarray(without))[0] @ v + b).reshape(T, B)
    terms = None
    if net == "LSTM":  # h = o ∘ tanh(c) = o ∘ (tanh(c) / c) ∘ Σ terms
        c = tape.c[-1]
        slope = np.divide(np.tanh(c), c, out=np.ones_like(c), where=c != 0)
        terms = np.einsum("tbh,bh->tb", recurrent.lstm_memory_terms(tape), tape.o[-1] * slope * v)
    elif net == "linear RNN":
        terms = recurrent.rnn_memory_terms(tape) @ v
    return Contributions(net, x, said, removed, np.linalg.norm(by_x, axis=2), terms, float(b))


def contributions(net: str, steps: int, batches: int, n: int, rng: int) -> Contributions:
    """Train a net and measure it on fresh sequences, the same for all nets."""
    layer, out = train(net, steps, batches, rng)
    fresh, _ = marked_numbers(np.random.default_rng([rng, steps]), steps, n)
    return measure(net, layer, out, fresh)
