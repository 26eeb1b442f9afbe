"""Graph reconstruction: are the pairs with the largest dot products edges."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from diptych import _validate
from diptych.graph import as_graph

_BLOCK = 2**20  # scores held at a time


def reconstruction_precision(embedding: ArrayLike, graph: object, k: int) -> float:
    """Return the share of edges among the k pairs of nodes with the largest dot product.

    Parameters
    ----------
    embedding : array-like of shape (n, d), float32 or float64
        A vector for each node.
    graph : Graph, or what :func:`diptych.graph.as_graph` takes
        The graph. Pairs are of different nodes and have no order; an edge in either direction is one.
    k : int
        How many pairs; the number of edges is a common choice.

    Returns
    -------
    float
        In [0, 1]. Among equal products the pair (u, v), u < v, with the smaller u comes first, then the
        smaller v.

    Raises
    ------
    ValueError
        If `embedding` has not a row for each node, or there are fewer than k pairs.

    Notes
    -----
    O(n² d) time. Products are made in blocks of rows: peak memory 64 B · max(2²⁰, n) and 64 B · k, never n².
    The products are BLAS's, in the dtype of `embedding`: another BLAS may round, and so rank, otherwise.

    References
    ----------
    .. [1] Wang, Cui, Zhu (2016). Structural deep network embedding. KDD, 1225–1234 (precision@k).
    """
    X = _validate.points(embedding, "embedding")
    whole = as_graph(graph)
    n = whole.n_nodes
    if len(X) != n:
        raise ValueError(f"embedding has {len(X)} rows: one for each of the {n} nodes is needed.")
    k = _validate.count(k, "k")
    if k > n * (n - 1) // 2:
        raise ValueError(f"k={k}: {n} nodes make {n * (n - 1) // 2} pairs.")
    u, v = np.divmod(_largest_pairs(X, k), n)
    A = whole.adjacency
    undirected = sparse.csr_array(A + A.T) if whole.directed else A
    return float(np.count_nonzero(undirected[u, v]) / k)


def _largest_pairs(X: _validate.FloatArray, k: int) -> NDArray[np.int64]:
    """Return u·n + v for the k pairs u < v with the largest products."""
    n = len(X)
    rows = max(1, _BLOCK // n)
    best = np.empty(0, dtype=X.dtype)  # descending; equal ones in the order of their pairs
    pairs = np.empty(0, dtype=np.int64)
    for start in range(0, n, rows):
        S = X[start : start + rows] @ X[start:].T
        candidate = np.arange(len(S))[:, None] < np.arange(n - start)
        if len(best) == k:
            candidate &= best[-1] < S  # an equal one comes later than those there are
        i, j = np.nonzero(candidate)
        scores = np.concatenate([best, S[i, j]])
        numbers = np.concatenate([pairs, (start + i) * n + start + j])
        order = np.argsort(-scores, kind="stable")[:k]
        best, pairs = scores[order], numbers[order]
    return pairs
