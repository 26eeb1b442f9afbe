"""Calls of code that may raise, or never return."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

_GLANCE = 0.05  # seconds between two looks at the clock


class LawBroken(AssertionError):  # noqa: N818  (it reads: raise LawBroken)
    """A law does not hold; the message says on what grounds."""


class NotOffered(Exception):  # noqa: N818  (nothing is wrong: the function does not offer this)
    """The function raised NotImplementedError."""


class Abandoned(BaseException):
    """Raised in the thread of a call that took too long."""


def call(function: Callable[..., Any], positional: list[Any], named: dict[str, Any]) -> Any:
    """Call `function`.

    Raises
    ------
    LawBroken
        When the function raises.
    NotOffered
        When it raises NotImplementedError.
    """
    try:
        with np.errstate(all="ignore"):  # overflow to infinity is part of the contract
            return function(*positional, **named)
    except (Abandoned, KeyboardInterrupt):
        raise
    except NotImplementedError as error:
        raise NotOffered(f"raised NotImplementedError: {error}") from error
    except BaseException as error:  # SystemExit too: the report names it
        raise LawBroken(f"raised {type(error).__name__}: {error}") from error


def watched(work: Callable[[], None], overdue: Callable[[], bool]) -> bool:
    """Run `work` in a thread of its own until it ends or is overdue; return whether it ended.

    A thread given up is asked to stop, which pure Python code does; compiled code goes on to its own end.
    """
    crash: list[BaseException] = []

    def body() -> None:
        try:
            work()
        except Abandoned:
            pass
        except BaseException as error:
            crash.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    ended = False
    try:
        while not ended and not overdue():
            thread.join(_GLANCE)
            ended = not thread.is_alive()
    finally:  # Ctrl-C ends up here too
        if not ended:
            stop = ctypes.pythonapi.PyThreadState_SetAsyncExc
            stop(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Abandoned))
    if crash:
        raise crash[0]
    return ended
