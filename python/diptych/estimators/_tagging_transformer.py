"""The encoder of a SlotTagger that attends: positions, and layers of a Transformer."""

from math import gcd
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from diptych import nn
from diptych.nn._layer import Layer

_LAYERS = 2
_HEADS = 4  # or 2 or 1, where the width is no multiple


class Transformer(Layer):
    """Layers on top of each other, called as a recurrent network is; names as of torch.nn.TransformerEncoder.

    What a word hears comes from all words of its sentence, or if it is not bidirectional from those before
    it and itself; padding is never looked at.
    """

    def __init__(
        self,
        width: int,
        units: int,
        *,
        bidirectional: bool,
        dtype: DTypeLike,
        backend: str,
        n_jobs: int | None,
        rng: int,
        heads: int = _HEADS,
        scale: float | None = None,
    ) -> None:
        super().__init__(dtype)
        self.bidirectional = bidirectional
        keys = np.random.SeedSequence(rng).generate_state(_LAYERS, np.uint64).tolist()
        options: dict[str, Any] = {"norm_first": True, "dtype": dtype, "backend": backend, "n_jobs": n_jobs}
        self._layers = [
            nn.TransformerEncoderLayer(width, gcd(width, heads), units, rng=key, **options) for key in keys
        ]
        for layer in self._layers:
            layer._parts["self_attn"]._scale = scale  # None is 1/√d, which all but a study leave as it is
        self._norm = nn.LayerNorm(width, dtype=dtype)  # what layers with norm_first add up to is not normed
        self._parts: dict[str, Any] = {f"layers.{k}.": layer for k, layer in enumerate(self._layers)}
        self._parts["norm."] = self._norm
        for prefix, part in self._parts.items():
            self._weights |= {prefix + name: weight for name, weight in part.state_dict().items()}

    @property
    def n_jobs(self) -> int | None:
        """Number of threads of attention."""
        return self._layers[0].n_jobs

    @n_jobs.setter
    def n_jobs(self, value: int | None) -> None:
        for layer in self._layers:
            layer.n_jobs = value

    def _replace(self, weights: Any) -> None:
        super()._replace(weights)
        for prefix, part in self._parts.items():
            own = {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}
            part._replace(own)

    def __call__(
        self, x: Any, state: None, lengths: NDArray[np.int64], *, training: bool = False
    ) -> tuple[Any, None]:
        """Return what is heard at each word, of the shape of x, (T, B, width), and no state."""
        T, _, width = x.shape
        padding = np.arange(T) >= lengths[:, None]
        y = x + nn.sinusoidal_positions(T, width, dtype=self.dtype)[:, None]
        for layer in self._layers:
            y = layer(y, None, padding, not self.bidirectional, training=training)
        return self._norm(y, training=training), None

    def attention_weights(self, x: Any) -> Any:
        """Return how much each word takes of each in every layer, (layers, heads, T, T), of one sentence.

        x is (T, 1, width). The layers do without these numbers, so that each attends once more here.
        """
        T, _, width = x.shape
        y, found = x + nn.sinusoidal_positions(T, width, dtype=self.dtype)[:, None], []
        for layer in self._layers:
            attention, normed = layer._parts["self_attn"], layer._parts["norm1"](y)
            causal = not self.bidirectional
            _, weights = attention(normed, normed, normed, is_causal=causal, average_attn_weights=False)
            found.append(weights[0])
            y = layer(y, is_causal=causal)
        return np.array(found)

    def backward(self, d_output: Any) -> nn.Gradients:
        """Go back through the last training call."""
        gradients = self._norm.backward(d_output)
        by = {"norm." + name: weight for name, weight in gradients.weights.items()}
        for prefix, layer in reversed(list(zip(self._parts, self._layers, strict=False))):
            gradients = layer.backward(gradients.x)
            by |= {prefix + name: weight for name, weight in gradients.weights.items()}
        return nn.Gradients(gradients.x, {name: by[name] for name in self._weights})
