"""Tables of edges, in whatever form a user has them, as node numbers and weights.

Two orders of nodes: names that are all whole numbers are sorted, any other names keep the order of their
first appearance. So the nodes 0 … n - 1 are the rows 0 … n - 1 whatever the order of the edges.
"""

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diptych import _validate
from diptych._validate import DtypeError, is_missing
from diptych.graph._alike import did_you_mean

Codes: TypeAlias = NDArray[np.int64]

MOST_NODES = 2**31 - 1  # walks hold nodes in 32 bits, signed
FEW_NODES = 2**24  # that many may be without an edge; of more, most have some, or the numbers are no indices
_SOURCES = ("source", "src", "from", "fromnodeid", "node1")
_TARGETS = ("target", "dst", "to", "tonodeid", "node2")
WEIGHTS = ("weight", "weights")


class Edges(NamedTuple):
    """The nodes by name, and for each edge the numbers of its ends and its weight."""

    names: NDArray[Any]
    sources: Codes
    targets: Codes
    weights: NDArray[np.float64]


class Nodes:
    """Numbers for names, given out in the order of first appearance.

    Parameters
    ----------
    known : ndarray or None
        All the names there are; None to learn them from the edges.
    """

    def __init__(self, known: NDArray[Any] | None = None) -> None:
        self.number: Any = {} if known is None else index_names(known)  # or what answers like a dict
        self.known = known

    def __call__(self, name: Any, rows: "Rows") -> int:
        """Return the number of a node, named by the present one of some rows."""
        try:
            row: int = self.number[name]
            return row
        except KeyError:
            pass
        except TypeError:
            raise DtypeError(
                f"{rows.where()}: {name!r} cannot name a node; names are hashable, as strings and numbers."
            ) from None
        if is_missing(name) or name == "":  # how tables say that a cell is empty
            raise ValueError(f"{rows.where()}: {name!r} names no node; drop the edge or fill in the name.")
        if self.known is not None:
            raise ValueError(f"{rows.where()}: {self.unknown(name)}")
        self.number[name] = len(self.number)
        return len(self.number) - 1

    def unknown(self, name: Any) -> str:
        """Say that there is no such name among those known."""
        return f"{name!r} is not among the {len(self.number)} node_names."


def name_array(names: Iterable[Any]) -> NDArray[Any]:
    """Return names as int64 where all are whole numbers, else as an array of the Python objects given."""
    if isinstance(names, np.ndarray) and names.dtype.kind in "iu" and names.ndim == 1:
        listed = names.tolist()
    else:
        listed = list(names)
    if all(
        isinstance(name, int | np.integer) and not isinstance(name, bool) and -(2**63) <= name < 2**63
        for name in listed
    ):
        return np.array(listed, dtype=np.int64)
    array = np.empty(len(listed), dtype=object)  # np.array would unpack tuples
    array[:] = [str(name) if isinstance(name, np.str_) else name for name in listed]
    return array


def index_names(names: NDArray[Any], title: str = "node_names") -> dict[Any, int]:
    """Return the row of each name; names are unlike each other."""
    listed = names.tolist()
    try:
        number = {name: row for row, name in enumerate(listed)}
    except TypeError as error:
        raise DtypeError(f"{title} cannot be looked up: {error}; names are strings or integers.") from None
    if len(number) < len(listed):
        row = next(row for row, name in enumerate(listed) if number[name] != row)
        raise ValueError(
            f"{title}[{row}] and {title}[{number[listed[row]]}] are both {listed[row]!r}: each node has a "
            "name of its own."
        )
    if names.dtype == object:
        for name, row in number.items():
            if is_missing(name):
                raise ValueError(f"{title}[{row}]={name!r} names no node; fill in the name.")
    return number


