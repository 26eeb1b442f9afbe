"""pytest-benchmark groups of the meta-path kernels, peers beside us.

Run ``python -m pytest benches/bench_metapath.py``. The table with bars and goals, and with exact scipy beside
us, which takes half a minute a run, comes from ``python -m benches --section pathsim --section commuting``.
"""

import os

import pytest

from benches import data, machine
from benches.data import DataMissing
from benches.metapath import commuting, peers, rows, similar

THREADS = 2


@pytest.fixture(scope="session", autouse=True)
def _release_build():
    machine.refuse_debug_build()


def measured(benchmark, group, call):
    benchmark.group = group
    benchmark.extra_info.update(machine.facts(THREADS), load=os.getloadavg()[0])
    benchmark.pedantic(call, rounds=3, warmup_rounds=1)


@pytest.fixture(scope="module", params=rows.ROWS, ids=lambda row: row.name)
def case(request: pytest.FixtureRequest):
    row = request.param
    try:
        W = similar.half_matrix(row.make())
    except DataMissing as why:
        pytest.skip(str(why))
    return row.input, W, row.queries(W.shape[0])


@pytest.fixture(scope="module")
def relations():
    try:
        return data.half_path("APTPA")
    except DataMissing as why:
        pytest.skip(str(why))


@pytest.mark.parametrize("threads", [1, THREADS])
def test_top_k(benchmark, case, threads):
    shown, W, queries = case
    measured(benchmark, shown, similar.ours(W, queries, threads))


@pytest.mark.skipif(not peers.installed(rows.SPARSE_DOT_TOPN), reason="sparse_dot_topn is not installed")
def test_sparse_dot_topn(benchmark, case):
    shown, W, queries = case
    measured(benchmark, shown, peers.sparse_dot_topn(W, queries, THREADS))


@pytest.mark.parametrize("who", ["diptych", rows.SCIPY_PRODUCT, rows.GRAPHBLAS])
def test_commuting_matrix(benchmark, relations, who):
    if not peers.installed(who):
        pytest.skip(f"{who} is not installed")
    call = commuting.ours(relations) if who == "diptych" else commuting.contender(who, relations)
    measured(benchmark, "author × paper, paper × term", call)
