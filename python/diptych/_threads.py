"""How many threads a kernel may use.

In this order: ``n_jobs`` of the call, :func:`set_num_threads`, the environment variables
``DIPTYCH_NUM_THREADS``, ``RAYON_NUM_THREADS``, ``OMP_NUM_THREADS``, else every core the process may use.
Results never depend on it.
"""

import math
import os
import time
from numbers import Integral
from pathlib import Path
from typing import Any

from diptych._validate import DtypeError

__all__ = ["available_cores", "get_num_threads", "resolve_n_jobs", "set_num_threads"]

_MOST = 256  # a typing slip such as n_jobs=100000 must not start that many threads
_QUOTA_HOLDS = (
    1.0  # seconds for which a quota that was read is believed: reading takes 0.1 ms, a short call less
)
_chosen: int | None = None
_quota_read: tuple[float, float | None] = (-math.inf, None)


def set_num_threads(n: int | None) -> None:
    """Set the number of threads for calls that leave ``n_jobs`` at None.

    Parameters
    ----------
    n : int or None
        Number of threads; -1 means all cores the process may use, -2 all but one. None goes back to the
        environment variables and then to all cores.

    Raises
    ------
    ValueError
        If `n` is 0.
    TypeError
        If `n` is not an integer.

    Examples
    --------
    >>> import diptych
    >>> diptych.set_num_threads(2)
    >>> diptych.get_num_threads()
    2
    >>> diptych.set_num_threads(None)
    """
    global _chosen
    _chosen = None if n is None else _count(n, "n")


def get_num_threads() -> int:
    """Return the number of threads that ``n_jobs=None`` stands for.

    Raises
    ------
    ValueError
        If ``DIPTYCH_NUM_THREADS`` holds something other than a non-zero integer. The variables of other
        libraries are passed over when they hold anything but a positive number.
    """
    if _chosen is not None:
        return _chosen
    own = os.environ.get("DIPTYCH_NUM_THREADS", "").strip()
    if own:
        try:
            return _count(int(own), "DIPTYCH_NUM_THREADS")
        except ValueError:
            raise ValueError(
                f"DIPTYCH_NUM_THREADS={own!r}: must be a non-zero integer, such as 4 or -1."
            ) from None
    for name in ("RAYON_NUM_THREADS", "OMP_NUM_THREADS"):
        first = os.environ.get(name, "").split(",")[0].strip()  # OMP_NUM_THREADS may be a list, one per level
        if first.isdecimal() and int(first) > 0:
            return _count(int(first), name)
    return available_cores()


def resolve_n_jobs(n_jobs: int | None) -> int:
    """Return the number of threads, at least 1, for a call's ``n_jobs``."""
    return get_num_threads() if n_jobs is None else _count(n_jobs, "n_jobs")


def available_cores() -> int:
    """Return the number of cores the process may use: its affinity, cut down to the quota of its cgroup."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # neither macOS nor Windows has affinity in os
        cores = os.cpu_count() or 1
    quota = _quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def _count(n: Any, name: str) -> int:
    if type(n) is int and 0 < n <= _MOST:
        return n
    if isinstance(n, bool) or not isinstance(n, Integral):
        raise DtypeError(f"{name}={n!r}: must be an integer, or None for diptych.get_num_threads().")
    number = int(n)
    if number == 0:
        raise ValueError(
            f"{name}=0: must be a positive number of threads, or -1 for all cores, -2 for all but one."
        )
    cores = available_cores()
    return min(number, max(cores, _MOST)) if number > 0 else max(1, cores + 1 + number)


def _quota() -> float | None:
    """Return the CPU quota, read anew once a second at most."""
    global _quota_read
    when, quota = _quota_read
    now = time.monotonic()
    if now - when > _QUOTA_HOLDS:
        quota = _cgroup_quota()
        _quota_read = now, quota
    return quota


def _cgroup_quota(root: str = "/sys/fs/cgroup", membership: str = "/proc/self/cgroup") -> float | None:
    """Return the smallest CPU quota set between the root of the cgroup tree and this process, if any is."""
    try:
        lines = Path(membership).read_text().splitlines()
    except OSError:
        return None
    quotas: list[float] = []
    files: tuple[str, ...]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2
            base, files = Path(root), ("cpu.max",)
        elif "cpu" in controllers.split(","):
            base, files = Path(root, "cpu"), ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        else:
            continue
        parts = Path(path.lstrip("/")).parts
        for depth in range(len(parts) + 1):
            quotas += _read_quota(base.joinpath(*parts[:depth]), files)
    return min(quotas, default=None)


def _read_quota(folder: Path, files: tuple[str, ...]) -> list[float]:
    try:
        quota, period = " ".join((folder / name).read_text().strip() for name in files).split()
        return [int(quota) / int(period)] if int(quota) > 0 else []
    except (OSError, ValueError, ZeroDivisionError):  # absent, "max", or not for us to read
        return []
