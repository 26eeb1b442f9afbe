"""Graphs in files: edge lists as text, adjacency lists, MatrixMarket, SciPy's npz, MATLAB's mat."""

import ast
import csv
import gzip
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO, cast

from numpy.typing import NDArray

from diptych.graph._edges import Edges, Rows, edge_columns, from_rows, in_order, name_array, titled_columns
from diptych.io import is_whole_number, names_in_text

_COMMENTS = ("#", "%")
_EMPTY = ("", "-", "?", ".", "na", "n/a", "<na>", "#n/a", "nan", "null", "none")  # how tables mark no value


def format_of(path: str | os.PathLike[str]) -> str:
    """Return "npz", "mtx", "mat", "adjlist" or "edges", as the suffix says; .gz does not count."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes if suffix.lower() != ".gz"]
    last = suffixes[-1][1:] if suffixes else ""
    return last if last in ("npz", "mtx", "mat", "adjlist") else "edges"


def read_matrix(path: str | os.PathLike[str], kind: str) -> Any:
    """Return the matrix in an npz, mtx or mat file."""
    with open(path, "rb"):  # a file that cannot be opened is an OSError, whatever SciPy would say
        pass
    try:
        if kind == "npz":
            from scipy.sparse import load_npz

            return load_npz(path)
        import scipy.io

        if kind == "mtx":
            return scipy.io.mmread(path)
        variables = scipy.io.loadmat(path)
    except Exception as error:  # SciPy's readers raise whatever the bytes lead them to
        raise ValueError(f"{os.fspath(path)!r} cannot be read as {kind}: {error}") from error
    square = {
        name: value
        for name, value in variables.items()
        if hasattr(value, "tocsr") and value.shape[0] == value.shape[1]
    }
    if len(square) != 1:
        raise ValueError(
            f"{os.fspath(path)!r} holds {len(square)} sparse square matrices ({', '.join(square)}), one is "
            "needed: load it with scipy.io.loadmat and pass Graph(matrix)."
        )
    return next(iter(square.values()))


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[TextIO]:
    """Open a text that may be packed."""
    opened = gzip.open if Path(path).suffix.lower() == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield cast(TextIO, file)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{os.fspath(path)!r} is not UTF-8 text (byte {error.start}); matrices are told by the suffixes "
            ".npz, .mtx and .mat."
        ) from None


def read_header(path: str | os.PathLike[str], header: bool | None) -> list[str] | None:
    """Return the titles that reading the edges skips; None if it skips none."""
    if format_of(path) != "edges":
        return None
    with _opened(path) as file:
        return _EdgeLines(file, os.fspath(path), header).titles


def read_edge_file(
    path: str | os.PathLike[str], node_names: Iterable[Any] | None, header: bool | None
) -> Edges:
    """Return the edges in a text file; see `Graph.from_file`."""
    known = None if node_names is None else name_array(node_names)
    written = None if known is None else name_array(map(str, known.tolist()))
    with _opened(path) as file:
        if format_of(path) == "adjlist":
            table = _read_neighbours(file, written)
        else:
            table, _ = from_rows(_EdgeLines(file, os.fspath(path), header), written)
    if known is not None:
        return table._replace(names=known)
    names, sources, targets = in_order(names_in_text(table.names), table.sources, table.targets)
    return Edges(names, sources, targets, table.weights)


def _read_neighbours(file: TextIO, known: NDArray[Any] | None) -> Edges:
    """Read an adjacency list: a node and its neighbours on each line, a node alone has none."""
    rows = [line.split() for _, line in _content(file)]
    if known is None:
        known = name_array(dict.fromkeys(chain.from_iterable(rows)))
    table, _ = from_rows(Rows((row[0], neighbour) for row in rows for neighbour in row[1:]), known)
    return table


def _content(file: TextIO) -> Iterator[tuple[int, str]]:
    """Yield the lines that are neither empty nor a comment, each with its number."""
    for number, line in enumerate(file, start=1):
        if not (line.startswith(_COMMENTS) or line.isspace()):
            yield number, line.strip("\r\n ")


def separated_lines(file: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each line and its number; the first line tells what separates cells."""
    content = _content(file)
    first = next(content, None)
    if first is None:
        return
    bare = re.sub(r'"[^"]*"', "", first[1])
    delimiter = next((mark for mark in "\t;," if mark in bare), None)
    for number, line in chain([first], content):
        if delimiter is None:  # attributes as networkx writes them, {'weight': 2.0}, hold blanks
            yield number, line.split(None, 2 if "{" in line else -1)
        else:
            quoted = '"' in line
            cells = next(csv.reader([line], delimiter=delimiter)) if quoted else line.split(delimiter)
            yield number, [cell.strip() for cell in cells]


