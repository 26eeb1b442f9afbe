"""pytest-benchmark groups of the attention kernels, ONNX Runtime beside us.

Run ``python -m pytest benches/bench_attention.py``. The table with bars and goals comes from
``python -m benches --section attention``.
"""

import os

import pytest

from benches import machine
from benches.attention import heads, peers, rows

THREADS = 2
# The way there and back has NumPy's beside it, the others the operators of ONNX Runtime.
CASES = [
    pytest.param(row, who, id=f"{row.name}-{who}")
    for row in rows.ROWS
    for who in ("diptych", *((rows.NUMPY,) if row.target.peer == rows.NUMPY else peers.ONNX))
]


@pytest.fixture(scope="session", autouse=True)
def _release_build():
    machine.refuse_debug_build()


@pytest.mark.parametrize(("row", "who"), CASES)
def test_attention(benchmark, row, who):
    if who in peers.ONNX and not peers.installed():
        pytest.skip("onnx and onnxruntime are not installed")
    given = peers.draw(row)
    if who == "diptych":
        call = heads.ours(row, given, THREADS)
    elif who == rows.NUMPY:
        call = peers.numpy_there_and_back(given, given[0])
    else:
        call = peers.ONNX[who](row, given, THREADS)
    benchmark.group = row.input
    benchmark.extra_info.update(machine.facts(THREADS), load=os.getloadavg()[0])
    benchmark.pedantic(call, rounds=20, iterations=3, warmup_rounds=3)
