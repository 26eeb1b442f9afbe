"""Medians of interleaved runs: on a shared machine only ratios of neighbours in time mean something."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benches.peers import Run

SLOW = 5.0  # seconds; a call above it is not repeated to warm up
MOST_ROUNDS = 15
FEWEST_ROUNDS = 3


@dataclass
class Times:
    """The seconds of one contender and the answer of its first run."""

    first: Run
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    def as_dict(self) -> dict[str, object]:
        """Return what the record keeps."""
        return {"median": self.median, "min": min(self.seconds), "runs": [round(s, 6) for s in self.seconds]}


def interleave(contenders: Mapping[str, Callable[[], Run]], *, budget: float) -> dict[str, Times]:
    """Run the contenders in turn for about ``budget`` seconds, at least three rounds.

    A first run of each warms up and supplies the answers; it counts only where it took more than five
    seconds. In each round a contender much faster than the slowest runs three times, so that its median
    rests on more than three figures.
    """
    times = {name: Times(run()) for name, run in contenders.items()}
    for timed in times.values():
        if timed.first.seconds > SLOW:
            timed.seconds.append(timed.first.seconds)
    slowest = max(timed.first.seconds for timed in times.values())
    spent = sum(sum(timed.seconds) for timed in times.values())
    for done in range(MOST_ROUNDS):
        if done >= FEWEST_ROUNDS - (slowest > SLOW) and spent > budget:
            break
        for name, run in contenders.items():
            turns = 3 if times[name].first.seconds < slowest / 30 else 1
            for _ in range(turns):
                seconds = run().seconds
                times[name].seconds.append(seconds)
                spent += seconds
    return times
