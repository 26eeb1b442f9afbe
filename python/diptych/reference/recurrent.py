"""Recurrent nets: a state that is carried from step to step, and training back through the steps.

Elman (1990), "Finding structure in time", for the RNN; Hochreiter and Schmidhuber (1997), "Long short-term
memory", with the forget gate of Gers, Schmidhuber and Cummins (2000), for the LSTM; Werbos (1990),
"Backpropagation through time", for the way back. Weights have the names, shapes and order of PyTorch's.

    T steps, B sequences, I inputs, H units; a vector is a row, so that W x is written x Wᵀ
    x_t (B, I), h_t (B, H), c_t (B, H);   W = w_ih,   U = w_hh,   b = b_ih + b_hh

    RNN     h_t = φ(b + W x_t + U h_{t−1})                    W (H, I), U (H, H); φ = tanh, relu or identity

    LSTM    [i, f, g, o] = b + W x_t + U h_{t−1}              W (4H, I), U (4H, H), a block of H rows for each
            i, f, o = σ(i), σ(f), σ(o);   g = tanh(g)         what to let in, to keep, to write and to show
            c_t = f ∘ c_{t−1} + i ∘ g
            h_t = o ∘ tanh(c_t)

A sequence of length n is the steps 0 … n − 1, in reverse n − 1 … 0; y_t is the state after x_t was read. At
t >= n a sequence has ended or, in reverse, not begun: its state stays, y_t is 0, and x_t is not looked at.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

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

Floats = NDArray[Any]  # float32 or float64


class RNNTape(NamedTuple):
    """What the way back of an RNN needs: the arguments, and every state."""

    x: Floats  # (T, B, I)
    h0: Floats  # (B, H)
    w_ih: Floats  # (H, I)
    w_hh: Floats  # (H, H)
    b_ih: Floats | None  # (H,)
    b_hh: Floats | None  # (H,)
    nonlinearity: str
    h: Floats  # (T, B, H), y itself
    lengths: NDArray[np.int64] | None  # (B,)
    reverse: bool


class LSTMTape(NamedTuple):
    """What the way back of an LSTM needs: the arguments, and every gate and state."""

    x: Floats  # (T, B, I)
    h0: Floats  # (B, H)
    c0: Floats  # (B, H)
    w_ih: Floats  # (4H, I)
    w_hh: Floats  # (4H, H)
    b_ih: Floats | None  # (4H,)
    b_hh: Floats | None  # (4H,)
    gates: Floats  # (T, B, 4, H)
    c: Floats  # (T, B, H)
    h: Floats  # (T, B, H), y itself
    lengths: NDArray[np.int64] | None  # (B,)
    reverse: bool

    @property
    def i(self) -> Floats:
        """What was let in, (T, B, H)."""
        return self.gates[:, :, 0]

    @property
    def f(self) -> Floats:
        """What was kept, (T, B, H)."""
        return self.gates[:, :, 1]

    @property
    def g(self) -> Floats:
        """What was there to write, (T, B, H)."""
        return self.gates[:, :, 2]

    @property
    def o(self) -> Floats:
        """What was shown, (T, B, H)."""
        return self.gates[:, :, 3]


class RNNGradients(NamedTuple):
    """Derivatives by the arguments of an RNN."""

    x: Floats
    h0: Floats
    w_ih: Floats
    w_hh: Floats
    b_ih: Floats | None  # None where the argument was
    b_hh: Floats | None


class LSTMGradients(NamedTuple):
    """Derivatives by the arguments of an LSTM."""

    x: Floats
    h0: Floats
    c0: Floats
    w_ih: Floats
    w_hh: Floats
    b_ih: Floats | None  # None where the argument was
    b_hh: Floats | None


def rnn_step(
    x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None, *, nonlinearity: str = "tanh"
) -> Floats:
    """Read one input of each sequence; see :func:`diptych.kernels.recurrent.rnn_step`."""
    x, h, W, U, *b = floats(w_ih, x, h, w_ih, w_hh, b_ih, b_hh)
    φ, _ = NONLINEARITIES[nonlinearity]
    return φ(preactivation(x, h, W, U, b))


def lstm_step(
    x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> tuple[Floats, Floats]:
    """Read one input of each sequence; see :func:`diptych.kernels.recurrent.lstm_step`."""
    x, h, c, W, U, *b = floats(w_ih, x, h, c, w_ih, w_hh, b_ih, b_hh)
    _, c, h = cell(preactivation(x, h, W, U, b), c)
    return h, c


def rnn(
    x: Any,
    h0: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
    *,
    nonlinearity: str = "tanh",
    lengths: Any = None,
    reverse: bool = False,
    return_tape: bool = False,
    n_jobs: int | None = None,  # ignored
) -> Any:
    """Read whole sequences; see :func:`diptych.kernels.recurrent.rnn`."""
    arguments = floats(w_ih, x, h0, w_ih, w_hh, b_ih, b_hh)
    x, h, W, U, *b = arguments
    φ, _ = NONLINEARITIES[nonlinearity]
    y = np.zeros((len(x), *h.shape), h.dtype)
    for t, there in steps(x, lengths, reverse):
        h = np.where(there, φ(preactivation(x[t], h, W, U, b)), h)
        y[t] = np.where(there, h, 0)
    ends = None if lengths is None else np.asarray(lengths, np.int64)
    tape = RNNTape(x, arguments[1], W, U, b[0], b[1], nonlinearity, y, ends, reverse)
    return (y, h, tape) if return_tape else (y, h)


def lstm(
    x: Any,
    h0: Any,
    c0: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
    *,
    lengths: Any = None,
    reverse: bool = False,
    return_tape: bool = False,
    n_jobs: int | None = None,  # ignored
) -> Any:
    """Read whole sequences; see :func:`diptych.kernels.recurrent.lstm`."""
    arguments = floats(w_ih, x, h0, c0, w_ih, w_hh, b_ih, b_hh)
    tape = blank_tape(arguments, lengths, reverse)
    x, h, c, W, U, *b = arguments
    for t, there in steps(x, lengths, reverse):
        gates, c_t, h_t = cell(preactivation(x[t], h, W, U, b), c)
        h, c = np.where(there, h_t, h), np.where(there, c_t, c)
        tape.gates[t] = np.where(there[:, :, None], gates, 0)
        tape.c[t], tape.h[t] = np.where(there, c, 0), np.where(there, h, 0)
    return (tape.h, h, c, tape) if return_tape else (tape.h, h, c)


def rnn_backward(tape: Any, dy: Any, dh: Any = None, *, n_jobs: int | None = None) -> RNNGradients:
    """Go back through time; see :func:`diptych.kernels.recurrent.rnn_backward`."""
    _, slope = NONLINEARITIES[tape.nonlinearity]
    da = np.zeros_like(tape.h)  # by the sums before φ
    δ = np.zeros_like(tape.h0) if dh is None else np.asarray(dh, tape.h.dtype)  # by the state after step t
    for t, there in reversed(steps(tape.x, tape.lengths, tape.reverse)):
        da[t] = np.where(there, (δ + np.asarray(dy[t])) * slope(tape.h[t]), 0)
        δ = np.where(there, da[t] @ tape.w_hh, δ)
    dx, *weights = by_arguments(tape, da)
    return RNNGradients(dx, δ, *weights)


def lstm_backward(
    tape: Any, dy: Any, dh: Any = None, dc: Any = None, *, n_jobs: int | None = None
) -> LSTMGradients:
    """Go back through time; see :func:`diptych.kernels.recurrent.lstm_backward`."""
    T, B, H = tape.h.shape
    da = np.zeros((T, B, 4 * H), tape.h.dtype)  # by the sums before the gates
    δ, ε = (np.zeros_like(tape.h0) if d is None else np.asarray(d, tape.h.dtype) for d in (dh, dc))
    before = states_before(tape, tape.c0, tape.c)
    for t, there in reversed(steps(tape.x, tape.lengths, tape.reverse)):
        i, f, g, o, τ = tape.i[t], tape.f[t], tape.g[t], tape.o[t], np.tanh(tape.c[t])
        by_h = δ + np.asarray(dy[t])
        by_c = ε + by_h * o * (1 - τ**2)
        by_i, by_f, by_g, by_o = by_c * g, by_c * before[t], by_c * i, by_h * τ
        back = [by_i * i * (1 - i), by_f * f * (1 - f), by_g * (1 - g**2), by_o * o * (1 - o)]
        da[t] = np.where(there, np.concatenate(back, axis=1), 0)
        δ, ε = np.where(there, da[t] @ tape.w_hh, δ), np.where(there, by_c * f, ε)
    dx, *weights = by_arguments(tape, da)
    return LSTMGradients(dx, δ, ε, *weights)


def lstm_memory_terms(tape: Any) -> Floats:
    """Take the last cell state apart; see :func:`diptych.kernels.recurrent.lstm_memory_terms`."""
    terms = np.zeros((len(tape.c) + 1, *tape.c0.shape), tape.c.dtype)
    kept = np.ones_like(tape.c0)  # ∏ f_s over the steps after t
    for t, there in reversed(steps(tape.x, tape.lengths, tape.reverse)):
        terms[1 + t] = np.where(there, kept * (tape.i[t] * tape.g[t]), 0)
        kept = np.where(there, kept * tape.f[t], kept)
    terms[0] = kept * tape.c0
    return terms


def rnn_memory_terms(tape: Any) -> Floats:
    """Take the last state of a linear RNN apart; see :func:`diptych.kernels.recurrent.rnn_memory_terms`."""
    x, W, U, *b = floats(tape.w_ih, tape.x, tape.w_ih, tape.w_hh, tape.b_ih, tape.b_hh)
    terms = np.zeros((len(x) + 1, *tape.h0.shape), x.dtype)
    terms[0] = tape.h0
    for t, there in steps(x, tape.lengths, tape.reverse):
        terms = np.where(there, terms @ U.T, terms)  # every earlier term once more through U
        terms[1 + t] = np.where(there, bias(b, W) + x[t] @ W.T, 0)
    return terms


def state_jacobian_norms(tape: Any) -> NDArray[np.float64]:
    """Measure how much of a state arrives; see :func:`diptych.kernels.recurrent.state_jacobian_norms`."""
    T, B, H = tape.h.shape
    U = np.asarray(tape.w_hh, np.float64)
    J, K = np.tile(np.eye(H), (B, 1, 1)), np.zeros((B, H, H))  # ∂h_last/∂h_t and ∂h_last/∂c_t
    norms = np.zeros((T, B))
    step = lstm_jacobians if hasattr(tape, "gates") else rnn_jacobians
    for t, there in reversed(steps(tape.x, tape.lengths, tape.reverse)):
        norms[t] = np.where(there[:, 0], np.linalg.norm(J, 2, axis=(1, 2)), 0)
        J_before, K_before = step(tape, t, U, J, K)
        J, K = np.where(there[:, :, None], J_before, J), np.where(there[:, :, None], K_before, K)
    return norms


# What the functions above are made of


def floats(w_ih: Any, *arrays: Any) -> list[Any]:
    """Return arrays in float32 if the weights have that, else in float64; None stays."""
    own = np.asarray(w_ih).dtype
    dtype = np.float32 if own.kind == "f" and own.itemsize == 4 else np.float64
    return [None if a is None else np.asarray(a, dtype) for a in arrays]


def steps(x: Any, lengths: Any, reverse: bool) -> list[tuple[int, NDArray[np.bool_]]]:
    """Return the steps in the order in which they are read, and which sequences are there, (B, 1)."""
    T, B = np.shape(x)[:2]
    ends = np.full(B, T) if lengths is None else np.asarray(lengths)
    order = reversed(range(T)) if reverse else range(T)
    return [(t, (t < ends)[:, None]) for t in order]


def bias(b: Any, W: Floats) -> Floats:
    """Return b_ih + b_hh; None is 0."""
    return sum((part for part in b if part is not None), np.zeros(len(W), W.dtype))


def preactivation(x: Floats, h: Floats, W: Floats, U: Floats, b: Any) -> Floats:
    """Return b + W x + U h."""
    return np.asarray(bias(b, W) + x @ W.T + h @ U.T)


def σ(x: Floats) -> Floats:
    """Return 1 / (1 + exp(−x)), which overflows nowhere."""
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x < 0, e, 1) / (1 + e), x.dtype)


NONLINEARITIES: dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats], Any]]] = {
    "tanh": (np.tanh, lambda h: 1 - h**2),  # φ, and φ′ from its result
    "relu": (lambda a: np.maximum(a, 0), lambda h: (h > 0).astype(h.dtype)),
    "identity": (lambda a: a, lambda h: np.ones_like(h)),
}


def cell(a: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the gates (B, 4, H), the new cell state and the new state."""
    i, f, g, o = np.split(a, 4, axis=1)
    i, f, g, o = σ(i), σ(f), np.tanh(g), σ(o)
    c = f * c + i * g
    return np.stack([i, f, g, o], axis=1), c, o * np.tanh(c)


