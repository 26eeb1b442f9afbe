"""Back through time."""

from typing import Any

from numpy.typing import ArrayLike

from diptych import _progress, _rust
from diptych import _validate_recurrent as _check
from diptych._threads import resolve_n_jobs
from diptych._validate import FloatArray
from diptych.kernels._recurrent_tapes import LSTMGradients, LSTMTape, RNNGradients, RNNTape


def rnn_backward(
    tape: RNNTape, dy: ArrayLike, dh: ArrayLike | None = None, *, n_jobs: int | None = None
) -> RNNGradients:
    """Go back through time: from derivatives by the states of an RNN to derivatives by its arguments.

    Parameters
    ----------
    tape : RNNTape
        What :func:`rnn` returned last with ``return_tape=True``.
    dy : array-like of shape (T, B, H), real
        Derivatives of the loss by `y`. What it holds after the end of a sequence is not read.
    dh : array-like of shape (B, H), real, or None, default=None
        Derivatives of the loss by the last states, beside those by `y`; None is 0.
    n_jobs : int or None, default=None
        Number of threads; None means :func:`diptych.get_num_threads`, -1 all cores the process may use. The
        result does not depend on it.

    Returns
    -------
    RNNGradients
        `x` (T, B, I), 0 after the end of a sequence; `h0` (B, H); `w_ih` (H, I), `w_hh` (H, H), and `b_ih`
        and `b_hh` (H,), which are equal, and None where the bias was None. All in the dtype of the tape.

    Raises
    ------
    ValueError
        If `dy` or `dh` has not the shape of what it is a gradient by, or the tape was changed so that its
        parts do not fit each other or a weight is no longer finite.
    TypeError
        If `tape` is no such tape, or a gradient has a wider dtype than it. (The error is a ValueError as
        well.)
    MemoryError
        If the result or an intermediate array does not fit; the message names its size.

    See Also
    --------
    rnn : The way there.
    state_jacobian_norms : How much of a state arrives at the end.

    Notes
    -----
    With da_t for derivatives by the sums of step t, and δ_t for those by the state after it from later
    steps, δ_T being `dh` [1]_::

        da_t    = (dy_t + δ_t) * φ'(a_t)
        δ_{t−1} = w_hhᵀ da_t

    then `x` is w_ihᵀ da_t for each step, `w_ih` is Σ da_t x_tᵀ, `w_hh` is Σ da_t h_{t−1}ᵀ and a bias
    Σ da_t. φ' comes from the state: 1 − h² for tanh; for relu 1 where h is above 0, else 0.

    The sums over steps and sequences are taken in blocks that depend on shapes alone; from 12 sequences on
    each half of the batch has its own. So the result is the same, bit for bit, for every `n_jobs` and
    instruction set. Time is O(T · B · H · (I + H)). Memory at the peak is the result, copies of the weights,
    16 bytes for each step of each sequence, 8 for each step and thread, and x, h and da of a stretch of at
    most 512 rows (or B, if that is more) once more; with halves, of two such stretches, and the derivatives
    of the weights once more.

    References
    ----------
    .. [1] P. J. Werbos, "Backpropagation through time: what it does and how to do it", Proceedings of the
       IEEE 78(10), 1990.

    Examples
    --------
    Three steps of h_t = 0.3 x_t + 0.5 h_{t−1}, with x = 1, 1, 1, and the loss h_3. Written out,
    h_3 = w (1 + u + u²) with w = 0.3 and u = 0.5, so ∂h_3/∂w = 1 + u + u² = 1.75 and
    ∂h_3/∂u = w (1 + 2u) = 0.6.

    >>> import numpy as np
    >>> from diptych.kernels.recurrent import rnn, rnn_backward, rnn_memory_terms
    >>> x, h0 = np.ones((3, 1, 1)), [[0.0]]
    >>> y, h, tape = rnn(x, h0, [[0.3]], [[0.5]], nonlinearity="identity", return_tape=True)
    >>> y.ravel()
    array([0.3  , 0.45 , 0.525])
    >>> by = rnn_backward(tape, np.zeros_like(y), dh=[[1.0]])
    >>> by.w_ih.item(), round(by.w_hh.item(), 12)
    (1.75, 0.6)
    >>> rnn_memory_terms(tape).ravel()  # of h0 and of the three inputs
    array([0.   , 0.075, 0.15 , 0.3  ])
    """
    return rnn_back(_check.rnn_tape(tape), dy, dh, n_jobs)


def rnn_back(known: _check.Tape, dy: ArrayLike, dh: ArrayLike | None, n_jobs: int | None) -> RNNGradients:
    """Go back through a tape that is known to be sound: its weights are not looked at again."""
    by_y, by_h = _signals(known, dy, dh=dh)
    W, U, *b = known.weights
    dx, dh0, dw_ih, dw_hh, db = _rust.recurrent_rnn_backward(
        known.x, known.h0, known.h, W, U, known.nonlinearity, known.lengths, known.reverse, by_y, by_h,
        resolve_n_jobs(n_jobs), _progress.current(),
    )  # fmt: skip
    return RNNGradients(dx, dh0, dw_ih, dw_hh, *_biases(db, *b))


