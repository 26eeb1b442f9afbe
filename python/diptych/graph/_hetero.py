"""A graph of several types of nodes: a sparse matrix for each relation, and the names of each type."""

import os
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diptych._validate import DtypeError
from diptych.graph._alike import did_you_mean
from diptych.graph._edges import find_row
from diptych.graph._hetero_file import read_graph, write_graph
from diptych.graph._metapath import MetaPath, PathReader, Relation
from diptych.graph._pyg import parts_of_pyg
from diptych.graph._relations import (
    Edges,
    Matrix,
    matrix_of_edges,
    names_of_types,
    read_relation,
    tidied,
)
from diptych.graph._triples import Triples

__all__ = ["HeteroGraph", "as_hetero_graph"]

_DUPLICATES = ("sum", "binary")


class HeteroGraph:
    """A graph whose nodes have types and names, and whose edges have relations.

    Each relation leads from one type to another, or to itself, and can be walked against its direction too:
    inverses are not stored. Meta-paths (:meth:`metapath`) say along which relations.

    Parameters
    ----------
    relations : mapping of (source type, name, target type) to edges
        The edges of each relation, as one of

        - a SciPy sparse matrix or array of any format, with a row for each source and a column for each
          target; entries are weights, or numbers of edges;
        - a tuple ``(source, target)`` or ``(source, target, weight)`` of equally long arrays;
        - an integer array of shape (2, E), an *edge index* as PyTorch Geometric has it;
        - a list of pairs ``(source, target)`` or ``(source, target, weight)``;
        - a pandas or polars data frame: columns titled by the two types, or else source and target (src/dst,
          from/to), and weights in one titled weight or weights, others not being looked at; without such
          titles the first two, and the third of three for weights.
    nodes : mapping of str to iterable of names, or int; default=None
        For each type the names of its nodes in the order wanted, those without edges included, or how many
        there are; these are named 0 … n - 1. Types that are missing are learnt from the relations: as many
        nodes as a matrix has or arrays of integers count; names from strings, lists and frames, sorted if
        they are all integers, else in the order of their first appearance.
    duplicates : {"sum", "binary"}, default="sum"
        What becomes of an edge that is given twice: weights are summed (1 each, if there are none), or
        every edge has the weight 1, whatever was given.

    Attributes
    ----------
    relations : mapping of (source type, name, target type) to csr_array
        The matrix of each relation in canonical form: columns ascending, no duplicates, no stored zeros;
        int64 if the weights are integers or truth values, or if there are none, else float64. It shares
        memory with the matrix given if that was in this form already.
    nodes : mapping of str to ndarray of shape (n,)
        The names of the nodes of each type: int64 if all are integers, else objects.

    Raises
    ------
    ValueError
        If weights are NaN, infinite or negative, an entry is masked, an index is out of range, a name is
        unknown, missing (None, NaN, "") or there twice, a type of `nodes` that no relation has is written
        like one that has, sizes do not agree, or a key or a form is none of the above. The message names the
        place, and choices where there are some.
    TypeError
        If something is of no type above. (The error is a ValueError as well.)
    OverflowError
        If an integer weight, or the sum of those of one edge, is 2**63 or more.

    See Also
    --------
    PathSim : Which nodes are similar along a meta-path.
    Graph : Nodes of one type, for walks.

    Notes
    -----
    An integer in arrays, lists and frames is the name of a node where nodes of its type are named by
    integers, else its row. A type may have no nodes, and a relation no edges.

    O(E log E) time for E edges, and 24 B per edge beside the input at the peak; names are looked up in a
    dictionary, about 100 B each, that stays with the graph; nodes that are only counted need none.

    Examples
    --------
    Three authors, their papers and the venues of these:

    >>> from diptych import HeteroGraph
    >>> graph = HeteroGraph({
    ...     ("author", "writes", "paper"): [("A1", "P1"), ("A1", "P2"), ("A2", "P3"), ("A3", "P4")],
    ...     ("paper", "appears in", "venue"): [("P1", "C1"), ("P2", "C2"), ("P3", "C1"), ("P4", "C2")],
    ... })
    >>> graph
    HeteroGraph with 3 types of nodes and 2 relations
      author (A): 3 nodes
      paper (P): 4 nodes
      venue (V): 2 nodes
      author --writes--> paper: 4 edges
      paper --appears in--> venue: 4 edges
    >>> path = graph.metapath("APVPA")
    >>> path.types
    ('author', 'paper', 'venue', 'paper', 'author')
    >>> writes, appears = graph.relations_along(path.half)
    >>> (writes @ appears).toarray()
    array([[1, 1],
           [1, 0],
           [0, 1]])

    What cannot be a path is refused, with the choices:

    >>> graph.metapath("author-papr-author")
    Traceback (most recent call last):
    ValueError: metapath='author-papr-author', position 1 (from 0): there is no type 'papr' (did you mean \
'paper'?); the types are 'author', 'paper', 'venue'.
    """

    def __init__(
        self,
        relations: Mapping[Relation, Any],
        nodes: Mapping[str, Iterable[Any] | int] | None = None,
        *,
        duplicates: str = "sum",
    ) -> None:
        if duplicates not in _DUPLICATES:
            raise ValueError(
                f"duplicates={duplicates!r}: must be one of {', '.join(map(repr, _DUPLICATES))}."
            )
        if not isinstance(relations, Mapping):
            raise DtypeError(
                f"relations is a {type(relations).__name__}: a dict is needed, of (source type, name, target "
                "type) to edges; for triples there is HeteroGraph.from_triples."
            )
        given = {_relation(key): read_relation(_relation(key), edges) for key, edges in relations.items()}
        self._names = names_of_types(given, {} if nodes is None else nodes)
        self._relations = {
            key: tidied(self._matrix(key, edges), duplicates, f"relations[{key!r}]")
            for key, edges in given.items()
        }

    def _matrix(self, key: Relation, edges: Edges | Matrix) -> Matrix:
        source, target = self._names[key[0]], self._names[key[2]]
        if isinstance(edges, Edges):
            return matrix_of_edges(edges, source, target)
        for known, n, words in zip((source, target), edges.shape, ("rows", "columns"), strict=True):
            if len(known.names) != n:
                raise ValueError(
                    f"relations[{key!r}] has {n} {words}, and there are {len(known.names)} nodes of type "
                    f"{known.kind!r}."
                )
        return edges

    @classmethod
    def from_triples(
        cls, triples: Any, *, types: Mapping[Any, Any] | None = None, duplicates: str = "sum"
    ) -> "HeteroGraph":
        """Make a graph from triples (head, relation, tail).

        Parameters
        ----------
        triples : list of triples, data frame, or path
            A frame has columns titled head, relation and tail (subject, predicate, object), or three. A path
            leads to a text with a triple on each line, separated by tab, ``;``, ``,`` or blanks, whichever
            the first line has; a first line with titles as above is none; ``.gz`` is unpacked; lines that
            begin with ``#`` or ``%`` are skipped.
        types : mapping or None, default=None
            Either the type of each node, or for each relation the pair (type of heads, type of tails). None:
            all nodes are of one type, "node", and meta-paths are lists of relations.
        duplicates : {"sum", "binary"}, default="sum"
            As for :class:`HeteroGraph`.

        Returns
        -------
        HeteroGraph
            With a relation for each name and pair of types that it joins. Nodes are in the order of `types`,
            if these are types of nodes, else as :class:`HeteroGraph` learns them. Names in a text are
            integers if all of them are written as such.

        Raises
        ------
        ValueError
            If a row is no triple, or `types` lacks a node or a relation. The message names the row or line.
        OSError
            If a file cannot be opened.

        Examples
        --------
        >>> from diptych import HeteroGraph
        >>> triples = [("ann", "knows", "bob"), ("bob", "likes", "tea"), ("ann", "likes", "tea")]
        >>> graph = HeteroGraph.from_triples(
        ...     triples, types={"knows": ("person", "person"), "likes": ("person", "drink")})
        >>> graph
        HeteroGraph with 2 types of nodes and 2 relations
          person (P): 2 nodes
          drink (D): 1 node
          person --knows--> person: 1 edge
          person --likes--> drink: 2 edges
        >>> str(graph.metapath("P>PDP<P"))
        'person>person-drink-person<person'
        """
        found = Triples(triples, types)
        return cls(
            {key: list(zip(*ends, strict=True)) for key, ends in found.relations.items()},
            found.nodes,
            duplicates=duplicates,
        )

    @classmethod
    def from_pyg(
        cls, data: Any, *, names: Mapping[str, Iterable[Any]] | None = None, duplicates: str = "sum"
    ) -> "HeteroGraph":
        """Make a graph from a HeteroData of PyTorch Geometric, or a dictionary like it.

        Parameters
        ----------
        data : HeteroData, or mapping
            Whatever gives for each (source type, name, target type) an ``edge_index`` of shape (2, E), and an
            ``edge_weight`` if there is one, and for each type of node ``num_nodes``, if it is known.
            ``HeteroData.to_dict()`` is such a mapping. Nothing is imported.
        names : mapping of str to iterable of names, or None; default=None
            Names of the nodes of some types, in the order of their indices.
        duplicates : {"sum", "binary"}, default="sum"
            As for :class:`HeteroGraph`.

        Returns
        -------
        HeteroGraph
            Without the relations ``rev_…`` that only repeat another one, turned round, as ``ToUndirected``
            makes them: here inverses are implicit.

        Raises
        ------
        ValueError
            If a relation has no edge index.
        """
        relations, nodes = parts_of_pyg(data, names or {})
        graph = cls(relations, nodes, duplicates=duplicates)
        graph._relations = {key: matrix for key, matrix in graph.relations.items() if not graph._repeats(key)}
        return graph

    def _repeats(self, key: Relation) -> bool:
        """Tell whether a relation "rev_x" holds what x holds, turned round."""
        other = self.relations.get((key[2], key[1].removeprefix("rev_"), key[0]))
        if not key[1].startswith("rev_") or other is None:
            return False
        turned = other.T.tocsr()
        parts = ("indptr", "indices", "data")
        return all(np.array_equal(getattr(turned, p), getattr(self.relations[key], p)) for p in parts)

    @classmethod
    def from_json(cls, path: str | os.PathLike[str], *, duplicates: str = "sum") -> "HeteroGraph":
        """Read a graph from a JSON file.

        Parameters
        ----------
        path : str or path-like
            A file that holds ::

                {"nodes": {"author": ["A1", "A2"], "paper": ["P1"], "venue": 20},
                 "relations": [{"source": "author", "relation": "writes", "target": "paper",
                                "edges": [["A1", "P1"], ["A2", "P1"]]}]}

            "nodes" gives names or numbers of nodes and may be left out, wholly or for some types; an edge is
            [source, target] or [source, target, weight].
        duplicates : {"sum", "binary"}, default="sum"
            As for :class:`HeteroGraph`.

        Returns
        -------
        HeteroGraph

        Raises
        ------
        ValueError
            If the file is not JSON of this form, or not a graph; the message says where.
        OverflowError
            As for :class:`HeteroGraph`.
        OSError
            If it cannot be opened.
        """
        relations, nodes = read_graph(path)
        try:
            return cls(relations, nodes, duplicates=duplicates)
        except (ValueError, OverflowError) as error:
            raise type(error)(f"{os.fspath(path)!r}: {error}") from None

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the graph to a JSON file, which :meth:`from_json` reads back to the last bit.

        A relation of floats without edges comes back as one of integers.

        Parameters
        ----------
        path : str or path-like
            The file; an existing one is replaced once the new one is complete.

        Raises
        ------
        ValueError
            If a name is neither a str nor a number.
        """
        write_graph(path, self.relations, self.nodes)

    @property
    def relations(self) -> Mapping[Relation, Matrix]:
        """The matrix of each relation."""
        return MappingProxyType(self._relations)

    @property
    def nodes(self) -> Mapping[str, NDArray[Any]]:
        """The names of the nodes of each type."""
        return MappingProxyType({kind: known.names for kind, known in self._names.items()})

    @property
    def node_types(self) -> tuple[str, ...]:
        """The types of the nodes."""
        return tuple(self._names)

    def index_of(self, node_type: str, name: Any) -> int:
        """Return the row of a node.

        Parameters
        ----------
        node_type : str
            Its type.
        name : hashable
            Its name.

        Returns
        -------
        int
            ``nodes[node_type][index_of(node_type, name)] == name``.

        Raises
        ------
        KeyError
            If there is no such type or node; the message names what is written like it.
        """
        if node_type not in self._names:
            raise KeyError(
                f"there is no type {node_type!r}{did_you_mean(node_type, self.nodes)}; the types are "
                f"{', '.join(map(repr, self.nodes))}"
            )
        return find_row(self._names[node_type].row_of, name, node_type)

    def metapath(self, path: Any) -> MetaPath:
        """Return a meta-path of this graph, however it is written.

        Parameters
        ----------
        path : str, list, or MetaPath
            One of

            - initials of types, ``"APVPA"``, each of which only one type may have (capitals or not);
            - types joined by "-", ``"author-paper-venue-paper-author"``. Where a relation joins a type with
              itself, ``"paper>paper"`` goes along it and ``"paper<paper"`` against it, and so in initials
              ``"AP>PA"``; between two types both ways of writing choose among relations of either direction;
            - a list of types, ``["author", "paper", "author"]``;
            - a list of relations, ``["writes", "~writes"]``: names, "~" before those that are walked against
              their direction, or triples ``("author", "writes", "paper")``, ``("paper", "~writes",
              "author")``.

        Returns
        -------
        MetaPath
            It prints as types joined by "-", and with its relations where types do not suffice.

        Raises
        ------
        ValueError
            If a type or relation is unknown, two types are joined by none or by several, or a relation does
            not leave the type that the one before it reaches. The message names the position, counted from
            0, and the choices.
        TypeError
            If `path` is none of the above. (The error is a ValueError as well.)
        """
        return PathReader(self.node_types, self.relations).read(path)

    def relations_along(self, path: Any) -> list[Matrix]:
        """Return the matrices of the relations along a meta-path, turned round where it goes against them.

        Parameters
        ----------
        path : str, list, or MetaPath
            As :meth:`metapath` takes it.

        Returns
        -------
        list of csr_array
            Of shapes (n_0, n_1), (n_1, n_2), …; relations walked along their direction are those of
            :attr:`relations`, not copies.
        """
        return [
            sparse.csr_array(self.relations[step.relation].T)
            if step.reversed
            else self.relations[step.relation]
            for step in self.metapath(path).steps
        ]

    def _copy_along(self, path: MetaPath) -> "HeteroGraph":
        """Return the part that a path passes, of whose relations the caller may have the arrays: copied."""
        part = HeteroGraph({})
        part._relations = {step.relation: self.relations[step.relation].copy() for step in path.steps}
        part._names = {kind: self._names[kind] for kind in path.types}
        return part

    def __repr__(self) -> str:
        initials = [kind[:1].upper() for kind in self.nodes]
        types, relations = _count(len(self.nodes), "type"), _count(len(self.relations), "relation")
        lines = [f"HeteroGraph with {types} of nodes and {relations}"]
        for kind, initial in zip(self.nodes, initials, strict=True):
            alias = f" ({initial})" if initials.count(initial) == 1 else ""
            lines.append(f"  {kind}{alias}: {_count(len(self.nodes[kind]), 'node')}")
        lines += [
            f"  {source} --{name}--> {target}: {_count(matrix.nnz, 'edge')}"
            for (source, name, target), matrix in self.relations.items()
        ]
        return "\n".join(lines)


def as_hetero_graph(graph: Any) -> HeteroGraph:
    """Return whatever holds a graph with types as a `HeteroGraph`; estimators call it.

    Parameters
    ----------
    graph : HeteroGraph, mapping of relations, HeteroData, or path
        A HeteroGraph is returned as it is; a mapping of (source type, name, target type) goes to
        ``HeteroGraph(mapping)``, a HeteroData of PyTorch Geometric or its dictionary to
        :meth:`HeteroGraph.from_pyg`, a str or path to :meth:`HeteroGraph.from_json`.

    Returns
    -------
    HeteroGraph

    Raises
    ------
    ValueError
        If it holds no such graph.
    """
    if isinstance(graph, HeteroGraph):
        return graph
    if isinstance(graph, Mapping) and all(isinstance(key, tuple) for key in graph):
        return HeteroGraph(graph)
    if isinstance(graph, Mapping) or hasattr(graph, "edge_types"):
        return HeteroGraph.from_pyg(graph)
    if isinstance(graph, str | os.PathLike):
        return HeteroGraph.from_json(graph)
    raise DtypeError(
        f"graph is a {type(graph).__name__}: a diptych.HeteroGraph is needed, a dict of relations, a "
        "HeteroData, or the path of a JSON file."
    )


def _relation(key: Any) -> Relation:
    if not (isinstance(key, tuple) and len(key) == 3 and all(isinstance(word, str) and word for word in key)):
        raise DtypeError(
            f"relations has the key {key!r}: a relation is named by three str, such as "
            "('author', 'writes', 'paper')."
        )
    source, name, target = key
    if name.startswith("~"):
        raise ValueError(
            f"relations has the key {key!r}: a name does not begin with '~', which stands for the inverse; "
            f"pass {(target, name.lstrip('~'), source)!r} with the edges turned round, or rename it."
        )
    return source, name, target


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n:,} {what}s"
