"""Recurrent networks, with weights named and shaped as in torch.nn."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from diptych import _validate_nn as _check
from diptych._validate import FloatArray
from diptych.nn._cells import lstm_cell, rnn_cell
from diptych.nn._stack import Stack


class RNN(Stack):
    """A plain recurrent network, as ``torch.nn.RNN``.

    Parameters
    ----------
    input_size, hidden_size : int
        Numbers of inputs and of units.
    num_layers : int, default=1
        How many layers; each reads the output of the one below.
    nonlinearity : {"tanh", "relu", "identity"}, default="tanh"
        What the sums go through.
    bias : bool, default=True
        Whether there are biases, two for each unit, as PyTorch has them.
    batch_first : bool, default=False
        Whether inputs and outputs are (B, T, …) rather than (T, B, …). States are not concerned.
    dropout : float, default=0.0
        The share of numbers dropped between layers, in training.
    bidirectional : bool, default=False
        Whether each layer reads in both directions.
    dtype : dtype, default=np.float32
        float32 or float64.
    backend : {"rust", "reference"}, default="rust"
        Which panel does the work.
    n_jobs : int or None, default=None
        Number of threads; None means :func:`diptych.get_num_threads`. The result does not depend on it.
    rng : None, int, SeedSequence or Generator, default=None
        Where first weights, and what is dropped, come from: uniform within ±1/√hidden_size, as in PyTorch.

    Notes
    -----
    The arithmetic, its determinism and its memory are those of :mod:`diptych.kernels.recurrent`. With
    ``backend="rust"`` a step is a sequence of one, and a sequence its steps, bit for bit. Each parameter is
    an attribute too; of these only `batch_first` and `n_jobs` may be set later.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych import nn
    >>> net = nn.RNN(3, 5, num_layers=2, rng=0)
    >>> output, h = net(np.zeros((4, 1, 3), np.float32), lengths=[2])  # the other two steps are not there
    >>> output.shape, h.shape, bool((output[1] == h[1]).all())
    ((4, 1, 5), (2, 1, 5), True)
    """

    _gates = 1
    _state_names = ("h",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: DTypeLike = np.float32,
        backend: str = "rust",
        n_jobs: int | None = None,
        rng: Any = None,
    ) -> None:
        self.nonlinearity = _check.nonlinearity(nonlinearity)
        super().__init__(
            input_size, hidden_size, num_layers, bias=bias, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, dtype=dtype, backend=backend, n_jobs=n_jobs, rng=rng,
        )  # fmt: skip

    def _cell(self, weights: Any) -> Any:
        return rnn_cell(self.backend, weights, self.nonlinearity)

    def step(self, x: ArrayLike, state: Any = None) -> tuple[FloatArray, FloatArray]:
        """Read one input of each sequence.

        Parameters
        ----------
        x : array-like of shape (B, input_size), real
            One input of each of B sequences.
        state : ndarray of shape (num_layers, B, hidden_size), or None, default=None
            What the step or sequence before returned; None is 0.

        Returns
        -------
        y : ndarray of shape (B, hidden_size)
            What the last layer says.
        state : ndarray of shape (num_layers, B, hidden_size)
            The state after it.

        Raises
        ------
        ValueError
            If the network is bidirectional, or a shape does not fit.
        TypeError
            As when it is called.
        """
        # A stream of steps brings what fits; all else goes the slow way, which says what is wrong.
        stream = self._stream  # which another thread may put away with old weights
        found = stream(x, state) if stream else None
        return self._checked_step(x, state) if found is None else found


class LSTM(Stack):
    """A network with long short-term memory, as ``torch.nn.LSTM``.

    Parameters
    ----------
    input_size, hidden_size : int
        Numbers of inputs and of units.
    num_layers : int, default=1
        How many layers; each reads the output of the one below.
    bias : bool, default=True
        Whether there are biases, two for each row of weights, as PyTorch has them.
    batch_first : bool, default=False
        Whether inputs and outputs are (B, T, …) rather than (T, B, …). States are not concerned.
    dropout : float, default=0.0
        The share of numbers dropped between layers, in training.
    bidirectional : bool, default=False
        Whether each layer reads in both directions.
    dtype : dtype, default=np.float32
        float32 or float64.
    backend : {"rust", "reference"}, default="rust"
        Which panel does the work.
    n_jobs : int or None, default=None
        Number of threads; None means :func:`diptych.get_num_threads`. The result does not depend on it.
    rng : None, int, SeedSequence or Generator, default=None
        Where first weights, and what is dropped, come from: uniform within ±1/√hidden_size, as in PyTorch.

    Notes
    -----
    The arithmetic, its determinism and its memory are those of :mod:`diptych.kernels.recurrent`. With
    ``backend="rust"`` a step is a sequence of one, and a sequence its steps, bit for bit. Weights are packed
    once, at the first call after they were replaced. Numbers below the smallest normal one, 1.2e-38 in
    float32, are computed with as they are, which processors do more slowly. Each parameter is an
    attribute too; of these only `batch_first` and `n_jobs` may be set later.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych import nn
    >>> net = nn.LSTM(3, 5, rng=0)
    >>> x = np.ones((4, 1, 3), np.float32)
    >>> output, state = net(x)
    >>> later = None
    >>> for x_t in x:
    ...     y, later = net.step(x_t, later)
    >>> bool((y == output[-1]).all())
    True
    """

    _gates = 4
    _state_names = ("h", "c")

    def _cell(self, weights: Any) -> Any:
        return lstm_cell(self.backend, weights)

    def step(self, x: ArrayLike, state: Any = None) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
        """Read one input of each sequence.

        Parameters
        ----------
        x : array-like of shape (B, input_size), real
            One input of each of B sequences.
        state : (h, c), each an ndarray of shape (num_layers, B, hidden_size), or None, default=None
            What the step or sequence before returned; None is 0.

        Returns
        -------
        y : ndarray of shape (B, hidden_size)
            What the last layer says.
        state : (h, c), each an ndarray of shape (num_layers, B, hidden_size)
            The state after it.

        Raises
        ------
        ValueError
            If the network is bidirectional, or a shape does not fit.
        TypeError
            As when it is called.
        """
        # A stream of steps brings what fits; all else goes the slow way, which says what is wrong.
        stream = self._stream  # which another thread may put away with old weights
        found = stream(x, state) if stream else None
        return self._checked_step(x, state) if found is None else found
