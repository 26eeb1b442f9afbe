"""How the laws of dbscan put their questions, read the answers and compare them with the definition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from diptych.testing._call import LawBroken
from diptych.testing._clustering_definition import clusters, core_rows, is_clear, neighbourhoods
from diptych.testing._engine import Case, Family, Subject
from diptych.testing._shrink import simpler_cases


def line(*places: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Put rows of one column at these places."""
    return np.array(places, dtype=np.float64)[:, None]


def as_integers(values: Any, what: str) -> list[int]:
    """`values` as a list of integers; refuses what is not a row of them."""
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and not np.issubdtype(array.dtype, np.integer)):
        raise LawBroken(f"{what}: expected one row of integers, got {array.dtype} of shape {array.shape}")
    return [int(value) for value in array]


def _axes(case: Case) -> dict[str, tuple[str, ...]]:
    square = case.get("metric") == "precomputed"
    axes = {"X": ("row", "row") if square else ("row", "column")}
    return axes | ({"sample_weight": ("row",)} if "sample_weight" in case else {})


def _fixed(case: Case) -> set[str]:
    return {"column"} if case.get("metric") == "haversine" else set()


DBSCAN = Family(
    "clustering.dbscan",
    positional=("X", "eps"),
    required=("min_samples",),
    smaller=simpler_cases(_axes, ("eps", "min_samples", "p"), _fixed),
)


def sound(case: Case) -> bool:
    """Tell whether a case is a legal call that does not hang on rounding; shrunk cases stay so."""
    return legal(case) and is_clear(case)


def legal(case: Case) -> bool:
    p, weights = case.get("p"), case.get("sample_weight")
    some_weight = weights is None or bool(weights.any())
    return case["eps"] > 0 and case["min_samples"] >= 1 and (p is None or p >= 1) and some_weight


@dataclass(frozen=True)
class Answer:
    """What the function returned: labels, and the core rows where it returns them."""

    labels: list[int]
    core: list[int] | None


def ask(subject: Subject, case: Case) -> Answer:
    """Call the function and read its answer."""
    return read(subject(case), case["X"].shape[0])


def read(result: Any, rows: int) -> Answer:
    """Bring (core rows, labels), or labels alone, into one form."""
    core = None
    if isinstance(result, tuple) and len(result) == 2 and np.ndim(result[0]) == 1:
        core = as_integers(result[0], "core rows")
        result = result[1]
        if core != sorted(set(core)) or (core and not 0 <= core[0] <= core[-1] < rows):
            raise LawBroken(f"core rows {core} are not distinct rows in ascending order")
    labels = as_integers(result, "labels")
    if len(labels) != rows:
        raise LawBroken(f"{len(labels)} labels for {rows} rows")
    if min(labels) < -1:
        raise LawBroken(f"label {min(labels)}: labels are -1 (noise) or count from 0")
    return Answer(labels, core)


def reach(case: Case) -> tuple[list[list[int]], set[int]]:
    near = neighbourhoods(case)
    return near, core_rows(case, near)


def say(case: Case, near: list[list[int]], i: int) -> str:
    """How a row stands: its neighbours and whether they suffice."""
    count = f"row {i} has {len(near[i])} row(s) within eps ({near[i]}"
    weights = case.get("sample_weight")
    total = "" if weights is None else f", weights {[float(weights[j]) for j in near[i]]}"
    return f"{count}{total}) and min_samples is {case['min_samples']}"


def obey_definition(subject: Subject, case: Case) -> None:
    """Compare with the definition, worked out pair by pair."""
    core, labels = clusters(case)
    answer = ask(subject, case)
    if answer.core is not None and answer.core != core:
        i = min(set(answer.core) ^ set(core))
        raise LawBroken(f"expected core rows {core}, got {answer.core}: {say(case, neighbourhoods(case), i)}")
    if answer.labels != labels:
        i = next(i for i, pair in enumerate(zip(answer.labels, labels, strict=True)) if pair[0] != pair[1])
        raise LawBroken(f"expected labels {labels}, got {answer.labels}: row {i} is the first that differs")


def agree(subject: Subject, case: Case, changed: Case, what: str) -> None:
    """Demand the same answer on both cases."""
    before, after = ask(subject, case), ask(subject, changed)
    if before != after:
        raise LawBroken(
            f"labels {before.labels} became {after.labels}, core rows {before.core} {after.core}, {what}"
        )
