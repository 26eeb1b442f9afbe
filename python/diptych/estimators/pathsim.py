"""PathSim: which nodes of a graph with types are similar along a meta-path, and why."""

import os
from typing import Any, Self

from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from diptych import _validate, _validate_metapath
from diptych._threads import resolve_n_jobs
from diptych.estimators._explanation import Explanation, explained
from diptych.estimators._parameters import among, is_count, panel, require
from diptych.estimators._pathsim_search import Search, search
from diptych.graph import HeteroGraph, MetaPath, as_hetero_graph

__all__ = ["PathSim"]

_BACKENDS = {"reference", "rust"}


class PathSim(BaseEstimator):  # type: ignore[misc]
    """Similarity of nodes by the company they share along a meta-path [1]_.

    A meta-path that goes somewhere and the same way back, author-paper-venue-paper-author, leads from a node
    x to others. With M_xy paths from x to y,

        ``s(x, y) = 2 * M_xy / (M_xx + M_yy)``.

    Nodes are similar if many paths join them, measured against the paths from each back to itself: if they
    share company, and are visible to the same degree. Nodes that play equal roles in different places are not
    similar: they may mirror each other and score 0.

    Parameters
    ----------
    metapath : str, list or MetaPath, default="APVPA"
        A round trip, as :meth:`HeteroGraph.metapath` takes it: initials or names of types, or a list of types
        or relations. Its second half has to be its first half walked back.
    n_jobs : int or None, default=None
        Number of threads of :meth:`top_k_all` and :meth:`to_csr`. None means :func:`diptych.get_num_threads`,
        all cores unless set otherwise, as it does for fitting. The result does not depend on it.
    backend : {"rust", "reference"}, default="rust"
        Which panel does the work. The reference is for reading and for tests, and slow; of counts, both give
        the same scores to the last bit.

    Attributes
    ----------
    metapath_ : MetaPath
        The meta-path, along the relations of the graph.
    half_matrix_ : csr_array of shape (n, m), int64 or float64
        The commuting matrix of the first half: entry (x, t) counts the paths from node x to middle node t,
        or sums their weights.
    node_names_ : ndarray of shape (n,)
        The names of the nodes that are compared.
    middle_names_ : ndarray of shape (m,)
        The names of the nodes in the middle.

    See Also
    --------
    HeteroGraph : What it is fitted to.
    diptych.kernels.metapath.pathsim_top_k : The kernel, and exactly what it computes.
    DeepWalk : Vectors, whose closeness has no such reasons to name.

    Notes
    -----
    The n × n matrix M is never built. Fitting multiplies the relations of the half path, and keeps the
    result, a copy of the relations it passes, and an index of the half matrix for single questions. Of a
    longer path the half matrix itself may be as large as M: that of APCPAPCPA is the M of APCPA, n × n and
    mostly full. What to use instead is a path whose half ends at a type of few nodes, as that of APCPA does.

    Where edges carry integer weights, or none, counts are exact and scores are correctly rounded.

    References
    ----------
    .. [1] Y. Sun, J. Han, X. Yan, P. S. Yu and T. Wu, "PathSim: Meta path-based top-k similarity search in
       heterogeneous information networks", PVLDB 4(11), pp. 992-1003, 2011.

    Examples
    --------
    Three authors wrote four papers, which appeared at two venues. A1 shares a venue with each of the others;
    A2 and A3, which mirror each other, never meet:

    >>> from diptych import HeteroGraph, PathSim
    >>> graph = HeteroGraph({
    ...     ("author", "writes", "paper"): [("A1", "P1"), ("A1", "P2"), ("A2", "P3"), ("A3", "P4")],
    ...     ("paper", "appears in", "venue"): [("P1", "C1"), ("P2", "C2"), ("P3", "C1"), ("P4", "C2")],
    ... })
    >>> model = PathSim("APVPA").fit(graph)
    >>> model.similarity("A1", "A2") == model.similarity("A1", "A3") == 2 / 3
    True
    >>> model.similarity("A2", "A3")
    0.0
    >>> model.explain("A1", "A2")
    A1 and A2: PathSim 0.6667 along author-paper-venue-paper-author
      2 · M_xy / (M_xx + M_yy) = 2 · 1 / (2 + 1)
      M_xy by venue:
        C1  1 (100.0%)
      for example:
        A1–P1–C1–P3–A2, through C1
    >>> model.explain("A1", "A3").paths[0]
    ExamplePath(nodes=('A1', 'P2', 'C2', 'P4', 'A3'), through='C2', weight=1)
    >>> model.explain("A2", "A3")
    A2 and A3: PathSim 0.0000 along author-paper-venue-paper-author
      2 · M_xy / (M_xx + M_yy) = 2 · 0 / (1 + 1)
      no venue is reached by both

    The example of the paper, by how often each author published at a venue. Jim meets Mike most often, but
    Bob publishes as Mike does:

    >>> published = {
    ...     "Mike": {"SIGMOD": 2, "VLDB": 1}, "Jim": {"SIGMOD": 50, "VLDB": 20},
    ...     "Mary": {"SIGMOD": 2, "ICDE": 1}, "Bob": {"SIGMOD": 2, "VLDB": 1},
    ...     "Ann": {"ICDE": 1, "KDD": 1},
    ... }
    >>> rows = [(a, v, n) for a, venues in published.items() for v, n in venues.items()]
    >>> model = PathSim("AVA").fit({("author", "publishes at", "venue"): rows})
    >>> [(name, round(score, 4)) for name, score in model.top_k("Mike")]
    [('Bob', 1.0), ('Mary', 0.8), ('Jim', 0.0826)]
    >>> model.similarity("Mike", "Ann")
    0.0
    """

    metapath_: MetaPath
    half_matrix_: Any
    node_names_: NDArray[Any]
    middle_names_: NDArray[Any]
    _graph: HeteroGraph  # the part that the half path passes
    _search: Search | None = None

    def __init__(self, metapath: Any = "APVPA", *, n_jobs: int | None = None, backend: str = "rust") -> None:
        self.metapath = metapath
        self.n_jobs = n_jobs
        self.backend = backend

    def fit(self, graph: Any, y: Any = None) -> Self:
        """Count the paths of the half path.

        Parameters
        ----------
        graph : HeteroGraph, mapping of relations, HeteroData, or path
            Anything :func:`diptych.graph.as_hetero_graph` takes.
        y : Ignored
            Present for scikit-learn's conventions.

        Returns
        -------
        self
            The fitted estimator itself. When fitting fails or is interrupted, what it held before stays.

        Raises
        ------
        ValueError
            If a parameter is out of range, `graph` holds no graph, or the meta-path is not one of the graph,
            or no round trip. The message names the position and the choices.
        OverflowError
            If counts or weights are too large, as by :func:`~diptych.kernels.metapath.pathsim_top_k`.
        MemoryError
            If the half matrix does not fit; the message names its size.

        Notes
        -----
        Nodes without paths are no error, nor are relations without edges: their scores are 0.
        """
        self._check_parameters()
        resolve_n_jobs(self.n_jobs)  # refused now, not when it is asked
        known = as_hetero_graph(graph)
        path = known.metapath(self.metapath)
        half = path.half
        W = panel("metapath", self.backend).commuting_matrix(known.relations_along(half))
        ready = search(self.backend, W)
        part = known._copy_along(half)
        self.metapath_, self.half_matrix_, self._graph, self._search = path, W, part, ready
        self.node_names_, self.middle_names_ = part.nodes[half.types[0]], part.nodes[half.types[-1]]
        return self

    def similarity(self, x: Any, y: Any) -> float:
        """Return how similar two nodes are.

        Parameters
        ----------
        x, y : hashable
            Their names.

        Returns
        -------
        float
            Between 0 and 1; 0 where either has no path.

        Raises
        ------
        ValueError
            If there is no such node; the message names what is written like it.
        NotFittedError
            If the estimator is not fitted.
        """
        return self._fitted().pair(self._row(x), self._row(y))

    def top_k(self, x: Any, k: int = 10, include_self: bool = False) -> list[tuple[Any, float]]:
        """Return the nodes that are most similar to one.

        Parameters
        ----------
        x : hashable
            The name of a node.
        k : int, default=10
            How many to return; fewer, if fewer share a path with it.
        include_self : bool, default=False
            Whether the node itself may be among them.

        Returns
        -------
        list of (name, score)
            Score descending, then row ascending; only scores above 0.

        Raises
        ------
        ValueError
            If there is no such node, or `k` is below 1.
        NotFittedError
            If the estimator is not fitted.
        """
        ready, number = self._fitted(), min(_validate.count(k, "k"), len(self.node_names_))
        indices, scores = ready.top_k(number, self._row(x), _validate_metapath.include_self(include_self))
        found = indices[0][indices[0] >= 0]
        return list(zip(self.node_names_[found].tolist(), scores[0].tolist(), strict=False))

    def top_k_all(self, k: int = 10, include_self: bool = False) -> Any:
        """Return the nodes that are most similar to each.

        Parameters
        ----------
        k : int, default=10
            How many for each node; rows with fewer are padded.
        include_self : bool, default=False
            Whether a node may be among its own.

        Returns
        -------
        TopK
            `indices` (n, k) int64, rows of ``node_names_``, padded with -1; `scores` (n, k) float64, padded
            with 0; as :func:`~diptych.kernels.metapath.pathsim_top_k` returns them.

        Raises
        ------
        ValueError
            If `k` is below 1.
        MemoryError
            If the result does not fit; the message names its size.
        NotFittedError
            If the estimator is not fitted.
        """
        ready, number = self._fitted(), _validate.count(k, "k")
        with_self = _validate_metapath.include_self(include_self)
        return ready.top_k(number, None, with_self, resolve_n_jobs(self.n_jobs))

    def to_csr(self, threshold: float = 0.0) -> Any:
        """Return the scores of all pairs, or of those that reach a threshold.

        Parameters
        ----------
        threshold : float, default=0.0
            The least score that is kept.

        Returns
        -------
        csr_array of shape (n, n), float64
            Scores above 0, in canonical form, the diagonal included.

        Raises
        ------
        ValueError
            If the threshold is not between 0 and 1.
        MemoryError
            If the result does not fit; the message names its size. :meth:`top_k_all` needs far less.
        NotFittedError
            If the estimator is not fitted.
        """
        return self._fitted().matrix(threshold, resolve_n_jobs(self.n_jobs))

    def explain(self, x: Any, y: Any, limit: int = 10) -> Explanation:
        """Say why two nodes are similar.

        Parameters
        ----------
        x, y : hashable
            Their names.
        limit : int, default=10
            How many example paths to name, and how many shares to print.

        Returns
        -------
        Explanation
            The numbers of paths, the share of each middle node, and example paths. It prints in words.

        Raises
        ------
        ValueError
            If there is no such node, or `limit` is below 1.
        NotFittedError
            If the estimator is not fitted.

        Notes
        -----
        O(r log r + edges + limit · steps) time for rows of r entries of the half matrix, the edges of its
        relations and the steps of the path.
        """
        search = self._fitted()
        number, nodes = _validate.count(limit, "limit"), (self._row(x), self._row(y))
        return explained(self._graph, self.metapath_, self.half_matrix_, nodes, search.pair(*nodes), number)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to a file for :func:`diptych.load`, without pickle.

        Parameters
        ----------
        path : str or path-like
            The file, usually in ``.npz``; an existing one is replaced once the new one is complete. It holds
            the relations and the names that the half path passes; loading multiplies them anew.

        Raises
        ------
        ValueError
            If a name is neither a str nor a number.
        NotFittedError
            If the estimator is not fitted.
        """
        from diptych.estimators._pathsim_file import to_archive
        from diptych.io import write_archive

        check_is_fitted(self)
        write_archive(path, *to_archive(self))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the index, which is quickly made again."""
        return {name: value for name, value in super().__getstate__().items() if name != "_search"}

    def _fitted(self) -> Search:
        """Return the index; it is made anew after the estimator was copied or unpickled."""
        if not hasattr(self, "half_matrix_"):
            check_is_fitted(self)
        if self._search is None:
            self._search = search(self.backend, self.half_matrix_)
        return self._search

    def _row(self, name: Any) -> int:
        try:
            return self._graph.index_of(self.metapath_.types[0], name)
        except KeyError as error:
            raise ValueError(f"{error.args[0]}.") from None

    def _check_parameters(self) -> None:
        def check(fulfilled: bool, name: str, rule: str) -> None:
            require(fulfilled, type(self).__name__, name, getattr(self, name), rule)

        check(self.n_jobs is None or is_count(self.n_jobs, None), "n_jobs", "an instance of 'int' or None")
        check(isinstance(self.backend, str) and self.backend in _BACKENDS, "backend", among(_BACKENDS))
