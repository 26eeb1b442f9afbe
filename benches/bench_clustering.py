"""pytest-benchmark groups of the clustering kernels, peers beside us.

Run ``python -m pytest benches/bench_clustering.py``. A few rows of a size that suits a first look; the table
with bars and goals comes from ``python -m benches``.
"""

import os

import numpy as np
import pytest

from benches import machine
from benches.clustering import peers, rows
from benches.clustering.rows import Row
from benches.data import DataMissing

THREADS = 2
NAMES = ("2d-100k", "3d-100k", "16d-50k", "64d-20k", "bunny", "k-2d")


@pytest.fixture(scope="session", autouse=True)
def _release_build():
    machine.refuse_debug_build()


@pytest.fixture(scope="session")
def facts() -> dict[str, object]:
    return machine.facts(THREADS)


@pytest.fixture(scope="module", params=NAMES)
def case(request: pytest.FixtureRequest) -> tuple[Row, np.ndarray, float]:
    row = rows.named(request.param)
    try:
        X = row.make()
    except DataMissing as why:
        pytest.skip(str(why))
    return row, X, row.eps if row.eps is not None else rows.mean_degree_20(X)


@pytest.mark.parametrize("who", ["diptych", "diptych, one thread", "scikit-learn"])
def test_clustering(benchmark, case, who, facts):
    row, X, eps = case
    benchmark.group = f"{row.input}, {row.parameters(eps)}"
    benchmark.extra_info.update(facts, load=os.getloadavg()[0])
    if who == "scikit-learn":
        run = peers.scikit_learn(row, X, eps, THREADS)
    else:
        run = peers.ours("scikit-learn", row, X, eps, THREADS if who == "diptych" else 1)
    benchmark.pedantic(run.call, rounds=3, warmup_rounds=1)
