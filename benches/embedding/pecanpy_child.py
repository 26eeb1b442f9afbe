"""PecanPy's walks, for a Child: ``-m benches.embedding.pecanpy_child FOLDER CLASS P Q`` in its environment.

A job {"starts": number of walks, "lists": bool} is one walk of 79 steps from each of that many nodes.
``simulate_walks`` compiles its loop anew at every call, so its parts are called here: the loop, compiled
before, and with "lists" the lists of node names that it returns.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.metadata import version

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what libraries print is not an answer

import numpy as np  # noqa: E402
from numba_progress import ProgressBar  # noqa: E402
from pecanpy import pecanpy  # noqa: E402

STEPS = 79  # PecanPy's walk_length counts steps

folder, kind, p, q = sys.argv[1:]
walker = getattr(pecanpy, kind)(p=float(p), q=float(q), random_state=0)
with np.load(os.path.join(folder, "graph.npz")) as graph:
    n = len(graph["indptr"]) - 1
    walker.set_node_ids([str(node) for node in range(n)], num_nodes=n)
    walker.indptr = graph["indptr"].astype(np.uint32)
    walker.indices = graph["indices"].astype(np.uint32)
    walker.data = graph["data"].astype(np.float32)
callbacks = walker.get_has_nbrs(), walker.get_move_forward()
order = np.random.default_rng(0).permutation(n).astype(np.uint32)


def walk(starts: int, lists: bool) -> dict[str, float]:
    """Return the seconds of one round of walks and the steps taken."""
    with ProgressBar(total=starts, disable=True) as progress:
        start = time.perf_counter()
        walks = walker._random_walks(starts, STEPS, 0, order[:starts], *callbacks, progress)
        if lists:
            kept = [walker._map_walk(row) for row in walks]  # freed after the clock has stopped
        seconds = time.perf_counter() - start
        if lists:
            del kept
    return {"seconds": seconds, "steps": int((walks[:, -1].astype(np.int64) - 1).sum())}


walk(64, True)  # compiles
for line in sys.stdin:
    job = json.loads(line)
    answer = f"PecanPy {version('pecanpy')}" if job == "version" else walk(**job)
    print(json.dumps(answer), file=answers, flush=True)
