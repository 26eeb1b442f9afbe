"""Training of a SlotTagger: minibatches, Adam, early stopping."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diptych import nn
from diptych.estimators._divergence import absurd, refuse_loss, refuse_weights
from diptych.estimators._tagging_decode import best_sequences
from diptych.estimators._tagging_network import TaggingNetwork
from diptych.estimators._tagging_words import UNKNOWN, Room, batches, cuts, padded

IGNORED = -100
_INTENT_WEIGHT = 0.6  # of the loss of an intent beside that of a tag
_CLIP = 5.0
_LONG = 64  # words: sentences up to here go together, whatever their lengths are
_SPREAD = 4  # places for each word that a batch of longer ones may have, to learn from it
_TAGGED = Room(rows=64, places=64 * _LONG, spread=0)


class Examples(NamedTuple):
    """Sentences as numbers.

    Attributes
    ----------
    words, tags : list of ndarray
        Of each sentence.
    intents : ndarray or None
        One of each sentence.
    """

    words: list[NDArray[np.int64]]
    tags: list[NDArray[np.int64]]
    intents: NDArray[np.int64] | None

    def lengths(self) -> NDArray[np.int64]:
        """Return the number of words of each sentence."""
        return np.array([len(row) for row in self.words], dtype=np.int64)


class Schedule(NamedTuple):
    """How long and how far to go."""

    epochs: int
    batch_size: int
    patience: int
    learning_rate: float


class History(NamedTuple):
    """What happened in each epoch, and which was kept."""

    losses: list[float]
    scores: list[float]
    best_epoch: int


def train(
    network: TaggingNetwork,
    examples: Examples,
    schedule: Schedule,
    unknown_rates: NDArray[np.float64],
    generator: np.random.Generator,
    validate: Callable[[], float] | None,
    report: Callable[[int, int], None],
) -> History:
    """Train the network, and leave it with the weights of the best epoch; the last if none is validated."""
    lengths = examples.lengths()
    room = Room(schedule.batch_size, schedule.batch_size * _LONG, _SPREAD)
    n_batches = len(cuts(lengths, room))
    adam = nn.Adam(network.layers, schedule.learning_rate, clip_norm=_CLIP)
    losses: list[float] = []
    scores: list[float] = []
    best, kept, best_epoch = -1.0, network.state_dict(), 0
    most = absurd(network.sizes.n_tags, network.sizes.n_intents)
    total = n_batches * schedule.epochs
    for epoch in range(schedule.epochs):
        loss = 0.0
        for i, rows in enumerate(batches(lengths, room, generator)):
            adam.learning_rate = schedule.learning_rate * (1 - (epoch * n_batches + i) / total)
            loss += _step(network, adam, examples, rows, lengths[rows], unknown_rates, generator)
            report(epoch * n_batches + i + 1, total)
        losses.append(loss / len(lengths))
        refuse_loss(losses[-1], most, adam.learning_rate)
        if validate is None:
            best_epoch = epoch
            continue
        scores.append(validate())
        if scores[-1] >= best:  # of equal ones the later, which has seen more
            best, kept, best_epoch = scores[-1], network.state_dict(), epoch
        elif epoch - best_epoch >= schedule.patience:
            break
    if validate is not None:
        network.load_state_dict(kept)
    report(total, total)
    return History(losses, scores, best_epoch)


def _step(
    network: TaggingNetwork,
    adam: Any,
    examples: Examples,
    rows: NDArray[np.int64],
    lengths: NDArray[np.int64],
    unknown_rates: NDArray[np.float64],
    generator: np.random.Generator,
) -> float:
    """Learn from one batch, and return the sum of its sentences' losses."""
    words = padded([examples.words[row] for row in rows], UNKNOWN)
    words[generator.random(words.shape) < unknown_rates[words]] = UNKNOWN
    tags, intents = network.forward(words, lengths, training=True)
    wanted = padded([examples.tags[row] for row in rows], IGNORED)
    loss, d_tags = nn.softmax_cross_entropy(tags, wanted, ignore_index=IGNORED)
    d_intents = None
    if examples.intents is not None:
        more, d_intents = nn.softmax_cross_entropy(intents, examples.intents[rows], ignore_index=None)
        loss += _INTENT_WEIGHT * more
        d_intents *= d_intents.dtype.type(_INTENT_WEIGHT)
    refuse_loss(loss, math.inf, adam.learning_rate)
    adam.step(network.backward(d_tags, d_intents))
    refuse_weights(network.layers, adam.learning_rate)
    return loss * len(rows)


def tag(
    network: TaggingNetwork, words: list[NDArray[np.int64]], of: NDArray[np.int64]
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64] | None]:
    """Return the numbers of the tags of each sentence, and of its intent."""
    lengths = np.array([len(row) for row in words], dtype=np.int64)
    found: list[Any] = [None] * len(words)
    intents = np.empty(len(words), dtype=np.int64) if network.sizes.n_intents else None
    for rows in batches(lengths, _TAGGED):
        scores, of_intents = network.forward(padded([words[row] for row in rows], UNKNOWN), lengths[rows])
        if network.sizes.encoder == "none":  # each word by itself
            alone = scores.argmax(axis=2)
            tags = [alone[:length, b] for b, length in enumerate(lengths[rows])]
        else:
            tags = best_sequences(scores, lengths[rows], of)
        for row, sequence in zip(rows, tags, strict=True):
            found[row] = sequence
        if intents is not None:
            intents[rows] = of_intents.argmax(axis=1)
    return found, intents
