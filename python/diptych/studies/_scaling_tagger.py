"""The taggers of the study `scaling`: the same net and sentences, another scale of the scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diptych._blas import one_thread
from diptych.datasets import make_travel_requests
from diptych.estimators import SlotTagger
from diptych.estimators._tagging_known import Known
from diptych.estimators._tagging_network import TaggingNetwork
from diptych.estimators._tagging_transformer import Transformer

WIDTH = 64  # in one head, so that d is 64, a usual size
EPOCHS = 30
RATE = 0.002
FRESH = 300
LOOKED_AT = 60  # of the fresh sentences, to see what their words look at


@dataclass(frozen=True)
class Trained:
    """What became of a tagger under one scale.

    Attributes
    ----------
    scale : {"1", "1/√d", "1/d", "1/d²"}
        s.
    losses : ndarray of shape (epochs,)
        Of a sentence, in each epoch.
    f1 : float
        Of fresh sentences.
    before, after : float
        Entropy of the weights before training and after, 1 being uniform: medians over words and layers.
    """

    scale: str
    losses: NDArray[np.float64]
    f1: float
    before: float
    after: float


class _Tagger(SlotTagger):
    """A SlotTagger whose attention has one head, and a scale of its own."""

    scale: float
    looked_at: Sequence[Sequence[str]]

    def _network(self, known: Known, seed: int) -> TaggingNetwork:
        network = super()._network(known, seed)
        network.layers["encoder"] = Transformer(
            self.embedding_dim, self.hidden_size, bidirectional=True, dtype=np.float32,
            backend=self.backend, n_jobs=self.n_jobs, rng=seed, heads=1, scale=self.scale,
        )  # fmt: skip
        self.before = _evenness(network, known, self.looked_at)
        return network

    def evenness(self) -> float:
        """Return how even its weights are now."""
        return _evenness(self._fitted_network, self._known, self.looked_at)


def train(scales: dict[str, float], n_sentences: int, rng: int, *, epochs: int = EPOCHS) -> list[Trained]:
    """Train a tagger under each scale, given as a power of d."""
    known = make_travel_requests(n_sentences, rng=np.random.default_rng([rng, 0]))
    fresh = make_travel_requests(FRESH, rng=np.random.default_rng([rng, 1]))
    sizes: dict[str, Any] = {"embedding_dim": WIDTH, "hidden_size": WIDTH, "dropout": 0.1, "epochs": epochs}
    found = []
    for name, power in scales.items():
        tagger = _Tagger(
            encoder="transformer", learning_rate=RATE, validation_share=0, random_state=rng, n_jobs=1, **sizes
        )
        tagger.scale, tagger.looked_at = WIDTH**power, fresh.sentences[:LOOKED_AT]
        with one_thread():
            tagger.fit(known.sentences, known.tags)
            f1 = tagger.score(fresh.sentences, fresh.tags)
            found.append(Trained(name, tagger.losses_, f1, tagger.before, tagger.evenness()))
    return found


def _evenness(network: TaggingNetwork, known: Known, sentences: Sequence[Sequence[str]]) -> float:
    """Return the median of entropy / log n over words and layers."""
    found = []
    for words in sentences:
        vectors = network.layers["words"](known.vocabulary.numbers(list(words))[:, None])
        p = network.layers["encoder"].attention_weights(vectors).astype(np.float64)
        found.append((evenness(p)).ravel())
    return float(np.median(np.concatenate(found)))


def evenness(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return −Σ p log p / log n along the last axis: 1 if all are alike, 0 if one has everything."""
    entropy = -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1)
    return np.asarray(entropy / np.log(p.shape[-1]))
