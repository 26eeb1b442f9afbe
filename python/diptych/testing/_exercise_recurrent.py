"""Stubs to fill in for the functions of recurrent nets."""

from __future__ import annotations

_FILE = '''\
"""Exercise: {title}.

Check what you have written, as often as you like:

    diptych check recurrent.{name} {file}:{name}
"""

import numpy as np


def {signature}:
    """{text}
    """
    raise NotImplementedError("write me")
'''

_STEP = """
    Parameters
    ----------
    x : ndarray of shape (B, I)
        One input of each of B sequences.
    h : ndarray of shape (B, H)
        Their states.
"""

_RNN_STEP = f"""Read one input: the new state is tanh(W x + U h), with W = w_ih and U = w_hh.
{_STEP}    w_ih : ndarray of shape (H, I)
    w_hh : ndarray of shape (H, H)

    Returns
    -------
    h : ndarray of shape (B, H)

    Hints
    -----
    1. Rows of x are sequences. Which of the two has to be transposed in x @ w_ih, so that shapes fit?
    2. Shapes of h @ w_hh fit either way when w_hh is square. Which way is right, and how could you tell?
    3. What remains of h when w_hh is 0? What has the net forgotten then?

    Further: add b_ih=None, b_hh=None (both are added to the sums), and nonlinearity="tanh" ("relu" and
    "identity" instead of tanh), and the laws about them are tried as well."""

_LSTM_STEP = f"""Read one input: what is let in, what is kept, what is shown.

    With W = w_ih and U = w_hh, the sums W x + U h come in four blocks of H rows: i, f, g, o. Then

        i, f, o = σ(i), σ(f), σ(o)   and   g = tanh(g)
        c = f * c + i * g
        h = o * tanh(c)
{_STEP}    c : ndarray of shape (B, H)
        Their memories.
    w_ih : ndarray of shape (4H, I)
    w_hh : ndarray of shape (4H, H)

    Returns
    -------
    h, c : ndarrays of shape (B, H)

    Hints
    -----
    1. Which rows of w_ih belong to unit 0? There are four.
    2. What is exp(10000) in NumPy, and inf / inf? Which sign of the exponent is safe?
    3. Which f and which i leave c as it was? How far can c go in one step?
    4. h comes from tanh(c), not from c. What bounds h, and what would be unbounded without?

    Further: add b_ih=None, b_hh=None (both are added to the sums) and the law about them is tried as well."""

_SEQUENCE = """
    Parameters
    ----------
    x : ndarray of shape (T, B, I)
        The inputs of B sequences, step by step.
    h0 : ndarray of shape (B, H)
        The states they begin with.
"""

_RNN = f"""Read whole sequences: h_t = tanh(w_ih x_t + w_hh h_(t-1)).
{_SEQUENCE}    w_ih : ndarray of shape (H, I)
    w_hh : ndarray of shape (H, H)

    Returns
    -------
    y : ndarray of shape (T, B, H)
        The state after each step.
    h : ndarray of shape (B, H)
        The last state.

    Hints
    -----
    1. Which parts of a step could be done for all steps at once, before the first? Which could not?
    2. Does the order of x[0] and x[1] matter for the last state? Would it without w_hh?

    Further: add b_ih=None, b_hh=None, nonlinearity="tanh", lengths=None (the steps of each sequence; y is 0
    after them, and what x holds there does not count) or reverse=False (read from the last input to the
    first; y[t] still belongs to x[t]), and the laws about them are tried as well."""

_LSTM = f"""Read whole sequences, step after step as `lstm_step` does.
{_SEQUENCE}    c0 : ndarray of shape (B, H)
        The memories they begin with.
    w_ih : ndarray of shape (4H, I)
        Blocks of H rows for i, f, g, o.
    w_hh : ndarray of shape (4H, H)

    Returns
    -------
    y : ndarray of shape (T, B, H)
        The state h after each step.
    h, c : ndarrays of shape (B, H)
        The last state and memory.

    Hints
    -----
    1. What do you need from the step before? Do you have to keep c for every step?
    2. Reading on from the last h and c of a first part: is that the same as reading the whole?

    Further: add b_ih=None, b_hh=None, lengths=None (the steps of each sequence; y is 0 after them, and what
    x holds there does not count) or reverse=False (read from the last input to the first; y[t] still belongs
    to x[t]), and the laws about them are tried as well."""

_TAPE = """
    Parameters
    ----------
    tape : named tuple
        What the way there left: x (T, B, I), h0 (B, H), {arrays},
        b_ih and b_hh (None or an array), {states};
        lengths (None, or the steps of each sequence); reverse (True if x was read from the end).
    dy : ndarray of shape (T, B, H)
        Derivatives of the loss by y.
"""

