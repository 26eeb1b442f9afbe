"""LSTMs over steps, sequences and batches, beside a peer."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np

from benches.recurrent import peers
from benches.recurrent.peers import Answer, Inputs
from benches.recurrent.rows import ROWS, Row
from benches.section import Settings
from benches.timing import sgemm, turn

CLOSE = 1e-5


def ours(row: Row, given: Inputs, threads: int) -> Callable[[], Answer]:
    """Return our call, of the public network; like the session of the peer, it holds its weights ready."""
    from diptych import nn

    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    weights = dict(zip(names, (given.w_ih, given.w_hh, given.b_ih, given.b_hh), strict=True))
    net = nn.LSTM.from_state_dict(weights, n_jobs=threads)
    state = given.h[None], given.c[None]
    if not row.times:
        step, x = net.step, given.x[0]
        net.step(x)  # packs the weights

        def one() -> Answer:
            y, (h, c) = step(x, state)
            return y, h, c

        return one

    def call() -> Answer:
        y, (h, c) = net(given.x, state, given.lengths)
        return y, h, c

    return call


def flat(answer: Answer) -> Answer:
    """Return y, h and c without axes of one layer or step."""
    y, h, c = answer
    return y.reshape(-1, y.shape[-1]), h.reshape(-1, h.shape[-1]), c.reshape(-1, c.shape[-1])


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
        apart = max(float(np.abs(a - b).max()) for a, b in zip(*map(flat, answers), strict=True))
        rate = sgemm()
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
            "of_sgemm": row.operations() / mine / rate,
            "bar": row.target.bar,
            "goal": row.target.goal,
            "held": theirs / mine >= row.target.bar,
            "apart": apart,
            "ok": apart <= CLOSE,
        }
