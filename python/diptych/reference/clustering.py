"""DBSCAN as its definition: neighbourhoods, core points, expansion.

Ester, Kriegel, Sander and Xu (1996), "A density-based algorithm for discovering clusters in large spatial
databases with noise", KDD-96.

    N(i)       = {j : dist(x_i, x_j) <= eps}, x_i itself included
    core(i)    : sum of w_j over N(i) >= min_samples
    cluster    = what is reached from a core point through core points, numbered by its smallest core index
    border     = not core, but in N(i) of a core point i: takes the smallest such cluster number
    noise      = the rest, label -1

Distances are compared before their last, monotone step: ``s <= limit`` with s the sum in column order in
float64 (for the Euclidean metric the squared distance, against eps * eps). Time is O(n² d). Memory is that of
all neighbourhoods, up to 8 n² bytes, which is fine for reading and not for use.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["dbscan", "dbscan_predict", "k_distances"]

Indices = NDArray[np.intp]
Floats = NDArray[np.float64]


def dbscan(
    X: Any,
    eps: float = 0.5,
    *,
    min_samples: int = 5,
    metric: str = "euclidean",
    p: float | None = None,
    sample_weight: Any = None,
    n_jobs: int | None = None,  # ignored
) -> tuple[Indices, Indices]:
    """Cluster by density; see :func:`diptych.kernels.clustering.dbscan`."""
    neighbours = neighbourhoods(X, eps, metric, p)
    w = np.ones(len(neighbours)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    core = np.array([math.fsum(w[near]) >= min_samples for near in neighbours], dtype=bool)
    return np.flatnonzero(core), expand(neighbours, core)


def k_distances(
    X: Any,
    k: int = 4,
    *,
    metric: str = "euclidean",
    p: float | None = None,
    n_jobs: int | None = None,  # ignored
) -> Floats:
    """Measure from each point to its k-th other; see :func:`diptych.kernels.clustering.k_distances`."""
    kth = [
        np.sort(np.append(s[j != i], np.full(k, np.inf)))[k - 1]  # inf: fewer than k others are stored
        for i, (j, s) in enumerate(rows(X, X, metric, p))
    ]
    return np.array([distance(s, metric, p) for s in kth], dtype=np.float64)


def dbscan_predict(
    X_new: Any,
    core_points: Any,
    core_labels: Any,
    eps: float = 0.5,
    *,
    metric: str = "euclidean",
    p: float | None = None,
    n_jobs: int | None = None,  # ignored
) -> Indices:
    """Return the smallest label in reach; see :func:`diptych.kernels.clustering.dbscan_predict`."""
    labels, bound = np.asarray(core_labels, dtype=np.intp), limit(eps, metric, p)
    reached = (labels[j[s <= bound]] for j, s in rows(X_new, core_points, metric, p))
    return np.array([near.min() if near.size else -1 for near in reached], dtype=np.intp)


def neighbourhoods(X: Any, eps: float, metric: str, p: float | None) -> list[Indices]:
    """Return N(i) for each row: the points within eps, the point itself included.

    A dense matrix of distances says itself whether a point is its own neighbour; everywhere else it is.
    """
    bound, diagonal_as_stored = limit(eps, metric, p), metric == "precomputed" and not hasattr(X, "indptr")
    neighbours = []
    for i, (j, s) in enumerate(rows(X, X, metric, p)):
        near = j[s <= bound]
        neighbours.append(near if diagonal_as_stored else np.append(near[near != i], i))
    return neighbours


def expand(neighbours: list[Indices], core: NDArray[np.bool_]) -> Indices:
    """Grow a cluster from each core point that has no label yet, in the order of the rows."""
    labels = np.full(len(core), -1, dtype=np.intp)
    cluster = 0
    for seed in np.flatnonzero(core):
        if labels[seed] != -1:
            continue
        labels[seed], frontier = cluster, [seed]
        while frontier:
            near = neighbours[frontier.pop()]
            fresh = near[labels[near] == -1]
            labels[fresh] = cluster
            frontier.extend(fresh[core[fresh]])  # border points are labelled, and lead no further
        cluster += 1
    return labels


def rows(A: Any, B: Any, metric: str, p: float | None) -> Iterator[tuple[Indices, Floats]]:
    """Yield for each row a of A the indices j into B and s(a, b_j)."""
    if hasattr(A, "indptr"):  # CSR: what is not stored is out of reach
        for start, stop in pairwise(A.indptr):
            yield A.indices[start:stop].astype(np.intp), A.data[start:stop].astype(np.float64)
        return
    A = np.asarray(A, dtype=np.float64)  # (m, d)
    B = A if metric == "precomputed" else np.asarray(B, dtype=np.float64)  # (n, d)
    if metric == "cosine":
        A, B = unit(A), unit(B)
    every = np.arange(A.shape[1] if metric == "precomputed" else len(B))
    for a in A:
        yield every, a if metric == "precomputed" else compared(a, B, metric, p)


def compared(a: Floats, B: Floats, metric: str, p: float | None) -> Floats:
    """Return s(a, b) for every row b of B, summed column by column."""
    if metric == "haversine":  # (latitude, longitude) in radians
        s0, s1 = (np.array([math.sin(v) for v in 0.5 * (a[k] - B[:, k])]) for k in (0, 1))
        cos_cos = math.cos(a[0]) * np.array([math.cos(v) for v in B[:, 0]])
        s: Floats = s0 * s0 + cos_cos * s1 * s1
        return s
    s = np.zeros(len(B))
    with np.errstate(over="ignore"):
        for k in range(B.shape[1]):
            s = add_column(s, a[k], B[:, k], metric, exponent(metric, p))
    return 1.0 - s if metric == "cosine" else s


def add_column(s: Floats, a: np.float64, b: Floats, metric: str, p: float) -> Floats:
    """Add one column to the sums.

    Powers are taken one by one, by the C library: NumPy's power of an array may differ in the last bit.
    """
    if metric == "cosine":
        return s + a * b
    t: Floats = np.abs(a - b)
    if p == math.inf:
        return np.maximum(s, t)
    if p == 1:
        return s + t
    powers: Floats = t * t if p == 2 else np.array([v**p for v in t])
    return s + powers


def unit(X: Floats) -> Floats:
    """Divide each row by its length; a zero row stays zero."""
    square = np.zeros(len(X))
    with np.errstate(over="ignore"):
        for k in range(X.shape[1]):
            square = square + X[:, k] * X[:, k]
    lengths = np.sqrt(np.where(square == 0, 1.0, square))
    return X / lengths[:, None]


def exponent(metric: str, p: float | None) -> float:
    """Return p of the Minkowski family, of which three metrics have names of their own."""
    named = {"manhattan": 1.0, "euclidean": 2.0, "chebyshev": math.inf}
    return named.get(metric, 2.0 if p is None else p)


def limit(eps: float, metric: str, p: float | None) -> float:
    """Return what s is compared with."""
    if metric in ("cosine", "precomputed"):
        return eps
    if metric == "haversine":
        return math.sin(0.5 * eps) * math.sin(0.5 * eps)
    q = exponent(metric, p)
    with np.errstate(over="ignore"):
        power = np.float64(eps) * eps if q == 2 else np.float64(eps) ** q
    return eps if q in (1, math.inf) else float(power)


def distance(s: float, metric: str, p: float | None) -> float:
    """Take the last step from s to the distance."""
    if metric in ("cosine", "precomputed"):
        return s
    if metric == "haversine":
        return 2.0 * math.asin(min(1.0, math.sqrt(s)))
    q = exponent(metric, p)
    if q in (1, math.inf):
        return s
    return math.sqrt(s) if q == 2 else float(np.float64(s) ** (1.0 / q))
