"""What the laws of attention are tried on, and how answers are read and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import numpy as np

from diptych.testing import _attention_definition as definition
from diptych.testing._call import LawBroken
from diptych.testing._engine import Case, Subject
from diptych.testing._shrink import simpler_cases

Array = np.ndarray[Any, Any]
Cases = Callable[[Random], Iterator[Case]]

CLOSE = 1e-9  # of the greatest entry: float64 in any order of sums


def _axes(case: Case) -> dict[str, tuple[str, ...]]:
    """Name the axes of a case. One of a mask that all share is of nobody."""
    lead = tuple(f"axis {n}" for n in range(case["query"].ndim - 2))
    grouped = (*lead[:-1], "heads of keys") if case.get("enable_gqa") else lead
    named = {
        "query": (*lead, "query", "feature"),
        "key": (*grouped, "key", "feature"),
        "value": (*grouped, "key", "width"),
    }
    if (mask := case.get("attn_mask")) is not None:
        sizes = (*case["query"].shape[:-1], case["key"].shape[-2])
        wide = (*lead, "query", "key")
        last = range(-mask.ndim, 0)
        named["attn_mask"] = tuple(wide[n] if mask.shape[n] == sizes[n] else "all" for n in last)
    return named


def _fixed(case: Case) -> set[str]:
    grouped = {f"axis {case['query'].ndim - 3}", "heads of keys"} if case.get("enable_gqa") else set()
    return {"all", "feature", *grouped} if "scale" not in case else {"all", *grouped}


SMALLER = simpler_cases(_axes, (), _fixed)


def admitted(case: Case) -> bool:
    """Tell cases that are within the contract."""
    mask = case.get("attn_mask")
    return mask is None or not np.isnan(mask).any()


# Cases --------------------------------------------------------------------------------------------


def normal(random: Random, *shape: int, scale: float = 1.0) -> Array:
    """Return numbers with three decimals."""
    values = [round(random.gauss(0, scale), 3) for _ in range(int(np.prod(shape)))]
    return np.array(values).reshape(shape)


def given(*, lead: int | None = None, size: float = 1.0, **options: Any) -> Cases:
    """Return queries, keys and values under `lead` axes or under one or none, at first small ones."""

    def cases(random: Random) -> Iterator[Case]:
        most = 2
        while True:
            axes = random.choice((0, 0, 1)) if lead is None else lead
            heads = [random.randint(1, 2) for _ in range(axes)]
            L, S, d, v = (random.randint(1, most) for _ in range(4))
            case: Case = {
                "query": normal(random, *heads, L, d, scale=size),
                "key": normal(random, *heads, S, d),
                "value": normal(random, *heads, S, v),
            }
            yield case | options
            most = min(most + 1, 5)

    return cases


def at_least(cases: Cases, *, queries: int = 1, keys: int = 1) -> Cases:
    """Return those of the cases that have so many queries and keys."""

    def enough(random: Random) -> Iterator[Case]:
        for case in cases(random):
            if case["query"].shape[-2] >= queries and case["key"].shape[-2] >= keys:
                yield case

    return enough


def grouped(random: Random) -> Iterator[Case]:
    """Yield cases in which two or three heads of queries share each of one or two heads of keys."""
    while True:
        kept, times = random.randint(1, 2), random.randint(2, 3)
        L, S, d, v = (random.randint(1, 3) for _ in range(4))
        yield {
            "query": normal(random, kept * times, L, d),
            "key": normal(random, kept, S, d),
            "value": normal(random, kept, S, v),
            "enable_gqa": True,
        }


def masked(cases: Cases, *kinds: str) -> Cases:
    """Return the same cases with masks: "boolean", "additive", and of fewer axes."""

    def with_masks(random: Random) -> Iterator[Case]:
        for case in cases(random):
            full = (*case["query"].shape[:-1], case["key"].shape[-2])
            shape = full[random.randint(0, len(full) - 1) :]
            shape = tuple(n if random.random() < 0.7 else 1 for n in shape)
            part = np.array([random.random() < 0.6 for _ in range(int(np.prod(shape)))]).reshape(shape)
            if random.choice(kinds) == "boolean":
                yield case | {"attn_mask": part}
            else:
                yield case | {"attn_mask": np.where(part, normal(random, *shape), -np.inf)}

    return with_masks


def in_float32(cases: Cases) -> Cases:
    """Return the same cases in float32."""

    def narrow(random: Random) -> Iterator[Case]:
        for case in cases(random):
            yield case | {name: case[name].astype(np.float32) for name in definition.ARGUMENTS}

    return narrow


def with_scales(cases: Cases) -> Cases:
    """Return the same cases with a scale of their own."""

    def scaled(random: Random) -> Iterator[Case]:
        for case in cases(random):
            yield case | {"scale": round(random.uniform(-1.5, 1.5), 2)}

    return scaled


def tapes(cases: Cases, *, most: int = 12) -> Cases:
    """Return cases of the way back, few of them, since each is differentiated."""

    def back(random: Random) -> Iterator[Case]:
        for case, _ in zip(cases(random), range(most), strict=False):
            tape = definition.tape(case)
            yield {"tape": tape, "d_output": normal(random, *tape.output.shape)}

    return back


# Answers ------------------------------------------------------------------------------------------


def output(subject: Subject, case: Case) -> Array:
    """Attend with the subject."""
    return _array(subject(case), "the output", (*case["query"].shape[:-1], case["value"].shape[-1]))


def both(subject: Subject, case: Case) -> tuple[Array, Array]:
    """Attend with the subject, and have the weights too."""
    answer = subject(case | {"return_weights": True})
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise LawBroken("expected output and weights")
    rows = case["query"].shape[:-1]
    return (
        _array(answer[0], "the output", (*rows, case["value"].shape[-1])),
        _array(answer[1], "the weights", (*rows, case["key"].shape[-2])),
    )


def back(subject: Subject, case: Case) -> dict[str, Array]:
    """Go back with the subject."""
    try:
        found = list(subject(case))
    except TypeError:
        found = []
    if len(found) != 3:
        raise LawBroken(f"expected three derivatives: by query, key and value; got {len(found)}")
    shapes = [getattr(case["tape"], name).shape for name in definition.ARGUMENTS]
    return {
        name: _array(part, f"the derivative by the {name}", shape)
        for name, part, shape in zip(definition.ARGUMENTS, found, shapes, strict=True)
    }


def _array(answer: Any, name: str, shape: tuple[int, ...]) -> Array:
    try:
        found = np.asarray(answer)
    except (TypeError, ValueError):
        raise LawBroken(f"expected {name} as an array") from None
    if found.dtype.kind != "f":
        raise LawBroken(f"expected {name} as a floating-point array, got {found.dtype}")
    if found.shape != shape:
        raise LawBroken(f"{name} has shape {found.shape}, expected {shape}")
    return found


def compare(name: str, got: Array, expected: Array, tolerance: float = CLOSE) -> None:
    """Refuse answers that are further from what is expected than rounding takes them."""
    room = tolerance * max(1.0, float(np.abs(expected).max(initial=0)))
    wrong = ~(np.abs(got.astype(np.float64) - expected) <= room)
    if wrong.any():
        place = tuple(int(k) for k in np.argwhere(wrong)[0])
        raise LawBroken(f"{name}{list(place)} is {got[place]:.10g}, expected {expected[place]:.10g}")


def obey(subject: Subject, case: Case) -> None:
    """Compare an output with the definition."""
    compare("output", output(subject, case), definition.attend(case)["output"])


def obey_back(subject: Subject, case: Case) -> None:
    """Compare gradients with derivatives of the definition."""
    got = back(subject, case)
    for name, expected in definition.gradients(case["tape"], case["d_output"]).items():
        compare(f"d_{name}", got[name], expected, 1e-8)
