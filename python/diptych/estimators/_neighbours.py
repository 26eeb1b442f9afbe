"""Neighbourhoods that a kernel does not find itself: the caller's graphs and scikit-learn's other metrics.

Both end as a sparse graph that the kernel clusters as precomputed distances.
"""

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn import get_config
from sklearn.neighbors import VALID_METRICS, NearestNeighbors

from diptych import _validate

Indices = NDArray[np.intp]
ALIASES = {"l1": "manhattan", "cityblock": "manhattan", "l2": "euclidean"}


def kernel_metric(
    metric: str | Callable[..., float], metric_params: dict[str, Any] | None, p: float | None, sparse: bool
) -> tuple[str, float | None] | None:
    """Return the metric and p as the kernels name them; None if scikit-learn has to measure the distances."""
    if metric == "precomputed":
        return metric, None
    extra = dict(metric_params or {})
    if metric == "minkowski":
        p = extra.pop("p", p)
    if callable(metric) or sparse or extra:
        return None
    name = ALIASES.get(metric, metric)
    if name not in _validate.METRICS:
        return None
    return name, p if name == "minkowski" else None


def precomputed_eps(eps: float, dtype: np.dtype[Any]) -> float:
    """Return eps as scikit-learn compares it with stored distances.

    NumPy rounds a Python number to float32 before comparing it with a float32 matrix, but not a NumPy
    float64.
    """
    if dtype != np.float32 or isinstance(eps, np.generic):
        return float(eps)
    bounds = np.finfo(np.float32)
    rounded = float(np.float32(min(eps, float(bounds.max))))
    return rounded or 5e-324  # no float32 lies between 0 and this, and a radius has to be positive


def cluster_graph(
    panel: ModuleType,
    graph: Any,
    alone: NDArray[np.bool_],
    eps: float,
    *,
    min_samples: int,
    sample_weight: NDArray[Any] | None,
    n_jobs: int,
) -> tuple[Indices, Indices]:
    """Cluster a CSR graph of distances in which some points are not their own neighbours.

    A kernel counts every point of a sparse graph as its own neighbour. Where `alone` says otherwise, each
    point is split in two: one half has the links and no weight, the other the weight and no links, and a link
    to itself stands only where it should.
    """
    n = len(alone)
    if not alone.any():
        core, labels = panel.dbscan(
            graph,
            eps,
            min_samples=min_samples,
            metric="precomputed",
            sample_weight=sample_weight,
            n_jobs=n_jobs,
        )
        return core, labels
    source = np.repeat(np.arange(n), np.diff(graph.indptr))
    kept = (graph.data <= eps) & (source != graph.indices)
    source, target, own = source[kept], graph.indices[kept], np.flatnonzero(~alone)
    rows = np.concatenate([source, source, own])
    columns = np.concatenate([target, target + n, own + n])
    order = np.argsort(rows, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=2 * n))])
    halves = csr_array((np.zeros(len(rows)), columns[order], indptr), shape=(2 * n, 2 * n))
    w = np.concatenate([np.zeros(n), np.ones(n) if sample_weight is None else sample_weight])
    core, labels = panel.dbscan(
        halves, eps, min_samples=min_samples, metric="precomputed", sample_weight=w, n_jobs=n_jobs
    )
    return core[core < n], labels[:n]


def far_from_themselves(graph: Any, eps: float) -> NDArray[np.bool_]:
    """Tell for each row of a CSR graph whether a diagonal entry above eps is stored.

    Plain NumPy: SciPy's own routines would follow malformed indices out of bounds.
    """
    alone = np.zeros(graph.shape[0], dtype=bool)
    far = np.flatnonzero(graph.data > eps)
    far = far[far < len(graph.indices)]
    rows = np.searchsorted(graph.indptr, far, side="right") - 1
    own = rows[graph.indices[far] == rows]
    alone[own[(own >= 0) & (own < len(alone))]] = True
    return alone


