"""pytest-benchmark groups of the walk kernels.

Run ``python -m pytest benches/bench_walks.py``. Each call includes preparing the graph.
"""

import os

import numpy as np
import pytest
from scipy.sparse import csr_array

from benches import data, machine

THREADS = 2
STEPS = {"uniform": {}, "weighted": {}, "node2vec p=0.5 q=2": {"p": 0.5, "q": 2.0}}


@pytest.fixture(scope="session", autouse=True)
def _release_build():
    machine.refuse_debug_build()


@pytest.fixture(scope="module", params=[17, 21], ids="2^{}".format)
def graph(request: pytest.FixtureRequest) -> csr_array:
    return data.rmat(request.param)


@pytest.mark.parametrize("steps", STEPS)
def test_walks(benchmark, graph, steps):
    from diptych.kernels.walks import random_walks

    n = graph.shape[0]
    if steps != "weighted":
        graph = csr_array((np.ones(graph.nnz), graph.indices, graph.indptr), shape=graph.shape)
    options = {"walk_length": 80, "walks_per_node": max(1, 2**20 // n), "rng": 0, "n_jobs": THREADS}
    benchmark.group = f"{steps} walks, R-MAT with {n} nodes"
    walks = benchmark.pedantic(
        random_walks, args=(graph,), kwargs=options | STEPS[steps], rounds=3, warmup_rounds=1
    )
    taken = int(np.count_nonzero(walks[:, 1:] >= 0))
    benchmark.extra_info.update(machine.facts(THREADS), load=os.getloadavg()[0], steps=taken)
    benchmark.extra_info["steps_per_second"] = taken / benchmark.stats.stats.median
