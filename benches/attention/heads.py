"""Attention beside its peers, and the memory of a long one."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benches.attention import peers
from benches.attention.rows import LONG, NUMPY, ROWS, Row
from benches.memory import reset_peak, status
from benches.section import Settings
from benches.timing import sgemm, turn

CLOSE = 2e-5
ALLOWED = 16 << 20  # bytes of growth beside the result

_ROOT = Path(__file__).resolve().parents[2]


def ours(row: Row, given: peers.Arrays, threads: int) -> Callable[[], Any]:
    """Return our call."""
    from diptych.kernels import attention

    def there() -> np.ndarray:
        return attention.scaled_dot_product_attention(*given, is_causal=row.causal, n_jobs=threads)

    def there_and_back() -> tuple[np.ndarray, ...]:
        output, tape = attention.scaled_dot_product_attention(
            *given, is_causal=row.causal, return_tape=True, n_jobs=threads
        )
        return output, *attention.scaled_dot_product_attention_backward(tape, given[0], n_jobs=threads)

    return there_and_back if row.back else there


def contenders(row: Row, given: peers.Arrays, threads: int) -> dict[str, Callable[[], Any]]:
    """Return the calls of the peers, by name."""
    if row.target.peer == NUMPY:
        return {NUMPY: peers.numpy_there_and_back(given, given[0])}
    return {f"onnxruntime's {name}": make(row, given, threads) for name, make in peers.ONNX.items()}


def attention(settings: Settings) -> Iterator[dict]:
    """Time every row in turns, after the outputs were compared."""
    for row in ROWS:
        if not settings.wanted(row.name):
            continue
        if row.target.peer != NUMPY and not peers.installed():
            settings.say(f"{row.name}: onnx and onnxruntime are not installed")
            continue
        settings.say(f"{row.name} …")
        given = peers.draw(row)
        calls = {"diptych": ours(row, given, settings.threads)} | contenders(row, given, settings.threads)
        apart = max(_apart(calls["diptych"](), call()) for call in calls.values())
        rate = sgemm()
        times: dict[str, list[float]] = {name: [] for name in calls}
        end = time.perf_counter() + settings.budget / 2
        while time.perf_counter() < end or len(times["diptych"]) < 5:
            for name, call in calls.items():
                times[name].append(turn(call))
        medians = {name: statistics.median(found) for name, found in times.items()}
        mine = medians.pop("diptych")
        peer = min(medians, key=medians.__getitem__)
        ratio = medians[peer] / mine
        yield {
            "row": row.name,
            "input": row.input,
            "peer": peer,
            "ours": {"median": mine, "turns": times["diptych"]},
            "theirs": {"median": medians[peer], "turns": times[peer]},
            "all": medians,
            "ratio": ratio,
            "rate": row.operations() / mine / 1e9,
            "of_sgemm": row.operations() / mine / rate,
            "bar": row.target.bar,
            "goal": row.target.goal,
            "held": None if row.target.bar is None else ratio >= row.target.bar,
            "apart": apart,
            "ok": apart <= CLOSE,
        }


def _apart(mine: Any, theirs: Any) -> float:
    both = zip(mine, theirs, strict=True) if isinstance(mine, tuple) else [(mine, theirs)]
    return max(float(np.abs(a - b).max() / max(1.0, np.abs(b).max())) for a, b in both)


# Memory


def memory(settings: Settings) -> Iterator[dict]:
    """Measure the growth of one long head in a process that does nothing else (Linux)."""
    if not settings.wanted(LONG.name):
        return
    for causal in (False, True):
        job = json.dumps({"causal": causal, "threads": settings.threads})
        command = [sys.executable, "-m", "benches.attention.heads", job]
        done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        if not found["exact"]:
            settings.say(f"{LONG.name}: the peak could not be reset here, growth is an underestimate")
        result = 4 * LONG.queries * LONG.features
        yield {
            "row": LONG.name,
            "input": LONG.input + (", causal" if causal else ""),
            "result": result,
            "growth": found["growth"],
            "bound": result + ALLOWED,
            "held": found["growth"] <= result + ALLOWED,
            "scores": 4 * LONG.queries * LONG.keys,
        }


def _child(job: dict[str, Any]) -> dict[str, Any]:
    from diptych.kernels.attention import scaled_dot_product_attention

    given = peers.draw(LONG)
    options = {"is_causal": job["causal"], "n_jobs": job["threads"]}
    scaled_dot_product_attention(*(x[:, :, :300] for x in given), **options)  # threads and their stacks
    exact = reset_peak()
    before = status("VmRSS")
    kept = scaled_dot_product_attention(*given, **options)  # the result is included
    grown = status("VmHWM") - before
    del kept
    return {"growth": grown, "exact": exact}


if __name__ == "__main__":
    print(json.dumps(_child(json.loads(sys.argv[1]))))
