"""Triples (head, relation, tail), sorted into relations between types."""

import gzip
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from diptych._validate import DtypeError
from diptych.graph._alike import did_you_mean, refuse_misspelt
from diptych.graph._edges import Nodes, Rows, is_sequence, name_array, refuse_lazy
from diptych.graph._files import separated_lines
from diptych.graph._metapath import Relation
from diptych.io import is_whole_number

_HEADS = ("head", "h", "subject", "source")
_RELATIONS = ("relation", "r", "predicate", "type")
_TAILS = ("tail", "t", "object", "target")

Ends = tuple[list[Any], list[Any]]


class Triples:
    """Triples sorted by the types that they join.

    Attributes
    ----------
    relations : dict of (source type, name, target type) -> (heads, tails)
        Names of the ends of each edge, in the order given.
    nodes : dict of str -> ndarray
        The names of the nodes of each type that the caller named; types of other nodes are learnt.
    """

    def __init__(self, triples: Any, types: Mapping[Any, Any] | None) -> None:
        self.relations: dict[Relation, Ends] = {}
        self.nodes: dict[str, NDArray[Any]] = {}
        type_of_ends = _reader_of_types(types)
        rows = _rows_of(triples)
        named = Nodes()  # refuses None, "" and NaN
        for row in rows:
            if not is_sequence(row) or len(row) != 3:
                raise ValueError(f"{rows.where()}={row!r}: a triple is (head, relation, tail).")
            head, relation, tail = row
            if not isinstance(relation, str) or not relation:
                raise DtypeError(f"{rows.where()}: the relation {relation!r} is no str that names one.")
            named(head, rows)
            named(tail, rows)
            source, target = type_of_ends(head, relation, tail, rows)
            heads, tails = self.relations.setdefault((source, relation, target), ([], []))
            heads.append(head)
            tails.append(tail)
        if types and not _holds_pairs(types):
            kinds = {kind for source, _, target in self.relations for kind in (source, target)}
            refuse_misspelt(dict.fromkeys(types.values()), kinds, "types")
            for kind in dict.fromkeys(types.values()):
                self.nodes[kind] = name_array(name for name, own in types.items() if own == kind)


def _reader_of_types(types: Mapping[Any, Any] | None) -> Any:
    """Return the function that tells the types of head and tail."""
    if types is None:
        return lambda head, relation, tail, rows: ("node", "node")
    if not isinstance(types, Mapping):
        raise DtypeError(
            f"types is a {type(types).__name__}: a dict is needed, of the type of each node, or of the pair "
            "(head type, tail type) of each relation."
        )
    if _holds_pairs(types):

        def by_relation(head: Any, relation: str, tail: Any, rows: Rows) -> tuple[str, str]:
            if relation not in types:
                raise ValueError(
                    f"{rows.where()}: types has no entry for the relation {relation!r}"
                    f"{did_you_mean(relation, types)}."
                )
            source, target = types[relation]
            return source, target

        return by_relation

    def by_node(head: Any, relation: str, tail: Any, rows: Rows) -> tuple[str, str]:
        for name in (head, tail):
            if name not in types:
                raise ValueError(
                    f"{rows.where()}: types has no entry for the node {name!r}{did_you_mean(name, types)}."
                )
        return types[head], types[tail]

    return by_node


def _holds_pairs(types: Mapping[Any, Any]) -> bool:
    """Tell types of relations, which are pairs, from types of nodes."""
    pairs = [is_sequence(value) and len(value) == 2 for value in types.values()]
    if pairs and any(pairs) != all(pairs):
        key = next(key for key, pair in zip(types, pairs, strict=True) if not pair)
        raise ValueError(
            f"types[{key!r}]={types[key]!r}: others are pairs (head type, tail type) of relations; types of "
            "nodes are not mixed with them."
        )
    return bool(pairs) and all(pairs)


def _rows_of(triples: Any) -> Rows:
    if isinstance(triples, str | os.PathLike):
        return _TripleLines(triples)
    refuse_lazy(triples, "triples")  # before it is asked for titles
    if hasattr(triples, "columns") and hasattr(triples, "__getitem__"):
        titles = [str(title) for title in triples.columns]
        columns = [triples[triples.columns[at]] for at in _columns(titles)]
        return Rows(zip(*(column.to_list() for column in columns), strict=True), "triples")
    if isinstance(triples, Iterable) and not isinstance(triples, bytes | Mapping):
        return Rows(triples, "triples")
    raise DtypeError(
        f"triples is a {type(triples).__name__}: a list of (head, relation, tail), a data frame or a path is "
        "needed."
    )


def _columns(titles: list[str]) -> tuple[int, int, int]:
    titled = _titled(titles)
    if titled is None and len(titles) != 3:
        raise ValueError(
            f"the columns are {', '.join(titles)}: name three of them head, relation and tail, or keep three."
        )
    return titled or (0, 1, 2)


def _titled(titles: list[str]) -> tuple[int, int, int] | None:
    plain = [title.strip().lower() for title in titles]
    found = [
        next((plain.index(word) for word in words if word in plain), None)
        for words in (_HEADS, _RELATIONS, _TAILS)
    ]
    head, relation, tail = found
    return None if head is None or relation is None or tail is None else (head, relation, tail)


class _TripleLines(Rows):
    """The triples in the lines of a text file, whose separator is found out from its first line."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = os.fspath(path)
        opened = gzip.open if Path(path).suffix.lower() == ".gz" else open
        try:
            with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
                lines = list(separated_lines(file))
        except UnicodeDecodeError as error:
            raise ValueError(f"{self.name!r} is not UTF-8 text (byte {error.start}).") from None
        picked = _titled(lines[0][1]) if lines else None
        if picked is not None:
            del lines[0]
        self.lines = [number for number, _ in lines]
        cells = [row for _, row in lines]
        if picked is not None:
            cells = [[row[at] for at in picked if at < len(row)] for row in cells]
        super().__init__(_with_numbers(cells))

    def where(self) -> str:
        return f"{self.name}, line {self.lines[self.position]}"


def _with_numbers(rows: list[list[str]]) -> list[list[Any]]:
    """Return names as integers if all of them, heads and tails, are written as such."""
    ends = [cell for row in rows for cell in row[::2]]
    if not ends or not all(map(is_whole_number, ends)):
        return [list(row) for row in rows]
    return [[int(cell) if at % 2 == 0 else cell for at, cell in enumerate(row)] for row in rows]
