"""The threads of kernels, and what else uses the thread that calls.

Each case runs in a process of its own, with a watchdog: a hang is a failure, not a stuck test run.
"""

import textwrap

import pytest

import processes
from processes import FORKED, on_linux, with_fork, with_signals

PRELUDE = (
    FORKED
    + """
import ctypes, os, signal, sys, threading, time
import numpy as np
from scipy.sparse import csr_array
import diptych
from diptych import _progress, _rust
from diptych.kernels import clustering, recurrent
from diptych.kernels.metapath import commuting_matrix, pathsim_top_k
rng = np.random.default_rng(0)
X, Y = rng.random((2_000, 2)), rng.random((20_000, 16))
def relation(n, m, entries):
    places = rng.integers(0, n, entries), rng.integers(0, m, entries)
    A = csr_array((np.ones(entries, np.int64), places), (n, m))
    A.sum_duplicates()
    return A
left, right = relation(20_000, 10_000, 40_000), relation(10_000, 9_000, 80_000)
net = [rng.random(shape, dtype=np.float32) - np.float32(0.5)
       for shape in [(32, 64, 32), (64, 64), (64, 64), (256, 32), (256, 64)]]

# Each takes its number of threads, and returns arrays.
def product(n_jobs):
    diptych.set_num_threads(n_jobs)
    found = commuting_matrix([left, right])
    return found.indptr, found.indices, found.data
def lstm(n_jobs): return recurrent.lstm(*net, n_jobs=n_jobs)[0],
def distances(n_jobs): return clustering.k_distances(X, 4, n_jobs=n_jobs),
def long(n_jobs): return clustering.dbscan(Y, 0.5, min_samples=5, n_jobs=n_jobs)
ALL = product, lstm, distances, long
def same(found, wanted): return all(map(np.array_equal, found, wanted))
def threads(): return len(os.listdir("/proc/self/task"))
"""
)


def alone(code, *arguments, **environment):
    """Run code after the prelude in a fresh interpreter and return what it printed."""
    return processes.alone(PRELUDE + textwrap.dedent(code), *arguments, **environment)


# Who else uses the thread that calls


def test_a_callback_that_switches_to_another_greenlet_is_refused():
    """The switch, as gevent's sleep is one, would move away a stack that other threads look at."""
    pytest.importorskip("greenlet")
    alone(
        """
        import greenlet
        wanted, hub = [call(2) for call in ALL], greenlet.getcurrent()
        def fit():
            with _progress.reporting(lambda done, total: hub.switch()):
                long(2)
        try:
            greenlet.greenlet(fit).switch()
            raise AssertionError("a greenlet was left in the middle of a kernel")
        except greenlet.error as error:
            assert "different thread" in str(error)
        told = []
        with _progress.reporting(lambda done, total: told.append(done)):
            assert same(long(2), wanted[3])
        assert told, "the input is too small to report anything"
        for call, result in zip(ALL, wanted):
            assert same(call(2), result)
        """
    )


@with_signals
def test_handlers_and_callbacks_call_kernels_in_the_middle_of_others():
    alone(
        """
        wanted, found = [call(2) for call in ALL], []
        def inner(*_):
            with _progress.reporting(None):
                found.append([call(2) for call in ALL[:3]])
        def handler(*_):
            inner()
            signal.setitimer(signal.ITIMER_REAL, 0.02)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        for n_jobs in (1, 2):
            for call, result in zip(ALL, wanted):
                assert same(call(n_jobs), result)
        for _ in range(20):
            assert same(product(2), wanted[0]) and same(lstm(2), wanted[1])
        signal.setitimer(signal.ITIMER_REAL, 0)
        with _progress.reporting(inner):
            assert same(long(2), wanted[3])
        assert len(found) > 3
        assert all(same(one, result) for inner in found for one, result in zip(inner, wanted))
        """
    )


