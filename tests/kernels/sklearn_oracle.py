"""scikit-learn as an outside oracle whose predicate is known exactly.

Its default settings contradict each other on ties: the brute force path compares |x|² + |y|² - 2xy, and nodes
of trees compare rounded bounds of whole boxes. A tree of one leaf does neither: it compares every pair,
column by column. One row is appended that lies far from all others, so that the leaf is never inside
anybody's ball as a whole; it is dropped afterwards. It comes last, reaches nobody and weighs nothing, so it
changes no number.
"""

import numpy as np
from scipy import sparse
from sklearn.cluster import DBSCAN
from sklearn.metrics import DistanceMetric
from sklearn.metrics.pairwise import cosine_distances
from sklearn.neighbors import KDTree


def one_leaf(X, eps, min_samples, metric="euclidean", p=None, sample_weight=None):
    """Cluster with a one-leaf tree; X is widened to float64 first."""
    X = np.asarray(X, dtype=np.float64)
    if metric == "haversine":
        sentinel, algorithm = _opposite(X, eps), "ball_tree"
    else:
        reach = float(np.ptp(X, axis=0).max(initial=0)) + eps
        sentinel, algorithm = X.max(axis=0) + 8 * reach, "kd_tree"
    if metric == "minkowski" and p in (
        None,
        np.inf,
    ):  # DBSCAN takes neither; its distances mean these by them
        metric, p = ("euclidean" if p is None else "chebyshev"), None
    weight = None if sample_weight is None else np.append(sample_weight, 0.0)
    model = DBSCAN(
        eps=eps, min_samples=min_samples, metric=metric, p=p, algorithm=algorithm, leaf_size=len(X) + 1
    ).fit(np.vstack([X, sentinel]), sample_weight=weight)
    core = model.core_sample_indices_
    return core[core < len(X)], model.labels_[:-1]


def _opposite(X, eps):
    """Find a place on the globe out of reach of every row, the first of a fixed few."""
    for latitude, longitude in [(-1.57, 0.0), (1.57, 0.0), (0.0, 0.0), (0.0, 1.5), (0.0, 3.0), (0.0, -1.5)]:
        s = (
            np.sin((X[:, 0] - latitude) / 2) ** 2
            + np.cos(X[:, 0]) * np.cos(latitude) * np.sin((X[:, 1] - longitude) / 2) ** 2
        )
        if s.min() > np.sin(eps / 2) ** 2 * 1.01:
            return np.array([latitude, longitude])
    raise AssertionError("rows cover the globe: choose a smaller eps for the oracle")


def precomputed(D, eps, min_samples, sample_weight=None):
    """Cluster a distance matrix, dense or CSR."""
    D = sparse.csr_matrix(D) if sparse.issparse(D) else D
    model = DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed").fit(D, sample_weight=sample_weight)
    return model.core_sample_indices_, model.labels_


def cosine(X, eps, min_samples, sample_weight=None):
    """Cluster by cosine distance in float64; no pair may lie so near to eps that rounding decides."""
    X = np.asarray(X, dtype=np.float64)
    distances = cosine_distances(X)
    gap = np.abs(distances - eps).min()
    assert gap > 8 * X.shape[1] * 2.0**-53, f"a pair lies within {gap} of eps: choose another eps"
    model = DBSCAN(eps=eps, min_samples=min_samples, metric="cosine").fit(X, sample_weight=sample_weight)
    return model.core_sample_indices_, model.labels_


def kth_distances(X, k, metric="euclidean", p=None):
    """Return the distance to the k-th other row.

    By pairs and not by a tree, whose query takes roots and arc sines with NumPy: with AVX-512 these
    differ from the C library's in the last bit.
    """
    X = np.asarray(X, dtype=np.float64)
    options = {"p": 2 if p is None else p} if metric == "minkowski" else {}
    return np.sort(DistanceMetric.get_metric(metric, **options).pairwise(X), axis=1)[:, k]


def predict(X_new, core_points, core_labels, eps, metric="euclidean"):
    """Return the smallest label within eps, by a one-leaf tree whose box holds all rows."""
    rows = np.vstack([X_new, core_points]).astype(np.float64)
    far = 8 * (np.ptp(rows, axis=0).max() + eps)
    tree_rows = np.vstack([core_points.astype(np.float64), rows.min(axis=0) - far, rows.max(axis=0) + far])
    tree = KDTree(tree_rows, leaf_size=len(tree_rows) + 1, metric=metric)
    near = tree.query_radius(X_new.astype(np.float64), eps)
    return np.array([core_labels[j].min() if len(j) else -1 for j in near], dtype=np.intp)
