"""An LSTM whose gates can be switched off: the net of the study `gates`.

    R nets side by side, T steps, B sequences, I inputs, H units; each array begins with the axis of the nets

    [i, f, g, o] = b + W x_t + U h_{t−1}                      W (R, 4H, I), U (R, 4H, H), b (R, 4H)
    i, f, o = σ(i), σ(f), σ(o);   g = tanh(g)                 a gate that is off is 1; coupled: i = 1 − f
    c_t = f ∘ c_{t−1} + i ∘ g
    h_t = o ∘ tanh(c_t)                                       without squashing h_t = o ∘ c_t

All nets take a step at once: the arrays of one are so small that NumPy would be busy with calling.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]  # float32 or float64


class Switches(NamedTuple):
    """What is different in each net, (R, 1, 1) truths."""

    no_input_gate: Any  # i = 1
    no_forget_gate: Any  # f = 1
    no_output_gate: Any  # o = 1
    coupled: Any  # i = 1 − f
    no_squashing: Any  # h = o ∘ c


class Tape(NamedTuple):
    """What the way back needs; each but `x` has the steps first."""

    x: Floats  # (R, T, B, I)
    gates: Floats  # (T, R, B, 4H)
    c: Floats  # (T + 1, R, B, H), from c_0 on
    shown: Floats  # (T, R, B, H): tanh(c_t), or c_t
    h: Floats  # (T + 1, R, B, H), from h_0 on


def forward(x: Floats, W: Floats, U: Floats, b: Floats, off: Switches) -> Tape:
    """Read sequences from a state of 0, (R, T, B, I)."""
    (R, T, B, _), H = x.shape, U.shape[2]
    tape = Tape(x, *(np.zeros(shape, x.dtype) for shape in _shapes(R, T, B, H)))
    for t in range(T):
        a = x[:, t] @ W.swapaxes(1, 2) + tape.h[t] @ U.swapaxes(1, 2) + b[:, None]
        s = (1 + np.tanh(a / 2)) / 2  # σ(a), and quicker
        f = np.where(off.no_forget_gate, 1, s[..., H : 2 * H])
        i = np.where(off.no_input_gate, 1, np.where(off.coupled, 1 - f, s[..., :H]))
        g = np.tanh(a[..., 2 * H : 3 * H])
        o = np.where(off.no_output_gate, 1, s[..., 3 * H :])
        tape.c[t + 1] = f * tape.c[t] + i * g
        tape.shown[t] = np.where(off.no_squashing, tape.c[t + 1], np.tanh(tape.c[t + 1]))
        tape.h[t + 1] = o * tape.shown[t]
        tape.gates[t] = np.concatenate([i, f, g, o], axis=2)
    return tape


def backward(tape: Tape, dh: Floats, W: Floats, U: Floats, off: Switches) -> tuple[Floats, ...]:
    """Go back through time from derivatives by h_1 … h_T, (T, R, B, H); return those by x, W, U and b."""
    dx, dW, dU, db = (np.zeros_like(array) for array in (tape.x, W, U, W[:, :, 0]))
    by_h, by_c = np.zeros_like(dh[0]), np.zeros_like(dh[0])
    for t in reversed(range(len(dh))):
        i, f, g, o = np.split(tape.gates[t], 4, axis=2)
        by_h = by_h + dh[t]
        by_c = by_c + by_h * o * np.where(off.no_squashing, 1, 1 - tape.shown[t] ** 2)
        by_i, by_f, by_g, by_o = by_c * g, by_c * tape.c[t], by_c * i, by_h * tape.shown[t]
        by_f = np.where(off.coupled, by_f - by_i, by_f)
        by_i = np.where(off.coupled, 0, by_i)
        # A gate that is 1 has the slope 1 · (1 − 1) = 0: nothing to switch.
        back = [by_i * i * (1 - i), by_f * f * (1 - f), by_g * (1 - g * g), by_o * o * (1 - o)]
        da = np.concatenate(back, axis=2)
        dx[:, t] = da @ W
        dW += da.swapaxes(1, 2) @ tape.x[:, t]
        dU += da.swapaxes(1, 2) @ tape.h[t]
        db += da.sum(axis=1)
        by_h, by_c = da @ U, by_c * f
    return dx, dW, dU, db


def _shapes(R: int, T: int, B: int, H: int) -> list[tuple[int, ...]]:
    """Return the shapes of gates, c, shown and h."""
    return [(T, R, B, 4 * H), (T + 1, R, B, H), (T, R, B, H), (T + 1, R, B, H)]