class OtherNeighbours:
    """Neighbours by a metric that only scikit-learn knows, by a callable, or of sparse rows."""

    def __init__(self, X: Any, estimator: Any, n_jobs: int) -> None:
        self.n, self.n_threads = X.shape[0], n_jobs
        params = estimator.effective_metric_params_
        p = None if "p" in params else 2 if estimator.p is None else estimator.p
        self.search = NearestNeighbors(
            radius=estimator.eps,
            algorithm=estimator.algorithm,
            leaf_size=estimator.leaf_size,
            metric=estimator.metric,
            metric_params=params or None,
            p=p,
            n_jobs=n_jobs if _alike_in_threads(X, estimator) else 1,
        ).fit(X)

    def graph(self, X: Any) -> Any:
        """Return the neighbours of each row of X as a CSR graph of zeros.

        Rows go in blocks of scikit-learn's ``working_memory``, the same that it would take.
        """
        block = max(1, int(get_config()["working_memory"] * 2**20 // (8 * self.n)))
        found: list[Indices] = []
        for start in range(0, X.shape[0], block):
            rows = X if block >= X.shape[0] else X[start : start + block]
            found.extend(self.search.radius_neighbors(rows, return_distance=False))
        indptr = np.concatenate([[0], np.cumsum([len(near) for near in found])])
        indices = np.concatenate(found) if found else np.zeros(0, dtype=np.intp)
        return csr_array((np.zeros(len(indices)), indices, indptr), shape=(X.shape[0], self.n))


def without_themselves(graph: Any) -> NDArray[np.bool_]:
    """Tell for each row of a neighbour graph whether the point itself is missing."""
    rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    alone = np.ones(graph.shape[0], dtype=bool)
    alone[rows[rows == graph.indices]] = False
    return alone


def with_scale(metric: Any, metric_params: dict[str, Any] | None, X: Any) -> dict[str, Any]:
    """Add what two metrics take from the data, so that new points are measured with the scale of the old."""
    params = dict(metric_params or {})
    if metric == "seuclidean" and "V" not in params:
        params["V"] = np.var(X, axis=0, ddof=1)
    elif metric == "mahalanobis" and not {"V", "VI"} & params.keys():
        params["VI"] = np.linalg.inv(np.cov(X.T)).T
    return params


def _alike_in_threads(X: Any, estimator: Any) -> bool:
    """Tell whether scikit-learn finds the same neighbours for any number of threads.

    In brute force n_jobs may change ties, and threads overwrite each other's differences in the Mahalanobis
    distance (scikit-learn issue 32753).
    """
    if estimator.metric == "mahalanobis" or _validate.is_sparse(X):
        return False
    if estimator.metric not in VALID_METRICS["ball_tree"]:
        return False
    few_columns = estimator.algorithm == "auto" and X.shape[1] <= 15
    return bool(few_columns or estimator.algorithm in ("kd_tree", "ball_tree"))


def in_form_of(fitted: Any, X: Any) -> Any:
    """Return X sparse if the fitted rows are, dense if they are not."""
    if _validate.is_sparse(fitted) == _validate.is_sparse(X):
        return X
    return X.toarray() if _validate.is_sparse(X) else csr_array(X)


def smallest_equal_rows(
    labels: Indices, X_new: NDArray[Any], core_points: NDArray[Any], core_labels: Indices, eps: float
) -> Indices:
    """Give new rows that equal core points the smallest of their labels, if they have none.

    Under 'cosine' a point is at distance 0 from itself, though ``1 - dot`` may be a rounding error away from
    that, and is 1 for a row of zeros. Rows are compared by value, whatever their dtypes and signs of zero.
    """
    rounding = 8.0 * X_new.shape[1] * math.ulp(1.0)
    lost = np.flatnonzero(labels < 0)
    if not lost.size or (eps > rounding and core_points.any(axis=1).all()):
        return labels
    rows = np.concatenate([core_points, X_new[lost]], dtype=np.float64)
    distinct, which = np.unique(rows, axis=0, return_inverse=True)
    of_core, of_new = np.split(which.reshape(-1), [len(core_points)])
    nobody = len(core_points)  # above every label
    smallest = np.full(len(distinct), nobody)
    np.minimum.at(smallest, of_core, core_labels)
    found = smallest[of_new]
    labels[lost] = np.where(found < nobody, found, -1)
    return labels
