"""Where a long kernel reports how far it is: one optional callback per context."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Callback", "current", "reporting"]

Callback = Callable[[int, int], None]

_callback: ContextVar[Callback | None] = ContextVar("diptych_progress", default=None)


def current() -> Callback | None:
    """Return the callback of this context, None when nobody listens."""
    return _callback.get()


@contextmanager
def reporting(callback: Callback | None) -> Iterator[None]:
    """Send the progress of every kernel called inside to ``callback(done, total)``.

    The callback runs on the thread that called the kernel. What it raises stops the kernel.
    """
    token = _callback.set(callback)
    try:
        yield
    finally:
        _callback.reset(token)
