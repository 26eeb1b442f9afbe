"""A graph for walks, meta-paths and evaluation: a CSR adjacency matrix, and the names of its rows."""

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from diptych import _validate
from diptych._validate import DtypeError
from diptych.graph._edges import MOST_NODES, Edges, find_row, index_names, name_array, read_edges
from diptych.graph._files import format_of, read_edge_file, read_matrix

__all__ = ["Graph", "as_graph"]


class Graph:
    """A weighted graph that keeps the names of its nodes.

    `Graph(matrix)` takes an adjacency matrix; :meth:`from_edges`, :meth:`from_file` and :meth:`from_networkx`
    take what else a graph comes as. In all of them entries and edges that are given twice are summed, an
    explicit zero is no edge, an undirected edge is stored both ways and a self-loop once.

    Parameters
    ----------
    matrix : SciPy sparse matrix or array of any format, or array-like, of shape (n, n)
        ``matrix[i, j]`` is the weight of the edge from i to j: finite, not negative, of any real dtype.
    node_names : iterable of n different hashables or None, default=None
        Names of the rows; None names them 0 … n - 1.
    directed : bool or None, default=None
        Whether (i, j) and (j, i) are different edges. None: they are unless the matrix is symmetric, to the
        last bit. False refuses a matrix that is not.

    Attributes
    ----------
    adjacency : csr_array of shape (n, n), float64
        Weights, in canonical form: columns ascending within a row, no duplicates, no stored zeros. It shares
        memory with `matrix` if that was in this form already.
    node_names : ndarray of shape (n,)
        The name of each row: int64 if all names are integers, else objects.
    n_nodes : int
        Number of nodes, those without edges included.
    n_edges : int
        Number of edges; of an undirected graph each counts once, as does a self-loop.
    directed : bool
        Whether edges have a direction.

    Raises
    ------
    ValueError
        If the matrix is not square or malformed, a weight is NaN, infinite or negative (the message names the
        entry), names are not as many as rows or not different, or `directed` is False and the matrix is not
        symmetric.
    TypeError
        If values are no real numbers. (The error is a ValueError as well.)

    Notes
    -----
    O(E log d) time for E entries in rows of d, and 24 B per entry beside the input at the peak. Nothing here
    is random, and nothing depends on the order of the entries but the rounding of sums.

    Examples
    --------
    >>> from diptych import Graph
    >>> graph = Graph.from_edges([("ann", "bob"), ("bob", "cleo")])
    >>> graph
    Graph(3 nodes, 2 undirected edges)
    >>> graph.node_names[graph.adjacency[[graph.index_of("bob")]].indices]
    array(['ann', 'cleo'], dtype=object)
    """

    adjacency: sparse.csr_array[np.float64]
    node_names: NDArray[Any]
    directed: bool

    def __init__(
        self, matrix: Any, *, node_names: Iterable[Any] | None = None, directed: bool | None = None
    ) -> None:
        adjacency = _canonical(matrix)
        symmetric = _is_symmetric(adjacency)
        if directed is False and not symmetric:
            raise ValueError(
                f"{_first_asymmetry(adjacency)}: the matrix is not symmetric, and directed=False was given; "
                "pass matrix + matrix.T if each edge is stored once, or directed=True."
            )
        self._set(adjacency, node_names, not symmetric if directed is None else bool(directed))

    def _set(
        self, adjacency: sparse.csr_array[np.float64], node_names: Iterable[Any] | None, directed: bool
    ) -> None:
        n = adjacency.shape[0]
        self.adjacency = adjacency
        self.node_names = np.arange(n) if node_names is None else name_array(node_names)
        self.directed = directed
        self._rows: dict[Any, int] | None = None
        if len(self.node_names) != n:
            raise ValueError(f"node_names has {len(self.node_names)} entries, the graph has {n} nodes.")
        if node_names is not None:
            self._rows = index_names(self.node_names)

    @classmethod
    def from_edges(
        cls,
        edges: Any,
        *,
        weights: ArrayLike | None = None,
        directed: bool = False,
        node_names: Iterable[Any] | None = None,
    ) -> "Graph":
        """Make a graph from a table of edges.

        Parameters
        ----------
        edges : list of tuples, array, or data frame
            One of

            - an iterable of (source, target) or (source, target, weight), names being any hashables;
              networkx's (source, target, {"weight": w}) is taken as well;
            - a numeric array with two rows, shape (2, E): an *edge index*, as PyTorch Geometric has it. Its
              numbers are rows of the graph, 0 to its maximum, those without edges included;
            - an array of shape (E, 2), or (E, 3) with weights: its numbers, or strings, are names. An array
              with two rows is always an edge index: two edges are passed as a list of tuples, two arrays
              of sources and targets as ``np.stack((src, dst))``;
            - a pandas or polars data frame: columns titled source, target and, if there are weights, weight
              (or src/dst, from/to), in any place; or else the first two or three columns.
        weights : array-like of shape (E,) or None, default=None
            Weight of each edge, if `edges` has none of its own; None weighs each 1.
        directed : bool, default=False
            Whether an edge leads from its source to its target alone.
        node_names : iterable of hashables or None, default=None
            All the nodes in the order wanted, those without edges included; the names of rows 0, 1, … for an
            edge index. None: the names in `edges`, sorted if all are integers, else by first appearance.

        Returns
        -------
        Graph

        Raises
        ------
        ValueError
            If a weight is NaN, infinite or negative, a name is missing (None, NaN, NA, ""), is not among
            `node_names`, or is there twice, or the shape is none of the above.
        TypeError
            If a name cannot be hashed or a weight is no number. (The error is a ValueError as well.)

        Notes
        -----
        Edges that are given twice are summed; in an undirected graph (u, v) and (v, u) are the same edge and
        summed too, *except* when the whole table is symmetric, every edge standing there both ways with
        equal weight, as in an edge index of PyTorch Geometric: this is taken for one edge each.

        O(E log E) time. Arrays of numbers are much faster than lists.
        """
        return cls._from_table(read_edges(edges, weights, node_names), directed)

    @classmethod
    def _from_table(cls, table: Edges, directed: bool) -> "Graph":
        """Make a graph from coded edges."""
        n = len(table.names)
        adjacency = _summed(table.weights, table.sources, table.targets, n)
        if not directed and not _is_symmetric(adjacency):
            low, high = np.minimum(table.sources, table.targets), np.maximum(table.sources, table.targets)
            upper = _summed(table.weights, low, high, n)  # summed once, so that both halves are equal
            adjacency = sparse.csr_array(upper + sparse.triu(upper, 1).T)
            adjacency.sort_indices()
        graph = cls.__new__(cls)
        graph._set(adjacency, table.names, directed)
        return graph

    @classmethod
    def from_networkx(cls, g: Any, weight: str | None = "weight") -> "Graph":
        """Make a graph from a networkx graph, or one that has its methods.

        Parameters
        ----------
        g : networkx.Graph, DiGraph, MultiGraph or MultiDiGraph
            The graph. Its nodes keep their order; parallel edges are summed.
        weight : str or None, default="weight"
            The attribute that holds the weight of an edge, 1 where it is missing; None weighs each edge 1.

        Returns
        -------
        Graph
            Directed if `g` is.

        Raises
        ------
        ValueError
            If a weight is no number, NaN, infinite or negative.
        """
        names = list(g.nodes)
        if weight is None:
            rows = ((u, v, 1.0) for u, v in g.edges())
        else:
            rows = ((u, v, w) for u, v, w in g.edges(data=weight, default=1.0))
        return cls._from_table(read_edges(rows, None, names), g.is_directed())

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        directed: bool | None = None,
        node_names: Iterable[Any] | None = None,
        header: bool | None = None,
    ) -> "Graph":
        """Read a graph from a file, whose suffix says what it holds.

        Parameters
        ----------
        path : str or path-like
            - ``.npz``: a matrix written by :func:`scipy.sparse.save_npz`; ``.mtx``: MatrixMarket (``.mtx.gz``
              as well); ``.mat``: a MATLAB file with one sparse square matrix, as BlogCatalog comes.
            - ``.adjlist``: a node and its neighbours on each line.
            - any other (``.csv``, ``.tsv``, ``.txt``, ``.edgelist``, …): a text of edges, one a line, source,
              target and, if there is one, weight; ``.gz`` is unpacked. Columns are separated by tab, ``;``,
              ``,`` or blanks, whichever the first line has. Lines that begin with ``#`` or ``%`` are skipped.
        directed : bool or None, default=None
            Whether edges have a direction. None: a matrix decides by its symmetry, edges have none.
        node_names : iterable of hashables or None, default=None
            All the nodes in the order wanted; for a matrix the names of its rows.
        header : bool or None, default=None
            Whether the first line of a text of edges holds titles; None guesses, as said below.

        Returns
        -------
        Graph
            Names are integers if all of them are written as such (007 is not), else strings.

        Raises
        ------
        ValueError
            If the file holds no graph; the message names the line. If `header` is given for a file that is no
            text of edges.
        OSError
            If it cannot be opened.

        Notes
        -----
        The first line of a text is taken for a header if it has titles as :meth:`from_edges` knows them, or
        words above a number: above both whole-numbered ends of an edge, or above its weight. So
        ``person,friend`` above names is taken for an edge, and an edge ``alice bob`` above ``1 2`` for
        titles: say `header` where you know. Below a header columns are chosen as for a data frame. The first
        line is skipped as well if it announces "nodes edges" and has not as many columns as the lines below,
        unless `header` is False. Edges are summed as in :meth:`from_edges`.
        """
        kind = format_of(path)
        if header is not None and kind != "edges":
            raise ValueError(
                f"header={header}: only a text of edges has titles; {os.fspath(path)!r} is read as {kind}."
            )
        if kind in ("npz", "mtx", "mat"):
            return cls(read_matrix(path, kind), node_names=node_names, directed=directed)
        return cls._from_table(read_edge_file(path, node_names, header), bool(directed))

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return int(self.adjacency.shape[0])

    @property
    def n_edges(self) -> int:
        """Number of edges, each undirected one and each self-loop once."""
        if self.directed:
            return int(self.adjacency.nnz)
        return int(self.adjacency.nnz + np.count_nonzero(self.adjacency.diagonal())) // 2

    def index_of(self, name: Any) -> int:
        """Return the row of a node.

        Parameters
        ----------
        name : hashable
            Its name.

        Returns
        -------
        int
            ``node_names[index_of(name)] == name``.

        Raises
        ------
        KeyError
            If there is no such node.
        TypeError
            If `name` cannot be hashed. (The error is a ValueError as well.)
        """
        if self._rows is None:
            self._rows = index_names(self.node_names)
        return find_row(self._rows, name)

    def __repr__(self) -> str:
        direction = "directed" if self.directed else "undirected"
        return f"Graph({self.n_nodes} nodes, {self.n_edges} {direction} edges)"


