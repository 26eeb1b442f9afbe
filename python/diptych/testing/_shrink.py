"""Simpler cases: fewer rows, fewer columns, plainer numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Case = dict[str, Any]
Axes = Callable[[Case], dict[str, tuple[str, ...]]]


def simpler_cases(
    axes: Axes, scalars: tuple[str, ...], fixed: Callable[[Case], set[str]]
) -> Callable[[Case], Iterator[Case]]:
    """Make a function that yields cases simpler than a given one, the greatest simplification first.

    Parameters
    ----------
    axes : callable
        Names the axes of each array of a case: arrays that share an axis lose the same entries together.
    scalars : tuple of str
        Plain numbers that may be made plainer.
    fixed : callable
        Axes of a case that may not lose entries.
    """

    def simpler(case: Case) -> Iterator[Case]:
        named = axes(case)
        for axis in dict.fromkeys(name for names in named.values() for name in names):
            if axis not in fixed(case):
                yield from _shorter(case, named, axis)
        yield from (
            {key: value for key, value in case.items() if key != option}
            for option in ("sample_weight", "n_jobs")
            if option in case
        )
        for key in named:
            if getattr(case[key], "dtype", None) == np.float32:
                yield case | {key: case[key].astype(np.float64)}
        for key in scalars:
            if key in case:
                yield from (case | {key: value} for value in plainer(case[key]))
        for key in named:
            yield from _plainer_arrays(case, key)

    return simpler


def _shorter(case: Case, named: dict[str, tuple[str, ...]], axis: str) -> Iterator[Case]:
    """Half of an axis gone, then a quarter, …, then single entries."""
    key = next(key for key, names in named.items() if axis in names)
    length = case[key].shape[named[key].index(axis)]
    size = length // 2
    while size > 0:
        for start in range(0, length, size):
            keep = np.r_[0:start, min(start + size, length) : length]
            if len(keep):
                yield {name: _take(value, named.get(name, ()), axis, keep) for name, value in case.items()}
        size //= 2


def _take(value: Any, names: tuple[str, ...], axis: str, keep: np.ndarray[Any, Any]) -> Any:
    for place, name in enumerate(names):
        if name == axis:
            value = value[keep] if place == 0 else value[(slice(None),) * place + (keep,)]
    return value


def _plainer_arrays(case: Case, key: str) -> Iterator[Case]:
    array = case[key]
    entries = array.data if hasattr(array, "indptr") else array
    numbers = entries.dtype != bool
    if numbers and entries.ndim == 2 and entries.shape[0] > 1 and entries.min(axis=0).any():
        moved = entries - entries.min(axis=0)
        if len(repr(moved.tolist())) < len(repr(entries.tolist())):
            yield case | {key: moved}
    for place, value in np.ndenumerate(entries):
        for plain in plainer(value.item()):
            changed = array.copy()
            (changed.data if hasattr(array, "indptr") else changed)[place] = plain
            yield case | {key: changed}


def plainer(value: float) -> Iterator[float]:
    """Numbers simpler than `value`, of its type: nearer to zero, or shorter to write."""
    kind = type(value)
    if not np.isfinite(value):
        return
    whole = int(value)
    for candidate in (
        0,
        1,
        whole // 2,
        whole - (whole > 0) + (whole < 0),
        round(value),
        round(value, 1),
        round(value, 3),
    ):
        plain = kind(candidate)
        shorter = len(repr(plain)) < len(repr(value))
        if plain != value and (shorter or (abs(plain) < abs(value) and len(repr(plain)) == len(repr(value)))):
            yield plain
