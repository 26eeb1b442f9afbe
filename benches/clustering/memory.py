"""Peak resident growth of one fit, measured in a process that does nothing else (Linux)."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from benches.memory import ALLOWANCE, reset_peak, status

_ROOT = Path(__file__).resolve().parents[2]


def measure(row: str, who: str, eps: float, threads: int, *, repeats: int = 1) -> dict[str, float]:
    """Run ``who`` on the row named ``row`` in a fresh process.

    Returns
    -------
    dict
        ``input`` and ``growth`` in bytes, ``seconds`` of the median fit, ``exact``: whether the peak could be
        reset first.
    """
    job = json.dumps({"row": row, "who": who, "eps": eps, "threads": threads, "repeats": repeats})
    done = subprocess.run(
        [sys.executable, "-m", "benches.clustering.memory", job],
        cwd=_ROOT,
        env=os.environ | {"PARLAY_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def bound(input_bytes: float) -> float:
    """Return the promise: three times the input plus 64 MiB."""
    return 3 * input_bytes + ALLOWANCE


def _child(job: dict[str, object]) -> dict[str, float]:
    from benches.clustering import peers
    from benches.clustering.rows import named

    row, eps, threads = named(job["row"]), job["eps"], job["threads"]
    X = row.make()

    def call(data):
        if job["who"] == "dbscan":
            return peers.wang_in_process(row, data, eps)
        if job["who"] == "scikit-learn":
            return peers.scikit_learn(row, data, eps, threads)
        return peers.ours("scikit-learn", row, data, eps, threads)

    call(X[:1000].copy())()  # imports, thread pools and their stacks are not the fit's
    exact = reset_peak()
    before = status("VmRSS")
    run = call(X)
    kept = [run()]  # results included
    growth = status("VmHWM") - before
    seconds = [kept[0].seconds, *(run().seconds for _ in range(job["repeats"] - 1))]
    return {"input": X.nbytes, "growth": growth, "seconds": statistics.median(seconds), "exact": exact}


if __name__ == "__main__":
    print(json.dumps(_child(json.loads(sys.argv[1]))))
