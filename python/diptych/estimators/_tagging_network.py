"""The network of a SlotTagger: vectors of words, an encoder, a choice of a tag for each and of an intent."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from diptych import nn
from diptych.estimators._tagging_transformer import Transformer

_SPREAD = 0.3  # standard deviation of the vectors of words to begin with


class Sizes(NamedTuple):
    """What a network is made of."""

    encoder: str
    bidirectional: bool
    n_words: int
    embedding_dim: int
    hidden_size: int
    n_tags: int
    n_intents: int  # 0 where none are learnt


class TaggingNetwork:
    """Layers by name, forward and back.

    A sentence's intent is chosen from the mean of what the encoder says at its words, and from the largest
    value of each number of their vectors.
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        dropout: float,
        backend: str,
        n_jobs: int | None,
        seed: int,
        dtype: DTypeLike = np.float32,
    ) -> None:
        keys = np.random.SeedSequence(seed).generate_state(6, np.uint64).tolist()
        self.sizes = sizes
        width = sizes.embedding_dim
        self.layers: dict[str, Any] = {"words": nn.Embedding(sizes.n_words, width, dtype=dtype, rng=keys[0])}
        if sizes.encoder == "transformer":
            self.layers["encoder"] = Transformer(
                width,
                sizes.hidden_size,
                bidirectional=sizes.bidirectional,
                dtype=dtype,
                backend=backend,
                n_jobs=n_jobs,
                rng=keys[1],
            )
        elif sizes.encoder != "none":
            kind = nn.LSTM if sizes.encoder == "lstm" else nn.RNN
            self.layers["encoder"] = kind(
                width,
                sizes.hidden_size,
                bidirectional=sizes.bidirectional,
                dtype=dtype,
                backend=backend,
                n_jobs=n_jobs,
                rng=keys[1],
            )
            width = sizes.hidden_size * (1 + sizes.bidirectional)
        self.layers["tags"] = nn.Linear(width, sizes.n_tags, dtype=dtype, rng=keys[2])
        if sizes.n_intents:
            both = width + sizes.embedding_dim
            self.layers["intents"] = nn.Linear(both, sizes.n_intents, dtype=dtype, rng=keys[3])
        start = self.layers["words"].state_dict()["weight"]
        self.layers["words"].load_state_dict({"weight": start * start.dtype.type(_SPREAD)})
        self._dropouts = nn.Dropout(dropout, rng=keys[4]), nn.Dropout(dropout, rng=keys[5])
        self._pooled: Any = None  # what a word is of a mean, and where the largest numbers stand

    def forward(
        self, words: NDArray[np.int64], lengths: NDArray[np.int64], *, training: bool = False
    ) -> tuple[Any, Any]:
        """Return scores of tags (T, B, n_tags) and of intents (B, n_intents), None where none are learnt."""
        before, after = self._dropouts
        x = vectors = before(self.layers["words"](words, training=training), training=training)
        if "encoder" in self.layers:
            x, _ = self.layers["encoder"](x, None, lengths, training=training)
        tags = self.layers["tags"](after(x, training=training), training=training)
        if "intents" not in self.layers:
            return tags, None
        there = (np.arange(len(words))[:, None] < lengths)[:, :, None]
        by_number = np.ascontiguousarray(np.where(there, vectors, -np.inf).transpose(1, 2, 0))
        largest = by_number.argmax(axis=2)
        places = largest * largest.size + np.arange(largest.size).reshape(largest.shape)  # among all numbers
        if training:
            self._pooled = np.where(there, (1 / lengths)[:, None], 0).astype(x.dtype), places
        # What a recurrent net says after the end is 0.
        read: Any = x if self.sizes.encoder in ("rnn", "lstm") else np.where(there, x, 0)
        mean = read.sum(axis=0) / lengths.astype(x.dtype)[:, None]
        features = np.concatenate([mean, vectors.reshape(-1)[places]], axis=1)
        return tags, self.layers["intents"](features, training=training)

    def backward(self, d_tags: Any, d_intents: Any) -> dict[str, Any]:
        """Return the gradients of all weights."""
        before, after = self._dropouts
        by: dict[str, Any] = {}
        gradients = self.layers["tags"].backward(d_tags)
        by["tags"], dx = gradients.weights, after.backward(gradients.x)
        d_largest = None
        if d_intents is not None:
            gradients = self.layers["intents"].backward(d_intents)
            by["intents"] = gradients.weights
            d_mean, d_largest = np.split(gradients.x, [dx.shape[2]], axis=1)
            dx = dx + self._pooled[0] * d_mean
        if "encoder" in self.layers:
            gradients = self.layers["encoder"].backward(dx)
            by["encoder"], dx = gradients.weights, gradients.x
        if d_largest is not None:
            flat: Any = np.ravel(dx)
            flat[self._pooled[1]] += d_largest
            dx = flat.reshape(dx.shape)
        by["words"] = self.layers["words"].backward(before.backward(dx)).weights
        return by

    def state_dict(self) -> dict[str, Any]:
        """Return all weights, by the names of layer and weight."""
        return {
            f"{layer}.{name}": weight
            for layer, known in self.layers.items()
            for name, weight in known.state_dict().items()
        }

    def load_state_dict(self, weights: dict[str, Any]) -> None:
        """Put weights in place."""
        for layer, known in self.layers.items():
            prefix = f"{layer}."
            own = {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}
            try:
                known.load_state_dict(own)
            except ValueError as error:
                raise ValueError(f"{layer}: {error}") from None
