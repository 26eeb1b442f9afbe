"""What walks and training do to the process around them: memory, Ctrl-C, fork.

Each case runs in a process of its own, with a watchdog.
"""

import pytest

from processes import FORKED, GROWTH, INTERRUPTED, alone, on_linux, with_fork, with_signals

# A graph with hubs: ends of edges are drawn with probability falling with their number.
PRELUDE = """
import os, signal, sys, threading, time
import numpy as np
from scipy import sparse
from diptych import DeepWalk, Graph, Node2Vec
from diptych.kernels import skipgram, walks
rng = np.random.default_rng(0)
def hubs(n, m, weighted=False):
    u, v = ((n * rng.random(m) ** 2).astype(np.int64) for _ in range(2))
    half = sparse.coo_array((np.ones(m), (np.minimum(u, v), np.maximum(u, v))), shape=(n, n)).tocsr()
    half.setdiag(0)
    half.eliminate_zeros()
    half.data = rng.random(half.nnz) + 0.1 if weighted else np.ones(half.nnz)
    return (half + half.T).tocsr()
small = hubs(500, 3000)
def fit(): return DeepWalk(8, walk_length=20, walks_per_node=5, window=3, random_state=0, n_jobs=2).fit(small)
def tables(model): return model.embedding_, model.contexts_, model.losses_
def same(a, b): return all(map(np.array_equal, tables(a), tables(b)))
"""


# Memory

N, D = 200_000, 96
FITS = {
    "DeepWalk": ("DeepWalk({})", False),
    "DeepWalk, weighted": ("DeepWalk({})", True),
    "Node2Vec": ("Node2Vec({}, p=0.5, q=2.0)", False),
    "Node2Vec, weighted": ("Node2Vec({}, p=0.5, q=2.0)", True),
}


@on_linux
@pytest.mark.parametrize("name", FITS)
def test_a_fit_grows_by_its_tables_and_what_the_issue_allows_beside(name):
    """Two tables, 64 B for a node, 12 B for a weighted edge, 64 MiB. A third table would take 73 MiB more."""
    estimator, weighted = FITS[name]
    settings = f"{D}, walk_length=5, walks_per_node=1, window=1, negative=1, random_state=0, n_jobs=2"
    out = alone(
        PRELUDE
        + GROWTH
        + f"""
graph = Graph(hubs({N}, 1_500_000, {weighted}))
fit()
model = {estimator.format(settings)}
print(growth(lambda: model.fit(graph)), graph.adjacency.nnz)
"""
    )
    grown, entries = map(int, out.split())
    assert entries > 2_500_000
    bound = 2 * N * D * 4 + 64 * N + 12 * entries * weighted + (64 << 20)
    assert grown <= bound, f"{grown / 2**20:.0f} MiB, allowed are {bound / 2**20:.0f} MiB"
    assert grown > 2 * N * D * 4, "the two tables themselves were not seen: the measurement is wrong"


@on_linux
@pytest.mark.parametrize("name", ["DeepWalk, weighted", "Node2Vec, weighted"])
def test_a_weighted_edge_takes_twelve_bytes_also_where_there_are_many(name):
    """So many that 64 MiB do not hide four bytes more. The alias tables are written over the weights."""
    estimator, _ = FITS[name]
    settings = "2, walk_length=5, walks_per_node=1, window=1, negative=1, random_state=0, n_jobs=2"
    n = 40_000
    out = alone(
        PRELUDE
        + GROWTH
        + f"""
graph = Graph(sparse.random_array(({n}, {n}), density=0.02, format="csr", rng=rng))
fit()
model = {estimator.format(settings)}
print(growth(lambda: model.fit(graph)), graph.adjacency.nnz)
"""
    )
    grown, entries = map(int, out.split())
    assert 4 * entries > 100 << 20
    assert grown <= 2 * n * 2 * 4 + 64 * n + 12 * entries + (64 << 20), f"{grown / entries:.1f} B an edge"
    assert grown > 12 * entries, "the edges were not seen: the measurement is wrong"


@on_linux
@pytest.mark.parametrize(("length", "dimensions"), [(1000, 128), (80, 1024)])
def test_what_long_walks_and_wide_rows_learn_on_stays_within_the_64_mib(length, dimensions):
    """Eight walks learn at once, on copies of most rows of a table. Two sets of copies would be too many."""
    n = 20_000
    out = alone(
        PRELUDE
        + GROWTH
        + f"""
corpus = rng.integers(0, {n}, size=(48, {length}), dtype=np.int32)
fit()
print(growth(lambda: skipgram.train(corpus, n_nodes={n}, dimensions={dimensions}, rng=0, n_jobs=2)))
"""
    )
    grown, tables = int(out), 2 * n * dimensions * 4
    assert grown <= tables + 64 * n + (64 << 20), f"{(grown - tables) / 2**20:.0f} MiB beside the tables"
    assert grown > tables, "the two tables themselves were not seen: the measurement is wrong"


