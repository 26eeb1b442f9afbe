"""Recurrent nets: RNN and LSTM by step and by sequence, back through time, and what a memory is made of.

Weights have the names, shapes and order of ``torch.nn.RNN`` and ``torch.nn.LSTM``; gates stand in the order
i, f, g, o.
"""

from typing import Literal, overload

from numpy.typing import ArrayLike

from diptych import _progress, _rust
from diptych import _validate_recurrent as _check
from diptych._threads import resolve_n_jobs
from diptych._validate import FloatArray
from diptych.kernels._recurrent_backward import lstm_backward, rnn_backward
from diptych.kernels._recurrent_memory import lstm_memory_terms, rnn_memory_terms, state_jacobian_norms
from diptych.kernels._recurrent_tapes import LSTMGradients, LSTMTape, RNNGradients, RNNTape

__all__ = [
    "LSTMGradients",
    "LSTMTape",
    "RNNGradients",
    "RNNTape",
    "lstm",
    "lstm_backward",
    "lstm_memory_terms",
    "lstm_step",
    "rnn",
    "rnn_backward",
    "rnn_memory_terms",
    "rnn_step",
    "state_jacobian_norms",
]


def rnn_step(
    x: ArrayLike,
    h: ArrayLike,
    w_ih: ArrayLike,
    w_hh: ArrayLike,
    b_ih: ArrayLike | None = None,
    b_hh: ArrayLike | None = None,
    *,
    nonlinearity: str = "tanh",
) -> FloatArray:
    """Read one input of each sequence with a plain recurrent net.

    Parameters
    ----------
    x : array-like of shape (B, I), real
        One input of each of B sequences. NaN and infinity are not looked for: they go where the sums take
        them.
    h : array-like of shape (B, H), real
        The states before.
    w_ih : array-like of shape (H, I), real
        Weights of the inputs: row k makes unit k.
    w_hh : array-like of shape (H, H), real
        Weights of the states before.
    b_ih, b_hh : array-like of shape (H,), real, or None, default=None
        Biases, which are added to each other; None is 0.
    nonlinearity : {"tanh", "relu", "identity"}, default="tanh"
        What the sums go through.

    Returns
    -------
    ndarray of shape (B, H)
        The states after: ``tanh(b_ih + b_hh + w_ih x + w_hh h)`` for each row. Its dtype is that of `w_ih`,
        float32 or float64, in which all is computed; lists and integers are converted to it, and so is
        float32 to float64. (Weights in lists are float64.)

    Raises
    ------
    ValueError
        If shapes do not fit each other (transposed or exchanged weights are recognised), a batch, I or H is
        0, a weight is NaN or infinite, or `nonlinearity` is none of the three.
    TypeError
        If an argument does not hold real numbers, or has a wider dtype than `w_ih`. (The error is a
        ValueError as well.)

    See Also
    --------
    rnn : Whole sequences, of which this is one step, bit for bit.

    Notes
    -----
    Each sum is one chain of fused multiply-adds: ``b_ih + b_hh``, then x in its order, then h in its order.
    So a row gives what it gives alone, bit for bit, in any batch, and on every instruction set. tanh is
    within 6 units in the last place in float32, where its result is normal, 4 in float64, and never beyond
    ±1. The reference adds in another order and agrees up to rounding.

    Time is O(B · H · (I + H)), memory at the peak the result and a copy of the weights, and copies of
    arguments of other dtypes or layouts.

    References
    ----------
    .. [1] J. L. Elman, "Finding structure in time", Cognitive Science 14(2), 1990.

    Examples
    --------
    >>> from diptych.kernels.recurrent import rnn_step
    >>> rnn_step([[1.0]], [[0.3]], [[0.3]], [[0.5]], nonlinearity="identity")
    array([[0.45]])
    """
    known = _check.weights(1, w_ih, w_hh, b_ih, b_hh)
    X = _check.inputs(x, known)
    return _rust.recurrent_rnn_step(
        X, _check.state(h, "h", len(X), known), *known, _check.nonlinearity(nonlinearity)
    )


