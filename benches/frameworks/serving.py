"""What the programs of the frameworks share: jobs in, answers out, and the clock.

A job {"make": what, "options": …} reads FOLDER/given.npz and makes a call of it, in one way or several; it
returns their names and writes what the n-th way answers to FOLDER/answer<n>.npz. {"turn": way} times that
call as the benches time everybody else's, {"once": way} calls it a single time.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benches.timing import stopwatch, turn


class Way(NamedTuple):
    """A call that returns when its results are there, and what makes arrays by name of them, not timed."""

    call: Callable[[], Any]
    named: Callable[[Any], Mapping[str, Any]]


Maker = Callable[..., dict[str, Way]]  # of arrays, by their names, and options


def serve(version: str, makers: Mapping[str, Maker]) -> None:
    """Answer jobs until there are no more: ``python -m … FOLDER THREADS``."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer
    folder = Path(sys.argv[1])
    ways: dict[str, Way] = {}
    for line in sys.stdin:
        job = json.loads(line)
        if job == "version":
            answer: Any = version
        elif "make" in job:
            with np.load(folder / "given.npz") as given:
                ways = makers[job["make"]](**given, **job["options"])
            for number, way in enumerate(ways.values()):
                named = {name: np.asarray(array) for name, array in way.named(way.call()).items()}
                np.savez(folder / f"answer{number}.npz", **named)
            answer = list(ways)
        elif "turn" in job:
            answer = _turn(ways[job["turn"]].call)
        else:
            way = ways[job["once"]]
            seconds, result = stopwatch(way.call)
            answer = {"seconds": seconds} | {name: float(x) for name, x in way.named(result).items()}
        print(json.dumps(answer), file=answers, flush=True)


def _turn(call: Callable[[], Any]) -> dict[str, float]:
    wall, busy = time.perf_counter(), time.process_time()
    seconds = turn(call)
    return {
        "seconds": seconds,
        "cores": (time.process_time() - busy) / (time.perf_counter() - wall),
    }
