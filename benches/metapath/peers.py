"""Who runs beside us: exact PathSim by scipy, which is the oracle too, sparse_dot_topn, and GraphBLAS.

Each has its matrices ready, transposed where it wants them so, before the clock starts; ours transposes and
checks in every call.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csr_array, csr_matrix

from benches.metapath import rows

BLOCK = 256  # rows of M at once

Answer = tuple[np.ndarray, np.ndarray]  # indices padded with -1, scores padded with 0


class Exact:
    """PathSim by scipy: rows of M by a sparse product, scores, and the k best of each row.

    Exact for counts whose sums stay below 2**53, as all here do: floating-point numbers spare a conversion
    before the division.
    """

    def __init__(self, W: csr_array) -> None:
        self.W = W.astype(np.float64)
        self.transpose = self.W.T.tocsr()
        self.norms = self.W.multiply(self.W).sum(axis=1)

    def top_k(self, k: int, queries: np.ndarray | None = None) -> Answer:
        """Return the best of the queries, or of all rows, a block of rows at a time."""
        asked = np.arange(self.W.shape[0]) if queries is None else queries
        indices, scores = np.full((len(asked), k), -1), np.zeros((len(asked), k))
        for start in range(0, len(asked), BLOCK):
            block = asked[start : start + BLOCK]
            M = self.W[block] @ self.transpose
            found = 2 * M.data / (np.repeat(self.norms[block], np.diff(M.indptr)) + self.norms[M.indices])
            for i, x in enumerate(block):
                one = slice(M.indptr[i], M.indptr[i + 1])
                best, values = highest(M.indices[one], found[one], x, k)
                indices[start + i, : len(best)], scores[start + i, : len(best)] = best, values
        return indices, scores

    def one(self, k: int, x: int, *, sort: bool) -> Answer:
        """Return the best of one row, by sorting the whole row or by a partition."""
        M = self.W[x : x + 1] @ self.transpose
        found = 2 * M.data / (self.norms[x] + self.norms[M.indices])
        if not sort:
            return highest(M.indices, found, x, k)
        order = np.lexsort((M.indices, -found))[: k + 1]
        order = order[M.indices[order] != x][:k]
        return M.indices[order], found[order]


def highest(indices: np.ndarray, scores: np.ndarray, x: int, k: int) -> Answer:
    """Return the k highest scores but that of x, of equal ones the lower indices."""
    if len(scores) > k:
        cut = len(scores) - k - 1  # one more, for x itself
        chosen = np.flatnonzero(scores >= np.partition(scores, cut)[cut])
        indices, scores = indices[chosen], scores[chosen]
    others = indices != x
    indices, scores = indices[others], scores[others]
    order = np.lexsort((indices, -scores))[:k]
    return indices[order], scores[order]


def sparse_dot_topn(W: csr_array, queries: np.ndarray | None, threads: int) -> Callable[[], Any]:
    """Return the call that finds the highest products of each query, in no order: less work than scores."""
    from sparse_dot_topn import sp_matmul_topn

    left = csr_matrix(W if queries is None else W[queries])
    right = csr_matrix(W.T.tocsr())
    return lambda: sp_matmul_topn(left, right, rows.K, n_threads=threads)


def graphblas(relations: list[csr_array]) -> Callable[[], Any]:
    """Return the call that multiplies two relations; GraphBLAS reads OMP_NUM_THREADS."""
    import graphblas as gb

    left, right = (gb.io.from_scipy_sparse(relation) for relation in relations)

    def product() -> Any:
        result = left.mxm(right, gb.semiring.plus_times).new()
        result.wait()
        return result

    return product


def graphblas_answer(result: Any) -> csr_array:
    """Return a GraphBLAS matrix as scipy's."""
    import graphblas as gb

    return csr_array(gb.io.to_scipy_sparse(result, "csr"))


def installed(peer: str) -> bool:
    """Say whether a peer can be imported here."""
    module = {rows.SPARSE_DOT_TOPN: "sparse_dot_topn", rows.GRAPHBLAS: "graphblas"}.get(peer, "scipy")
    return importlib.util.find_spec(module) is not None
