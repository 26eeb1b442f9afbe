"""DBSCAN, its prediction for new points, and the k-distances that help to choose eps."""

from typing import TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diptych import _progress, _rust, _validate
from diptych._threads import resolve_n_jobs

__all__ = ["dbscan", "dbscan_predict", "k_distances"]

Distances: TypeAlias = ArrayLike | _validate.CSR


def dbscan(
    X: Distances,
    eps: float = 0.5,
    *,
    min_samples: int = 5,
    metric: str = "euclidean",
    p: float | None = None,
    sample_weight: ArrayLike | None = None,
    n_jobs: int | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Cluster rows by density.

    A point is *core* when its neighbours, the rows within `eps` and the point itself, weigh at least
    `min_samples`. Core points within `eps` of each other share a cluster. A point that is not core but has a
    core neighbour is *border*; all others are *noise*.

    Parameters
    ----------
    X : array-like of shape (n, d), or for metric='precomputed' (n, n) array-like or SciPy CSR
        Rows to cluster, or the distances between them. float32 and float64 are used as they are; integers,
        booleans, float16, other byte orders and lists become float64, and arrays that are not C-contiguous
        are copied once.
    eps : float, default=0.5
        Largest distance between neighbours, itself included (``<=``), in the units of the metric; radians for
        'haversine'.
    min_samples : int, default=5
        Smallest number, or total weight, of neighbours of a core point. The point itself counts.
    metric : str, default='euclidean'
        'euclidean', 'manhattan', 'chebyshev', 'minkowski', 'cosine', 'haversine' (rows are latitude and
        longitude in radians) or 'precomputed'.
    p : float or None, default=None
        Order of the Minkowski distance, positive, np.inf included; None means 2. Other metrics ignore it.
    sample_weight : array-like of shape (n,) or None, default=None
        Weight of each row, 1 if None. Negative weights may keep a neighbour from being core. Sums are exact,
        rounded once.
    n_jobs : int or None, default=None
        Number of threads; None means :func:`diptych.get_num_threads`, -1 all cores the process may use. The
        result does not depend on it.

    Returns
    -------
    core_sample_indices : ndarray of shape (n_core,), intp
        Rows that are core points, ascending.
    labels : ndarray of shape (n,), intp
        Cluster of each row, -1 for noise. Clusters are numbered from 0 by their smallest core index; a border
        point takes the smallest number among its core neighbours.

    Raises
    ------
    ValueError
        If a value is NaN or infinite, an array has no rows, no columns or the wrong rank, a precomputed
        matrix is not square or holds a negative distance or malformed indices, `eps`, `min_samples` or `p` is
        out of range, weights have the wrong length or are all zero, a haversine row is not a pair of radians,
        or the metric is unknown.
    TypeError
        If an argument has the wrong type: complex numbers, strings, sparse features, a `min_samples` that is
        no integer. (The error is a ValueError as well.)
    MemoryError
        If an intermediate array does not fit; the message names its size.

    See Also
    --------
    diptych.DBSCAN : The estimator, which takes other metrics, callables and sparse features too.
    k_distances : Distances from which `eps` is read off.

    Notes
    -----
    A pair is decided in float64, in the order of the columns, float32 rows being widened first:

    =========== ============================================================= ====================
    metric      s                                                             neighbours when
    =========== ============================================================= ====================
    euclidean   sum of t * t with t = x - y, no fused multiply-add            s <= eps * eps
    manhattan   sum of abs(t)                                                 s <= eps
    chebyshev   largest abs(t)                                                s <= eps
    minkowski   sum of abs(t) ** p                                            s <= eps ** p
    haversine   sin(Δlat/2)² + cos(lat) cos(lat') sin(Δlon/2)²                s <= sin(eps/2)²
    cosine      1 - dot(x / norm(x), y / norm(y))                             s <= eps
    precomputed what row i stores at j                                        s <= eps
    =========== ============================================================= ====================

    Under 'cosine' a point is at distance 0 from itself, and a zero row at distance 1 from every other row.
    A precomputed matrix that is not symmetric is followed along its rows: row i holds the neighbours of point
    i. A dense diagonal counts as stored, a sparse one as 0. Pairs that a sparse matrix does not store are no
    neighbours; every entry it stores counts, explicit zeros and duplicates too.

    The result is the same for every thread count and instruction set. It equals scikit-learn's, except where
    scikit-learn rounds the same comparison in another way; the two then differ on pairs whose distance is
    `eps` up to rounding.

    Time is about O(n log n) in few dimensions with a small `eps`, and at worst O(n² d). Memory at the peak is
    at most 3 × the input in double precision, plus 32 bytes per row, plus 64 MiB, results included.

    References
    ----------
    .. [1] M. Ester, H.-P. Kriegel, J. Sander and X. Xu, "A density-based algorithm for discovering clusters
       in large spatial databases with noise", KDD-96, pp. 226-231, 1996.
    .. [2] E. Schubert, J. Sander, M. Ester, H.-P. Kriegel and X. Xu, "DBSCAN revisited, revisited: why
       and how you should (still) use DBSCAN", ACM TODS 42(3), 19, 2017.
    .. [3] Y. Wang, Y. Gu and J. Shun, "Theoretically-efficient and practical parallel DBSCAN", SIGMOD 2020.

    Examples
    --------
    >>> from diptych.kernels.clustering import dbscan
    >>> X = [[1, 2], [2, 2], [2, 3], [8, 7], [8, 8], [25, 80]]
    >>> core_sample_indices, labels = dbscan(X, eps=3, min_samples=2)
    >>> core_sample_indices
    array([0, 1, 2, 3, 4])
    >>> labels
    array([ 0,  0,  0,  1,  1, -1])
    """
    name, power = _validate.metric(metric, p)
    radius, needed = _validate.eps(eps, name), _validate.min_samples(min_samples)
    threads, progress = resolve_n_jobs(n_jobs), _progress.current()
    if name == "precomputed" and _validate.is_sparse(X):
        graph = _validate.csr_distances(cast(_validate.CSR, X))
        w = _validate.weights(sample_weight, len(graph[0]) - 1)
        return _rust.dbscan_csr(*graph, radius, needed, w, threads, progress)
    if name == "precomputed":
        D = _validate.distances(X)
        w = _validate.weights(sample_weight, len(D))
        return _rust.dbscan_dense(D, radius, needed, w, threads, progress)
    rows = _validate.points(X)
    if name == "haversine":
        _validate.check_sphere(rows)
    w = _validate.weights(sample_weight, len(rows))
    return _rust.dbscan(rows, radius, needed, name, power, w, threads, progress)


def k_distances(
    X: Distances,
    k: int = 4,
    *,
    metric: str = "euclidean",
    p: float | None = None,
    n_jobs: int | None = None,
) -> NDArray[np.float64]:
    """Return the distance from each point to the k-th nearest other point.

    Sorted and drawn, the curve has a knee where clusters end and noise begins: a good `eps` for
    ``min_samples=k + 1``.

    Parameters
    ----------
    X : array-like of shape (n, d), or for metric='precomputed' (n, n) array-like or SciPy CSR
        As for :func:`dbscan`.
    k : int, default=4
        Which neighbour, the point itself not counted; 1 to n - 1.
    metric : str, default='euclidean'
        As for :func:`dbscan`.
    p : float or None, default=None
        As for :func:`dbscan`.
    n_jobs : int or None, default=None
        As for :func:`dbscan`.

    Returns
    -------
    ndarray of shape (n,), float64
        Distances in the order of the rows; radians for 'haversine'. Infinite where a sparse matrix stores
        fewer than `k` other entries in the row.

    Raises
    ------
    ValueError
        If `k` is out of range, and as for :func:`dbscan`.
    TypeError
        If an argument has the wrong type, as for :func:`dbscan`.
    MemoryError
        If an intermediate array does not fit; the message names its size.

    See Also
    --------
    dbscan : What the distances help to set up.

    Notes
    -----
    Distances are sums in column order in float64, as for :func:`dbscan`, and the k-th smallest is exact: a
    point has at least k others within ``k_distances(X, k)`` up to the rounding of one square root. The result
    is the same for every thread count.

    A candidate costs O(d) to measure and O(log k) to keep: time is at worst O(n² (d + log k)). Memory at the
    peak is at most 3 × the input in double precision, plus 32 bytes per row, plus 64 MiB, results included;
    besides, each thread at work keeps O(k) for each point of its tile.

    References
    ----------
    .. [1] M. Ester, H.-P. Kriegel, J. Sander and X. Xu, "A density-based algorithm for discovering clusters
       in large spatial databases with noise", KDD-96, section 4.2, 1996.

    Examples
    --------
    >>> from diptych.kernels.clustering import k_distances
    >>> k_distances([[0.0], [1.0], [3.0]], k=1)
    array([1., 1., 2.])
    """
    name, power = _validate.metric(metric, p)
    threads, progress = resolve_n_jobs(n_jobs), _progress.current()
    if name == "precomputed" and _validate.is_sparse(X):
        graph = _validate.csr_distances(cast(_validate.CSR, X))
        return _rust.k_distances_csr(*graph, _validate.k(k, graph[3]), threads, progress)
    if name == "precomputed":
        D = _validate.distances(X)
        return _rust.k_distances_dense(D, _validate.k(k, len(D)), threads, progress)
    rows = _validate.points(X)
    if name == "haversine":
        _validate.check_sphere(rows)
    return _rust.k_distances(rows, _validate.k(k, len(rows)), name, power, threads, progress)


def dbscan_predict(
    X_new: Distances,
    core_points: ArrayLike | None,
    core_labels: ArrayLike,
    eps: float = 0.5,
    *,
    metric: str = "euclidean",
    p: float | None = None,
    n_jobs: int | None = None,
) -> NDArray[np.intp]:
    """Label new points by the core points within reach.

    Parameters
    ----------
    X_new : array-like of shape (m, d), or for metric='precomputed' (m, n_core) array-like or SciPy CSR
        Points to label, or their distances to the core points. Dtypes as for :func:`dbscan`.
    core_points : array-like of shape (n_core, d) or None
        Rows of the core points; an empty list stands for no rows. Ignored for metric='precomputed', which
        alone takes None.
    core_labels : array-like of shape (n_core,), integer
        Cluster number of each core point, 0 to 2**32 - 2.
    eps : float, default=0.5
        As for :func:`dbscan`.
    metric : str, default='euclidean'
        As for :func:`dbscan`.
    p : float or None, default=None
        As for :func:`dbscan`.
    n_jobs : int or None, default=None
        As for :func:`dbscan`.

    Returns
    -------
    ndarray of shape (m,), intp
        Smallest label among the core points within `eps`, else -1. That is the rule for border points, and
        core points reach themselves.

    Raises
    ------
    ValueError
        If shapes do not fit each other, and as for :func:`dbscan`.
    TypeError
        If an argument has the wrong type, as for :func:`dbscan`.
    MemoryError
        If an intermediate array does not fit; the message names its size.

    See Also
    --------
    diptych.DBSCAN.predict : The same, from a fitted estimator.

    Notes
    -----
    The comparison is that of :func:`dbscan`, and the result is the same for every thread count. In a sparse
    matrix only stored entries count. Time is about O((m + n_core) log n_core) in few dimensions, at worst O(m
    n_core d). Memory at the peak is at most 3 × both inputs in double precision, plus 32 bytes per row of
    either, plus 64 MiB, results included.

    References
    ----------
    .. [1] M. Ester, H.-P. Kriegel, J. Sander and X. Xu, "A density-based algorithm for discovering clusters
       in large spatial databases with noise", KDD-96, pp. 226-231, 1996.

    Examples
    --------
    >>> from diptych.kernels.clustering import dbscan_predict
    >>> dbscan_predict([[0.5], [9.0]], core_points=[[0.0], [1.0]], core_labels=[0, 0], eps=1.0)
    array([ 0, -1])
    """
    name, power = _validate.metric(metric, p)
    radius, threads, progress = _validate.eps(eps, name), resolve_n_jobs(n_jobs), _progress.current()
    if name == "precomputed":
        known = _validate.labels(core_labels)
        if _validate.is_sparse(X_new):
            graph = _validate.csr_distances(cast(_validate.CSR, X_new), "X_new", columns=len(known))
            return _rust.dbscan_predict_csr(*graph, known, radius, threads, progress)
        D = _validate.distances(X_new, "X_new", columns=len(known))
        return _rust.dbscan_predict_dense(D, known, radius, threads, progress)
    new = _validate.points(X_new, "X_new")
    core = _validate.core_points(core_points, new.shape[1])
    if name == "haversine":  # before the dtypes meet: a pole in float32 lies beyond that in float64
        _validate.check_sphere(new, "X_new")
        _validate.check_sphere(core, "core_points")
    new, core = _validate.alike(new, core)
    known = _validate.labels(core_labels, len(core))
    return _rust.dbscan_predict(new, core, known, radius, name, power, threads, progress)
