"""pytest-benchmark groups of the recurrent kernels, ONNX Runtime beside us.

Run ``python -m pytest benches/bench_recurrent.py``. The table with bars and goals comes from
``python -m benches --section lstm``.
"""

import os

import pytest

from benches import machine
from benches.recurrent import peers, rows, sequences

THREADS = 2


@pytest.fixture(scope="session", autouse=True)
def _release_build():
    machine.refuse_debug_build()


@pytest.mark.parametrize("who", ["diptych", rows.ONNXRUNTIME])
@pytest.mark.parametrize("row", rows.ROWS, ids=lambda row: row.name)
def test_lstm(benchmark, row, who):
    if who != "diptych" and not peers.installed():
        pytest.skip("onnx and onnxruntime are not installed")
    make = sequences.ours if who == "diptych" else peers.onnxruntime
    call = make(row, peers.draw(row), THREADS)
    benchmark.group = row.input
    benchmark.extra_info.update(machine.facts(THREADS), load=os.getloadavg()[0])
    benchmark.pedantic(call, rounds=30, iterations=10, warmup_rounds=5)
