"""What the ten most similar of each cost in memory, measured in a process of its own."""

import pytest

from processes import FORKED, GROWTH, alone, on_linux, with_fork, with_signals

PRELUDE = """
import numpy as np
from scipy.sparse import csr_array
from diptych.kernels.metapath import pathsim_top_k
def half(n, m, entries, power):  # few columns hold most entries
    rng = np.random.default_rng(0)
    columns = (m * rng.random(entries) ** power).astype(np.int32)
    rows = rng.integers(0, n, entries, np.int32)
    A = csr_array((np.ones(entries, np.int64), (rows, columns)), shape=(n, m))
    A.sum_duplicates()
    return A
def top(A, queries=None): return pathsim_top_k([A], 10, queries=queries, n_jobs=2)
"""


@on_linux
@pytest.mark.parametrize(
    ("make", "queries"),
    [
        ("half(20_000, 9_000, 350_000, 2)", "None"),  # as authors and terms: all pairs would take gigabytes
        ("half(300_000, 60_000, 1_500_000, 2)", "np.arange(0, 300_000, 50)"),  # few of many
        ("half(300_000, 60_000, 1_500_000, 2)", "np.arange(0, 300_000, 6)"),  # more than a share of all
    ],
)
def test_the_best_take_the_half_matrix_twice_the_result_and_64_mib(make, queries):
    alone(
        PRELUDE
        + GROWTH
        + f"""
top(half(100, 20, 500, 2))  # threads and their stacks
A, queries = {make}, {queries}
size = sum(part.nbytes for part in (A.data, A.indices, A.indptr))
result = 160 * (A.shape[0] if queries is None else len(queries))
grown = growth(lambda: top(A, queries))
assert grown <= 2 * size + result + (64 << 20), f"{{grown / 2**20:.0f}} MiB of {{size / 2**20:.0f}}"
"""
    )


@with_fork
def test_a_kept_index_of_any_size_answers_one_query_in_a_child_too():
    """With so many entries that nothing kept would mean a pass over all, by threads that a child has not."""
    alone(
        FORKED
        + PRELUDE
        + """
import os, signal, sys
from diptych.kernels._metapath_index import HalfMatrix
A = half(300_000, 60_000, 1_500_000, 1)
assert A.nnz > 1 << 20
index, best = HalfMatrix(A), top(A, np.array([7]))
def same():
    signal.alarm(20)
    return all(map(np.array_equal, index.top_k(10, 7, False), best))
assert same() and in_child(same) == 0
"""
    )


@with_signals
def test_ctrl_c_stops_many_queries_of_many_nodes():
    """One that would take minutes: a tenth of the nodes are queries and most of them reach a few columns."""
    out = alone(
        PRELUDE
        + """
import os, signal, threading, time
A = half(1_000_000, 20_000, 3_000_000, 6).astype(float)
queries, sent = np.arange(0, 1_000_000, 16), []
def press():
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
threading.Timer(1, press).start()
try:
    top(A, queries)
    raise AssertionError("the input is too small: it was over before Ctrl-C")
except KeyboardInterrupt:
    print(time.monotonic() - sent[0])
"""
    )
    assert float(out) < 0.5


@with_signals
def test_a_signal_handler_may_call_a_kernel_in_the_middle_of_one():
    alone(
        PRELUDE
        + """
import signal
large, small = half(40_000, 9_000, 700_000, 2), half(300, 60, 1_500, 2)
expected, inner = (top(large), top(small)), []
signal.signal(signal.SIGALRM, lambda *_: inner.append(top(small)))
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
for _ in range(5):
    assert all(map(np.array_equal, top(large), expected[0]))
signal.setitimer(signal.ITIMER_REAL, 0)
assert inner and all(np.array_equal(a, b) for found in inner for a, b in zip(found, expected[1]))
"""
    )


@with_fork
def test_threads_of_python_ask_at_the_same_time():
    alone(
        FORKED
        + PRELUDE
        + """
import os, sys
from concurrent.futures import ThreadPoolExecutor
A = half(20_000, 9_000, 100_000, 2)
expected = top(A)
def same(_=None): return all(map(np.array_equal, top(A), expected))
with ThreadPoolExecutor(6) as pool:
    assert all(pool.map(same, range(30)))
    assert in_child(same) == 0
"""
    )
