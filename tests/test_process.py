"""What a kernel does to the process around it: fork, Ctrl-C, threads, progress, memory.

Each case runs in a process of its own, with a watchdog: a hang is a failure, not a stuck test run.
"""

import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

import diptych
import processes
from diptych import _progress
from diptych.kernels import clustering
from processes import FORKED, GROWTH, WATCHDOG, on_linux, with_fork, with_signals

PRELUDE = """
import os, signal, sys, threading, time
import numpy as np
from diptych.kernels import clustering
rng = np.random.default_rng(0)
X = rng.random((20_000, 2))
def fit(): return clustering.dbscan(X, 0.01, min_samples=5, n_jobs=2)
"""


def alone(code, *arguments, **environment):
    """Run code after the prelude in a fresh interpreter and return what it printed."""
    return processes.alone(PRELUDE + textwrap.dedent(code), *arguments, **environment)


# Fork


@with_fork
def test_a_forked_child_has_threads_of_its_own():
    alone(
        FORKED
        + """
before = fit()
def same(): return all(map(np.array_equal, fit(), before))
assert in_child(same) == 0
assert in_child(lambda: same() and in_child(same) == 0) == 0  # and its child
assert in_child(lambda: (clustering.k_distances(X, 4, n_jobs=2) > 0).any()) == 0
assert same()
"""
    )


@with_fork
def test_a_pool_of_forked_workers():
    alone(
        """
        import multiprocessing
        before = fit()
        def one(_): return fit()
        with multiprocessing.get_context("fork").Pool(2) as pool:
            for found in pool.map(one, range(6)):
                assert all(map(np.array_equal, found, before))
        """
    )


@with_fork
def test_fork_while_a_kernel_runs():
    alone(
        FORKED
        + """
before = fit()
Y = rng.random((400_000, 2))
busy = threading.Thread(target=lambda: clustering.dbscan(Y, 0.02, min_samples=10**6, n_jobs=2))
busy.start()
time.sleep(0.02)
for _ in range(5):
    assert in_child(lambda: all(map(np.array_equal, fit(), before))) == 0
busy.join()
assert all(map(np.array_equal, fit(), before))
"""
    )


# Ctrl-C

# Data and call; a call takes seconds if nobody interrupts it, for there are many neighbours, and min_samples
# is about as many. What may be over sooner is repeated.
LONG = {
    "2-D": ("(3_000_000, 2)", "dbscan(Y, 0.02, min_samples=3600)"),
    "minkowski": ("(200_000, 3)", "dbscan(Y, 0.2, min_samples=1000, metric='minkowski', p=3.5)"),
    "16-D": ("(150_000, 16)", "dbscan(Y, 0.75)"),
    "256-D": ("(60_000, 256)", "dbscan(Y, 6.45)"),
    "cosine": ("(60_000, 256)", "dbscan(Y, 0.2, metric='cosine')"),
    "haversine": ("(1_000_000, 2)", "dbscan(Y, 0.05, min_samples=6500, metric='haversine')"),
    "weights": ("(400_000, 2)", "dbscan(Y, 0.05, min_samples=10**7, sample_weight=Y[:, 0])"),
    "k_distances": ("(200_000, 16)", "k_distances(Y, 10)"),
    "tree": ("(2_000_000, 4)", "k_distances(Y, 4)"),
    "border": (
        "(120_000, 2)",
        "dbscan(np.concatenate([Y, Y[:12_000] + [130, 0]]) * 0.01, 1.0, min_samples=12_001)",
    ),
    "predict": ("(300_000, 16)", "dbscan_predict(Y, Y[:100_000], np.zeros(100_000, int), 0.3)"),
    "precomputed": ("(4000, 4000)", "dbscan(Y, 0.5, metric='precomputed')"),
}
REPEATED = {"border", "precomputed"}
LATER = {"border": (0.3, 1.5, 3.0)}  # seconds until Ctrl-C, to meet other passes than the first