def blank_tape(arguments: list[Any], lengths: Any, reverse: bool) -> LSTMTape:
    """Return a tape on which nothing is written yet."""
    x, h0, c0, W, U, *b = arguments
    (T, B, _), H = x.shape, h0.shape[1]
    gates, c, h = (np.zeros((T, B, *shape), x.dtype) for shape in ((4, H), (H,), (H,)))
    ends = None if lengths is None else np.asarray(lengths, np.int64)
    return LSTMTape(x, h0, c0, W, U, b[0], b[1], gates, c, h, ends, reverse)


def states_before(tape: Any, first: Floats, states: Floats) -> Floats:
    """Return the state that each step began with, (T, B, H)."""
    if not tape.reverse:
        return np.concatenate([first[None], states[:-1]])
    before = np.concatenate([states[1:], first[None]])
    if tape.lengths is not None:
        before[tape.lengths - 1, np.arange(len(first))] = first
    return before


def by_arguments(tape: Any, da: Floats) -> Iterator[Any]:
    """Yield the derivatives by x, w_ih, w_hh, b_ih and b_hh from those by the sums, (T, B, rows of W)."""
    there = np.array([there for _, there in steps(tape.x, tape.lengths, reverse=False)])  # (T, B, 1)
    yield da @ tape.w_ih
    yield np.einsum("tba,tbi->ai", da, np.where(there, tape.x, 0))
    yield np.einsum("tba,tbh->ah", da, states_before(tape, tape.h0, tape.h))
    for b in (tape.b_ih, tape.b_hh):
        yield None if b is None else da.sum(axis=(0, 1))


def rnn_jacobians(tape: Any, t: int, U: Any, J: Any, K: Any) -> tuple[Any, Any]:
    """Return J by the state before step t, from J by the state after it."""
    _, slope = NONLINEARITIES[tape.nonlinearity]
    return (J * slope(tape.h[t].astype(np.float64))[:, None, :]) @ U, K


def lstm_jacobians(tape: Any, t: int, U: Any, J: Any, K: Any) -> tuple[Any, Any]:
    """Return J and K by the states before step t, from those by the states after it."""
    before = states_before(tape, tape.c0, tape.c)[t]
    i, f, g, o, c, c_before = (
        a[:, None, :].astype(np.float64)
        for a in (tape.i[t], tape.f[t], tape.g[t], tape.o[t], tape.c[t], before)
    )
    K = K + J * o * (1 - np.tanh(c) ** 2)
    back = [K * g * i * (1 - i), K * c_before * f * (1 - f), K * i * (1 - g**2), J * np.tanh(c) * o * (1 - o)]
    return np.concatenate(back, axis=2) @ U, K * f
