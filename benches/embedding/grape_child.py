"""Walks and SkipGram of GRAPE, for a Child: ``-m benches.embedding.grape_child FOLDER`` in its environment.

A job {"walks": number per node} takes complete walks of 80 nodes, which start at nodes that have edges.
A job {"skipgram": its arguments} trains and writes FOLDER/vectors.npy.
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
from ensmallen import Graph, models  # noqa: E402

folder = sys.argv[1]
with np.load(os.path.join(folder, "graph.npz")) as arrays:
    indptr, targets = arrays["indptr"], arrays["indices"]
sources = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
once = sources <= targets
edges = os.path.join(folder, "edges.tsv")
np.savetxt(edges, np.column_stack([sources[once], targets[once]]), fmt="%d", delimiter="\t")
graph = Graph.from_csv(
    edge_path=edges,
    edge_list_separator="\t",
    edge_list_header=False,
    sources_column_number=0,
    destinations_column_number=1,
    edge_list_numeric_node_ids=True,
    numeric_node_ids=True,
    minimum_node_id=0,
    number_of_nodes=len(indptr) - 1,
    directed=False,
    verbose=False,
)


def walk(iterations: int) -> dict[str, float]:
    """Return the seconds of the walks and the steps taken: GRAPE's rows are as long as a walk can be."""
    start = time.perf_counter()
    walks = graph.complete_walks(walk_length=80, iterations=iterations)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "steps": walks.shape[0] * (walks.shape[1] - 1)}


def train(options: dict) -> dict[str, float]:
    """Return the seconds of SkipGram from the graph; the vectors go to a file."""
    start = time.perf_counter()
    vectors, _ = models.SkipGram(**options, verbose=False).fit_transform(graph)
    seconds = time.perf_counter() - start
    np.save(os.path.join(folder, "vectors.npy"), vectors)
    return {"seconds": seconds}


for line in sys.stdin:
    job = json.loads(line)
    if job == "version":
        answer = f"GRAPE {version('grape')} (ensmallen {version('ensmallen')})"
    else:
        answer = walk(job["walks"]) if "walks" in job else train(job["skipgram"])
    print(json.dumps(answer), file=answers, flush=True)
