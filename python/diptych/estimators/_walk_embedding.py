"""What DeepWalk and Node2Vec have in common: skip-gram on random walks, and what is done with the vectors."""

import os
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from diptych import _progress
from diptych._threads import resolve_n_jobs
from diptych.estimators._nodes import find_node, most_similar_rows, rows_in_union
from diptych.estimators._parameters import (
    among,
    is_count,
    is_random_state,
    is_real,
    panel,
    require,
    seed_of,
)
from diptych.graph import as_graph

_BACKENDS = {"reference", "rust"}
_LOWEST_RATE = 1e-4  # what the learning rate falls to
_WORD2VEC = {".txt", ".vec"}
_RANDOM_STATES = "an int in the range [0, inf), a RandomState, Generator or SeedSequence of NumPy, or None"


class WalkEmbedding(BaseEstimator):  # type: ignore[misc]
    """An estimator of vectors for nodes; parameters are those of the class that inherits."""

    embedding_: NDArray[np.float32]
    contexts_: NDArray[np.float32]
    losses_: NDArray[np.float64]
    node_names_: NDArray[Any]

    dimensions: int
    walk_length: int
    walks_per_node: int
    window: int
    negative: int
    exponent: float
    shrink: bool
    epochs: int
    learning_rate: float
    random_state: Any
    n_jobs: int | None
    verbose: bool
    backend: str

    def fit(self, graph: Any, y: Any = None) -> Self:
        """Learn a vector for each node of a graph.

        Parameters
        ----------
        graph : Graph, SciPy sparse matrix, networkx graph, table of edges, or path
            Anything :func:`diptych.graph.as_graph` takes; a table of edges is taken for undirected.
        y : Ignored
            Present for scikit-learn's conventions.

        Returns
        -------
        self
            The fitted estimator itself. When fitting fails or is interrupted, what it held before stays.

        Raises
        ------
        ValueError
            If a parameter is out of range, `graph` holds no graph, or the graph has no edges.
        FloatingPointError
            If training diverges; the message names the epoch and the learning rate.
        MemoryError
            If the tables do not fit; the message names their size.
        """
        self._check_parameters()
        known = as_graph(graph)
        if not known.adjacency.nnz:
            raise ValueError(f"the graph has {known.n_nodes} nodes and no edges: there is nothing to learn.")
        with self._reporting():
            learnt = _embed(
                self.backend, known.adjacency, self._steps(), self._training(), seed_of(self.random_state)
            )
        self.embedding_, self.contexts_, self.losses_ = learnt
        self.node_names_ = known.node_names.copy()
        return self

    def fit_transform(self, graph: Any, y: Any = None) -> NDArray[np.float32]:
        """Learn a vector for each node of a graph and return them; see :meth:`fit`.

        Returns
        -------
        ndarray of shape (n, dimensions), float32
            ``embedding_``.
        """
        return self.fit(graph).embedding_

    def update(self, graph: Any) -> Self:
        """Learn vectors of nodes that are new in a graph; those of the others stay as they are.

        Walks start from the new nodes, on the graph given. They are trained on from the tables as fitted,
        new rows beginning as in :meth:`fit`, and then the old rows of both tables are put back, bit for bit.
        While it lasts, old rows do move: this is meant for few new nodes among many old ones, tied to them by
        edges. After much growth, fit again.

        Parameters
        ----------
        graph : Graph, SciPy sparse matrix, networkx graph, table of edges, or path
            The graph as it is now, with the edges between old nodes that walks should find. An old node that
            it lacks keeps its vector.

        Returns
        -------
        self
            The estimator, with old nodes in the rows they had, and new ones below in the order of the graph.
            ``losses_`` are those of the update; they are as before when no node is new.

        Raises
        ------
        NotFittedError
            If there is nothing to update.
        ValueError, FloatingPointError, MemoryError
            As by :meth:`fit`.

        Notes
        -----
        O(edges) to set up and to train as many walks as a fit to the new nodes alone takes. Memory at the
        peak is that of a fit, two tables more, and the walks: 4 bytes for each of their nodes.
        """
        check_is_fitted(self)
        self._check_parameters()
        adjacency, names = rows_in_union(self.node_names_, as_graph(graph))
        n, n_old = len(names), len(self.node_names_)
        if n == n_old:
            return self
        walks, skipgram = panel("walks", self.backend), panel("skipgram", self.backend)
        seed, training = seed_of(self.random_state), self._training()
        training |= {"n_nodes": n, "dimensions": self.embedding_.shape[1], "rng": seed}
        new = np.arange(n_old, n)
        with self._reporting():
            corpus = walks.random_walks(
                adjacency, start_nodes=new, rng=seed, n_jobs=training["n_jobs"], **self._steps()
            )
            begun = skipgram.train(corpus, **training | {"epochs": 0})
            self._put_back(begun)
            learnt = skipgram.train(corpus, initial=(begun.vectors, begun.contexts), **training)
        self._put_back(learnt)
        self.embedding_, self.contexts_, self.losses_ = learnt
        self.node_names_ = names
        return self

    def most_similar(self, node: Any, k: int = 10) -> list[tuple[Any, float]]:
        """Return the nodes whose vectors point most nearly where that of a node points.

        Parameters
        ----------
        node : hashable
            The name of a node.
        k : int, default=10
            How many to return; all others, if there are fewer.

        Returns
        -------
        list of (name, cosine)
            Without the node itself: cosine of the angle descending, then row ascending. With a vector of
            zeros, which has no direction, it counts as 0.

        Raises
        ------
        ValueError
            If there is no such node, or `k` is below 1.
        TypeError
            If `node` cannot be hashed, as a list of names. (The error is a ValueError as well.)
        NotFittedError
            If there are no vectors yet.

        Notes
        -----
        O(n d) time in float64, 40 bytes of memory per node; the result does not depend on threads.
        """
        check_is_fitted(self)
        return most_similar_rows(self.embedding_, self.node_names_, find_node(self.node_names_, node), k)

    def to_gensim(self) -> Any:
        """Return the vectors as gensim's KeyedVectors.

        Returns
        -------
        gensim.models.KeyedVectors
            A copy of the vectors; keys are ``str(name)``, as numbers mean rows to gensim.

        Raises
        ------
        ImportError
            If gensim is not installed.
        ValueError
            If two names are written alike, such as 1 and '1'.
        """
        check_is_fitted(self)
        try:
            from gensim.models import KeyedVectors
        except ImportError:
            raise ImportError("to_gensim() needs gensim: pip install gensim") from None
        keys = list(map(str, self.node_names_.tolist()))
        if len(set(keys)) < len(keys):
            raise ValueError(
                "two names are written alike, and gensim's keys are strings: rename one of them."
            )
        vectors = KeyedVectors(self.embedding_.shape[1])
        vectors.add_vectors(keys, self.embedding_)
        return vectors

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator, or its vectors alone, to a file.

        Parameters
        ----------
        path : str or path-like
            A name in ``.txt`` or ``.vec`` gets the vectors in word2vec's text format, which gensim and
            :func:`diptych.io.read_word2vec` read. Any other, usually in ``.npz``, gets the estimator, without
            pickle, for :func:`diptych.load`; a `random_state` other than an integer is left out. An existing
            file is replaced once the new one is complete.

        Raises
        ------
        ValueError
            If a name cannot be written: other than strings and numbers to ``.npz``, blanks to ``.txt``.
        """
        from diptych.estimators._embedding_file import to_archive
        from diptych.io import write_archive, write_word2vec

        check_is_fitted(self)
        if Path(path).suffix.lower() in _WORD2VEC:
            write_word2vec(path, self.node_names_.tolist(), self.embedding_)
        else:
            write_archive(path, *to_archive(self))

    def _steps(self) -> dict[str, Any]:
        """Return what :func:`~diptych.kernels.walks.random_walks` is told, but for the graph."""
        return {"walk_length": self.walk_length, "walks_per_node": self.walks_per_node}

    def _training(self) -> dict[str, Any]:
        """Return what :func:`~diptych.kernels.skipgram.train` is told, but for the walks."""
        return {
            "dimensions": self.dimensions,
            "window": self.window,
            "negative": self.negative,
            "exponent": self.exponent,
            "shrink": bool(self.shrink),
            "epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "min_learning_rate": min(_LOWEST_RATE, self.learning_rate),
            "n_jobs": resolve_n_jobs(self.n_jobs),
        }

    def _put_back(self, tables: Any) -> None:
        """Write the rows of the nodes that are known over those of larger tables."""
        n = len(self.node_names_)
        tables.vectors[:n], tables.contexts[:n] = self.embedding_, self.contexts_

    def _reporting(self) -> Any:
        return _progress.bar(type(self).__name__, wanted=bool(self.verbose))

    def _check_parameters(self) -> None:
        def check(fulfilled: bool, name: str, rule: str) -> None:
            require(fulfilled, type(self).__name__, name, getattr(self, name), rule)

        for name in ("dimensions", "walk_length", "walks_per_node", "window"):
            check(is_count(getattr(self, name), 1), name, "an int in the range [1, inf)")
        for name in ("negative", "epochs"):
            check(is_count(getattr(self, name), 0), name, "an int in the range [0, inf)")
        for name in ("shrink", "verbose"):
            check(isinstance(getattr(self, name), bool | np.bool), name, "an instance of 'bool'")
        check(is_real(self.exponent), "exponent", "a float in the range (-inf, inf)")
        for name in ("learning_rate", *({"p", "q"} & set(vars(self)))):
            value = getattr(self, name)
            check(is_real(value) and value > 0, name, "a float in the range (0.0, inf)")
        check(is_random_state(self.random_state), "random_state", _RANDOM_STATES)
        check(self.n_jobs is None or is_count(self.n_jobs, None), "n_jobs", "an instance of 'int' or None")
        check(isinstance(self.backend, str) and self.backend in _BACKENDS, "backend", among(_BACKENDS))


def _embed(backend: str, graph: Any, steps: dict[str, Any], training: dict[str, Any], seed: Any) -> Any:
    """Return vectors, contexts and losses; both panels compute train(random_walks(graph, …), …)."""
    if backend == "rust":
        from diptych.kernels._training import embed

        return embed(graph, rng=seed, **steps, **training)
    walks, skipgram = panel("walks", backend), panel("skipgram", backend)
    corpus = walks.random_walks(graph, rng=seed, **steps)
    return skipgram.train(corpus, n_nodes=graph.shape[0], rng=seed, **training)
