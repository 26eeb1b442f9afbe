"""What every layer is: weights by name, which are read-only and only ever replaced."""

import math
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, NamedTuple, Self, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from diptych import _validate_nn as _check
from diptych._validate import FloatArray, seed_key
from diptych.reference.rng import uniform, words_at


class Gradients(NamedTuple):
    """What ``backward`` of a layer returns: derivatives of the loss.

    Attributes
    ----------
    x : ndarray or None
        By the input, of its shape; None where the input was no number but a place, as of an embedding.
    weights : dict of str to ndarray
        By the weights, under the names they have in ``state_dict``.
    state : ndarray, tuple of ndarray or None
        By the states at the beginning, as the network takes them; None of layers that have none.
    """

    x: Any
    weights: dict[str, FloatArray]
    state: Any = None


class Draws(NamedTuple):
    """Random numbers of a shape, by their address alone: the same on every machine for a seed."""

    key: int
    stream: int
    shape: tuple[int, ...]

    def uniform(self, bound: float) -> NDArray[np.float64]:
        """Return numbers in [−bound, bound)."""
        return bound * (2 * self._uniform(0) - 1)

    def normal(self) -> NDArray[np.float64]:
        """Return normal numbers, by the method of Box and Muller."""
        return np.asarray(np.sqrt(-2 * np.log1p(-self._uniform(0))) * np.cos(2 * np.pi * self._uniform(1)))

    def _uniform(self, turn: int) -> NDArray[np.float64]:
        n = math.prod(self.shape)
        if n > np.iinfo(np.intp).max // 16:  # for both turns
            raise MemoryError(f"weights of shape {self.shape} are more than an array can hold.")
        indices = np.arange(turn * n, (turn + 1) * n, dtype=np.uint64)
        return uniform(words_at(self.key, self.stream, indices)).reshape(self.shape)


def left_behind(kept: Any) -> Any:
    """Return what the last training call kept for the way back, if there is something."""
    if kept is None:
        raise RuntimeError(
            "there is nothing to go back through: call the layer with training=True first, once for each "
            "time back."
        )
    return kept


class Part:
    """What changes as it is used, so that a shallow copy has to have its own."""

    def __copy__(self) -> Self:
        new = type(self).__new__(type(self))
        # An object without __setstate__ is restored as pickle would do it.
        state = {name: _own(value) for name, value in cast(dict[str, Any], self.__getstate__()).items()}
        getattr(new, "__setstate__", new.__dict__.update)(state)
        return new


def _own(value: Any) -> Any:
    """Return a copy of containers and parts; arrays, which nobody writes to, are shared."""
    if type(value) is dict:
        return {name: _own(part) for name, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_own, value))
    return copy(value) if isinstance(value, Part) else value


class Layer(Part):
    """Weights by name."""

    dtype: np.dtype[Any]

    def __init__(self, dtype: DTypeLike) -> None:
        self.dtype = _check.dtype(dtype)
        self._weights: dict[str, FloatArray] = {}

    def state_dict(self) -> dict[str, FloatArray]:
        """Return the weights by their names in PyTorch.

        Returns
        -------
        dict of str to ndarray
            The arrays themselves. They are read-only, and training puts new ones in their place, so that
            what was returned once stays as it is.
        """
        return dict(self._weights)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Put weights in place of those that are there.

        Parameters
        ----------
        state_dict : mapping of str to array-like
            An array for each name of :meth:`state_dict`, of the same shape, finite, and of a dtype that
            loses nothing by that of the layer. The arrays are copied.

        Raises
        ------
        ValueError
            If a name is missing or not expected, a shape differs (transposed weights are recognised, unless
            they are square), or a weight is NaN or infinite; the message names it. Nothing is replaced then.
        TypeError
            If an array holds no real numbers, or has a wider dtype than the layer. (The error is a
            ValueError as well.)
        """
        _check.fields(state_dict, self._weights, "state_dict")
        self._replace(
            {
                name: _check.loaded(state_dict[name], name, old.shape, self.dtype)
                for name, old in self._weights.items()
            }
        )

    def _replace(self, weights: Mapping[str, FloatArray]) -> None:
        """Take new arrays, which nobody else writes to."""
        for array in weights.values():
            array.flags.writeable = False
        self._weights.update(weights)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for array in self._weights.values():  # which a pickle forgets
            array.flags.writeable = False

    def _draw(self, shapes: Mapping[str, tuple[int, ...]], rng: Any, law: Callable[[Draws], Any]) -> None:
        """Draw first weights: those of the k-th name from stream k."""
        key = seed_key(rng)
        self._replace(
            {
                name: np.ascontiguousarray(law(Draws(key, stream, shape)), self.dtype)
                for stream, (name, shape) in enumerate(shapes.items())
            }
        )
