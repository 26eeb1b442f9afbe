"""The network of a SlotTagger: vectors of words, an encoder, a choice of a tag for each and of an intent."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from diptych import nn

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

    A sentence's intent is chosen from the largest value of each feature over its words.
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
        if sizes.encoder != "none":
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
            self.layers["intents"] = nn.Linear(width, sizes.n_intents, dtype=dtype, rng=keys[3])
        start = self.layers["words"].state_dict()["weight"]
        self.layers["words"].load_state_dict({"weight": start * start.dtype.type(_SPREAD)})
        self._dropouts = nn.Dropout(dropout, rng=keys[4]), nn.Dropout(dropout, rng=keys[5])
        self._largest: Any = None

    def forward(
        self, words: NDArray[np.int64], lengths: NDArray[np.int64], *, training: bool = False
    ) -> tuple[Any, Any]:
        """Return scores of tags (T, B, n_tags) and of intents (B, n_intents), None where none are learnt."""
        before, after = self._dropouts
        x = before(self.layers["words"](words, training=training), training=training)
        if "encoder" in self.layers:
            x, _ = self.layers["encoder"](x, None, lengths, training=training)
        tags = self.layers["tags"](after(x, training=training), training=training)
        if "intents" not in self.layers:
            return tags, None
        there = np.arange(len(words))[:, None] < lengths
        largest = np.where(there[:, :, None], x, -np.inf).argmax(axis=0)[None]
        if training:
            self._largest = largest
        pooled = np.take_along_axis(x, largest, axis=0)[0]
        return tags, self.layers["intents"](pooled, training=training)

    def backward(self, d_tags: Any, d_intents: Any) -> dict[str, Any]:
        """Return the gradients of all weights."""
        before, after = self._dropouts
        by: dict[str, Any] = {}
        gradients = self.layers["tags"].backward(d_tags)
        by["tags"], dx = gradients.weights, after.backward(gradients.x)
        if d_intents is not None:
            gradients = self.layers["intents"].backward(d_intents)
            by["intents"] = gradients.weights
            if not dx.flags.writeable:
                dx = dx.copy()
            at = self._largest
            np.put_along_axis(dx, at, np.take_along_axis(dx, at, axis=0) + gradients.x[None], axis=0)
        if "encoder" in self.layers:
            gradients = self.layers["encoder"].backward(dx)
            by["encoder"], dx = gradients.weights, gradients.x
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
