"""Names of the nodes of one type, given or learnt from what the edges say.

An integer stands for the node of that name where nodes of its type are named by integers, else for a row.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diptych._validate import DtypeError
from diptych.graph._alike import did_you_mean
from diptych.graph._edges import Nodes, Rows, index_names, name_array


class Column(Rows):
    """One end of all the edges of a relation.

    Parameters
    ----------
    values : ndarray of shape (E,), int64 or object
        Names, or numbers of rows.
    title : str
        Where they were given.
    holds_rows : bool
        Whether integers are numbers of rows if the nodes have no names.
    """

    def __init__(self, values: NDArray[Any], title: str, *, holds_rows: bool) -> None:
        super().__init__(values, title)
        self.values = values
        self.counts = holds_rows and values.dtype.kind == "i"

    def __iter__(self) -> Iterator[Any]:
        for self.position, name in enumerate(self.values.tolist()):  # noqa: B020  (kept for `where`)
            yield name


class _RowsAsNames(Mapping[Any, int]):
    """The rows of nodes named 0 … n - 1, as a dictionary of them would say, without one."""

    def __init__(self, n: int) -> None:
        self.rows = range(n)

    def __getitem__(self, name: Any) -> int:
        hash(name)  # TypeError if it has none
        if isinstance(name, int | float | np.number) and 0 <= name < len(self.rows) and name == int(name):
            return int(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[int]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


class Names:
    """The names of the nodes of one type.

    Parameters
    ----------
    kind : str
        The type.
    names : ndarray of shape (n,)
        The names, unlike each other; 0 … n - 1 for nodes that were only counted.
    """

    def __init__(self, kind: str, names: NDArray[Any]) -> None:
        self.kind, self.names = kind, names
        self.are_rows = names.dtype.kind == "i" and np.array_equal(names, np.arange(len(names)))
        self.row_of: Mapping[Any, int] = (
            _RowsAsNames(len(names)) if self.are_rows else index_names(names, f"nodes[{kind!r}]")
        )
        self.hold_integers = names.dtype.kind == "i" or any(isinstance(name, int) for name in self.row_of)

    def rows(self, column: Column) -> NDArray[np.int64]:
        """Return the row of each value of a column."""
        values = column.values
        if values.dtype.kind == "i" and (self.are_rows or not self.hold_integers):
            return self._checked(column)
        codes = _KnownNodes(self)
        return np.fromiter((codes(name, column) for name in column), dtype=np.int64, count=len(values))

    def _checked(self, column: Column) -> NDArray[np.int64]:
        values, n = column.values, len(self.names)
        outside = np.flatnonzero((values < 0) | (values >= n))
        if outside.size:
            at = int(outside[0])
            raise ValueError(
                f"{column.title}[{at}]={values[at]} is out of range: there are {n} nodes of type "
                f"{self.kind!r}, in rows counted from 0."
            )
        return values.astype(np.int64)


class _KnownNodes(Nodes):
    """Numbers of the nodes of a type, all of whose names are known."""

    def __init__(self, names: Names) -> None:
        self.number, self.known, self.kind = names.row_of, names.names, names.kind

    def unknown(self, name: Any) -> str:
        hint = did_you_mean(name, self.number)
        return f"no {self.kind} is named {name!r}{hint}; nodes[{self.kind!r}] has {len(self.number)} names."


def learnt_names(kind: str, ends: list[Column], sizes: list[tuple[str, int]]) -> NDArray[Any]:
    """Return the names of the nodes of a type that was given no names, from all that speaks of it.

    Parameters
    ----------
    kind : str
        The type.
    ends : list of Column
        The ends of edges that are of this type.
    sizes : list of (str, int)
        Relations that are matrices, and how many nodes of this type they have.
    """
    named = [column for column in ends if not column.counts]
    numbered = [column for column in ends if column.counts]
    if named and (numbered or sizes):
        other = numbered[0].title if numbered else sizes[0][0]
        raise ValueError(
            f"{named[0].title} names nodes of type {kind!r}, and {other} counts them: pass "
            f"nodes={{{kind!r}: names}}, in the order of the rows."
        )
    if named:
        codes = Nodes()
        for column in named:
            for name in column:
                codes(name, column)
        names = name_array(codes.number)
        return np.sort(names) if names.dtype.kind == "i" else names
    if sizes:
        return np.arange(sizes[0][1])
    return np.arange(max((int(c.values.max()) + 1 for c in numbered if len(c.values)), default=0))


def given_names(kind: str, names: Any) -> NDArray[Any]:
    if not isinstance(kind, str) or not kind:
        raise DtypeError(f"nodes has the key {kind!r}: a type is named by a str.")
    if isinstance(names, int | np.integer) and not isinstance(names, bool):
        if names < 0:
            raise ValueError(f"nodes[{kind!r}]={names}: a number of nodes is not negative.")
        return np.arange(int(names))
    if not isinstance(names, Iterable) or isinstance(names, str | bytes | Mapping):
        raise DtypeError(f"nodes[{kind!r}]={names!r}: a list of names is needed, or a number of nodes.")
    array = name_array(names)
    if array.dtype.kind == "O":
        rows, learner = Rows(array.tolist(), f"nodes[{kind!r}]"), Nodes()
        for name in rows:
            learner(name, rows)  # refuses None, "" and NaN
    return array
