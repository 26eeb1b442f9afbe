"""How small nets keep NumPy's BLAS to one thread."""

from __future__ import annotations

import os
import threading
from contextlib import ContextDecorator
from functools import cache
from typing import Any, Self

import numpy as np  # noqa: F401 - the limit holds for the BLAS that is loaded by now


class one_thread(ContextDecorator):  # noqa: N801 - reads like a function
    """A context, or decorator, in which BLAS has one thread.

    The matrices of small nets are no work for two: threads that wait for each other take several times the
    time. And a sum that is shared out otherwise rounds otherwise, which training makes a different net of.

    Mostly BLAS has one pool for all Python threads. Where contexts overlap in several of them, the limit
    stays until the last ends.
    """

    _lock = threading.Lock()
    _inside = 0
    _before: tuple[
        tuple[Any, int], ...
    ] = ()  # pools of the process, and their threads outside of all contexts

    def __enter__(self) -> Self:
        with one_thread._lock:
            if one_thread._inside == 0:
                one_thread._before = tuple((pool, pool.num_threads) for pool in _pools_of_the_process())
                _take_control()
            self._limit = _controller().limit(limits=1, user_api="blas")
            one_thread._inside += 1
        return self

    def __exit__(self, *error: object) -> None:
        with one_thread._lock:
            one_thread._inside -= 1
            self._limit.restore_original_limits()  # those of this Python thread
            _set_pools(one_thread._before, inside=one_thread._inside > 0)

    def _recreate_cm(self) -> Self:
        return type(self)()  # each call of a decorated function is a context of its own


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController  # which scikit-learn brings along

    return ThreadpoolController()  # looks through all libraries: milliseconds


def _pools_of_the_process() -> list[Any]:
    pools = _controller().select(user_api="blas").lib_controllers
    return [pool for pool in pools if getattr(pool, "threading_layer", None) != "openmp"]


def _set_pools(before: tuple[tuple[Any, int], ...], *, inside: bool) -> None:
    _take_control()
    for pool, threads in before:
        pool.set_num_threads(1 if inside else threads)
    _take_control()


def _take_control() -> None:
    """Make threadpoolctl 3.8 obey this thread: it obeys the first to set a limit, while that one lives."""
    from threadpoolctl import OpenBLASController

    if hasattr(OpenBLASController, "clear_controlling_thread"):
        OpenBLASController.clear_controlling_thread(force=True)


def _after_fork() -> None:
    """Leave all contexts: a child has none of the threads that would, but perhaps a lock that one held."""
    one_thread._lock = threading.Lock()
    if one_thread._inside:
        one_thread._inside = 0
        _set_pools(one_thread._before, inside=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
