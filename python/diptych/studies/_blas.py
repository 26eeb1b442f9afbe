"""How studies keep NumPy's BLAS to one thread."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which BLAS has one thread.

    The matrices of small nets are no work for two: threads that wait for each other take several times the
    time. And a sum that is shared out otherwise rounds otherwise, which training makes a different net of.
    """
    from threadpoolctl import threadpool_limits  # which scikit-learn brings along

    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api="blas")
    return limits
