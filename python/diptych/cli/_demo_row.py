"""One row of the demo: a job done by both panels."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from diptych.cli._console import duration


class Comparison(NamedTuple):
    """What the kernel answered, whether the reference agreed, and how long each took.

    They agree by the same bits, or where `tolerance` is not 0, by values that differ by no more than that.
    """

    answer: tuple[Any, ...]
    equal: bool
    reference_seconds: float
    rust_seconds: float
    tolerance: float = 0.0


@dataclass(frozen=True)
class Row:
    """A line of the table and a part of the picture.

    Attributes
    ----------
    data, job, result : str
        What went in, what was asked, what came out.
    panels : Comparison
        What the panels answered, and when.
    draw : callable
        Draws the result into a matplotlib (sub)figure.
    """

    data: str
    job: str
    result: str
    panels: Comparison
    draw: Callable[[Any], None]

    def cells(self) -> list[str]:
        """Return the row as text, for the table."""
        _, equal, reference, rust, tolerance = self.panels
        agreement = "DIFFER" if not equal else f"within {tolerance:g}" if tolerance else "equal"
        times = [duration(reference), duration(rust), f"{reference / rust:.3g} ×"]
        return [self.data, self.job, self.result, agreement, *times]

    def facts(self) -> dict[str, Any]:
        """Return the row as plain values, for JSON."""
        return {
            "input": self.data,
            "job": self.job,
            "result": self.result,
            "equal": self.panels.equal,
            "tolerance": self.panels.tolerance,
            "reference_seconds": self.panels.reference_seconds,
            "rust_seconds": self.panels.rust_seconds,
        }


def run_both(
    reference: Callable[[], tuple[Any, ...]],
    rust: Callable[[], tuple[Any, ...]],
    *,
    repeats: int = 5,
    tolerance: float = 0.0,
) -> Comparison:
    """Call both panels and compare.

    Parameters
    ----------
    reference, rust : callable
        Return tuples of arrays.
    repeats : int
        How often the kernel is timed, after one call that is not; the median counts. The reference runs once.
    tolerance : float
        By how much values may differ; 0 asks for the same bits.

    Returns
    -------
    Comparison
    """
    started = time.perf_counter()
    expected = reference()
    reference_seconds = time.perf_counter() - started
    answer = rust()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        answer = rust()
        times.append(time.perf_counter() - started)
    equal = all(_agree(own, other, tolerance) for own, other in zip(answer, expected, strict=True))
    return Comparison(answer, equal, reference_seconds, statistics.median(times), tolerance)


def _agree(own: Any, other: Any, tolerance: float) -> bool:
    if own.dtype != other.dtype or own.shape != other.shape:
        return False
    if tolerance:
        return bool(np.all(np.abs(own - other) <= tolerance))
    return bool(own.tobytes() == other.tobytes())
