"""Chains of relations for the laws of meta-paths, and simpler ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np

Case = dict[str, Any]
Matrix = Any  # scipy.sparse.csr_array

STYLES = ("ones", "whole", "bool", "quarters")  # all of them have exact sums and products in float64


def chain(random: Random, style: str = "", most: int = 5) -> list[Matrix]:
    """Make one to three relations over up to `most` nodes of each type, with twins and lonely nodes."""
    style = style or random.choice(STYLES)
    sizes = [random.randint(1, most) for _ in range(random.randint(2, 4))]
    relations = [_table(random, style, n, m) for n, m in pairwise(sizes)]
    if random.random() < 0.5:  # the last node a twin of the first
        relations[0][-1] = relations[0][0]
    return [_sparse(table) for table in relations]


def _table(random: Random, style: str, n: int, m: int) -> Any:
    draw: dict[str, Callable[[], float]] = {
        "ones": lambda: 1,
        "whole": lambda: random.randint(1, 4),
        "bool": lambda: True,
        "quarters": lambda: random.randint(1, 12) / 4,
    }
    dtype = {"bool": np.bool_, "quarters": np.float64}.get(style, np.int64)
    density = random.choice((0.3, 0.5, 0.8))
    rows = [[draw[style]() if random.random() < density else 0 for _ in range(m)] for _ in range(n)]
    return np.array(rows, dtype=dtype)


def _sparse(table: Any) -> Matrix:
    from scipy.sparse import csr_array

    return csr_array(table)


def matrix(*rows: list[Any]) -> Matrix:
    """Make a relation of whole numbers from its rows."""
    return _sparse(np.array(rows, dtype=np.int64))


def chains(key: str) -> Callable[[Random], Iterator[Case]]:
    """Make cases with a chain of any style."""

    def cases(random: Random) -> Iterator[Case]:
        while True:
            yield {key: chain(random)}

    return cases


def untidy(A: Matrix) -> Matrix:
    """Store each entry in two parts and a zero beside it, and each row backwards."""
    from scipy.sparse import csr_array

    part = A.data // 2 if A.dtype.kind == "i" else A.data / 2 if A.dtype.kind == "f" else A.data
    other = A.data - part if A.dtype.kind in "if" else np.zeros_like(A.data)
    data = np.column_stack([part, other, np.zeros_like(A.data)])
    indices = np.column_stack([A.indices, A.indices, (A.indices + 1) % A.shape[1]])
    for x in range(A.shape[0]):
        row = slice(A.indptr[x], A.indptr[x + 1])
        data[row], indices[row] = data[row][::-1, ::-1].copy(), indices[row][::-1, ::-1].copy()
    return csr_array((data.ravel(), indices.ravel(), 3 * A.indptr), shape=A.shape)


def backwards(relations: list[Matrix]) -> list[Matrix]:
    """Return relations whose nodes, of every type, are numbered from the last to the first."""
    return [A[::-1, ::-1] for A in relations]


def smaller(key: str) -> Callable[[Case], Iterator[Case]]:
    """Make a function that yields cases with a node, a pair or an entry less, or a plainer entry."""

    def simpler(case: Case) -> Iterator[Case]:
        relations = case[key]
        numbered = "queries" in case or "left" in case  # nodes of the first type keep their numbers
        for t in range(int(numbered), len(relations) + 1):
            size = relations[t].shape[0] if t < len(relations) else relations[-1].shape[1]
            for node in range(size if size > 1 else 0):
                yield case | {key: _without(relations, t, np.arange(size) != node)}
        for part in range(len(case.get("left", ())) if len(case.get("left", ())) > 1 else 0):
            yield case | {side: np.delete(case[side], part) for side in ("left", "right")}
        for place, A in enumerate(relations):
            for x, y in np.argwhere(A.toarray() != 0):
                for plain in (0, 1) if A[x, y] != 1 else (0,):
                    table = A.toarray()
                    table[x, y] = plain
                    yield case | {key: [*relations[:place], _sparse(table), *relations[place + 1 :]]}

    return simpler


def _without(relations: list[Matrix], t: int, kept: Any) -> list[Matrix]:
    """Keep some nodes of type t, which are the columns of one relation and the rows of the next."""
    changed = list(relations)
    if t > 0:
        changed[t - 1] = changed[t - 1][:, np.flatnonzero(kept)]
    if t < len(relations):
        changed[t] = changed[t][np.flatnonzero(kept)]
    return changed
