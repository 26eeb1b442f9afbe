"""Medians of interleaved runs: on a shared machine only ratios of neighbours in time mean something."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

SLOW = 5.0  # seconds; the first run of a call above it counts, instead of only warming up
MOST_ROUNDS = 15
FEWEST_RUNS = 3
MOST_TURNS = 5
WARM, TIMED = 0.12, 0.12  # seconds of a turn of many short calls


@dataclass(frozen=True)
class Run:
    """One timed call; a family adds what it answered."""

    seconds: float


R = TypeVar("R", bound=Run)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds and the result of a call, after a collection: nobody pays for another's garbage."""
    gc.collect()
    return stopwatch(call)


def stopwatch(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds and the result of a call, one of many short ones."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def turn(call: Callable[[], Any]) -> float:
    """Return the median seconds of a call, one of many, once its threads and memory are warm.

    A processor that slept takes tens of milliseconds to come back, which is many calls here: whoever runs
    first after another would pay for it.
    """
    end = time.perf_counter() + WARM
    while time.perf_counter() < end:
        call()
    found: list[float] = []
    end = time.perf_counter() + TIMED
    while time.perf_counter() < end or len(found) < 3:
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def sgemm() -> float:
    """Return the operations per second of a product of NumPy's BLAS, to compare with what is timed next."""
    a = np.random.default_rng(0).standard_normal((2048, 2048)).astype(np.float32)
    return 2 * 2048**3 / turn(lambda: a @ a)


@dataclass
class Times(Generic[R]):
    """The seconds of one contender and the answer of its first run."""

    first: R
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    def as_dict(self) -> dict[str, object]:
        """Return what the record keeps."""
        return {"median": self.median, "min": min(self.seconds), "runs": [round(s, 6) for s in self.seconds]}


def interleave(contenders: Mapping[str, Callable[[], R]], *, budget: float) -> dict[str, Times[R]]:
    """Run the contenders in turn for about ``budget`` timed seconds, each at least three times.

    A first run of each supplies the answers; it counts where it took more than five seconds. Each turn of a
    quicker one begins with a run that is not timed: while the others run, the host of a virtual machine takes
    back what memory was freed, and to get it again costs more than many a call. A contender much faster than
    the slowest runs up to five times in its turn: its median rests on more figures and costs little.
    """
    times = {name: Times(run()) for name, run in contenders.items()}
    for timed in times.values():
        if timed.first.seconds > SLOW:
            timed.seconds.append(timed.first.seconds)
    slowest = max(timed.first.seconds for timed in times.values())
    spent = sum(sum(timed.seconds) for timed in times.values())
    for _ in range(MOST_ROUNDS):
        waiting = [name for name in times if spent <= budget or len(times[name].seconds) < FEWEST_RUNS]
        for name in waiting:
            quick = times[name].first.seconds <= SLOW
            warm = contenders[name]().seconds if quick else times[name].first.seconds
            turns = max(1, min(MOST_TURNS, int(slowest / 8 / warm)))
            for _ in range(turns):
                times[name].seconds.append(contenders[name]().seconds)
            spent += sum(times[name].seconds[-turns:])
    return times
