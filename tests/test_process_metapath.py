"""What the ten most similar of each cost in memory, measured in a process of its own."""

import pytest

from processes import GROWTH, alone, on_linux

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
        ("half(300_000, 60_000, 1_500_000, 2)", "np.arange(0, 300_000, 6)"),  # more than are streamed past
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