def as_graph(graph: Any) -> Graph:
    """Return whatever holds a graph as a `Graph`; estimators call it.

    Parameters
    ----------
    graph : Graph, SciPy sparse matrix, networkx graph, edge table, or path
        A Graph is returned as it is, a sparse matrix goes to ``Graph(matrix)``, a graph of networkx to
        :meth:`Graph.from_networkx`, a str or path to :meth:`Graph.from_file`; all else to
        :meth:`Graph.from_edges`, which takes it for undirected. A dense adjacency matrix is none of these:
        pass ``scipy.sparse.csr_array(adjacency)``.

    Returns
    -------
    Graph

    Raises
    ------
    ValueError
        If it holds no graph.
    """
    if isinstance(graph, Graph):
        return graph
    if _validate.is_sparse(graph):
        return Graph(graph)
    if hasattr(graph, "is_directed") and hasattr(graph, "edges"):
        return Graph.from_networkx(graph)
    if isinstance(graph, str | os.PathLike):
        return Graph.from_file(graph)
    return Graph.from_edges(graph)


def _canonical(matrix: Any) -> sparse.csr_array[np.float64]:
    """Return a checked matrix as canonical CSR; what is canonical already is not copied."""
    if not _validate.is_sparse(matrix):
        if hasattr(matrix, "columns"):
            raise DtypeError(
                "matrix is a data frame: Graph.from_edges takes a table of edges; for an adjacency matrix "
                "pass Graph(frame.to_numpy(), node_names=frame.index)."
            )
        matrix = np.asarray(matrix)
    _validate.check_square(matrix.shape, "matrix")
    check_size(matrix.shape[0])
    if not _validate.is_sparse(matrix):
        matrix = sparse.csr_array(_validate.points(matrix, "matrix", may_be_empty=True))
    given = matrix if matrix.format == "csr" else matrix.tocsr()
    # The flags that SciPy keeps on a matrix may be wrong: a new container finds them out.
    adjacency = sparse.csr_array((given.data, given.indices, given.indptr), shape=given.shape)
    adjacency.check_format(full_check=True)

    def entry(at: int) -> str:
        row = np.searchsorted(adjacency.indptr, at, side="right") - 1
        return f"matrix[{row}, {adjacency.indices[at]}]"

    data = _validate.edge_weights(adjacency.data, "matrix.data", entry)
    canonical = adjacency.has_canonical_format and data.all()
    adjacency = sparse.csr_array(
        (data, adjacency.indices, adjacency.indptr), shape=given.shape, copy=not canonical
    )
    return adjacency if canonical else _tidied(adjacency)