@on_linux
def test_walks_are_not_kept():
    """All walks together take 305 MiB, the bound without them is 78 MiB: they are walked and counted."""
    out = alone(
        PRELUDE
        + GROWTH
        + f"""
graph = Graph(hubs({N}, 300_000))
fit()
model = DeepWalk(2, walk_length=80, walks_per_node=5, epochs=0, random_state=0, n_jobs=2)
print(growth(lambda: model.fit(graph)))
"""
    )
    assert int(out) <= 2 * N * 2 * 4 + 64 * N + (64 << 20)


# Ctrl-C

LONG = {
    "many walks": "walks.random_walks(large, walk_length=80, walks_per_node=150, rng=0, n_jobs=2)",
    "few long walks": "walks.random_walks(large, walk_length=4_000_000, walks_per_node=1, "
    "start_nodes=np.arange(60), rng=0, n_jobs=2)",
    "weighted walks": "walks.random_walks(weighted, walk_length=80, walks_per_node=150, rng=0, n_jobs=2)",
    "second order": "walks.random_walks(large, walk_length=80, walks_per_node=20, p=0.5, q=2.0, rng=0, "
    "n_jobs=2)",
    "training on many walks": "skipgram.train(corpus, n_nodes=500, epochs=10**6, rng=0, n_jobs=2)",
    "training on one long walk": "skipgram.train(corpus.reshape(1, -1), n_nodes=500, epochs=10**6, "
    "dimensions=256, rng=0, n_jobs=2)",
    "walking and training": "DeepWalk(epochs=10**6, n_jobs=2).fit(large)",
    "second order and training": "Node2Vec(epochs=10**6, p=0.5, q=2.0, n_jobs=2).fit(weighted)",
}


@with_signals
@pytest.mark.parametrize("name", LONG)
def test_ctrl_c_stops_walks_and_training_within_half_a_second(name):
    out = alone(
        PRELUDE
        + INTERRUPTED
        + f"""
large = weighted = corpus = None
if "training on" in {name!r}:
    corpus = walks.random_walks(small, walk_length=80, walks_per_node=100, rng=0)
else:
    large, weighted = hubs(50_000, 400_000), hubs(50_000, 400_000, True)
before = fit()
print(interrupted(lambda: {LONG[name]}, after=0.5))
assert same(fit(), before)
"""
    )
    assert float(out) < 0.5


@with_signals
@pytest.mark.parametrize("method", ["fit", "update"])
def test_after_ctrl_c_an_estimator_has_the_fit_of_before(method):
    alone(
        PRELUDE
        + f"""
model, before = fit(), fit()
names = model.node_names_.tolist()
model.set_params(epochs=10**6)
grown = Graph.from_edges([*np.argwhere(small.toarray() > 0).tolist(), (0, 500), (1, 500)])
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    model.{method}(grown)
    raise AssertionError("nobody interrupted it")
except KeyboardInterrupt:
    pass
assert same(model, before)
assert model.node_names_.tolist() == names
assert model.most_similar(0) == before.most_similar(0)
assert same(model.set_params(epochs=1).fit(small), before)
"""
    )


# Fork


@with_fork
def test_a_forked_child_walks_and_trains():
    alone(
        PRELUDE
        + FORKED
        + """
before = fit()
paths = walks.random_walks(small, p=0.5, rng=0, n_jobs=2)
def walked(): return np.array_equal(walks.random_walks(small, p=0.5, rng=0, n_jobs=2), paths)
def trained(): return same(fit(), before)
assert in_child(walked) == 0
assert in_child(trained) == 0
assert in_child(lambda: trained() and in_child(trained) == 0) == 0  # and its child
assert walked() and trained()
"""
    )


@with_fork
def test_a_pool_of_forked_workers_trains():
    alone(
        PRELUDE
        + """
import multiprocessing
before = fit()
def one(_): return tables(fit())
with multiprocessing.get_context("fork").Pool(2) as pool:
    for found in pool.map(one, range(6)):
        assert all(map(np.array_equal, found, tables(before)))
"""
    )


@with_fork
def test_fork_while_training_goes_on():
    alone(
        PRELUDE
        + FORKED
        + """
before = fit()
ended = []
def long():
    DeepWalk(walks_per_node=40, random_state=0, n_jobs=2).fit(small)
    ended.append(time.monotonic())
busy = threading.Thread(target=long)
busy.start()
time.sleep(0.1)
for _ in range(3):
    assert in_child(lambda: same(fit(), before)) == 0
forked = time.monotonic()
busy.join()
assert ended[0] > forked, "training was over before the last child was: nothing was shown"
assert same(fit(), before)
"""
    )
