"""Peak resident growth of one top-k, measured in a process that does nothing else (Linux)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from scipy.sparse import csr_array

from benches.memory import ALLOWANCE, reset_peak, status
from benches.metapath import peers, rows, similar
from benches.section import Settings

LIMITS = {"aptpa": 300 * 2**20}  # bytes above the input, whatever the half matrix takes

_ROOT = Path(__file__).resolve().parents[2]


def growth(row: str, who: str, threads: int) -> dict[str, Any]:
    """Run ``who`` on the row of that name in a fresh process; return its growth in bytes."""
    job = json.dumps({"row": row, "who": who, "threads": threads})
    done = subprocess.run(
        [sys.executable, "-m", "benches.metapath.memory", job],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def size(*matrices: csr_array) -> int:
    """Return the bytes of the arrays of matrices."""
    return sum(part.nbytes for A in matrices for part in (A.data, A.indices, A.indptr))


def peak(settings: Settings) -> Iterator[dict]:
    """Measure the growth of each row, its relations given; of sparse_dot_topn too (not when quick)."""
    for row, relations in similar.inputs(settings):
        W = similar.half_matrix(relations)
        n = W.shape[0] if row.n_queries is None else row.n_queries
        half, result = size(W), 16 * n * rows.K
        found = growth(row.name, "diptych", settings.threads)
        if not found["exact"]:
            settings.say(f"{row.name}: the peak could not be reset here, growth is an underestimate")
        bound, limit = 2 * half + result + ALLOWANCE, LIMITS.get(row.name)
        beside = [] if settings.quick else similar.present(row.name, row.targets[:1], settings)
        yield {
            "name": row.name,
            "input": row.input,
            "size": size(*relations),
            "half": half,
            "growth": found["growth"],
            "bound": bound,
            "held": found["growth"] <= bound,
            "limit": limit,
            "limit_held": None if limit is None else found["growth"] < limit,
            "peers": {t.peer: growth(row.name, t.peer, settings.threads)["growth"] for t in beside},
        }


def _call(who: str, relations: list[csr_array], queries: Any, threads: int) -> Callable[[], Any]:
    from diptych.kernels.metapath import pathsim_top_k

    if who == "diptych":
        return lambda: pathsim_top_k(relations, rows.K, queries=queries, n_jobs=threads)
    return lambda: peers.sparse_dot_topn(similar.half_matrix(relations), queries, threads)()


def _child(job: dict[str, Any]) -> dict[str, Any]:
    row, who, threads = rows.named(job["row"]), job["who"], job["threads"]
    relations = row.make()
    queries = row.queries(relations[0].shape[0])
    _call(who, rows.synthetic(100), None, threads)()  # imports, thread pools and their stacks
    exact = reset_peak()
    before = status("VmRSS")
    kept = _call(who, relations, queries, threads)()  # the result is included
    grown = status("VmHWM") - before
    del kept
    return {"growth": grown, "exact": exact}


if __name__ == "__main__":
    print(json.dumps(_child(json.loads(sys.argv[1]))))