def check_size(n: int) -> None:
    """Refuse more nodes than walks can number."""
    if n > MOST_NODES:
        raise ValueError(f"the graph has {n} nodes: at most {MOST_NODES} can be held.")


def _summed(
    weights: NDArray[np.float64], sources: NDArray[np.int64], targets: NDArray[np.int64], n: int
) -> sparse.csr_array[np.float64]:
    check_size(n)
    ends = (sources.astype(np.int32), targets.astype(np.int32))
    return _tidied(sparse.csr_array(sparse.coo_array((weights, ends), shape=(n, n))))


def _tidied(adjacency: sparse.csr_array[np.float64]) -> sparse.csr_array[np.float64]:
    adjacency.sum_duplicates()
    adjacency.eliminate_zeros()
    if not np.isfinite(adjacency.data).all():
        raise ValueError("weights of one edge sum to more than float64 can hold: divide all weights alike.")
    return adjacency


def _is_symmetric(adjacency: sparse.csr_array[np.float64]) -> bool:
    transposed = adjacency.T.tocsr()
    return all(
        np.array_equal(getattr(adjacency, part), getattr(transposed, part))
        for part in ("indptr", "indices", "data")
    )


def _first_asymmetry(adjacency: sparse.csr_array[np.float64]) -> str:
    difference = sparse.coo_array(adjacency - adjacency.T)
    difference.eliminate_zeros()
    i, j = int(difference.row[0]), int(difference.col[0])
    return f"matrix[{i}, {j}]={adjacency[i, j]} and matrix[{j}, {i}]={adjacency[j, i]}"
