"""Where the number of threads comes from, and how progress is reported."""

import os
import subprocess
import sys

import numpy as np
import pytest

import diptych
from diptych import _progress, _threads
from diptych.kernels import clustering

VARIABLES = ("DIPTYCH_NUM_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS")


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    monkeypatch.setattr(_threads, "_chosen", None)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.setattr(_threads, "available_cores", lambda: 8)


def test_order(monkeypatch, eight_cores):
    assert diptych.get_num_threads() == 8
    for name, threads in zip(reversed(VARIABLES), (2, 3, 4), strict=True):
        monkeypatch.setenv(name, str(threads))
        assert diptych.get_num_threads() == threads
    diptych.set_num_threads(5)
    assert diptych.get_num_threads() == 5
    assert _threads.resolve_n_jobs(None) == 5
    assert _threads.resolve_n_jobs(6) == 6
    diptych.set_num_threads(None)
    assert diptych.get_num_threads() == 4


@pytest.mark.parametrize(
    ("n_jobs", "threads"),
    [(1, 1), (np.int64(3), 3), (16, 16), (-1, 8), (-2, 7), (-8, 1), (-99, 1), (10**9, 256)],
)
def test_n_jobs(eight_cores, n_jobs, threads):
    assert _threads.resolve_n_jobs(n_jobs) == threads
    diptych.set_num_threads(n_jobs)
    assert diptych.get_num_threads() == threads


def test_bad_n_jobs():
    with pytest.raises(ValueError, match="n_jobs=0: must be a positive number"):
        _threads.resolve_n_jobs(0)
    with pytest.raises(ValueError, match="n=0: must be a positive number"):
        diptych.set_num_threads(0)
    for bad in (1.5, "2", True):
        with pytest.raises(TypeError, match=r"n_jobs=.*: must be an integer"):
            _threads.resolve_n_jobs(bad)


def test_variables(monkeypatch, eight_cores):
    for text, threads in [("4,2", 4), ("0", 8), ("abc", 8), ("-3", 8), ("", 8), (" 2 ", 2), ("1000000", 256)]:
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert diptych.get_num_threads() == threads
    monkeypatch.setenv("DIPTYCH_NUM_THREADS", "-1")
    assert diptych.get_num_threads() == 8
    for bad in ("0", "abc", "2.5"):
        monkeypatch.setenv("DIPTYCH_NUM_THREADS", bad)
        with pytest.raises(ValueError, match=f"DIPTYCH_NUM_THREADS='{bad}': must be a non-zero integer"):
            diptych.get_num_threads()


def test_affinity():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system has no affinity")
    code = """
import os, diptych
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(diptych.get_num_threads())
"""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "1"


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000"}, None),
        ("0::/a/b\n", {"a/cpu.max": "400000 100000", "a/b/cpu.max": "200000 100000"}, 2.0),
        ("0::/a/b\n", {"a/cpu.max": "100000 100000", "a/b/cpu.max": "max 100000"}, 1.0),
        (
            "4:cpu,cpuacct:/x\n",
            {"cpu/x/cpu.cfs_quota_us": "300000", "cpu/x/cpu.cfs_period_us": "100000"},
            3.0,
        ),
        ("4:cpu:/x\n", {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"}, None),
        ("0::/\n", {"cpu.max": "garbage"}, None),
        ("7:memory:/\n", {}, None),
        (None, {}, None),
    ],
)
def test_cgroup_quota(tmp_path, membership, files, quota):
    root, who = tmp_path / "cgroup", tmp_path / "self"
    root.mkdir()
    if membership is not None:
        who.write_text(membership)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    assert _threads._cgroup_quota(str(root), str(who)) == quota


def test_quota_caps_the_cores(monkeypatch):
    for quota, cores in [(0.5, 1), (1.0, 1), (1.5, 2), (1000.0, None)]:
        monkeypatch.setattr(_threads, "_quota", lambda quota=quota: quota)
        assert _threads.available_cores() == (cores if cores and cores <= os.cpu_count() else os.cpu_count())


def test_kernels_get_the_resolved_number(monkeypatch):
    seen = []
    real = diptych.kernels.clustering._rust.dbscan
    monkeypatch.setattr("diptych._rust.dbscan", lambda *args: seen.append(args[-2:]) or real(*args))
    diptych.set_num_threads(3)
    clustering.dbscan([[0.0], [1.0]])
    clustering.dbscan([[0.0], [1.0]], n_jobs=2)
    assert seen == [(3, None), (2, None)]


def test_progress_is_reported_inside_the_context_only():
    X = np.random.default_rng(0).normal(size=(20_000, 2))
    seen = []
    with _progress.reporting(lambda done, total: seen.append((done, total))):
        assert _progress.current() is not None
        clustering.dbscan(X, 0.05)
    assert _progress.current() is None
    assert all(0 <= done <= total for done, total in seen)
    assert seen == sorted(seen)


def test_reporting_nests():
    outer, inner = (lambda done, total: None), (lambda done, total: None)
    with _progress.reporting(outer):
        with _progress.reporting(inner):
            assert _progress.current() is inner
        assert _progress.current() is outer
        with _progress.reporting(None):
            assert _progress.current() is None


def test_show_versions(capsys):
    diptych.show_versions()
    printed = capsys.readouterr().out
    for word in ("diptych", "diptych._rust", "simd path", "python", "threads", "numpy", "scikit-learn"):
        assert word in printed


def test_a_quota_is_read_anew_after_a_second(monkeypatch):
    now, read = [100.0], []
    monkeypatch.setattr(_threads, "_quota_read", (-float("inf"), None))
    monkeypatch.setattr(_threads.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(_threads, "_cgroup_quota", lambda: read.append(now[0]) or float(len(read)))
    found = []
    for seconds in (0.0, 0.5, 0.4, 0.2):
        now[0] += seconds
        found.append(_threads._quota())
    assert (found, len(read)) == ([1.0, 1.0, 1.0, 2.0], 2)


def test_import_is_light():
    code = """
import sys
import numpy
before = set(sys.modules)
import diptych
heavy = {"scipy", "sklearn", "matplotlib", "pandas"}
print(sorted(name for name in set(sys.modules) - before if name.split(".")[0] in heavy or "_rust" in name))
assert "DBSCAN" in dir(diptych) and not hasattr(diptych, "no_such_name")
import diptych.kernels, diptych.reference
print(sorted(name for name in set(sys.modules) - before if name.split(".")[0] in heavy))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]