_BACK_HINTS = """
    Hints
    -----
    1. By how many ways does h_t have a say in the loss? One is y_t. Where does the other come from?
    2. w_hh is used at every step. What does that make of its derivative?
    3. For h_t = 0.3 x_t + 0.5 h_(t-1), x = 1, 1, 1 and the loss h_3: what is h_3 written out in w_ih and
       w_hh, and what are its derivatives? (1.75 and 0.6.)

    Further: add {more}
    and the law about it is tried as well. Where you leave out lengths or reverse, raise
    NotImplementedError for tapes that have them."""

_RNN_BACKWARD = f"""Go back through time: from derivatives by y to derivatives by all that y comes from.
{_TAPE.format(arrays="w_ih (H, I), w_hh (H, H)", states="h (T, B, H), which is y, and nonlinearity")}
    Returns
    -------
    dx, dh0, dw_ih, dw_hh, db_ih, db_hh : ndarrays of the shapes of the arguments
{_BACK_HINTS.format(more="dh=None (derivatives by the last state)")}"""

_LSTM_BACKWARD = f"""Go back through time: from derivatives by y to derivatives by all that y comes from.
{
    _TAPE.format(
        arrays="c0 (B, H), w_ih (4H, I), w_hh (4H, H)", states="i, f, g, o, c and h, all (T, B, H); h is y"
    )
}
    Returns
    -------
    dx, dh0, dc0, dw_ih, dw_hh, db_ih, db_hh : ndarrays of the shapes of the arguments
{_BACK_HINTS.format(more="dh=None, dc=None (derivatives by the last h and c)")}"""

_LSTM_TERMS = """Take the last memory apart: c_T = ∏ f · c_0 + Σ_t (∏ of f after t) · i_t · g_t.

    Parameters
    ----------
    tape : named tuple
        i, f, g, o, c and h, all (T, B, H), and c0 (B, H); lengths and reverse as for `lstm_backward`.

    Returns
    -------
    terms : ndarray of shape (T + 1, B, H)
        Row 0 is what is left of c0, row 1 + t what x[t] has left. They sum to the last c.

    Hints
    -----
    1. From which end do products of f after t grow by one factor at a time?
    2. What would you see if all f were 1? And if one of them were 0?"""

_RNN_TERMS = """Take the last state of a linear RNN apart: h_n = U^n h_0 + Σ_t U^(n-t) (W x_t + b), U = w_hh.

    Parameters
    ----------
    tape : named tuple
        x (T, B, I), h0 (B, H), w_ih (H, I), w_hh (H, H), b_ih and b_hh (None or an array); lengths and
        reverse as for `rnn_backward`. The nonlinearity is "identity".

    Returns
    -------
    terms : ndarray of shape (T + 1, B, H)
        Row 0 is what is left of h0, row 1 + t what x[t] has left. They sum to the last h.

    Hints
    -----
    1. What happens to a term at the next step? What is added there?
    2. Which of the terms is the greatest when U halves everything? When does the first one win?"""

_NORMS = """Measure what arrives of each state: the spectral norm of ∂h_T/∂h_t.

    Parameters
    ----------
    tape : named tuple
        Of an RNN or an LSTM, as for `rnn_backward` and `lstm_backward`.

    Returns
    -------
    norms : ndarray of shape (T, B)
        The largest singular value of the derivatives of the last state by the state after x[t], in float64.

    Hints
    -----
    1. What is ∂h_T/∂h_T? And ∂h_t/∂h_(t-1) for tanh(W x + U h)?
    2. In which order are the matrices of the steps multiplied?
    3. An LSTM has two ways from h_t on. Through which gates does each of them go?"""

_BACKWARD_ARGUMENTS = "tape, dy"
_STUBS = (
    ("rnn_step", "one step of a recurrent net", "x, h, w_ih, w_hh", _RNN_STEP),
    ("lstm_step", "one step of an LSTM", "x, h, c, w_ih, w_hh", _LSTM_STEP),
    ("rnn", "a recurrent net over whole sequences", "x, h0, w_ih, w_hh", _RNN),
    ("lstm", "an LSTM over whole sequences", "x, h0, c0, w_ih, w_hh", _LSTM),
    ("rnn_backward", "backpropagation through time", _BACKWARD_ARGUMENTS, _RNN_BACKWARD),
    ("lstm_backward", "backpropagation through an LSTM", _BACKWARD_ARGUMENTS, _LSTM_BACKWARD),
    ("lstm_memory_terms", "what an LSTM remembers of each input", "tape", _LSTM_TERMS),
    ("rnn_memory_terms", "what a linear net remembers of each input", "tape", _RNN_TERMS),
    ("state_jacobian_norms", "how far back a state matters", "tape", _NORMS),
)

TEXTS = {
    f"recurrent.{name}": _FILE.format(
        title=title, name=name, file="{file}", signature=f"{name}({arguments})", text=text
    )
    for name, title, arguments, text in _STUBS
}
