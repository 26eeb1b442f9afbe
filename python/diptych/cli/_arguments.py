"""Words of the command line that several commands read alike."""

from __future__ import annotations

import argparse
import math


def whole_number(text: str, least: int = 0) -> int:
    """Return a number of things, not below the least."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if value < least:
        raise argparse.ArgumentTypeError(f"{value}: must be at least {least}")
    return value


def positive_int(text: str) -> int:
    """Return a number of things, at least one."""
    return whole_number(text, 1)


def positive_float(text: str) -> float:
    """Return a positive finite number."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{text}: must be a positive finite number")
    return value


def share(text: str) -> float:
    """Return a number from 0 to below 1."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be from 0 to below 1")
    return value


def n_jobs(text: str) -> int:
    """Return a number of threads."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if value == 0:
        raise argparse.ArgumentTypeError("0: must be a number of threads, or -1 for all cores")
    return value
