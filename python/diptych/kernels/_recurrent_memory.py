"""What each step left in the last state."""

import numpy as np
from numpy.typing import NDArray

from diptych import _progress, _rust
from diptych import _validate_recurrent as _check
from diptych._threads import resolve_n_jobs
from diptych._validate import FloatArray
from diptych.kernels._recurrent_tapes import LSTMTape, RNNTape


def lstm_memory_terms(tape: LSTMTape) -> FloatArray:
    """Take the last cell state of an LSTM apart: what each input left in it.

    Parameters
    ----------
    tape : LSTMTape
        What :func:`lstm` returned last with ``return_tape=True``.

    Returns
    -------
    ndarray of shape (T + 1, B, H)
        Row 0 is what is left of `c0`, row 1 + t what ``x[t]`` has left; 0 after the end of a sequence. They
        are signed, and sum to the last cell state, within 4 · T units in the last place of ``Σ |terms|``. In
        the dtype of the tape.

    Raises
    ------
    ValueError
        If the parts of the tape do not fit each other.
    TypeError
        If `tape` is no such tape. (The error is a ValueError as well.)
    MemoryError
        If the result does not fit; the message names its size.

    See Also
    --------
    rnn_memory_terms : The same of a linear RNN.
    state_jacobian_norms : What a change of a state would do, for any net.

    Notes
    -----
    Since ``c_t = f_t * c_{t−1} + i_t * g_t``, unit by unit, written out to the end::

        c_T = (∏ f_s) * c_0 + Σ_t (∏_{s > t} f_s) * i_t * g_t

    where s > t are the steps read after t; in reverse those of smaller index. That is exact, no
    approximation: but i, f and g themselves depend on earlier inputs by way of h.

    Time and memory are O(T · B · H): memory at the peak is the result.

    References
    ----------
    .. [1] W. J. Murdoch and A. Szlam, "Automatic rule extraction from long short term memory networks", ICLR,
       2017.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych.kernels.recurrent import lstm, lstm_memory_terms
    >>> x = np.array([1.0, 0.0, 0.0]).reshape(3, 1, 1)
    >>> w_ih, bias = [[10.0], [0.0], [1.0], [0.0]], [-5.0, 5.0, 0.0, 0.0]  # x opens the gate and is written
    >>> *_, c, tape = lstm(x, [[0.0]], [[0.0]], w_ih, np.zeros((4, 1)), bias, return_tape=True)
    >>> lstm_memory_terms(tape).ravel().round(3)
    array([0.   , 0.746, 0.   , 0.   ])
    """
    known = _check.lstm_tape(tape)
    return _rust.recurrent_lstm_memory_terms(known.gates, known.c0, known.lengths, known.reverse)


