"""pytest-benchmark groups of the walk kernels.

Run ``python -m pytest benches/bench_walks.py``. Each call includes preparing the graph; the table with peers,
bars and goals comes from ``python -m benches --section walks``.
"""

import os
from functools import partial

import numpy as np
import pytest
from scipy.sparse import csr_array

from benches import data, machine
from benches.embedding import rows, walks

THREADS = 2


@pytest.fixture(scope="session", autouse=True)
def _release_build():
    machine.refuse_debug_build()


@pytest.fixture(scope="module", params=[walks.CACHED, walks.LARGE], ids="2^{}".format)
def graph(request: pytest.FixtureRequest) -> csr_array:
    return data.rmat(request.param)


@pytest.mark.parametrize("row", rows.WALKS, ids=lambda row: row.name)
def test_walks(benchmark, graph, row):
    n = graph.shape[0]
    walk = partial(walks.walk, row, walks.graph_of(row, graph), max(1, 2**20 // n), THREADS)
    benchmark.group = f"{row.shown} walks, R-MAT with {n} nodes"
    taken = int(np.count_nonzero(benchmark.pedantic(walk, rounds=3, warmup_rounds=1)[:, 1:] >= 0))
    benchmark.extra_info.update(machine.facts(THREADS), load=os.getloadavg()[0], steps=taken)
    benchmark.extra_info["steps_per_second"] = taken / benchmark.stats.stats.median