def lstm_backward(
    tape: LSTMTape,
    dy: ArrayLike,
    dh: ArrayLike | None = None,
    dc: ArrayLike | None = None,
    *,
    n_jobs: int | None = None,
) -> LSTMGradients:
    """Go back through time: from derivatives by the states of an LSTM to derivatives by its arguments.

    Parameters
    ----------
    tape : LSTMTape
        What :func:`lstm` returned last with ``return_tape=True``.
    dy : array-like of shape (T, B, H), real
        Derivatives of the loss by `y`. What it holds after the end of a sequence is not read.
    dh, dc : array-like of shape (B, H), real, or None, default=None
        Derivatives of the loss by the last states and cell states, beside those by `y`; None is 0.
    n_jobs : int or None, default=None
        As for :func:`rnn_backward`.

    Returns
    -------
    LSTMGradients
        `x` (T, B, I), 0 after the end of a sequence; `h0` and `c0` (B, H); `w_ih` (4H, I), `w_hh` (4H, H),
        and `b_ih` and `b_hh` (4H,), which are equal, and None where the bias was None. All in the dtype of
        the tape.

    Raises
    ------
    ValueError, TypeError, MemoryError
        As for :func:`rnn_backward`.

    See Also
    --------
    lstm : The way there.
    lstm_memory_terms, state_jacobian_norms : What each input and state left in the last one.

    Notes
    -----
    With δ and ε for derivatives by h_t and c_t, from later steps at first `dh` and `dc` [1]_::

        δ    += dy_t;                       ε   += δ * o * (1 − tanh²(c_t))
        da_i  = ε * g * i * (1 − i);        da_f = ε * c_{t−1} * f * (1 − f)
        da_g  = ε * i * (1 − g²);           da_o = δ * tanh(c_t) * o * (1 − o)
        δ     = w_hhᵀ [da_i, da_f, da_g, da_o];   ε = ε * f

    and the rest as for :func:`rnn_backward`, whose blocks, determinism, time and memory hold here too, with
    four numbers of da for each unit.

    References
    ----------
    .. [1] A. Graves and J. Schmidhuber, "Framewise phoneme classification with bidirectional LSTM and other
       neural network architectures", Neural Networks 18(5–6), 2005, for the full gradient.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych.kernels.recurrent import lstm, lstm_backward
    >>> x, zero = np.ones((3, 1, 1)), [[0.0]]
    >>> y, *_, tape = lstm(x, zero, zero, np.ones((4, 1)), np.zeros((4, 1)), return_tape=True)
    >>> by = lstm_backward(tape, np.zeros_like(y), dc=[[1.0]])  # the loss is c_3
    >>> bool(np.allclose(by.c0, tape.f.prod(axis=0)))  # without w_hh, only forget gates stand in the way
    True
    """
    return lstm_back(_check.lstm_tape(tape), dy, dh, dc, n_jobs)


def lstm_back(
    known: _check.Tape, dy: ArrayLike, dh: ArrayLike | None, dc: ArrayLike | None, n_jobs: int | None
) -> LSTMGradients:
    """As :func:`rnn_back`."""
    by_y, by_h, by_c = _signals(known, dy, dh=dh, dc=dc)
    W, U, *_ = known.weights
    found = _rust.recurrent_lstm_backward(
        known.x, known.h0, known.c0, known.h, known.gates, known.c, W, U, known.lengths, known.reverse,
        by_y, by_h, by_c, resolve_n_jobs(n_jobs), _progress.current(),
    )  # fmt: skip
    return _gradients(known, found)  # type: ignore[return-value]


def backward_both(known: list[_check.Tape], dys: Any, lasts: Any, n_jobs: int | None) -> tuple[Any, Any]:
    """As :func:`rnn_back`, of two directions at once and of either kind of net."""
    names = ("dh",) if known[0].nonlinearity else ("dh", "dc")
    first, second = (
        _way(tape, *_signals(tape, dy, **dict(zip(names, last, strict=True))))
        for tape, dy, last in zip(known, dys, lasts, strict=True)
    )
    kind, ends = known[0].nonlinearity or "lstm", known[0].lengths
    found = _rust.recurrent_backward_both(
        kind, first, second, ends, resolve_n_jobs(n_jobs), _progress.current()
    )
    return _gradients(known[0], found[0]), _gradients(known[1], found[1])


def _way(known: _check.Tape, dy: FloatArray, dh: Any, dc: Any = None) -> Any:
    W, U, *_ = known.weights
    memory = (None, None, None) if known.nonlinearity else (known.c0, known.gates, known.c)
    c0, gates, c = memory
    return known.x, known.h0, c0, known.h, gates, c, W, U, known.reverse, dy, dh, dc


def _gradients(known: _check.Tape, found: Any) -> RNNGradients | LSTMGradients:
    dx, dh0, dc0, dw_ih, dw_hh, db = found
    biases = _biases(db, *known.weights[2:])
    if dc0 is None:
        return RNNGradients(dx, dh0, dw_ih, dw_hh, *biases)
    return LSTMGradients(dx, dh0, dc0, dw_ih, dw_hh, *biases)


def _signals(known: _check.Tape, dy: ArrayLike, **last: ArrayLike | None) -> Any:
    """Return dy, and the derivatives by the last states."""
    dtype = known.h.dtype
    by_last = (
        None if d is None else _check.gradient(d, name, known.h0.shape, dtype) for name, d in last.items()
    )
    return _check.gradient(dy, "dy", known.h.shape, dtype), *by_last


def _biases(db: FloatArray, b_ih: Any, b_hh: Any) -> tuple[FloatArray | None, FloatArray | None]:
    """Return what is the gradient of both biases, in an array for each that is there."""
    return None if b_ih is None else db, None if b_hh is None else db.copy()
