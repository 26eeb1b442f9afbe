"""What attention does to the process around it: memory, Ctrl-C, fork, progress.

Each case runs in a process of its own, with a watchdog.
"""

import pytest

from processes import FORKED, GROWTH, alone, on_linux, with_fork, with_signals

PRELUDE = """
import os, signal, sys, threading, time
import numpy as np
from diptych.kernels.attention import (
    scaled_dot_product_attention as attend, scaled_dot_product_attention_backward as back,
)
rng = np.random.default_rng(0)
def draw(*shape, dtype=np.float32):
    return rng.random(shape, dtype=dtype) - dtype(0.5)
def fit():
    given = draw(2, 100, 16), draw(2, 300, 16), draw(2, 300, 16)
    output, tape = attend(*given, return_tape=True, n_jobs=2)
    return output, *back(tape, output, n_jobs=2)
"""

# Memory: inputs are there before; what grows is the result, and what the docstrings say.

LONG, D = 16_384, 64
RESULT = 4 * LONG * D
PACKED = 4 * LONG * (D + D)  # keys and values of one head, more than 4 MiB
THERE = PACKED + 2 * 4 * (256 * (D + D) + 16_384)  # of two threads
BACK = 2 * 4 * (512 * (D + D) + 32_768)
PAGES = 2 << 20  # stacks and heaps of threads, and what an allocator rounds up
RUNS = {
    "attention": ("attend(q, k, v, n_jobs=2)", RESULT, THERE),
    "causal attention": ("attend(q, k, v, is_causal=True, n_jobs=2)", RESULT, THERE),
    "attention with a tape": ("attend(q, k, v, return_tape=True, n_jobs=2)", RESULT + 8 * LONG, THERE),
    "a mask for all queries": ("attend(q, k, v, attn_mask=ends, n_jobs=2)", RESULT, THERE),
    "a band": ("attend(q, k, v, attn_mask=band, n_jobs=2)", RESULT, THERE),
    "the way back": ("back(tape, tape.output, n_jobs=2)", 3 * RESULT, BACK),
}


@on_linux
@pytest.mark.parametrize("name", RUNS)
def test_memory_is_what_the_docstring_says(name):
    call, result, beside = RUNS[name]
    out = alone(
        PRELUDE
        + GROWTH
        + f"""
q, k, v = draw({LONG}, {D}), draw({LONG}, {D}), draw({LONG}, {D})
ends = np.arange({LONG}) < 9_000
# Query i sees a thousand keys about i: a view of 2 L flags that steps backwards, L x L if it were copied.
flags = abs(np.arange(2 * {LONG}) - {LONG}) < 500
band = np.lib.stride_tricks.as_strided(flags[{LONG}:], ({LONG}, {LONG}), (-1, 1))
tape = attend(q, k, v, return_tape=True, n_jobs=2)[-1] if "tape" in {call!r} else None
fit()
attend(q[:9], k, v, attn_mask=ends)  # imports what looks at masks, too
print(growth(lambda: {call}))
"""
    )
    bound = result + beside + PAGES
    assert int(out) <= bound, f"{int(out) / 2**20:.1f} MiB, allowed are {bound / 2**20:.1f} MiB"
    assert int(out) >= result, "the result itself was not seen: the measurement is wrong"


# Ctrl-C

HEAVY = {
    "many queries": "attend(*given, n_jobs=2)",
    "many queries, one thread": "attend(*given, n_jobs=1)",
    "weights": "attend(wide[:640], wide, wide, return_weights=True, n_jobs=1)",
    "one query, many keys": "[attend(given[0][:1], *given[1:], n_jobs=2) for _ in range(10_000)]",
    "many features": "attend(wide, wide, wide, n_jobs=2)",
    "back": "back(tape, tape.output, n_jobs=2)",
}
GIVEN = {  # what is made before the clock starts
    "given": "[draw(120_000, 64) for _ in range(3)]",
    "wide": "draw(3_000, 30_000)",
    "tape": "attend(*[draw(40_000, 64) for _ in range(3)], return_tape=True, n_jobs=2)[-1]",
}


@with_signals
@pytest.mark.parametrize("name", HEAVY)
def test_ctrl_c_stops_within_half_a_second(name):
    call = HEAVY[name]
    made = next(key for key in GIVEN if key in call)
    out = alone(
        PRELUDE
        + f"""
{made} = {GIVEN[made]}
sent = []
def press():
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
threading.Timer(0.2, press).start()
try:
    {call}
    raise AssertionError("the input is too small: it was over before Ctrl-C")
except KeyboardInterrupt:
    print(time.monotonic() - sent[0])
"""
    )
    assert float(out) < 0.5


@with_fork
def test_a_forked_child_has_threads_of_its_own():
    out = alone(
        PRELUDE.replace("def fit():", "def fit():\n    rng.bit_generator.state = start")
        + "start = rng.bit_generator.state\n"
        + FORKED
        + """
first = fit()
print(in_child(lambda: all(map(np.array_equal, fit(), first))))
"""
    )
    assert int(out) == 0


@with_fork
def test_short_calls_of_many_threads_at_once_and_of_a_child():
    out = alone(
        PRELUDE
        + FORKED
        + """
from concurrent.futures import ThreadPoolExecutor
q = draw(600, 64)
call = lambda _=None: attend(q, q, q, n_jobs=2)
first = attend(q, q, q, n_jobs=1)
with ThreadPoolExecutor(4) as pool:
    print(all(np.array_equal(found, first) for found in pool.map(call, range(400))))
print(in_child(lambda: np.array_equal(call(), first)))
"""
    )
    assert out.split() == ["True", "0"]


def test_progress_is_reported():
    out = alone(
        PRELUDE
        + """
from diptych._progress import reporting
q = draw(30_000, 64)
_, tape = attend(q, q, q, return_tape=True)
for call in (lambda: attend(q, q, q, n_jobs=2), lambda: back(tape, tape.output, n_jobs=2)):
    seen = []
    with reporting(lambda done, total: seen.append((done, total))):
        call()
    assert len(seen) > 1, "the input is too small to report anything"
    totals = {total for _, total in seen if total}
    print(len(totals) == 1, all(a <= b for (a, _), (b, _) in zip(seen, seen[1:])), seen[-1][0] <= max(totals))
"""
    )
    assert out.split() == ["True"] * 6