@with_signals
@pytest.mark.parametrize(("name", "wait"), [(name, s) for name in LONG for s in LATER.get(name, (0.3,))])
def test_ctrl_c_stops_a_kernel_within_half_a_second(name, wait):
    shape, call = LONG[name]
    repeat = name in REPEATED
    out = alone(
        f"""
before = fit()
Y = rng.random({shape})
sent = []
def press():
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
timer = threading.Timer({wait}, press)
timer.start()
try:
    clustering.{call}
    while {repeat}:
        clustering.{call}
    raise AssertionError("the input is too small: it was over before Ctrl-C")
except KeyboardInterrupt:
    print(time.monotonic() - sent[0])
assert all(map(np.array_equal, fit(), before))
"""
    )
    assert float(out) < 0.5


@with_signals
def test_ctrl_c_before_and_outside_the_main_thread():
    alone(
        """
        before = fit()
        found = []
        other = threading.Thread(target=lambda: found.append(fit()))
        other.start()
        other.join()
        assert all(map(np.array_equal, found[0], before))
        try:
            signal.raise_signal(signal.SIGINT)
            fit()
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("the signal was lost")
        assert all(map(np.array_equal, fit(), before))
        """
    )


# Threads


@pytest.fixture(scope="module", name="X")
def points():
    return np.random.default_rng(0).random((20_000, 2))


def test_sixteen_threads_share_their_input(X):
    narrow = X.astype(np.float32)
    calls = {
        "dbscan": lambda jobs: clustering.dbscan(X, 0.01, min_samples=5, n_jobs=jobs)[1],
        "float32": lambda jobs: clustering.dbscan(narrow, 0.01, min_samples=5, n_jobs=jobs)[1],
        "k_distances": lambda jobs: clustering.k_distances(X, 4, n_jobs=jobs),
        "class": lambda jobs: diptych.DBSCAN(eps=0.01, n_jobs=jobs).fit(X).labels_,
    }
    expected = {name: call(1) for name, call in calls.items()}
    kept = X.copy()
    with ThreadPoolExecutor(16) as pool:
        jobs = [(name, pool.submit(calls[name], 1 + i % 4)) for i in range(16) for name in calls]
        for name, job in jobs:
            np.testing.assert_array_equal(job.result(timeout=WATCHDOG), expected[name], err_msg=name)
    np.testing.assert_array_equal(X, kept)


def test_sixteen_threads_fit_one_estimator(X):
    model = diptych.DBSCAN(eps=0.01, n_jobs=2)
    expected = model.fit_predict(X)
    with ThreadPoolExecutor(16) as pool:
        for labels in pool.map(lambda _: model.fit(X).labels_, range(32), timeout=WATCHDOG):
            np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize("value", ["0", "abc", "-1", "", "1000000", "2,1"])
def test_any_setting_of_another_library_is_survived(value):
    # RAYON_NUM_THREADS and OMP_NUM_THREADS are set for others: nonsense in them is passed over.
    code = "print(*clustering.dbscan(X, 0.01, min_samples=5)[1][:200])"
    plain = alone(code)
    assert alone(code, RAYON_NUM_THREADS=value, OMP_NUM_THREADS=value) == plain


# Progress


def test_progress_rises_to_its_total():
    Y = np.random.default_rng(0).random((60_000, 16))
    seen, threads = [], set()

    def callback(done, total):
        seen.append((done, total))
        threads.add(threading.get_ident())

    with _progress.reporting(callback):
        clustering.dbscan(Y, 0.5, min_samples=5)
    assert len(seen) > 1, "the input is too small to report anything"
    assert all(0 <= done <= total for done, total in seen)
    assert all(a[0] / a[1] <= b[0] / b[1] for a, b in pairwise(seen))
    assert seen[-1][0] > seen[0][0]
    assert threads == {threading.get_ident()}


def test_what_a_callback_raises_stops_the_kernel(X):
    Y = np.random.default_rng(0).random((60_000, 16))

    def callback(done, total):
        raise LookupError("enough")

    with _progress.reporting(callback), pytest.raises(LookupError, match="enough"):
        clustering.dbscan(Y, 0.5, min_samples=5)
    assert len(clustering.k_distances(X, 2)) == len(X)


def test_a_callback_may_call_a_kernel(X):
    Y = np.random.default_rng(0).random((60_000, 16))
    expected = clustering.k_distances(X, 2)
    found = []

    def callback(done, total):
        if not found:
            with _progress.reporting(None):
                found.append(clustering.k_distances(X, 2))

    with _progress.reporting(callback):
        clustering.dbscan(Y, 0.5, min_samples=5)
    np.testing.assert_array_equal(found[0], expected)