def find_row(row_of: Mapping[Any, int], name: Any, kind: str = "node") -> int:
    """Return the row of a name; KeyError if there is none, with a hint at one that is written alike."""
    try:
        return row_of[name]
    except KeyError:
        pass
    except TypeError:
        raise DtypeError(
            f"{name!r} cannot name a node: pass one name, hashable as strings and numbers are."
        ) from None
    alike = next((other for other in row_of if str(other) == str(name)), None)
    hint = did_you_mean(name, row_of) if alike is None else f"; there is {alike!r}, a {type(alike).__name__}"
    raise KeyError(f"no {kind} is named {name!r}{hint}")


def read_edges(edges: Any, weights: ArrayLike | None, node_names: Iterable[Any] | None) -> Edges:
    """Return any table of edges as codes; see `Graph.from_edges`."""
    known = None if node_names is None else name_array(node_names)
    refuse_lazy(edges, "edges")  # before it is asked for titles
    if hasattr(edges, "columns") and hasattr(edges, "__getitem__"):
        found = _from_frame(edges, known)
    elif hasattr(edges, "__array__"):
        found = _from_array(np.asarray(edges), known)
    elif _are_two_columns(edges):
        raise ValueError(
            f"edges is a {type(edges).__name__} of two arrays, which may be columns or edges: for columns of "
            "sources and targets pass np.stack((src, dst)), for two edges a list of tuples."
        )
    elif isinstance(edges, Iterable) and not isinstance(edges, str | bytes | Mapping):
        found = from_rows(Rows(edges), known)
    else:
        raise DtypeError(
            f"edges is a {type(edges).__name__}: a list of (source, target) or (source, target, weight), "
            "an integer array of shape (2, E) or (E, 2), or a data frame is needed."
        )
    table, weighted = found
    if weights is None:
        return table
    if weighted:
        raise ValueError("weights= was given, and the edges have weights of their own: drop one of them.")
    own = _validate.edge_weights(weights, "weights")
    if len(own) != len(table.sources):
        raise ValueError(
            f"weights has {len(own)} entries: one for each of {len(table.sources)} edges is needed."
        )
    return table._replace(weights=own)


def _are_two_columns(edges: Any) -> bool:
    """Tell (src, dst), two arrays of one length; of length 2 they are two edges as well as two columns."""
    if not isinstance(edges, list | tuple) or len(edges) != 2:
        return False
    if not all(hasattr(part, "__array__") and np.ndim(part) == 1 for part in edges):
        return False
    return len(edges[0]) == len(edges[1]) != 2


class Rows:
    """Edges one by one, with words for where the present one stands."""

    def __init__(self, rows: Iterable[Any], title: str = "edges") -> None:
        self.rows = rows
        self.title = title
        self.position = -1

    def __iter__(self) -> Iterator[Any]:
        for self.position, row in enumerate(self.rows):  # noqa: B020  (kept for `where`)
            yield row

    def where(self) -> str:
        """Say where the edge that was given out last stands."""
        return f"{self.title}[{self.position}]"


def from_rows(rows: Rows, known: NDArray[Any] | None) -> tuple[Edges, bool]:
    """Code rows (source, target) or (source, target, weight), and tell whether they had weights."""
    nodes = Nodes(known)
    sources, targets, weights, width = array("q"), array("q"), array("d"), 0
    for row in rows:
        width = row_width(row, rows, width)
        sources.append(nodes(row[0], rows))
        targets.append(nodes(row[1], rows))
        weights.append(_weight(row[2], rows) if width == 3 else 1.0)
    s, t = np.array(sources, dtype=np.int64), np.array(targets, dtype=np.int64)
    if known is None:
        known, s, t = in_order(name_array(nodes.number), s, t)
    return Edges(known, s, t, np.array(weights, dtype=np.float64)), width == 3


