"""Adam, with gradients clipped by their common norm."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from diptych import _validate_nn as _check
from diptych._validate import DtypeError, FloatArray
from diptych.nn._layer import Layer


class Adam:
    """Move the weights of layers against their gradients [1]_.

    Parameters
    ----------
    layers : mapping of str to layer
        Whose weights are learnt.
    learning_rate : float, default=1e-3
        How far a step goes; an attribute that may be changed between steps.
    betas : (float, float), default=(0.9, 0.999)
        How slowly the means of the gradients and of their squares forget.
    epsilon : float, default=1e-8
        Added to the root of the mean square.
    clip_norm : float or None, default=None
        Gradients of all layers together are scaled down to this Euclidean norm where theirs is larger; None
        leaves them as they are.

    Raises
    ------
    ValueError
        If a number is out of range, or `betas` are not two.
    TypeError
        If `layers` is no mapping of layers, or a number is none. (The error is a ValueError as well.)

    Notes
    -----
    Formulas and defaults are those of ``torch.optim.Adam``. Weights are replaced, not written to: arrays of
    an earlier ``state_dict`` stay as they are.

    References
    ----------
    .. [1] D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych import nn
    >>> layer = nn.Linear(1, 1, bias=False, dtype=np.float64)
    >>> layer.load_state_dict({"weight": [[1.0]]})
    >>> adam = nn.Adam({"layer": layer}, learning_rate=0.1)
    >>> norm = adam.step({"layer": {"weight": np.array([[5.0]])}})
    >>> norm, layer.state_dict()["weight"].round(6)  # the first step goes as far as the rate
    (5.0, array([[0.9]]))
    """

    def __init__(
        self,
        layers: Mapping[str, Layer],
        learning_rate: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        clip_norm: float | None = None,
    ) -> None:
        if not isinstance(layers, Mapping):
            raise DtypeError(
                f"layers is of type {type(layers).__name__}: a dict of layers by name is needed."
            )
        for name, layer in layers.items():
            if not isinstance(layer, Layer):
                raise DtypeError(f"layers[{name!r}] is of type {type(layer).__name__}: a layer is needed.")
        self.layers = dict(layers)
        self.learning_rate = _check.number(learning_rate, "learning_rate")
        first, second = _check.two(betas, "betas")
        self.betas = _check.number(first, "betas[0]", 0, 1), _check.number(second, "betas[1]", 0, 1)
        self.epsilon = _check.number(epsilon, "epsilon")
        self.clip_norm = None if clip_norm is None else _check.number(clip_norm, "clip_norm")
        self._steps = 0
        self._means: dict[tuple[str, str], tuple[FloatArray, FloatArray]] = {}

    def __repr__(self) -> str:
        return (
            f"Adam({', '.join(self.layers)}, learning_rate={self.learning_rate}, clip_norm={self.clip_norm})"
        )

    def step(self, gradients: Mapping[str, Mapping[str, FloatArray]]) -> float:
        """Move all weights once.

        Parameters
        ----------
        gradients : mapping of str to mapping of str to ndarray
            For each layer, by its name, what its ``backward`` returned as ``weights``.

        Returns
        -------
        float
            The Euclidean norm of all gradients together, before clipping.

        Raises
        ------
        ValueError
            If a layer or weight is missing or not expected, or a gradient has not the shape of its weight.
        FloatingPointError
            If a gradient is NaN or infinite, or so large that its square is, and there is no `clip_norm`; no
            weight is touched then.
        """
        _check.fields(gradients, self.layers, "gradients")
        found: list[tuple[str, str, FloatArray]] = []
        for layer, known in self.layers.items():
            weights = known.state_dict()
            _check.fields(gradients[layer], weights, f"gradients[{layer!r}]")
            for name, weight in weights.items():
                where = f"gradients[{layer!r}][{name!r}]"
                found.append(
                    (layer, name, _check.gradient(gradients[layer][name], where, weight.shape, known.dtype))
                )
        norms = [_norm(by) for *_, by in found]
        norm = math.hypot(*norms)
        limit = math.sqrt(min(float(np.finfo(by.dtype).max) for *_, by in found)) if found else math.inf
        if not math.isfinite(norm) or (self.clip_norm is None and norm > limit):
            at = int(np.argmax(norms)) if math.isfinite(norm) else np.isfinite(norms).tolist().index(False)
            layer, name, _ = found[at]
            what, hint = "not finite", ""
            if math.isfinite(norm):
                what, hint = f"too large to be squared, {norms[at]:.3g},", ", or set clip_norm"
            raise FloatingPointError(
                f"the gradient by {layer}.{name} is {what} at step {self._steps + 1}: lower the learning "
                f"rate, {self.learning_rate}{hint}."
            )
        scale = 1.0
        if self.clip_norm is not None and norm > self.clip_norm:
            scale = self.clip_norm / norm
            if norm > limit:  # what is squared must be small first
                found = [(layer, name, by * scale) for layer, name, by in found]
                scale = 1.0
        self._steps += 1
        for layer, name, by in found:
            self._move(layer, name, by, scale)
        return norm

    def _move(self, layer: str, name: str, by: FloatArray, scale: float) -> None:
        first, second = self.betas
        weight = self.layers[layer].state_dict()[name]
        if (layer, name) not in self._means:
            self._means[layer, name] = np.zeros_like(weight), np.zeros_like(weight)
        m, v = self._means[layer, name]
        m *= first
        m += by * ((1 - first) * scale)
        v *= second
        square = by * by
        square *= (1 - second) * scale**2
        v += square
        below = np.sqrt(v, out=square)  # |m̂| / (√v̂ + ε), the corrections of both means taken together
        below *= (1 - second**self._steps) ** -0.5
        below += self.epsilon
        new = np.divide(m, below, out=below)
        new *= -self.learning_rate / (1 - first**self._steps)
        new += weight
        self.layers[layer]._replace({name: new})


def _norm(by: FloatArray) -> float:
    """Return the Euclidean norm; not finite if an entry is not."""
    row: Any = np.ravel(by)
    with np.errstate(over="ignore", invalid="ignore"):
        square = float(np.dot(row, row))
    if math.isfinite(square) or row.size == 0:
        return math.sqrt(square)
    most = float(np.abs(row).max())  # NaN if there is one
    if not math.isfinite(most):
        return most
    row = row / most
    return most * math.sqrt(float(np.dot(row, row)))
