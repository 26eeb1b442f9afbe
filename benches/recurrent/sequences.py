"""LSTMs over steps, sequences and batches, beside a peer."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benches.recurrent import peers
from benches.recurrent.peers import Answer, Inputs
from benches.recurrent.rows import ROWS, Row
from benches.section import Settings

WARM, TIMED = 0.12, 0.12  # seconds of one turn
CLOSE = 1e-5


def ours(row: Row, given: Inputs, threads: int) -> Callable[[], Answer]:
    """Return our call; like the session of the peer, the cell holds its weights ready."""
    from diptych._rust import RecurrentCell

    cell = RecurrentCell("lstm", given.w_ih, given.w_hh, given.b_ih, given.b_hh)
    if row.times:
        return lambda: cell.run(given.x, given.h, given.c, given.lengths, False, False, threads, None)[:3]
    x, h, c = given.x[0], given.h, given.c

    def step() -> Answer:
        new_h, new_c = cell.step(x, h, c)
        return new_h, new_h, new_c

    return step


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


def lstm(settings: Settings) -> Iterator[dict]:
    """Time every row in turns, after the outputs were compared."""
    for row in ROWS:
        if not settings.wanted(row.name):
            continue
        if not peers.installed():
            settings.say(f"{row.name}: onnx and onnxruntime are not installed")
            continue
        settings.say(f"{row.name} …")
        given = peers.draw(row)
        calls = {
            "diptych": ours(row, given, settings.threads),
            row.target.peer: peers.onnxruntime(row, given, settings.threads),
        }
        answers = [call() for call in calls.values()]
        apart = max(float(np.abs(a - b).max()) for a, b in zip(*answers, strict=True))
        times: dict[str, list[float]] = {name: [] for name in calls}
        end = time.perf_counter() + settings.budget / 2
        while time.perf_counter() < end or len(times["diptych"]) < 5:
            for name, call in calls.items():
                times[name].append(turn(call))
        mine, theirs = (statistics.median(found) for found in times.values())
        yield {
            "row": row.name,
            "input": row.input,
            "peer": row.target.peer,
            "ours": {"median": mine, "turns": times["diptych"]},
            "theirs": {"median": theirs, "turns": times[row.target.peer]},
            "ratio": theirs / mine,
            "rate": row.operations() / mine / 1e9,
            "bar": row.target.bar,
            "goal": row.target.goal,
            "held": theirs / mine >= row.target.bar,
            "apart": apart,
            "ok": apart <= CLOSE,
        }
