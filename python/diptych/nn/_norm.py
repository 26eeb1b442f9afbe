"""Layer normalisation, written once, in NumPy."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from diptych import _validate_nn as _check
from diptych._validate import FloatArray
from diptych.nn._layer import Gradients, Layer, left_behind


class _Tape(NamedTuple):
    """What a training call leaves for the way back."""

    normal: FloatArray  # x̂ of mean 0 and variance 1 along the last axis
    factor: FloatArray  # 1/√(σ² + ε), with a last axis of 1


class LayerNorm(Layer):
    """y = w · (x − μ) / √(σ² + ε) + b along the last axis, as ``torch.nn.LayerNorm``.

    Parameters
    ----------
    normalized_shape : int
        Number of features, the length of the last axis. (PyTorch takes several axes too.)
    eps : float, default=1e-5
        The ε, which keeps what hardly varies from being blown up; greater than 0.
    bias : bool, default=True
        Whether b is there.
    dtype : dtype, default=np.float32
        float32 or float64.

    Notes
    -----
    σ² is the mean of the squares of x − μ, not divided by n − 1. The first w is 1, the first b 0.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych import nn
    >>> nn.LayerNorm(2, dtype=np.float64)([[3.0, 1.0], [7.0, 7.0]]).round(4)
    array([[ 1., -1.],
           [ 0.,  0.]])
    """

    def __init__(
        self, normalized_shape: int, eps: float = 1e-5, *, bias: bool = True, dtype: DTypeLike = np.float32
    ) -> None:
        super().__init__(dtype)
        self.normalized_shape = _check.count(normalized_shape, "normalized_shape")
        self.eps = _check.epsilon(eps, "eps")
        weights = {"weight": np.ones(self.normalized_shape, self.dtype)}
        if _check.flag(bias, "bias"):
            weights["bias"] = np.zeros(self.normalized_shape, self.dtype)
        self._replace(weights)
        self._tape: _Tape | None = None

    def __repr__(self) -> str:
        return f"LayerNorm({self.normalized_shape}, eps={self.eps}, bias={'bias' in self._weights})"

    def __call__(self, x: ArrayLike, *, training: bool = False) -> FloatArray:
        """Return outputs of the shape of the inputs, (…, normalized_shape)."""
        if training:
            self._tape = None  # a call that is refused closes the way back through the one before
        X = _check.batch(x, "x", self.normalized_shape, self.dtype)
        away = X - X.mean(axis=-1, keepdims=True)
        factor = 1 / np.sqrt((away * away).mean(axis=-1, keepdims=True) + self.dtype.type(self.eps))
        normal = np.multiply(away, factor, out=away)
        if training:
            self._tape = _Tape(normal, factor)
        y: FloatArray = normal * self._weights["weight"]
        if "bias" in self._weights:
            y += self._weights["bias"]
        return y

    def backward(self, d_output: ArrayLike) -> Gradients:
        """Return derivatives by x and the weights, from those by the output of the last training call."""
        normal, factor = left_behind(self._tape)
        dy = _check.gradient(d_output, "d_output", normal.shape, self.dtype)
        self._tape = None
        before = tuple(range(dy.ndim - 1))
        by: dict[str, Any] = {"weight": (dy * normal).sum(axis=before)}
        if "bias" in self._weights:
            by["bias"] = dy.sum(axis=before)
        # x moves its mean and its variance as well: what dx̂ has in common with 1 and with x̂ is taken out.
        d_normal = dy * self._weights["weight"]
        common = d_normal.mean(axis=-1, keepdims=True)
        along = (d_normal * normal).mean(axis=-1, keepdims=True)
        return Gradients(factor * (d_normal - common - normal * along), by)
