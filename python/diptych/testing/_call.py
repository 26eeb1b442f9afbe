"""Calls of code that may raise, or never return."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np


class LawBroken(AssertionError):  # noqa: N818  (it reads: raise LawBroken)
    """A law does not hold; the message says on what grounds."""


class Hang(LawBroken):
    """The function did not return in time."""


class NotOffered(Exception):  # noqa: N818  (nothing is wrong: the function does not offer this)
    """The function raised NotImplementedError."""


def call_with_limit(
    function: Callable[..., Any], positional: list[Any], named: dict[str, Any], timeout: float
) -> Any:
    """Call `function` in a thread of its own and wait at most `timeout` seconds.

    Raises
    ------
    LawBroken
        When the function raises.
    Hang
        When it does not return in time. The thread is asked to stop, which pure Python code does.
    NotOffered
        When it raises NotImplementedError.
    """
    answer: list[Any] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            with np.errstate(all="ignore"):  # overflow to infinity is part of the contract
                answer.append(function(*positional, **named))
        except BaseException as error:  # SystemExit too: the report names it
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit)
        )
        raise Hang(f"did not return within {timeout:g} s")
    if not raised:
        return answer[0]
    if isinstance(raised[0], NotImplementedError):
        raise NotOffered(f"raised NotImplementedError: {raised[0]}")
    raise LawBroken(f"raised {type(raised[0]).__name__}: {raised[0]}") from raised[0]
