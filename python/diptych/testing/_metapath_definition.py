"""Paths and PathSim by their definitions, in plain Python: every path is walked, every score is a fraction.

The laws of `diptych.testing.metapath` compare answers with them. They share no code with either panel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

Table = list[list[Fraction]]


def tables(relations: Sequence[Any]) -> list[Table]:
    """Return sparse matrices as rows of fractions; what is stored twice adds up."""
    found = []
    for A in relations:
        table = [[Fraction(0)] * A.shape[1] for _ in range(A.shape[0])]
        for x in range(A.shape[0]):
            for place in range(int(A.indptr[x]), int(A.indptr[x + 1])):
                table[x][int(A.indices[place])] += Fraction(A.data[place].item())
        found.append(table)
    return found


def paths(relations: Sequence[Table], x: int) -> Iterator[tuple[int, Fraction]]:
    """Yield each path that starts at x, as the node where it ends and what it weighs."""
    for t, weight in enumerate(relations[0][x]):
        if weight and len(relations) == 1:
            yield t, weight
        elif weight:
            yield from ((end, weight * rest) for end, rest in paths(relations[1:], t))


def counts(relations: Sequence[Any]) -> Table:
    """Return what all paths from each node of the first type to each of the last weigh together."""
    chain = tables(relations)
    found = [[Fraction(0)] * relations[-1].shape[1] for _ in chain[0]]
    for x, row in enumerate(found):
        for end, weight in paths(chain, x):
            row[end] += weight
    return found


def around(half_path: Sequence[Any]) -> Table:
    """Return M: what the round trips from each node to each other weigh, there and back the same way."""
    W = counts(half_path)
    return [[sum((u * v for u, v in zip(W[x], W[y], strict=True)), Fraction(0)) for y in range(len(W))]
            for x in range(len(W))]  # fmt: skip


def scores(half_path: Sequence[Any]) -> Table:
    """Return s(x, y) = 2 M(x, y) / (M(x, x) + M(y, y)), and 0 where there is no path."""
    M = around(half_path)
    return [[2 * M[x][y] / (M[x][x] + M[y][y]) if M[x][y] else Fraction(0) for y in range(len(M))]
            for x in range(len(M))]  # fmt: skip


def ranking(row: Sequence[Fraction], x: int, include_self: bool) -> list[int]:
    """Return who is similar to x: by score, the highest first, and by number where scores are equal."""
    others = [y for y, score in enumerate(row) if score > 0 and (include_self or y != x)]
    return sorted(others, key=lambda y: (-row[y], y))