@on_linux
@pytest.mark.parametrize("who", ["the main thread", "another thread"])
def test_a_kernel_goes_on_while_others_hold_the_interpreter(who):
    out = alone(
        """
Z = rng.random((60_000, 16))
def kernel(): clustering.k_distances(Z, 10, n_jobs=1)
found = []
def hold():
    \"\"\"Holds the interpreter until the processor has worked for others meanwhile, or does not.\"\"\"
    time.sleep(0.02)
    sys.setswitchinterval(1000)
    def others(): return time.process_time() - time.thread_time()
    begun, end = others(), time.monotonic() + 20
    while others() - begun < 0.4 and time.monotonic() < end:
        ctypes.PyDLL(None).usleep(10_000)
    found.append(others() - begun)
    sys.setswitchinterval(0.005)
first, second = (kernel, hold) if sys.argv[1] == "the main thread" else (hold, kernel)
other = threading.Thread(target=second)
other.start()
first()
other.join()
print(*found)
""",
        who,
    )
    # A kernel that looks for signals in the middle of its work stands still after 0.05 s.
    assert float(out) >= 0.4


# Fork, and the end


@with_fork
def test_a_forked_child_starts_afresh():
    alone(
        """
        wanted = [call(3) for call in ALL]
        def work(): return all(same(call(3), result) for call, result in zip(ALL, wanted))
        assert in_child(work) == 0
        assert in_child(lambda: in_child(work) == 0 and work()) == 0
        assert work()
        stop = threading.Event()
        def busy():
            while not stop.is_set():
                product(3), lstm(2), distances(2)
        callers = [threading.Thread(target=busy) for _ in range(2)]
        for caller in callers: caller.start()
        try:
            for _ in range(4):
                assert in_child(work) == 0
        finally:
            stop.set()
        for caller in callers: caller.join()
        assert work()
        """
    )


@pytest.mark.parametrize("call", ["long", "product", "lstm", "reported"])
def test_the_interpreter_ends_while_a_daemon_thread_runs_a_kernel(call):
    out = alone(
        f"""
        def reported(n_jobs):
            with _progress.reporting(lambda done, total: None):
                long(n_jobs)
        def go():
            while True:
                {call}(3)
        threading.Thread(target=go, daemon=True).start()
        time.sleep(0.4)
        print("leaving")
        """
    )
    assert out.split() == ["leaving"]


@on_linux
def test_what_is_small_starts_no_thread():
    """Not that of rayon's own pool either, which a forked child would wait for."""
    alone(
        """
        from diptych.kernels._metapath_index import HalfMatrix
        from diptych.kernels.attention import scaled_dot_product_attention as attend
        A, B = relation(300, 60, 1_500), relation(3_000, 2_000, 10_000)
        few = [net[0][:2, :2], net[1][:2], net[2][:2], *net[3:]]
        before = threads()
        for matrix in (A, B):
            index = HalfMatrix(matrix)
            standing = threads() - before  # who made the index
            for query in (0, 7, 299):
                index.top_k(10, query, False)
            index.pair(3, 4)
            assert threads() - before <= max(standing, 1)
        recurrent.lstm(*few)
        attend(np.ones((4, 8)), np.ones((4, 8)), np.ones((4, 8)))
        assert threads() - before <= 1, threads()
        """,
        RAYON_NUM_THREADS="7",
        DIPTYCH_NUM_THREADS="7",
    )


# Where threads run


@on_linux
def test_as_many_threads_as_cores_stay_on_a_core_each():
    """Else a system may wake two on one core and leave them there for longer than a kernel runs."""
    alone("""
        def cores_of_threads():
            found = {}
            for task in os.listdir("/proc/self/task"):
                with open(f"/proc/self/task/{task}/comm") as file:
                    if file.read().startswith("diptych-"):
                        found[int(task)] = frozenset(os.sched_getaffinity(int(task)))
            return found
        mine = frozenset(os.sched_getaffinity(0))
        product(len(mine) + 1)
        assert set(cores_of_threads().values()) == {mine}  # the system places them
        before = set(cores_of_threads())
        product(len(mine))
        new = [cores for task, cores in cores_of_threads().items() if task not in before]
        assert sorted(map(sorted, new)) == [[core] for core in sorted(mine)]
        assert os.sched_getaffinity(0) == mine
    """)
