"""The laws of the counter-based random words."""

# ruff: noqa: D401 -- the docstring of a law is what the law says

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np

from diptych.testing._call import LawBroken
from diptych.testing._engine import Case, Family, Subject, examples
from diptych.testing._shrink import simpler_cases

__all__ = ["SPLITMIX64"]

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15
_ADDRESS = ("seed", "stream", "start", "count")

SPLITMIX64 = Family(
    "rng.splitmix64",
    positional=_ADDRESS,
    required=(),
    smaller=simpler_cases(lambda case: {}, _ADDRESS, lambda case: set()),
)


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def _words(case: Case) -> list[int]:
    seed, stream = case["seed"], case["stream"]
    base = seed if stream == 0 else _mix(seed ^ _mix((stream * _GAMMA) & _MASK))
    first = case["start"] + 1
    return [_mix((base + i * _GAMMA) & _MASK) for i in range(first, first + case["count"])]


def _draw(subject: Subject, case: Case) -> list[int]:
    result: Any = np.asarray(subject(case))
    if result.dtype != np.uint64 or result.shape != (case["count"],):
        raise LawBroken(
            f"expected {case['count']} words of uint64, got {result.dtype} of shape {result.shape}"
        )
    return [int(word) for word in result]


def _obey_definition(subject: Subject, case: Case) -> None:
    got, expected = _draw(subject, case), _words(case)
    for i, (a, b) in enumerate(zip(got, expected, strict=True)):
        if a != b:
            raise LawBroken(f"word {case['start'] + i} is {a}, expected {b}")


def _address(seed: int, stream: int, start: int, count: int) -> Case:
    return dict(zip(_ADDRESS, (seed, stream, start, count), strict=True))


def _addresses(random: Random) -> Iterator[Case]:
    while True:
        seed, stream = (
            random.choice((0, 1, random.getrandbits(64), _MASK)),
            random.choice((0, 1, random.getrandbits(63))),
        )
        yield _address(seed, stream, random.choice((0, 1, random.getrandbits(40))), random.randint(1, 9))


# Output of Vigna's splitmix64.c (public domain) for x = 1234567.
_PUBLISHED = (
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
)


@SPLITMIX64.law(examples(_address(1234567, 0, 0, 5)), shrinks=False)
def stream_0_is_the_published_sequence(subject: Subject, case: Case) -> None:
    """Stream 0 is what splitmix64.c prints."""
    if (got := _draw(subject, case)) != list(_PUBLISHED):
        raise LawBroken(f"got {got}, published {list(_PUBLISHED)}")


@SPLITMIX64.law(_addresses)
def words_follow_their_address(subject: Subject, case: Case) -> None:
    """Word i of a stream is mix(base + (i + 1) * GAMMA); base is seed, or mix(seed ^ mix(stream * GAMMA))."""
    _obey_definition(subject, case)


@SPLITMIX64.law(_addresses)
def words_can_be_drawn_in_parts(subject: Subject, case: Case) -> None:
    """A word depends on its index, not on where the drawing began."""
    half = case["count"] // 2
    later = case | {"start": case["start"] + half, "count": case["count"] - half}
    if _draw(subject, case)[half:] != _draw(subject, later):
        raise LawBroken(f"words from {later['start']} on differ when the drawing begins there")


@SPLITMIX64.law(examples(_address(5, 3, 7, 0)), shrinks=False)
def no_words_are_an_empty_array(subject: Subject, case: Case) -> None:
    """count=0 gives an empty array."""
    _obey_definition(subject, case)