def row_width(row: Any, rows: Rows, width: int) -> int:
    """Return how many entries the present row has, 2 or 3, as those before it, if there are (width > 0)."""
    if not ((type(row) is tuple or is_sequence(row)) and 2 <= len(row) <= 3):
        raise ValueError(
            f"{rows.where()}={row!r}: an edge is (source, target) or (source, target, weight); an edge "
            "index goes in as an array of shape (2, E)."
        )
    if width and len(row) != width:
        raise ValueError(f"{rows.where()} has {len(row)} entries, the edges before it have {width}.")
    return len(row)


def is_sequence(row: Any) -> bool:
    """Tell a list, tuple or other row of cells from a word and from a mapping."""
    return (
        hasattr(row, "__len__") and hasattr(row, "__getitem__") and not isinstance(row, str | bytes | Mapping)
    )


def in_order(names: NDArray[Any], sources: Codes, targets: Codes) -> tuple[NDArray[Any], Codes, Codes]:
    """Sort names that are whole numbers, and renumber the ends of the edges with them."""
    if names.dtype.kind != "i":
        return names, sources, targets
    order = names.argsort()
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return names[order], rank[sources], rank[targets]


def _weight(value: Any, rows: Rows) -> float:
    """Return the weight of the present row; networkx writes attributes, of which weight is one."""
    if type(value) is not float:
        if isinstance(value, Mapping):
            value = value.get("weight", 1.0)
        if not isinstance(value, Real):
            raise DtypeError(f"{rows.where()}: the weight {value!r} is not a number.")
    number = float(value)
    if not 0.0 <= number < math.inf:
        _validate.edge_weights([number], "weights", lambda _: f"{rows.where()}: weight")
    return number


def _from_array(table: NDArray[Any], known: NDArray[Any] | None) -> tuple[Edges, bool]:
    if table.size == 0:
        return from_rows(Rows([]), known)
    if table.ndim != 2:
        raise ValueError(f"edges has shape {table.shape}: (2, E), (E, 2) or (E, 3) is needed.")
    if table.dtype.kind in "biuf" and _is_adjacency(table):
        raise ValueError(
            f"edges has shape {table.shape}: (2, E), (E, 2) or (E, 3) is needed; is it a dense adjacency "
            "matrix? Pass scipy.sparse.csr_array(adjacency), or Graph(matrix)."
        )
    if table.dtype.kind not in "iuf":  # strings and objects
        return from_rows(Rows(table.tolist()), known)
    if len(table) == 2:
        return _from_index(_whole(table[0], "edges[0]"), _whole(table[1], "edges[1]"), known), False
    if table.shape[1] not in (2, 3):
        raise ValueError(f"edges has shape {table.shape}: (2, E), (E, 2) or (E, 3) is needed.")
    weights = table[:, 2] if table.shape[1] == 3 else None
    return _from_columns(
        table[:, 0], table[:, 1], weights, known, ("edges[:, 0]", "edges[:, 1]", "edges[:, 2]")
    )


def _is_adjacency(table: NDArray[Any]) -> bool:
    """Tell a square table that is no table of edges.

    One of three rows may be three edges with weights, but hardly if it is symmetric with an empty diagonal.
    """
    n = len(table)
    if table.shape != (n, n) or n < 3:
        return False
    return n > 3 or bool((table == table.T).all() and not table.diagonal().any())


def _from_index(sources: Codes, targets: Codes, known: NDArray[Any] | None) -> Edges:
    """Code an edge index: its numbers are rows already, and rows without an edge exist as well."""
    most = int(max(sources.max(), targets.max()))
    for row, ends in enumerate((sources, targets)):
        if ends.min() < 0:
            at = int(np.flatnonzero(ends < 0)[0])
            raise ValueError(f"edges[{row}, {at}]={ends[at]}: an edge index counts nodes from 0.")
    if known is not None and most >= len(known):
        raise ValueError(f"edges has the index {most}, and there are {len(known)} node_names.")
    if most >= MOST_NODES:
        raise ValueError(
            f"edges has the index {most}: at most {MOST_NODES} nodes can be held; if the numbers are names "
            "and no indices, pass edges.T, of shape (E, 2)."
        )
    if known is None and most >= max(FEW_NODES, 1000 * len(sources)):
        raise ValueError(
            f"edges has the index {most}, and there are {len(sources)} edges: nearly all nodes would have "
            "none. If the numbers are names and no indices, pass edges.T, of shape (E, 2); else an adjacency "
            "matrix."
        )
    names = np.arange(most + 1) if known is None else known
    return Edges(names, sources, targets, np.ones(len(sources)))