# Memory

CASES = {
    "2-D": "rng.random((1_000_000, 2)), 0.01",
    "3-D": "rng.random((500_000, 3)), 0.02",
    "7-D": "rng.random((100_000, 7)), 0.2",
    "16-D float32": "rng.random((30_000, 16), dtype=np.float32), 0.5",
    "64-D": "rng.random((10_000, 64)), 2.6",
    "1-D": "rng.random((1_000_000, 1)), 1e-5",
    "cosine": "rng.standard_normal((10_000, 128), dtype=np.float32), 0.7, metric='cosine'",
    "haversine": "rng.random((300_000, 2)), 0.01, metric='haversine'",
    "manhattan": "rng.random((200_000, 3)), 0.02, metric='manhattan'",
    "minkowski": "rng.random((50_000, 3)), 0.02, metric='minkowski', p=3.5",
    "weights": "rng.random((300_000, 2)), 0.01, sample_weight=rng.random(300_000)",
    "everybody a neighbour, 2-D": "rng.random((100_000, 2)), 2.0",
    "everybody a neighbour, 7-D": "rng.random((100_000, 7)), 4.0",
    "nearly everybody, none core": "rng.random((20_000, 7)), 1.0, min_samples=30_000",
    "many duplicates": "rng.integers(0, 10, (500_000, 2)).astype(float), 0.5",
    "precomputed": "rng.random((3000, 3000)), 0.01, metric='precomputed'",
    "precomputed, all": "rng.random((3000, 3000)), 1.0, metric='precomputed'",
}

PEAK = GROWTH + "fit()\n"


@on_linux
@pytest.mark.parametrize("name", CASES)
def test_a_fit_grows_by_three_inputs_and_64_mib_at_most(name):
    out = alone(
        PEAK
        + f"""
def prepared(X, *args, **options): return X, args, options
data, args, options = prepared({CASES[name]})
print(growth(lambda: clustering.dbscan(data, *args, **options, n_jobs=2)), data.nbytes)
"""
    )
    grown, given = map(int, out.split())
    assert grown <= 3 * given + (64 << 20), f"{grown / 2**20:.0f} MiB for an input of {given / 2**20:.0f} MiB"


@on_linux
def test_k_distances_and_predict_keep_to_the_same_bound():
    out = alone(
        PEAK
        + """
A, B = rng.random((300_000, 3)), rng.random((300_000, 3))
zeros = np.zeros(len(B), dtype=np.int64)
print(growth(lambda: clustering.k_distances(A, 10, n_jobs=2)), A.nbytes)
print(growth(lambda: clustering.dbscan_predict(A, B, zeros, 0.02, n_jobs=2)), A.nbytes + B.nbytes)
"""
    )
    for line in out.splitlines():
        grown, given = map(int, line.split())
        assert grown <= 3 * given + (64 << 20)


@on_linux
@pytest.mark.parametrize(
    "call",
    [
        "clustering.dbscan(Y, 0.001, min_samples=5, n_jobs=2)[1]",
        "clustering.k_distances(Y, 10, n_jobs=2)",
        "clustering.dbscan(Z, 0.5, min_samples=5, n_jobs=2)[1]",
        "clustering.dbscan(Z, 0.2, min_samples=5, metric='cosine', n_jobs=2)[1]",
    ],
)
def test_where_memory_is_capped_it_is_a_memory_error(call):
    """Under every cap, from a megabyte on, the call gives its answer or MemoryError; the process lives on."""
    alone(
        FORKED
        + f"""
import resource
Y, Z = rng.random((2_000_000, 2)), rng.random((10_000, 64))
expected = {call}
def under(cap):
    fit()  # the child's own threads have their stacks
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + cap, resource.RLIM_INFINITY))
    found = None
    try:
        found = {call}
    except MemoryError as error:
        assert str(error), "the message names the size"
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    found = {call} if found is None else found
    return np.array_equal(found, expected)
for mebibytes in (2, 4, 8, 16, 32, 64, 128):
    status = in_child(lambda: under(mebibytes << 20))
    assert status == 0, f"wait status {{status}} under a cap of {{mebibytes}} MiB"
"""
    )