def rnn_memory_terms(tape: RNNTape) -> FloatArray:
    """Take the last state of a linear RNN apart: what each input left in it.

    Parameters
    ----------
    tape : RNNTape
        What :func:`rnn` returned last with ``nonlinearity="identity"`` and ``return_tape=True``.

    Returns
    -------
    ndarray of shape (T + 1, B, H)
        Row 0 is what is left of `h0`, row 1 + t what ``x[t]`` and the biases of that step have left; 0 after
        the end of a sequence. They are signed, and sum to the last state up to rounding. In the dtype of the
        tape.

    Raises
    ------
    ValueError
        If the nonlinearity is another one, which admits no such sum, or the parts of the tape do not fit each
        other.
    TypeError
        If `tape` is no such tape. (The error is a ValueError as well.)
    MemoryError
        If the result does not fit; the message names its size.

    See Also
    --------
    lstm_memory_terms : The same of an LSTM, whose memory is a sum by construction.
    state_jacobian_norms : What a change of a state would do, for any net.

    Notes
    -----
    With ``v_t = w_ih x_t + b_ih + b_hh`` the last state after n steps is ``w_hh^n h_0 + Σ_t w_hh^(n−t) v_t``,
    t from 1 to n: each term goes through w_hh once for each later step. So memory fades, or explodes, like
    powers of w_hh, whatever the inputs were.

    Time is O(T² · B · H²). Memory at the peak is the result, and twice the result again with H rounded up to
    a multiple of 64, and a copy of the weights.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych.kernels.recurrent import rnn, rnn_memory_terms
    >>> *_, tape = rnn(
    ...     np.ones((3, 1, 1)), [[0.0]], [[0.3]], [[0.5]], nonlinearity="identity", return_tape=True
    ... )
    >>> rnn_memory_terms(tape).ravel()
    array([0.   , 0.075, 0.15 , 0.3  ])
    """
    known = _check.rnn_tape(tape)
    if known.nonlinearity != "identity":
        raise ValueError(
            f"nonlinearity={known.nonlinearity!r}: only the states of a linear RNN, 'identity', are sums of "
            "what inputs left; state_jacobian_norms measures any."
        )
    return _rust.recurrent_rnn_memory_terms(
        known.x,
        known.h0,
        *known.weights,
        known.lengths,
        known.reverse,
        resolve_n_jobs(None),
        _progress.current(),
    )


def state_jacobian_norms(tape: RNNTape | LSTMTape) -> NDArray[np.float64]:
    """Measure how much of each state arrives at the end: the spectral norm of ∂h_T/∂h_t.

    Parameters
    ----------
    tape : RNNTape or LSTMTape
        What :func:`rnn` or :func:`lstm` returned last with ``return_tape=True``.

    Returns
    -------
    ndarray of shape (T, B), float64
        In row t, for each sequence, the largest singular value of the derivatives of its last state by its
        state after ``x[t]``: 1 at the last step read, 0 after the end of a sequence.

    Raises
    ------
    ValueError
        If the parts of the tape do not fit each other.
    TypeError
        If `tape` is no such tape. (The error is a ValueError as well.)
    MemoryError
        If an intermediate array does not fit; the message names its size.

    See Also
    --------
    lstm_memory_terms, rnn_memory_terms : What is there, where this is what a change would do.

    Notes
    -----
    It is the greatest factor by which a small change of h_t, in whatever direction, comes out at the end.
    Where it falls towards 0 as t goes back, gradients vanish; where it grows, they explode [1]_. Of an LSTM
    the cell state c_t is held: changes go from h_t through the gates of later steps, from there on by h and
    c. Of a linear RNN the norm is ‖w_hh^(T − t)‖₂, t from 1 to T, to 1e-12.

    All is computed in float64, whatever the dtype of the tape. Time is O(T · B · H³). Memory at the peak is
    twice the result, `w_hh` twice in float64, and for each thread five matrices of H · H float64, of an LSTM
    nine; H is rounded up to a multiple of 32 in one of the copies of `w_hh` and in two of the matrices.

    References
    ----------
    .. [1] R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks",
       ICML, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych.kernels.recurrent import rnn, state_jacobian_norms
    >>> *_, tape = rnn(
    ...     np.ones((3, 1, 1)), [[0.0]], [[0.3]], [[0.5]], nonlinearity="identity", return_tape=True
    ... )
    >>> state_jacobian_norms(tape).ravel()
    array([0.25, 0.5 , 1.  ])
    """
    threads, progress = resolve_n_jobs(None), _progress.current()
    if _check.is_lstm_tape(tape):
        known = _check.lstm_tape(tape)
        return _rust.recurrent_lstm_jacobian_norms(
            known.gates,
            known.c,
            known.c0,
            known.weights.w_hh,
            known.lengths,
            known.reverse,
            threads,
            progress,
        )
    known = _check.rnn_tape(tape)
    return _rust.recurrent_rnn_jacobian_norms(
        known.h, known.weights.w_hh, known.nonlinearity, known.lengths, known.reverse, threads, progress
    )