def _from_columns(
    sources: Any, targets: Any, weights: Any, known: NDArray[Any] | None, titles: tuple[str, str, str]
) -> tuple[Edges, bool]:
    """Code columns of names."""
    s, t = np.asarray(sources), np.asarray(targets)
    w = np.ones(len(s)) if weights is None else _validate.edge_weights(weights, titles[2])
    if known is None and s.dtype.kind in "iuf" and t.dtype.kind in "iuf":
        ends = np.concatenate([_whole(s, titles[0]), _whole(t, titles[1])])
        names, codes = np.unique(ends, return_inverse=True)
        return Edges(names, codes[: len(s)], codes[len(s) :], w), weights is not None
    table, _ = from_rows(Rows(zip(s.tolist(), t.tolist(), strict=True)), known)
    return table._replace(weights=w), weights is not None


def _from_frame(frame: Any, known: NDArray[Any] | None) -> tuple[Edges, bool]:
    titles = [str(title) for title in frame.columns]
    by_title = dict(zip(titles, frame.columns, strict=True))
    s, t, w = edge_columns(titles)
    picked = [None if at is None else frame[by_title[titles[at]]] for at in (s, t, w)]
    named = (titles[s], titles[t], titles[w] if w is not None else "")
    return _from_columns(picked[0], picked[1], picked[2], known, named)


def refuse_lazy(frame: Any, name: str) -> None:
    """Refuse a frame of polars that holds no rows yet."""
    if hasattr(frame, "collect") and not hasattr(frame, "__array__"):
        raise DtypeError(
            f"{name} is a {type(frame).__name__}, which holds no rows yet: pass {name}.collect()."
        )


def titled_columns(titles: list[str]) -> tuple[int, int, int | None] | None:
    """Return the columns titled as sources, targets and weights; None if there are no such titles."""
    plain = [title.strip().lower().replace("_", "") for title in titles]
    found = [
        next((plain.index(word) for word in words if word in plain), None)
        for words in (_SOURCES, _TARGETS, WEIGHTS)
    ]
    source, target, weight = found
    return None if source is None or target is None else (source, target, weight)


def edge_columns(titles: list[str]) -> tuple[int, int, int | None]:
    """Return the columns of the sources, the targets and the weights: by their titles, else by position."""
    picked = titled_columns(titles)
    if picked is None and len(titles) not in (2, 3):
        raise ValueError(
            f"the columns are {', '.join(titles)}: name two of them source and target (and one weight), or "
            "keep two or three columns."
        )
    if picked is None:
        picked = 0, 1, 2 if len(titles) == 3 else None
    for at in picked:
        if at is not None and titles.count(titles[at]) > 1:
            raise ValueError(
                f"the columns are {', '.join(titles)}: more than one is titled {titles[at]!r}; rename "
                "or drop the others."
            )
    return picked


def _whole(values: NDArray[Any], name: str) -> Codes:
    """Return node numbers; a table that holds weights as well holds them as floats."""
    if values.dtype.kind == "f":
        at = np.flatnonzero(~(np.abs(values) < 2.0**53) | (values != np.round(values)))
        if at.size:
            raise ValueError(
                f"{name}, entry {at[0]}, is {values[at[0]]}: nodes are whole numbers or strings."
            )
    elif values.dtype.kind == "u" and values.size and values.max() >= 2**63:
        raise ValueError(f"{name} holds {values.max()}: integers below 2**63 are taken.")
    return values.astype(np.int64)
