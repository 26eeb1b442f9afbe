"""Where a long kernel reports how far it is: one optional callback per context, and a bar that listens."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["Callback", "bar", "current", "reporting"]

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


@contextmanager
def bar(title: str, *, wanted: bool = True, delay: float = 0.0) -> Iterator[None]:
    """Show the progress of every kernel called inside, and the time left, on standard error.

    Work shorter than `delay` seconds shows nothing; nor does any if it is not `wanted`.
    """
    if not wanted:
        yield
        return
    try:
        from tqdm import tqdm
    except ImportError:
        raise ImportError("a progress bar needs tqdm: pip install tqdm") from None
    shown = tqdm(desc=title, delay=delay, leave=False, file=sys.stderr, unit_scale=True)
    with shown, reporting(_follow(shown)):
        yield


def _follow(shown: Any) -> Callback:
    def report(done: int, total: int) -> None:
        shown.total = total
        shown.update(done - shown.n)

    return report
