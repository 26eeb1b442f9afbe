"""The training of a character model: a text cut into rows that are read side by side, states carried over."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diptych import _progress, nn
from diptych.estimators._divergence import absurd, refuse_loss, refuse_weights
from diptych.reference.rng import words_at

_LAYERS = ("embedding", "lstm", "linear")


class Net(NamedTuple):
    """The layers, in the order in which a character passes them."""

    embedding: nn.Embedding
    lstm: nn.LSTM
    linear: nn.Linear

    def logits(self, numbers: NDArray[np.int64], state: Any) -> tuple[NDArray[Any], Any]:
        """Read characters (T, B); return logits of what follows each, (T, B, characters), and the state."""
        y, state = self.lstm(self.embedding(numbers), state)
        return self.linear(y), state


class Plan(NamedTuple):
    """How to train."""

    epochs: int
    rows: int
    steps: int
    rates: tuple[float, float]  # at the beginning and at the end
    clip_norm: float
    dropout: float


def make(
    characters: int, sizes: tuple[int, int, int], dropout: float, options: dict[str, Any], key: int
) -> Net:
    """Return layers with their first weights."""
    embedding, hidden, layers = sizes
    keys = words_at(key, 0, np.arange(3, dtype=np.uint64))
    rngs = [np.random.SeedSequence(int(k)) for k in keys]
    return Net(
        nn.Embedding(characters, embedding, rng=rngs[0]),
        nn.LSTM(embedding, hidden, layers, dropout=dropout if layers > 1 else 0.0, rng=rngs[1], **options),
        nn.Linear(hidden, characters, rng=rngs[2]),
    )


def train(net: Net, numbers: NDArray[np.int64], plan: Plan, key: int) -> NDArray[np.float64]:
    """Train on a text and return the mean loss of each epoch, in nats per character."""
    report = _progress.current()
    with _progress.reporting(None):  # the kernels' own steps are too small to be shown
        return _train(net, numbers, plan, key, report)


def _train(net: Net, numbers: Any, plan: Plan, key: int, report: Any) -> NDArray[np.float64]:
    adam = nn.Adam(net._asdict(), plan.rates[0], clip_norm=plan.clip_norm)
    dropout = nn.Dropout(plan.dropout, rng=np.random.SeedSequence(key))
    rows = max(1, min(plan.rows, (len(numbers) - 1) // 2))
    length = (len(numbers) - 1) // rows
    updates = -(-length // plan.steps)
    losses, done, total = np.zeros(plan.epochs), 0, plan.epochs * updates
    most = absurd(net.linear.out_features)
    spare = len(numbers) - 1 - rows * length
    shifts = words_at(key, 1, np.arange(plan.epochs, dtype=np.uint64)) % np.uint64(spare + 1)
    firsts = words_at(key, 2, np.arange(plan.epochs, dtype=np.uint64)) % np.uint64(min(plan.steps, length))
    for epoch in range(plan.epochs):
        start = int(shifts[epoch])
        given = numbers[start : start + rows * length].reshape(rows, length).T
        wanted = numbers[start + 1 : start + 1 + rows * length].reshape(rows, length).T
        state, summed = None, 0.0
        for begin, end in _cuts(length, plan.steps, int(firsts[epoch])):
            adam.learning_rate = _rate(plan.rates, done / total)
            loss, state = _update(net, adam, dropout, given[begin:end], wanted[begin:end], state)
            summed += loss * (end - begin)
            done = min(done + 1, total)
            if report is not None:
                report(done, total)
        losses[epoch] = summed / length
        refuse_loss(losses[epoch], most, adam.learning_rate)
    return losses


def _cuts(length: int, steps: int, first: int) -> list[tuple[int, int]]:
    """Cut each epoch at other places: the first piece is shorter, so that no step is always the first."""
    ends = [*range(first or steps, length, steps), length]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _rate(rates: tuple[float, float], share: float) -> float:
    """Fall from the first rate to the last along half a cosine."""
    first, last = rates
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * share))


def _update(net: Net, adam: Any, dropout: Any, given: Any, wanted: Any, state: Any) -> tuple[float, Any]:
    x = net.embedding(given, training=True)
    y, state = net.lstm(x, state, training=True)
    logits = net.linear(dropout(y, training=True), training=True)
    loss, d_logits = nn.softmax_cross_entropy(logits, wanted)
    refuse_loss(loss, math.inf, adam.learning_rate)
    by_linear = net.linear.backward(d_logits)
    by_lstm = net.lstm.backward(
        dropout.backward(by_linear.x)
    )  # not into the state: there the past is cut off
    by_embedding = net.embedding.backward(by_lstm.x)
    by = dict(zip(_LAYERS, (by_embedding.weights, by_lstm.weights, by_linear.weights), strict=True))
    adam.step(by)
    refuse_weights(adam.layers, adam.learning_rate)
    return loss, state