class _EdgeLines(Rows):
    """The edges in the lines of a text file, whose separator is found out from the first line.

    So is whether this holds `titles`, with the help of the second line, unless `header` says it.
    """

    def __init__(self, file: TextIO, name: str, header: bool | None) -> None:
        self.name = name
        self.header = header
        self.lines = separated_lines(file)
        self.head = list(islice(self.lines, 2))
        self.titles: list[str] | None = None
        if self.head and (header or (header is None and _is_header(self.head[0][1], self.head[-1][1]))):
            self.titles = self.head[0][1]
        self.rows = self._edges()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)

    def where(self) -> str:
        return f"{self.name}, line {self.position}"

    def _edges(self) -> Iterator[tuple[Any, ...]]:
        head, lines = self.head, self.lines
        if not head:
            return
        first, second = head[0][1], head[-1][1]
        picked: tuple[int, int, int | None] = (0, 1, 2 if len(first) > 2 else None)
        announced = None
        if self.titles is not None:
            picked = edge_columns(self.titles)
            del head[0]
        elif self.header is None and len(first) != len(second) and all(map(is_whole_number, first)):
            announced, announcement = int(first[-1]), " ".join(first)
            picked = (0, 1, 2 if len(second) > 2 else None)
            del head[0]
        count = 0
        for count, (self.position, cells) in enumerate(chain(head, lines), start=1):  # noqa: B007
            yield self._edge(cells, picked, len(first) if announced is None else len(second))
        if announced is not None and announced != count:
            raise ValueError(
                f"{self.name}: the first line, {announcement!r}, has not the columns of those below; as a "
                f"header it would announce {announced} edges; there are {count}."
            )

    def _edge(self, cells: list[str], picked: tuple[int, int, int | None], width: int) -> tuple[Any, ...]:
        if len(cells) != width:
            raise ValueError(f"{self.where()} has {len(cells)} columns, the lines before it have {width}.")
        if width < 2 or (width > 3 and picked == (0, 1, 2)):
            raise ValueError(
                f"{self.where()} has {width} columns: two or three are needed, or a header that names "
                "source, target and weight."
            )
        source, target, weight = picked
        if weight is None:
            return cells[source], cells[target]
        return cells[source], cells[target], self._weight(cells[weight])

    def _weight(self, text: str) -> Any:
        try:
            return ast.literal_eval(text) if text.startswith("{") else float(text)
        except (ValueError, SyntaxError):
            raise ValueError(f"{self.where()}: the weight {text!r} is not a number.") from None


def _is_header(first: list[str], second: list[str]) -> bool:
    """Tell titles from an edge: known words, no number as weight, or no numbers above whole numbers."""
    if len(first) < 2 or len(second) < 2:
        return False
    if titled_columns(first) is not None:
        return True
    if len(first) > 2 and len(second) > 2 and _is_weight(second[2]) and not _is_weight(first[2]):
        return first[2].lower() not in _EMPTY
    return not any(map(is_whole_number, first[:2])) and all(map(is_whole_number, second[:2]))


def _is_weight(text: str) -> bool:
    if text.startswith("{"):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True
