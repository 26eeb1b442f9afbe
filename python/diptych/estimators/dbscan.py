"""DBSCAN with scikit-learn's interface, a prediction for new points, and a word about doubtful results."""

import math
import os
import sys
import warnings
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.neighbors import VALID_METRICS
from sklearn.utils.validation import check_is_fitted, validate_data

from diptych import _validate
from diptych._threads import resolve_n_jobs
from diptych.estimators._neighbours import (
    OtherNeighbours,
    cluster_graph,
    far_from_themselves,
    in_form_of,
    kernel_metric,
    precomputed_eps,
    smallest_equal_rows,
    with_scale,
    without_themselves,
)
from diptych.estimators._parameters import (
    InvalidParameterError,
    among,
    clustering_panel,
    require,
    row_weights,
)

__all__ = ["DBSCAN", "dbscan"]

_METRICS = {"precomputed"}.union(*VALID_METRICS.values())
_ALGORITHMS = {"auto", "ball_tree", "kd_tree", "brute"}
_BACKENDS = {"reference", "rust"}
_P_TWICE = "Parameter p is found in metric_params. The corresponding parameter from __init__ is ignored."


class DBSCAN(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Density-based clustering, as :class:`sklearn.cluster.DBSCAN` defines it.

    A point is core when at least `min_samples` points, itself included, lie within `eps`. Core points within
    `eps` of each other share a cluster; other points within `eps` of a core point are its border; the rest is
    noise.

    Parameters
    ----------
    eps : float, default=0.5
        Largest distance between neighbours, in the units of the metric.
    min_samples : int, default=5
        Smallest number, or total weight, of points within `eps` of a core point, itself included.
    metric : str or callable, default='euclidean'
        'euclidean' ('l2'), 'manhattan' ('l1', 'cityblock'), 'chebyshev', 'minkowski', 'cosine', 'haversine'
        (latitude and longitude in radians) and 'precomputed' are computed by the kernel. Every other metric
        of scikit-learn, a callable and sparse rows take their neighbours from
        :class:`sklearn.neighbors.NearestNeighbors`.
    metric_params : dict or None, default=None
        Further arguments of the metric.
    algorithm : {'auto', 'ball_tree', 'kd_tree', 'brute'}, default='auto'
        How scikit-learn finds neighbours; the kernels have their own way.
    leaf_size : int, default=30
        Leaf size of scikit-learn's trees.
    p : float or None, default=None
        Order of the Minkowski distance, up to and including np.inf; None means 2.
    n_jobs : int or None, default=None
        Number of threads. None means :func:`diptych.get_num_threads`, all cores unless set otherwise, where
        scikit-learn's None means 1. The result does not depend on it.
    backend : {'rust', 'reference'}, default='rust'
        Which panel does the work. The reference is for reading and for tests: same result, NumPy only, slow.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        Cluster of each row of the training data, -1 for noise. Clusters are numbered by their smallest core
        index; a border point takes the smallest number among its core neighbours.
    core_sample_indices_ : ndarray of shape (n_core_samples,)
        Rows that are core points, ascending.
    components_ : ndarray or sparse array of shape (n_core_samples, n_features)
        Copy of those rows.
    point_kinds_ : ndarray of shape (n_samples,), str
        'core', 'border' or 'noise' for each row.
    effective_metric_params_ : dict
        `metric_params`, and what 'seuclidean' and 'mahalanobis' took from the training data.
    n_features_in_ : int
        Number of columns of the training data.
    feature_names_in_ : ndarray of shape (d,)
        Names of the columns, if the training data had names.

    See Also
    --------
    diptych.kernels.clustering.dbscan : The function underneath, with the exact rule for a neighbour.
    diptych.kernels.clustering.k_distances : Distances from which to read off `eps`.

    Notes
    -----
    Differences from scikit-learn's class: `predict`, `point_kinds_`, `diagnose`, `save` and `backend` are
    added; `n_jobs=None` means all cores; neighbours are decided in float64 by direct differences, so labels
    can differ where a distance equals `eps` up to rounding; `metric='nan_euclidean'` takes missing values; a
    haversine latitude beyond ±pi/2 or an `eps` beyond pi is an error.

    The kernel's metrics need memory of at most 3 × the input in double precision, plus 32 bytes per row, plus
    64 MiB, results included, but for a copy of a precomputed matrix's core rows. The others keep all
    neighbourhoods, as scikit-learn does: about 16 bytes a pair.

    References
    ----------
    .. [1] M. Ester, H.-P. Kriegel, J. Sander and X. Xu, "A density-based algorithm for discovering clusters
       in large spatial databases with noise", KDD-96, pp. 226-231, 1996.
    .. [2] E. Schubert, J. Sander, M. Ester, H.-P. Kriegel and X. Xu, "DBSCAN revisited, revisited: why
       and how you should (still) use DBSCAN", ACM TODS 42(3), 19, 2017.

    Examples
    --------
    >>> from diptych import DBSCAN
    >>> X = [[1, 2], [2, 2], [2, 3], [8, 7], [8, 8], [25, 80]]
    >>> model = DBSCAN(eps=3, min_samples=2).fit(X)
    >>> model.labels_
    array([ 0,  0,  0,  1,  1, -1])
    >>> model.predict([[0, 1], [50, 50]])
    array([ 0, -1])
    """

    labels_: NDArray[np.intp]
    core_sample_indices_: NDArray[np.intp]
    components_: Any
    effective_metric_params_: dict[str, Any]
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    def __init__(
        self,
        eps: float = 0.5,
        *,
        min_samples: int = 5,
        metric: str | Callable[..., float] = "euclidean",
        metric_params: dict[str, Any] | None = None,
        algorithm: str = "auto",
        leaf_size: int = 30,
        p: float | None = None,
        n_jobs: int | None = None,
        backend: str = "rust",
    ) -> None:
        self.eps = eps
        self.min_samples = min_samples
        self.metric = metric
        self.metric_params = metric_params
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.n_jobs = n_jobs
        self.backend = backend

    def fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | float | None = None) -> "DBSCAN":
        """Cluster the rows of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or (n_samples, n_samples)
            Rows to cluster, or the distances between them if ``metric='precomputed'``, dense or sparse. Pairs
            that a sparse matrix of distances does not store are no neighbours.
        y : Ignored
            Present for scikit-learn's conventions.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Weight of each row, 1 if None; negative ones may keep neighbours from being core.

        Returns
        -------
        DBSCAN
            The fitted estimator itself.
        """
        self._check_parameters()
        X = validate_data(self, X, accept_sparse="csr", ensure_all_finite=self._finite())
        w = row_weights(sample_weight, X.shape[0])
        self.effective_metric_params_ = with_scale(self.metric, self.metric_params, X)
        core, self.labels_ = self._cluster(X, w)
        self.core_sample_indices_ = core
        self.components_ = X[core] if len(core) else np.empty((0, X.shape[1]))
        return self

    def fit_predict(self, X: Any, y: Any = None, sample_weight: ArrayLike | float | None = None) -> Any:
        """Cluster the rows of X and return their labels; see :meth:`fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Cluster of each row, -1 for noise.
        """
        return self.fit(X, sample_weight=sample_weight).labels_

    def predict(self, X: Any) -> NDArray[np.intp]:
        """Label new points by the core points within `eps`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, n_features) or (m, n_samples)
            Points to label; if ``metric='precomputed'``, their distances to the rows of the training data,
            where a sparse matrix has to store a zero for a point that is itself such a row.

        Returns
        -------
        ndarray of shape (m,)
            Smallest cluster number among the core points within `eps`, -1 if there is none. On the training
            data these are ``labels_``, with two exceptions: a precomputed matrix that is not symmetric, and
            equal rows that 'cosine' holds apart (two rows of zeros are at distance 1). A new row that equals
            a core point is that point, so all such rows get the smallest of their labels.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, accept_sparse="csr", ensure_all_finite=self._finite())
        known = self.labels_[self.core_sample_indices_]
        if not len(known):
            return np.full(X.shape[0], -1, dtype=np.intp)
        if self.metric != "precomputed":
            X = in_form_of(self.components_, X)
        panel, n_jobs = clustering_panel(self.backend), resolve_n_jobs(self.n_jobs)
        named = kernel_metric(self.metric, self.metric_params, self.p, _validate.is_sparse(X))
        if named is None or named[0] == "precomputed":
            eps, graph = self._distances_to_core(X, n_jobs, other=named is None)
            labels = panel.dbscan_predict(graph, None, known, eps, metric="precomputed", n_jobs=n_jobs)
            return np.asarray(labels)
        metric, p = named
        if self.backend == "reference":
            _check_for_reference(X, self.eps, metric)
        labels = panel.dbscan_predict(X, self.components_, known, self.eps, metric=metric, p=p, n_jobs=n_jobs)
        if metric == "cosine":
            labels = smallest_equal_rows(labels, X, self.components_, known, self.eps)
        return np.asarray(labels)

    @property
    def point_kinds_(self) -> NDArray[np.str_]:
        """'core', 'border' or 'noise' for each row of the training data."""
        check_is_fitted(self)
        kinds = np.where(self.labels_ < 0, "noise", "border")
        kinds[self.core_sample_indices_] = "core"
        return kinds

    def diagnose(self) -> str:
        """Say in words what was found, and what looks doubtful about it.

        Returns
        -------
        str
            One sentence of counts, then one for each warning sign: nearly everything is noise, core, or one
            cluster.

        Examples
        --------
        >>> from diptych import DBSCAN
        >>> print(DBSCAN(eps=0.1, min_samples=2).fit([[0.0], [1.0], [2.0]]).diagnose())
        3 points: no cluster; 0 core, 0 border, 3 noise.
        Nearly everything is noise (100%): eps=0.1 may be too small.
        To choose eps, draw np.sort(diptych.kernels.clustering.k_distances(X, k=1))
        with the same metric, and look for its knee.
        """
        from diptych.estimators._diagnosis import describe

        check_is_fitted(self)
        return describe(self.labels_, self.core_sample_indices_, self.eps, self.min_samples)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to a file that :func:`diptych.load` reads, without pickle.

        Parameters
        ----------
        path : str or path-like
            File to write, usually ending in ``.npz``. An existing file is replaced once the new one is
            complete.

        Raises
        ------
        ValueError
            If the metric is a function, which only pickle can store.
        """
        from diptych.estimators._dbscan_file import to_archive
        from diptych.io import write_archive

        check_is_fitted(self)
        write_archive(path, *to_archive(self))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.metric == "precomputed"
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.metric == "nan_euclidean"
        return tags

    def _cluster(self, X: Any, w: NDArray[Any] | None) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        panel, n_jobs = clustering_panel(self.backend), resolve_n_jobs(self.n_jobs)
        counts: dict[str, Any] = {"min_samples": int(self.min_samples), "sample_weight": w, "n_jobs": n_jobs}
        named = kernel_metric(self.metric, self.metric_params, self.p, _validate.is_sparse(X))
        if named is None:
            graph = OtherNeighbours(X, self, n_jobs).graph(X)
            return cluster_graph(panel, graph, without_themselves(graph), self.eps, **counts)
        metric, p = named
        eps = precomputed_eps(self.eps, X.dtype) if metric == "precomputed" else self.eps
        alone = far_from_themselves(X, eps) if _validate.is_sparse(X) else None
        if self.backend == "reference" or (alone is not None and alone.any()):
            _check_for_reference(X, eps, metric)
        if alone is not None:
            return cluster_graph(panel, X, alone, eps, **counts)
        core, labels = panel.dbscan(X, eps, metric=metric, p=p, **counts)
        return core, labels

    def _distances_to_core(self, X: Any, n_jobs: int, other: bool) -> tuple[float, Any]:
        """Return eps and the distances, of the columns that are core points."""
        if other:
            return self.eps, OtherNeighbours(self.components_, self, n_jobs).graph(X)
        eps = precomputed_eps(self.eps, X.dtype)
        if _validate.is_sparse(X):
            X.check_format(full_check=True)  # SciPy selects columns without looking at its indices
        return eps, X[:, self.core_sample_indices_]

    def _finite(self) -> bool | str:
        return "allow-nan" if self.metric == "nan_euclidean" else True

    def _check_parameters(self) -> None:
        def check(fulfilled: bool, name: str, rule: str) -> None:
            require(fulfilled, type(self).__name__, name, getattr(self, name), rule)

        def at_least_one(value: Any) -> bool:
            return isinstance(value, Integral) and int(value) >= 1

        def positive(value: Any, bound: float) -> bool:
            return isinstance(value, Real) and 0 < float(value) <= bound

        def one_of(value: Any, options: set[str]) -> bool:
            return isinstance(value, str) and value in options

        named = one_of(self.metric, _METRICS)
        check(positive(self.eps, sys.float_info.max), "eps", "a float in the range (0.0, inf)")
        check(at_least_one(self.min_samples), "min_samples", "an int in the range [1, inf)")
        check(named or callable(self.metric), "metric", f"{among(_METRICS)} or a callable")
        check(isinstance(self.metric_params, dict | None), "metric_params", "an instance of 'dict' or None")
        check(one_of(self.algorithm, _ALGORITHMS), "algorithm", among(_ALGORITHMS))
        check(at_least_one(self.leaf_size), "leaf_size", "an int in the range [1, inf)")
        check(self.p is None or positive(self.p, math.inf), "p", "a float in the range (0.0, inf] or None")
        check(isinstance(self.n_jobs, Integral | None), "n_jobs", "an instance of 'int' or None")
        check(one_of(self.backend, _BACKENDS), "backend", among(_BACKENDS))
        if self.p is not None and "p" in (self.metric_params or {}):
            warnings.warn(_P_TWICE, SyntaxWarning, stacklevel=3)


def _check_for_reference(X: Any, eps: float, metric: str) -> None:
    """Make the checks that a kernel makes and the reference does not."""
    _validate.eps(eps, metric)
    if _validate.is_sparse(X):
        X.check_format(full_check=True)
        _validate.csr_distances(X)
    elif metric == "precomputed":
        _validate.distances(X)
    elif metric == "haversine":
        _validate.check_sphere(_validate.points(X))


def dbscan(
    X: Any,
    eps: float = 0.5,
    *,
    min_samples: int = 5,
    metric: str | Callable[..., float] = "minkowski",
    metric_params: dict[str, Any] | None = None,
    algorithm: str = "auto",
    leaf_size: int = 30,
    p: float | None = 2,
    sample_weight: ArrayLike | float | None = None,
    n_jobs: int | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Cluster by density, with the signature of :func:`sklearn.cluster.dbscan`.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features) or (n_samples, n_samples)
        Rows to cluster, or the distances between them if ``metric='precomputed'``.
    eps, min_samples, metric, metric_params, algorithm, leaf_size, p, n_jobs
        As for :class:`DBSCAN`.
    sample_weight : array-like of shape (n_samples,), float or None, default=None
        Weight of each row, 1 if None.

    Returns
    -------
    core_samples : ndarray of shape (n_core_samples,)
        Rows that are core points, ascending.
    labels : ndarray of shape (n_samples,)
        Cluster of each row, -1 for noise.

    See Also
    --------
    DBSCAN : The estimator, which also predicts.

    Examples
    --------
    >>> from diptych import dbscan
    >>> core_samples, labels = dbscan([[1, 2], [2, 2], [2, 3], [8, 7], [8, 8], [9, 80]], eps=3, min_samples=2)
    >>> labels
    array([ 0,  0,  0,  1,  1, -1])
    """
    model = DBSCAN(
        eps,
        min_samples=min_samples,
        metric=metric,
        metric_params=metric_params,
        algorithm=algorithm,
        leaf_size=leaf_size,
        p=p,
        n_jobs=n_jobs,
    )
    try:
        model.fit(X, sample_weight=sample_weight)
    except InvalidParameterError as error:
        raise InvalidParameterError(str(error).replace("of DBSCAN must", "of dbscan must")) from None
    return model.core_sample_indices_, model.labels_
