"""Graphs with types as JSON: names by type, and a list of edges for each relation."""

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diptych.graph._metapath import Relation
from diptych.io import whole_file

_FORM = (
    '{"nodes": {type: [name, …] or number, …}, "relations": [{"source": type, "relation": name, '
    '"target": type, "edges": [[source, target], …]}, …]}'
)
_WORDS = ("source", "relation", "target")


def read_graph(path: str | os.PathLike[str]) -> tuple[dict[Relation, Any], dict[str, Any]]:
    """Return what a file says of relations and nodes; see `HeteroGraph.from_json`."""
    where = repr(os.fspath(path))
    try:
        with open(path, encoding="utf-8-sig") as file:
            content = json.load(file)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{where} is not JSON: {error}.") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{where} is not UTF-8 text (byte {error.start}).") from None
    if not isinstance(content, dict) or not isinstance(content.get("relations"), list):
        raise ValueError(f'{where} has no list "relations"; a graph is written as {_FORM}.')
    nodes = content.get("nodes", {})
    if not isinstance(nodes, dict):
        raise ValueError(f'{where}: "nodes" is no object of types; a graph is written as {_FORM}.')
    relations: dict[Relation, Any] = {}
    for i, entry in enumerate(content["relations"]):
        key = _key(entry, f"{where}: relations[{i}]")
        if key in relations:
            raise ValueError(f"{where}: relations[{i}] is {key!r} a second time; put the edges together.")
        relations[key] = entry["edges"]
    return relations, nodes


def _key(entry: Any, where: str) -> Relation:
    """Return the name of a relation, which has one and a list of edges."""
    if not isinstance(entry, dict) or not isinstance(entry.get("edges"), list):
        raise ValueError(f'{where} has no list "edges"; a graph is written as {_FORM}.')
    words = [entry.get(word) for word in _WORDS]
    for word, given in zip(_WORDS, words, strict=True):
        if not isinstance(given, str) or not given:
            raise ValueError(f'{where} has no str "{word}"; a graph is written as {_FORM}.')
    source, name, target = map(str, words)
    return source, name, target


def write_graph(
    path: str | os.PathLike[str], relations: Mapping[Relation, Any], nodes: Mapping[str, NDArray[Any]]
) -> None:
    """Write a graph; a weight is left out where all weights of a relation are the integer 1."""
    content = {
        "nodes": {kind: _names(kind, names) for kind, names in nodes.items()},
        "relations": [
            {**dict(zip(_WORDS, key, strict=True)), "edges": _edges(matrix, nodes[key[0]], nodes[key[2]])}
            for key, matrix in relations.items()
        ],
    }
    with whole_file(path) as file:
        file.write(json.dumps(content, ensure_ascii=False, allow_nan=False).encode())


def _names(kind: str, names: NDArray[Any]) -> int | list[Any]:
    if names.dtype.kind == "i" and np.array_equal(names, np.arange(len(names))):
        return len(names)
    listed: list[Any] = names.tolist()
    for at, name in enumerate(listed):
        if type(name) not in (str, int):
            raise ValueError(
                f"nodes[{kind!r}][{at}] is {name!r}, a {type(name).__name__}: only strings and whole numbers "
                "are written as JSON."
            )
    return listed


def _edges(matrix: Any, sources: NDArray[Any], targets: NDArray[Any]) -> list[list[Any]]:
    entries = matrix.tocoo()
    columns = [sources[entries.row].tolist(), targets[entries.col].tolist()]
    if matrix.dtype != np.int64 or (matrix.data != 1).any():
        columns.append(entries.data.tolist())
    return [list(edge) for edge in zip(*columns, strict=True)]
