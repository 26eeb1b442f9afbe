"""What the laws of recurrent nets are tried on, and how answers are read and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import numpy as np

from diptych.testing import _recurrent_definition as definition
from diptych.testing._call import LawBroken
from diptych.testing._engine import Case, Family, Subject
from diptych.testing._shrink import simpler_cases

Array = np.ndarray[Any, Any]
Cases = Callable[[Random], Iterator[Case]]

CLOSE = 1e-9  # of the greatest entry: float64 in any order of sums
HUGE = 1e4  # an exponential of that overflows

GATES = {"rnn": 1, "lstm": 4}
_AXES = {
    "x": ("step", "row", "input"),
    "h0": ("row", "unit"),
    "c0": ("row", "unit"),
    "h": ("row", "unit"),
    "c": ("row", "unit"),
    "w_ih": ("unit", "input"),
    "w_hh": ("unit", "unit"),
    "b_ih": ("unit",),
    "b_hh": ("unit",),
    "lengths": ("row",),
}


def _axes(case: Case) -> dict[str, tuple[str, ...]]:
    """Name the axes of a case; x of one step has no steps."""
    named = {key: axes for key, axes in _AXES.items() if key in case}
    if case["x"].ndim == 2:
        named["x"] = ("row", "input")
    if "c" in case or "c0" in case:  # a unit has four rows, which go by another name
        named |= {"w_ih": ("gate", "input"), "w_hh": ("gate", "unit")}
        named |= {key: ("gate",) for key in ("b_ih", "b_hh") if key in case}
    return named


def _fixed(case: Case) -> set[str]:
    return {"unit", "gate"} if "c" in case or "c0" in case else set()


SMALLER = simpler_cases(_axes, (), _fixed)


def admitted(case: Case) -> bool:
    """Tell cases that are within the contract."""
    lengths = case.get("lengths")
    return lengths is None or (lengths.min() >= 1 and lengths.max() <= len(case["x"]))


def step_family(name: str) -> Family:
    """Return the family of one step."""
    states = ("h", "c") if name == "lstm" else ("h",)
    positional = ("x", *states, "w_ih", "w_hh")
    return Family(f"recurrent.{name}_step", positional=positional, required=(), smaller=SMALLER)


def sequence_family(name: str) -> Family:
    """Return the family of whole sequences."""
    states = ("h0", "c0") if name == "lstm" else ("h0",)
    return Family(
        f"recurrent.{name}", positional=("x", *states, "w_ih", "w_hh"), required=(), smaller=SMALLER
    )


# Cases --------------------------------------------------------------------------------------------


def normal(random: Random, *shape: int, scale: float = 1.0) -> Array:
    """Return numbers with three decimals."""
    values = [round(random.gauss(0, scale), 3) for _ in range(int(np.prod(shape)))]
    return np.array(values).reshape(shape)


def steps_of(name: str, *, biases: bool = False, scale: float = 1.0, **options: Any) -> Cases:
    """Return cases of one step."""

    def cases(random: Random) -> Iterator[Case]:
        while True:
            B, I, H = random.randint(1, 3), random.randint(1, 4), random.randint(1, 4)  # noqa: E741
            states = ("h", "c") if name == "lstm" else ("h",)
            case: Case = {"x": normal(random, B, I, scale=scale)}
            case |= {state: normal(random, B, H) for state in states}
            yield case | weights(random, name, I, H, biases=biases) | options

    return cases


def sequences_of(
    name: str,
    *,
    biases: bool = False,
    lengths: bool = False,
    at_least: int = 1,
    **options: Any,
) -> Cases:
    """Return cases of whole sequences, at first small ones."""

    def cases(random: Random) -> Iterator[Case]:
        most = 2
        while True:
            T, B = random.randint(at_least, max(at_least, most)), random.randint(1, 3)
            I, H = random.randint(1, min(most, 4)), random.randint(1, min(most, 4))  # noqa: E741
            states = ("h0", "c0") if name == "lstm" else ("h0",)
            case: Case = {"x": normal(random, T, B, I)} | {state: normal(random, B, H) for state in states}
            case |= weights(random, name, I, H, biases=biases)
            if lengths:
                case["lengths"] = np.array([random.randint(1, T) for _ in range(B)])
            yield case | options
            most = min(most + 1, 6)

    return cases


def weights(random: Random, name: str, I: int, H: int, *, biases: bool = False) -> Case:  # noqa: E741
    """Return weights of moderate size."""
    rows = GATES[name] * H
    found: Case = {"w_ih": normal(random, rows, I), "w_hh": normal(random, rows, H, scale=0.7)}
    if biases:
        found |= {"b_ih": normal(random, rows), "b_hh": normal(random, rows)}
    return found


def in_float32(cases: Cases) -> Cases:
    """Return the same cases in float32."""

    def narrow(random: Random) -> Iterator[Case]:
        for case in cases(random):
            yield {
                key: value.astype(np.float32) if getattr(value, "dtype", None) == np.float64 else value
                for key, value in case.items()
            }

    return narrow


def with_nonlinearities(cases: Cases) -> Cases:
    """Return the same cases, with relu and identity in turn."""

    def both(random: Random) -> Iterator[Case]:
        for case in cases(random):
            yield case | {"nonlinearity": random.choice(("relu", "identity"))}

    return both


def with_spoilt_padding(cases: Cases) -> Cases:
    """Return the same cases, with NaN where sequences are over."""

    def spoilt(random: Random) -> Iterator[Case]:
        for case in cases(random):
            yield case | {"x": spoil(case["x"], case["lengths"], np.nan)}

    return spoilt


def spoil(values: Array, lengths: Array, with_what: float) -> Array:
    """Return (T, B, …) with other values where sequences are over."""
    over = np.arange(len(values))[:, None] >= lengths
    return np.where(over[:, :, None], with_what, values)


def tapes_of(
    cases: Cases, *, last: bool = False, spoilt: bool = False, gradients: bool = True, most: int = 12
) -> Cases:
    """Return cases of the way back from those of the way there, few of them, since each is differentiated."""

    def back(random: Random) -> Iterator[Case]:
        for case, _ in zip(cases(random), range(most), strict=False):
            back: Case = {"tape": definition.tape(case)}
            y = back["tape"].h
            if gradients:
                dy = normal(random, *y.shape)
                back["dy"] = spoil(dy, case["lengths"], np.nan) if spoilt else dy
            if last:
                states = {"dh": "h0", "dc": "c0"}
                back |= {key: normal(random, *case[of].shape) for key, of in states.items() if of in case}
            yield back

    return back


# Answers ------------------------------------------------------------------------------------------


def parts(answer: Any, names: tuple[str, ...], shapes: tuple[tuple[int, ...], ...]) -> tuple[Array, ...]:
    """Read arrays of real numbers of these shapes out of an answer."""
    alone = len(names) == 1 and not isinstance(answer, tuple | list)
    try:
        found = [np.asarray(part) for part in ((answer,) if alone else answer)]
    except (TypeError, ValueError):
        raise LawBroken(f"expected {' and '.join(names)}") from None
    if len(found) != len(names) or any(part.dtype.kind != "f" for part in found):
        kinds = ", ".join(str(part.dtype) for part in found)
        raise LawBroken(f"expected {' and '.join(names)} as floating-point arrays, got {kinds or 'nothing'}")
    for name, part, shape in zip(names, found, shapes, strict=True):
        if part.shape != shape:
            raise LawBroken(f"{name} has shape {part.shape}, expected {shape}")
    return tuple(found)


def step(subject: Subject, case: Case) -> tuple[Array, ...]:
    """Take one step with the subject: h, or h and c."""
    names = ("h", "c") if "c" in case else ("h",)
    return parts(subject(case), names, tuple(case["h"].shape for _ in names))


def read(subject: Subject, case: Case) -> tuple[Array, ...]:
    """Read sequences with the subject: y and h, or y, h and c."""
    names = ("y", "h", "c") if "c0" in case else ("y", "h")
    last = case["h0"].shape
    return parts(subject(case), names, ((len(case["x"]), *last), last, last)[: len(names)])


def compare(names: tuple[str, ...], got: Any, expected: Any, tolerance: float = CLOSE) -> None:
    """Refuse answers that are further from what is expected than rounding takes them."""
    for name, a, b in zip(names, got, expected, strict=True):
        if b is None:
            continue
        room = tolerance * max(1.0, float(np.abs(b).max(initial=0)))
        wrong = ~(np.abs(np.asarray(a, dtype=np.float64) - b) <= room)
        if wrong.any():
            place = tuple(int(k) for k in np.argwhere(wrong)[0])
            raise LawBroken(f"{name}{list(place)} is {a[place]:.10g}, expected {b[place]:.10g}")


def obey(subject: Subject, case: Case) -> None:
    """Compare an answer with the definition."""
    if case["x"].ndim == 2:
        _, *expected = definition.outputs(definition.as_sequence(case))
        compare(("h", "c")[: len(expected)], step(subject, case), expected)
    else:
        expected = list(definition.outputs(case))
        compare(("y", "h", "c")[: len(expected)], read(subject, case), expected)
