"""Recurrent nets by their definition: one sequence at a time, one step after the other.

Everything here takes complex numbers too. A step of 1e-30 along the imaginary axis gives derivatives to the
last digits: f(x + iε) = f(x) + iε f′(x), and nothing cancels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
Case = dict[str, Any]

_STEP = 1e-30


class RNNTape(NamedTuple):
    """What `rnn_backward` is handed."""

    x: Array  # (T, B, I)
    h0: Array  # (B, H)
    w_ih: Array  # (H, I)
    w_hh: Array  # (H, H)
    b_ih: Array | None  # (H,)
    b_hh: Array | None
    nonlinearity: str
    h: Array  # (T, B, H)
    lengths: Array | None  # (B,)
    reverse: bool


class LSTMTape(NamedTuple):
    """What `lstm_backward` is handed."""

    x: Array  # (T, B, I)
    h0: Array  # (B, H)
    c0: Array
    w_ih: Array  # (4H, I)
    w_hh: Array  # (4H, H)
    b_ih: Array | None  # (4H,)
    b_hh: Array | None
    gates: Array  # (T, B, 4, H), in the order i, f, g, o
    c: Array  # (T, B, H)
    h: Array
    lengths: Array | None  # (B,)
    reverse: bool

    @property
    def i(self) -> Array:
        """What was let in, (T, B, H)."""
        return self.gates[:, :, 0]

    @property
    def f(self) -> Array:
        """What was kept, (T, B, H)."""
        return self.gates[:, :, 1]

    @property
    def g(self) -> Array:
        """What was there to write, (T, B, H)."""
        return self.gates[:, :, 2]

    @property
    def o(self) -> Array:
        """What was shown, (T, B, H)."""
        return self.gates[:, :, 3]


def sigma(a: Array) -> Array:
    """1 / (1 + exp(−a))."""
    sign = np.where(a.real < 0, -1, 1)
    e = np.exp(-sign * a)
    return np.asarray(np.where(sign < 0, e, 1) / (1 + e))


NONLINEARITIES: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "relu": lambda a: np.where(a.real > 0, a, 0),
    "identity": lambda a: a,
}


class Run(NamedTuple):
    """One sequence, read to its end."""

    h: Array  # (T, H), 0 where it is not there
    c: Array  # (T, H)
    gates: Array  # (T, 4, H)
    last_h: Array  # (H,)
    last_c: Array


def is_lstm(case: Case) -> bool:
    """Tell cases of the LSTM, whose states are two."""
    return "c0" in case or "c" in case


def run(case: Case, row: int) -> Run:
    """Read row `row` of a case."""
    x, h = case["x"][:, row], case["h0"][row]
    T, H, lstm = len(x), len(h), is_lstm(case)
    c = case["c0"][row] if lstm else np.zeros(H)
    kind = np.result_type(*(value for value in case.values() if isinstance(value, np.ndarray)), np.float64)
    found = Run(np.zeros((T, H), kind), np.zeros((T, H), kind), np.zeros((T, 4, H), kind), h, c)
    for t in order(case, row):
        a = sums(case, x[t], h)
        if lstm:
            i, f, g, o = sigma(a[:H]), sigma(a[H : 2 * H]), np.tanh(a[2 * H : 3 * H]), sigma(a[3 * H :])
            c = f * c + i * g
            h = o * np.tanh(c)
            found.gates[t] = [i, f, g, o]
        else:
            h = NONLINEARITIES[case.get("nonlinearity", "tanh")](a)
        found.h[t], found.c[t] = h, c
    return found._replace(last_h=h, last_c=c)


def order(case: Case, row: int) -> range:
    """Return the steps of a row as they are read."""
    lengths = case.get("lengths")
    n = len(case["x"]) if lengths is None else int(lengths[row])
    return range(n - 1, -1, -1) if case.get("reverse", False) else range(n)


def sums(case: Case, x: Array, h: Array) -> Array:
    """W x + U h + b."""
    total = case["w_ih"] @ x + case["w_hh"] @ h
    for name in ("b_ih", "b_hh"):
        if case.get(name) is not None:
            total = total + case[name]
    return np.asarray(total)


def as_sequence(case: Case) -> Case:
    """Make a sequence of one step out of a case of one step."""
    states = {"h": "h0", "c": "c0"}
    return {states.get(key, key): value[None] if key == "x" else value for key, value in case.items()}


def rows(case: Case) -> range:
    """Return the rows of a case."""
    return range(case["x"].shape[1])


def outputs(case: Case) -> tuple[Array, ...]:
    """Return y and the last states."""
    found = [run(case, row) for row in rows(case)]
    y, h, c = (np.stack([getattr(r, name) for r in found], axis) for name, axis in _PARTS)
    return (y, h, c) if is_lstm(case) else (y, h)


_PARTS = (("h", 1), ("last_h", 0), ("last_c", 0))


def tape(case: Case) -> RNNTape | LSTMTape:
    """Return what a sequence leaves for the way back."""
    found = [run(case, row) for row in rows(case)]
    y, c, gates = (np.stack([getattr(r, name) for r in found], axis=1) for name in ("h", "c", "gates"))
    optional = {"b_ih": None, "b_hh": None, "lengths": None, "reverse": False}
    arguments = {key: case[key] for key in ("x", "h0", "w_ih", "w_hh")}
    arguments |= {key: case.get(key, value) for key, value in optional.items()}
    if is_lstm(case):
        return LSTMTape(c0=case["c0"], gates=gates, c=c, h=y, **arguments)
    return RNNTape(nonlinearity=case.get("nonlinearity", "tanh"), h=y, **arguments)


def sequence(tape: Any) -> Case:
    """Return the case of which a tape is."""
    names = ("x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh", "nonlinearity", "lengths", "reverse")
    return {name: getattr(tape, name) for name in names if hasattr(tape, name)}


def derivative(function: Callable[[Case], Any], case: Case, name: str) -> Array:
    """Return the derivatives of `function` by the entries of one array: entry first, result after."""
    found = []
    for place in np.ndindex(case[name].shape):
        moved = case[name].astype(complex)
        moved[place] += 1j * _STEP
        found.append(np.imag(function(case | {name: moved})) / _STEP)
    return np.reshape(found, case[name].shape + np.shape(found[0]))


def loss_gradients(case: Case, weights: tuple[Array, ...]) -> dict[str, Array | None]:
    """Return the derivatives of Σ dy · y + Σ dh · h (+ Σ dc · c) by each argument."""

    def loss(moved: Case) -> Any:
        total: Any = 0
        for row in rows(moved):
            found = run(moved, row)
            there = list(order(moved, row))
            total = total + (weights[0][there, row] * found.h[there]).sum()
            for d, last in zip(weights[1:], (found.last_h, found.last_c), strict=False):
                total = total + (d[row] * last).sum()
        return total

    names = [name for name in ("x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh") if name in case]
    return {name: None if case[name] is None else derivative(loss, case, name) for name in names}


def memory_terms(case: Case) -> Array:
    """Return what c0 and each step left in the last cell state, (T + 1, B, H)."""
    T, B, H = len(case["x"]), len(case["h0"]), case["h0"].shape[1]
    terms = np.zeros((T + 1, B, H))
    for b in range(B):
        found, read = run(case, b), list(order(case, b))
        for k, t in enumerate(read):
            i, _, g, _ = found.gates[t]
            terms[1 + t, b] = i * g * np.prod(found.gates[read[k + 1 :], 1], axis=0)
        terms[0, b] = np.prod(found.gates[read, 1], axis=0) * case["c0"][b]
    return terms


def linear_terms(case: Case) -> Array:
    """Return what h0 and each step left in the last state of a linear RNN, (T + 1, B, H)."""
    terms = np.zeros((len(case["x"]) + 1, *case["h0"].shape))
    for b in rows(case):
        read = list(order(case, b))
        power = np.eye(case["h0"].shape[1])
        for t in reversed(read):
            terms[1 + t, b] = power @ sums(case, case["x"][t, b], np.zeros(len(power)))
            power = power @ case["w_hh"]
        terms[0, b] = power @ case["h0"][b]
    return terms


def jacobian_norms(case: Case) -> Array:
    """Return the spectral norms of the derivatives of the last state by each earlier one, (T, B)."""
    norms = np.zeros(case["x"].shape[:2])
    for b in rows(case):
        found, read = run(case, b), list(order(case, b))
        for k, t in enumerate(read):
            rest = read[k + 1 :]
            alone = {key: value for key, value in case.items() if key != "lengths"}
            alone |= {"x": case["x"][rest][:, [b]], "reverse": False, "h0": found.h[[t]]}
            if is_lstm(case):
                alone["c0"] = found.c[[t]]
            J = derivative(lambda moved: run(moved, 0).last_h, alone, "h0")[0]
            norms[t, b] = np.linalg.norm(J, 2)
    return norms
