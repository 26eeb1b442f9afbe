"""What the way there leaves for the way back, and what the way back returns."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from diptych._validate import FloatArray


class RNNTape(NamedTuple):
    """What :func:`rnn` returns last with ``return_tape=True``, and :func:`rnn_backward` takes.

    It holds the arrays themselves, not copies: change none of them before the way back.

    Attributes
    ----------
    x, h0, w_ih, w_hh, b_ih, b_hh, nonlinearity, lengths, reverse
        The arguments, as arrays of one dtype; None where they were.
    h : ndarray of shape (T, B, H)
        The state after each step: `y` itself.
    """

    x: FloatArray
    h0: FloatArray
    w_ih: FloatArray
    w_hh: FloatArray
    b_ih: FloatArray | None
    b_hh: FloatArray | None
    nonlinearity: str
    h: FloatArray
    lengths: NDArray[np.int64] | None
    reverse: bool


class LSTMTape(NamedTuple):
    """What :func:`lstm` returns last with ``return_tape=True``, and :func:`lstm_backward` takes.

    It holds the arrays themselves, not copies: change none of them before the way back.

    Attributes
    ----------
    x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths, reverse
        The arguments, as arrays of one dtype; None where they were.
    gates : ndarray of shape (T, B, 4, H)
        i, f, g and o of each step, after σ and tanh; 0 where a sequence is over. `i`, `f`, `g` and `o`,
        each (T, B, H), are views of it.
    c : ndarray of shape (T, B, H)
        The cell state after each step, 0 where a sequence is over.
    h : ndarray of shape (T, B, H)
        The state after each step: `y` itself.
    """

    x: FloatArray
    h0: FloatArray
    c0: FloatArray
    w_ih: FloatArray
    w_hh: FloatArray
    b_ih: FloatArray | None
    b_hh: FloatArray | None
    gates: FloatArray
    c: FloatArray
    h: FloatArray
    lengths: NDArray[np.int64] | None
    reverse: bool

    @property
    def i(self) -> FloatArray:
        """The input gate, (T, B, H)."""
        return self.gates[:, :, 0]

    @property
    def f(self) -> FloatArray:
        """The forget gate, (T, B, H)."""
        return self.gates[:, :, 1]

    @property
    def g(self) -> FloatArray:
        """The candidate, (T, B, H)."""
        return self.gates[:, :, 2]

    @property
    def o(self) -> FloatArray:
        """The output gate, (T, B, H)."""
        return self.gates[:, :, 3]


class RNNGradients(NamedTuple):
    """What :func:`rnn_backward` returns: derivatives of the loss by each argument, of its shape and dtype.

    Attributes
    ----------
    x, h0, w_ih, w_hh : ndarray
        By the arguments of those names.
    b_ih, b_hh : ndarray or None
        By the biases, equal numbers in two arrays; None where the argument was None.
    """

    x: FloatArray
    h0: FloatArray
    w_ih: FloatArray
    w_hh: FloatArray
    b_ih: FloatArray | None
    b_hh: FloatArray | None


class LSTMGradients(NamedTuple):
    """What :func:`lstm_backward` returns: derivatives of the loss by each argument, of its shape and dtype.

    Attributes
    ----------
    x, h0, c0, w_ih, w_hh : ndarray
        By the arguments of those names.
    b_ih, b_hh : ndarray or None
        By the biases, equal numbers in two arrays; None where the argument was None.
    """

    x: FloatArray
    h0: FloatArray
    c0: FloatArray
    w_ih: FloatArray
    w_hh: FloatArray
    b_ih: FloatArray | None
    b_hh: FloatArray | None
