"""One row of the demo: a job done by both panels."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """What both panels answered, and how long each took.

    Attributes
    ----------
    data, job, result : str
        What went in, what was asked, what came out.
    equal : bool
        Whether the panels gave the same bits.
    reference_seconds, rust_seconds : float
        Time of each panel.
    draw : callable
        Draws the result into a matplotlib (sub)figure.
    """

    data: str
    job: str
    result: str
    equal: bool
    reference_seconds: float
    rust_seconds: float
    draw: Callable[[Any], None]

    def cells(self) -> list[str]:
        """Return the row as text, for the table."""
        ratio = self.reference_seconds / self.rust_seconds
        times = [
            f"{self.reference_seconds * 1e3:.1f} ms",
            f"{self.rust_seconds * 1e3:.2f} ms",
            f"{ratio:.0f} ×",
        ]
        return [self.data, self.job, self.result, "equal" if self.equal else "DIFFER", *times]

    def facts(self) -> dict[str, Any]:
        """Return the row as plain values, for JSON."""
        return {
            "input": self.data,
            "job": self.job,
            "result": self.result,
            "equal": self.equal,
            "reference_seconds": self.reference_seconds,
            "rust_seconds": self.rust_seconds,
            "ratio": self.reference_seconds / self.rust_seconds,
        }


def run_both(
    reference: Callable[[], tuple[Any, ...]], rust: Callable[[], tuple[Any, ...]], *, repeats: int = 5
) -> tuple[tuple[Any, ...], bool, float, float]:
    """Call both panels; return the answer of the kernel, whether the answers are equal, and the two times.

    Parameters
    ----------
    reference, rust : callable
        Return tuples of arrays.
    repeats : int
        How often the kernel is timed, after one call that is not; the median counts. The reference runs once.

    Returns
    -------
    answer : tuple
        Of the kernel.
    equal : bool
        Whether each array equals its twin, bit for bit.
    reference_seconds, rust_seconds : float
        The times.
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
    equal = all(
        own.dtype == other.dtype and own.tobytes() == other.tobytes()
        for own, other in zip(answer, expected, strict=True)
    )
    return answer, equal, reference_seconds, float(np.median(times))