def lstm_step(
    x: ArrayLike,
    h: ArrayLike,
    c: ArrayLike,
    w_ih: ArrayLike,
    w_hh: ArrayLike,
    b_ih: ArrayLike | None = None,
    b_hh: ArrayLike | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Read one input of each sequence with an LSTM.

    Parameters
    ----------
    x : array-like of shape (B, I), real
        One input of each of B sequences. NaN and infinity are not looked for: they go where the sums take
        them.
    h, c : array-like of shape (B, H), real
        The states and cell states before.
    w_ih : array-like of shape (4H, I), real
        Weights of the inputs: H rows each for the gates i, f, g and o. (ONNX has i, o, f, c.)
    w_hh : array-like of shape (4H, H), real
        Weights of the states before, in the same order.
    b_ih, b_hh : array-like of shape (4H,), real, or None, default=None
        Biases, which are added to each other; None is 0.

    Returns
    -------
    h, c : ndarray of shape (B, H)
        The states and cell states after, in the dtype of `w_ih`, as for :func:`rnn_step`.

    Raises
    ------
    ValueError, TypeError
        As for :func:`rnn_step`.

    See Also
    --------
    lstm : Whole sequences, of which this is one step, bit for bit.

    Notes
    -----
    With the sums ``a = b_ih + b_hh + w_ih x + w_hh h`` in four blocks, and σ(a) = 1 / (1 + exp(-a))::

        i = σ(a_i);   f = σ(a_f);   g = tanh(a_g);   o = σ(a_o)
        c = f * c + i * g
        h = o * tanh(c)

    What :func:`rnn_step` says of chains, σ as of tanh, determinism, time and memory holds here, for four
    times as many sums. No exponential overflows, however large the sums are. Where f is 1 and i is 0, c stays
    what it was, exactly.

    References
    ----------
    .. [1] S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997.
    .. [2] F. A. Gers, J. Schmidhuber and F. Cummins, "Learning to forget: continual prediction with LSTM",
       Neural Computation 12(10), 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych.kernels.recurrent import lstm_step
    >>> keep = [-1e4, 1e4, 0.0, 0.0]  # i = 0, f = 1
    >>> h, c = lstm_step([[5.0]], [[0.0]], [[0.25]], np.ones((4, 1)), np.ones((4, 1)), keep)
    >>> c
    array([[0.25]])
    """
    known = _check.weights(4, w_ih, w_hh, b_ih, b_hh)
    X = _check.inputs(x, known)
    before, memory = _check.state(h, "h", len(X), known), _check.state(c, "c", len(X), known)
    return _rust.recurrent_lstm_step(X, before, memory, *known)


@overload
def rnn(
    x: ArrayLike,
    h0: ArrayLike,
    w_ih: ArrayLike,
    w_hh: ArrayLike,
    b_ih: ArrayLike | None = ...,
    b_hh: ArrayLike | None = ...,
    *,
    nonlinearity: str = ...,
    lengths: ArrayLike | None = ...,
    reverse: bool = ...,
    return_tape: Literal[False] = ...,
    n_jobs: int | None = ...,
) -> tuple[FloatArray, FloatArray]: ...
@overload
def rnn(
    x: ArrayLike,
    h0: ArrayLike,
    w_ih: ArrayLike,
    w_hh: ArrayLike,
    b_ih: ArrayLike | None = ...,
    b_hh: ArrayLike | None = ...,
    *,
    nonlinearity: str = ...,
    lengths: ArrayLike | None = ...,
    reverse: bool = ...,
    return_tape: Literal[True],
    n_jobs: int | None = ...,
) -> tuple[FloatArray, FloatArray, RNNTape]: ...
def rnn(
    x: ArrayLike,
    h0: ArrayLike,
    w_ih: ArrayLike,
    w_hh: ArrayLike,
    b_ih: ArrayLike | None = None,
    b_hh: ArrayLike | None = None,
    *,
    nonlinearity: str = "tanh",
    lengths: ArrayLike | None = None,
    reverse: bool = False,
    return_tape: bool = False,
    n_jobs: int | None = None,
) -> tuple[FloatArray, FloatArray] | tuple[FloatArray, FloatArray, RNNTape]:
    """Read whole sequences with a plain recurrent net.

    Parameters
    ----------
    x : array-like of shape (T, B, I), real
        The inputs, step by step. NaN and infinity are not looked for: they go where the sums take them.
    h0 : array-like of shape (B, H), real
        The states to begin with.
    w_ih, w_hh, b_ih, b_hh, nonlinearity
        As for :func:`rnn_step`.
    lengths : array-like of shape (B,), integer, or None, default=None
        How many steps each sequence has, from 1 to T, in any order; None means T. What `x` holds after them
        is not read, be it NaN.
    reverse : bool, default=False
        Whether each sequence is read from its own last input to its first.
    return_tape : bool, default=False
        Whether to return what :func:`rnn_backward` takes.
    n_jobs : int or None, default=None
        Number of threads; None means :func:`diptych.get_num_threads`, -1 all cores the process may use. The
        result does not depend on it.

    Returns
    -------
    y : ndarray of shape (T, B, H)
        The state after ``x[t]`` was read, in ``y[t]``, in reverse too; 0 after the end of a sequence.
    h : ndarray of shape (B, H)
        The last state of each sequence: after its last input, in reverse after ``x[0]``.
    tape : RNNTape
        With ``return_tape=True`` only: the arguments and every state.

    Raises
    ------
    ValueError
        As for :func:`rnn_step`; if T is 0 or a length is not from 1 to T.
    TypeError
        As for :func:`rnn_step`; if `lengths` are no integers, or `reverse` or `return_tape` is no bool. (The
        error is a ValueError as well.)
    MemoryError
        If the result does not fit; the message names its size.

    See Also
    --------
    rnn_backward : The way back.
    rnn_memory_terms, state_jacobian_norms : What each input and state left in the last one.

    Notes
    -----
    A sequence is its steps, bit for bit: it may be cut anywhere in time, each part beginning with the last
    state of the one before, taken alone or in any batch, and read by any number of threads.

    Time is O(T · B · H · (I + H)), where with `lengths` only steps that are there count. Memory at the peak
    is the result, a copy of the weights, 16 bytes for each step of each sequence (for each thread, where
    threads share units: of few sequences, or if weights are 2 MiB and more), and for each thread 8 bytes for
    each step and 1 MiB, or 12 numbers for each unit of its sequences, if that is more. The tape takes nothing
    more: it is `y` and the arguments. Nothing recurses: 10⁵ steps are as good as ten.

    References
    ----------
    .. [1] J. L. Elman, "Finding structure in time", Cognitive Science 14(2), 1990.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych.kernels.recurrent import rnn
    >>> x, h0 = np.ones((3, 1, 1)), [[0.0]]
    >>> y, h = rnn(x, h0, [[0.3]], [[0.5]], nonlinearity="identity")  # h_t = 0.3 x_t + 0.5 h_{t−1}
    >>> y.ravel()
    array([0.3  , 0.45 , 0.525])
    """
    known = _check.weights(1, w_ih, w_hh, b_ih, b_hh)
    X = _check.sequences(x, known)
    T, B, _ = X.shape
    first, kind = _check.state(h0, "h0", B, known), _check.nonlinearity(nonlinearity)
    ends, back = _check.lengths(lengths, T, B), _check.flag(reverse, "reverse")
    keep, threads = _check.flag(return_tape, "return_tape"), resolve_n_jobs(n_jobs)
    y, h = _rust.recurrent_rnn(X, first, *known, kind, ends, back, keep, threads, _progress.current())
    return (y, h, RNNTape(X, first, *known, kind, y, ends, back)) if keep else (y, h)


@overload
def lstm(
    x: ArrayLike,
    h0: ArrayLike,
    c0: ArrayLike,
    w_ih: ArrayLike,
    w_hh: ArrayLike,
    b_ih: ArrayLike | None = ...,
    b_hh: ArrayLike | None = ...,
    *,
    lengths: ArrayLike | None = ...,
    reverse: bool = ...,
    return_tape: Literal[False] = ...,
    n_jobs: int | None = ...,
) -> tuple[FloatArray, FloatArray, FloatArray]: ...
@overload
def lstm(
    x: ArrayLike,
    h0: ArrayLike,
    c0: ArrayLike,
    w_ih: ArrayLike,
    w_hh: ArrayLike,
    b_ih: ArrayLike | None = ...,
    b_hh: ArrayLike | None = ...,
    *,
    lengths: ArrayLike | None = ...,
    reverse: bool = ...,
    return_tape: Literal[True],
    n_jobs: int | None = ...,
) -> tuple[FloatArray, FloatArray, FloatArray, LSTMTape]: ...
def lstm(
    x: ArrayLike,
    h0: ArrayLike,
    c0: ArrayLike,
    w_ih: ArrayLike,
    w_hh: ArrayLike,
    b_ih: ArrayLike | None = None,
    b_hh: ArrayLike | None = None,
    *,
    lengths: ArrayLike | None = None,
    reverse: bool = False,
    return_tape: bool = False,
    n_jobs: int | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray] | tuple[FloatArray, FloatArray, FloatArray, LSTMTape]:
    """Read whole sequences with an LSTM.

    Parameters
    ----------
    x : array-like of shape (T, B, I), real
        The inputs, step by step. NaN and infinity are not looked for: they go where the sums take them.
    h0, c0 : array-like of shape (B, H), real
        The states and cell states to begin with.
    w_ih, w_hh, b_ih, b_hh
        As for :func:`lstm_step`.
    lengths, reverse
        As for :func:`rnn`.
    return_tape : bool, default=False
        Whether to return what :func:`lstm_backward` takes.
    n_jobs : int or None, default=None
        As for :func:`rnn`.

    Returns
    -------
    y : ndarray of shape (T, B, H)
        The state h after ``x[t]`` was read, in ``y[t]``, in reverse too; 0 after the end of a sequence.
    h, c : ndarray of shape (B, H)
        The last state and cell state of each sequence: after its last input, in reverse after ``x[0]``.
    tape : LSTMTape
        With ``return_tape=True`` only: the arguments, and every gate and state.

    Raises
    ------
    ValueError, TypeError, MemoryError
        As for :func:`rnn`.

    See Also
    --------
    lstm_backward : The way back.
    lstm_memory_terms, state_jacobian_norms : What each input and state left in the last one.

    Notes
    -----
    A step is :func:`lstm_step`. A sequence is its steps, bit for bit: it may be cut anywhere in time, each
    part beginning with the last states of the one before, taken alone or in any batch, and read by any number
    of threads.

    Time is O(T · B · H · (I + H)), where with `lengths` only steps that are there count. Memory at the peak
    is the result, a copy of the weights, 16 bytes for each step of each sequence (for each thread, where
    threads share units: of few sequences, or if weights are 2 MiB and more), and for each thread 8 bytes for
    each step and 1 MiB, or 12 numbers for each unit of its sequences, if that is more; with the tape besides
    5 · T · B · H numbers, its gates and cell states, and five times those 16 bytes. Nothing recurses: 10⁵
    steps are as good as ten.

    References
    ----------
    .. [1] S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych.kernels.recurrent import lstm
    >>> rng = np.random.default_rng(0)
    >>> x, zero = rng.normal(size=(5, 2, 3)), np.zeros((2, 4))
    >>> weights = rng.normal(size=(16, 3)), rng.normal(size=(16, 4))
    >>> y, h, c = lstm(x, zero, zero, *weights, lengths=[5, 2])
    >>> y.shape, bool((y[1, 1] == h[1]).all()), y[2:, 1].any()
    ((5, 2, 4), True, np.False_)
    """
    known = _check.weights(4, w_ih, w_hh, b_ih, b_hh)
    X = _check.sequences(x, known)
    T, B, _ = X.shape
    first, memory = _check.state(h0, "h0", B, known), _check.state(c0, "c0", B, known)
    ends, back = _check.lengths(lengths, T, B), _check.flag(reverse, "reverse")
    keep, threads = _check.flag(return_tape, "return_tape"), resolve_n_jobs(n_jobs)
    y, h, c, gates, cells = _rust.recurrent_lstm(
        X, first, memory, *known, ends, back, keep, threads, _progress.current()
    )
    if gates is None or cells is None:
        return y, h, c
    return y, h, c, LSTMTape(X, first, memory, *known, gates, cells, y, ends, back)
