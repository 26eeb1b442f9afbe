"""Relations between two types of nodes, in whatever form a user has them, as CSR matrices."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diptych import _validate
from diptych._validate import DtypeError, _array
from diptych.graph._alike import refuse_misspelt
from diptych.graph._edges import (
    WEIGHTS,
    Rows,
    edge_columns,
    name_array,
    refuse_lazy,
    row_width,
    titled_columns,
)
from diptych.graph._metapath import Relation
from diptych.graph._names import Column, Names, given_names, learnt_names

Matrix: TypeAlias = Any  # csr_array of int64 or float64, which SciPy's stubs cannot say

_FORMS = (
    "a SciPy sparse matrix, a tuple (source, target) or (source, target, weight) of arrays, an edge index of "
    "shape (2, E), a list of (source, target[, weight]), or a data frame"
)


@dataclass
class Edges:
    """A relation that was given edge by edge."""

    source: Column
    target: Column
    weights: NDArray[Any] | None


def read_relation(key: Relation, given: Any) -> Matrix | Edges:
    """Return a relation as a checked matrix, or as the columns of its edges."""
    title = f"relations[{key!r}]"
    if _validate.is_sparse(given):
        return matrix_of_counts(given, title)
    refuse_lazy(given, title)  # before it is asked for titles
    if hasattr(given, "columns") and hasattr(given, "__getitem__"):
        return _from_frame(key, given, title)
    if isinstance(given, tuple):
        if len(given) not in (2, 3):
            raise ValueError(f"{title} is a tuple of {len(given)}: (source, target[, weight]) is needed.")
        return _edges(given[0], given[1], given[2] if len(given) == 3 else None, title, holds_rows=True)
    if hasattr(given, "__array__"):
        index = _array(given, title)
        if index.ndim != 2 or len(index) != 2 or index.dtype.kind not in "iuUO":
            raise ValueError(
                f"{title} is an array of shape {index.shape} and dtype {index.dtype}: an edge index has "
                "shape (2, E) and holds integers or names; pass scipy.sparse.csr_array(matrix) for a matrix."
            )
        return _edges(index[0], index[1], None, title, holds_rows=True)
    if isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping):
        return _from_rows(given, title)
    raise DtypeError(f"{title} is a {type(given).__name__}: {_FORMS} is needed.")


def _from_frame(key: Relation, frame: Any, title: str) -> Edges:
    """Choose columns titled like the types, else as `Graph.from_edges` does."""
    titles = [str(name) for name in frame.columns]
    by_title = dict(zip(titles, frame.columns, strict=True))
    picked = _columns_of_types(key, titles, title) or edge_columns(titles)
    s, t, w = (None if at is None else np.asarray(frame[by_title[titles[at]]]) for at in picked)
    return _edges(s, t, w, title, holds_rows=False)


def _columns_of_types(key: Relation, titles: list[str], title: str) -> tuple[int, int, int | None] | None:
    """Return the columns titled like the types, in any case, and that of the weights; None if none is."""
    plain = [name.strip().lower() for name in titles]
    ends = key[0].strip().lower(), key[2].strip().lower()
    there = [end in plain for end in ends]
    if ends[0] == ends[1] or not any(there):
        return None
    exact = key[0] in titles and key[2] in titles
    if not exact and (not all(there) or any(plain.count(end) > 1 for end in ends)):
        if titled_columns(titles):
            return None
        raise ValueError(
            f"{title} has the columns {', '.join(titles)}: title two of them {key[0]} and {key[2]}, or "
            "source and target."
        )
    s, t = (titles.index(end) for end in (key[0], key[2])) if exact else map(plain.index, ends)
    weights = [at for at in range(len(titles)) if at not in (s, t) and plain[at] in WEIGHTS]
    return s, t, weights[0] if weights else None  # any other column may be a year


def _from_rows(rows: Iterable[Any], title: str) -> Edges:
    table, width = Rows(rows, title), 0
    columns: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    for row in table:
        width = row_width(row, table, width)
        for column, value in zip(columns, row, strict=False):
            column.append(value)
    return _edges(columns[0], columns[1], columns[2] if width == 3 else None, title, holds_rows=False)


def _edges(source: Any, target: Any, weight: Any, title: str, *, holds_rows: bool) -> Edges:
    ends = [
        Column(_names_or_rows(values, f"{title}, {end}"), f"{title}, {end}", holds_rows=holds_rows)
        for values, end in ((source, "source"), (target, "target"))
    ]
    n = len(ends[0].values)
    if len(ends[1].values) != n:
        raise ValueError(f"{title} has {n} sources and {len(ends[1].values)} targets.")
    weights = None if weight is None else counts_or_weights(weight, f"{title}, weight")
    if weights is not None and len(weights) != n:
        raise ValueError(f"{title} has {len(weights)} weights for {n} edges.")
    return Edges(ends[0], ends[1], weights)


def _names_or_rows(values: Any, title: str) -> NDArray[Any]:
    """Return one end of each edge: integers as int64, all else as objects."""
    array = _array(values, title) if hasattr(values, "__array__") else name_array(values)
    if array.dtype.kind == "O" and len(array) and all(isinstance(value, float) for value in array):
        array = array.astype(np.float64)
    if array.ndim != 1:
        raise ValueError(f"{title} has shape {array.shape}: one dimension is needed.")
    if array.dtype.kind == "f":
        whole = (np.abs(array) < 2.0**53) & (array == np.round(array))  # beyond, floats skip whole numbers
        if not whole.all():
            at = int(np.flatnonzero(~whole)[0])
            raise ValueError(f"{title}[{at}]={array[at]}: nodes are whole numbers or strings.")
        return array.astype(np.int64)
    if array.dtype.kind == "b":
        raise DtypeError(f"{title} has dtype bool: nodes are whole numbers or strings.")
    return name_array(array.tolist())


def names_of_types(given: Mapping[Relation, Any], nodes: Mapping[str, Any]) -> dict[str, Names]:
    """Return the names of each type, as given or as the relations tell them."""
    if not isinstance(nodes, Mapping):
        raise DtypeError(
            f"nodes is a {type(nodes).__name__}: a dict of type to names, or to a number, is needed."
        )
    kinds = dict.fromkeys(kind for source, _, target in given for kind in (source, target))
    lone = [kind for kind in nodes if kind not in kinds]
    refuse_misspelt(lone, [kind for kind in kinds if kind not in nodes], "nodes")
    found = {kind: Names(kind, given_names(kind, names)) for kind, names in nodes.items()}
    for kind in kinds:
        if kind in found:
            continue
        ends, sizes = [], []
        for key, edges in given.items():
            for at, own in enumerate((key[0], key[2])):
                if own != kind:
                    continue
                if isinstance(edges, Edges):
                    ends.append((edges.source, edges.target)[at])
                else:
                    sizes.append((f"relations[{key!r}]", edges.shape[at]))
        found[kind] = Names(kind, learnt_names(kind, ends, sizes))
    return found


# ---- matrices ----


def counts_or_weights(values: Any, title: str, place: Callable[[int], str] | None = None) -> NDArray[Any]:
    """Return weights as int64 where they are integers or truth values, else as float64; none is negative."""
    array = _array(values, title)
    if array.dtype.kind not in "biu" or array.ndim != 1:
        # NumPy would make floats of integers that are too large.
        given = array.flat if array.dtype.kind == "O" else values if isinstance(values, list | tuple) else ()
        _check_counts((value for value in given if isinstance(value, int | np.integer)), title)
        return _validate.edge_weights(values, title, place)
    if array.size and (array.dtype.kind == "i" and array.min() < 0):
        _validate.edge_weights(array, title, place)
    if array.dtype.kind == "u" and array.size:
        _check_counts([array.max()], title)
    return array.astype(np.int64, copy=False)


def _check_counts(counts: Iterable[Any], title: str) -> None:
    large = next((count for count in counts if count >= 2**63), None)
    if large is not None:
        raise OverflowError(f"{title} holds {large}: counts below 2**63 are taken; pass floats.")


def matrix_of_counts(given: Any, title: str) -> Matrix:
    """Return a checked matrix of SciPy as CSR of int64 or float64, duplicates not yet summed."""
    if len(given.shape) != 2:
        raise ValueError(f"{title} has shape {given.shape}: two dimensions are needed.")
    try:
        found = _compressed(given, title)
    except ValueError as error:
        if str(error).startswith(title):
            raise
        raise ValueError(f"{title}: {error}") from None  # SciPy's words

    def entry(at: int) -> str:
        row = np.searchsorted(found.indptr, at, side="right") - 1
        return f"{title}[{row}, {found.indices[at]}]"

    data = counts_or_weights(found.data, f"{title}.data", entry)
    return sparse.csr_array((data, found.indices, found.indptr), shape=given.shape)


def _compressed(given: Any, title: str) -> Matrix:
    """Return a matrix in a new container, which finds out that flags SciPy keeps on one are wrong."""
    if given.format == "coo":  # whose own conversion sums in the dtype it has: True + True is True
        for places, n, end in zip(given.coords, given.shape, ("row", "column"), strict=True):
            outside = np.flatnonzero((places < 0) | (places >= n))
            if outside.size:
                at = outside[0]
                raise ValueError(f"{title}, entry {at}: {end} {places[at]} is out of range, there are {n}.")
        rows, columns = given.coords
        parts = _by_rows(given.data, rows, columns, given.shape[0])
    else:
        matrix = given if given.format == "csr" else given.tocsr()
        parts = matrix.data, matrix.indices, matrix.indptr
        for part, kind in ((matrix.indices, "indices"), (matrix.indptr, "indptr")):
            if part.dtype.kind not in "iu":
                raise DtypeError(f"{title}.{kind} has dtype {part.dtype}: integers are needed.")
    for part, kind in zip(parts, ("data", "indices", "indptr"), strict=True):
        _array(part, f"{title}.{kind}")  # SciPy would forget the mask
    found: Matrix = sparse.csr_array(parts, shape=given.shape)
    found.check_format(full_check=True)
    return found


def matrix_of_edges(edges: Edges, sources: Names, targets: Names) -> Matrix:
    """Return edges as CSR, duplicates not yet summed."""
    rows, columns = sources.rows(edges.source), targets.rows(edges.target)
    shape = (len(sources.names), len(targets.names))
    weights = np.ones(len(rows), dtype=np.int64) if edges.weights is None else edges.weights
    return sparse.csr_array(_by_rows(weights, rows, columns, shape[0]), shape=shape)


def _by_rows(
    data: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any], n_rows: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return data, indices and indptr of entries, those of a row in the order given."""
    order = np.argsort(rows, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_rows))])
    return data[order], columns[order], starts


def tidied(matrix: Matrix, duplicates: str, title: str) -> Matrix:
    """Return a matrix in canonical form: duplicates in one, columns ascending, no stored zeros."""
    if duplicates == "binary":
        there = (matrix.data > 0).astype(np.int64)
        matrix = sparse.csr_array((there, matrix.indices, matrix.indptr), shape=matrix.shape)
    if not (matrix.has_canonical_format and matrix.data.all()):
        if matrix.dtype == np.int64 and not matrix.has_canonical_format and _sum_overflows(matrix):
            raise OverflowError(f"{title}: weights of one edge sum to more than int64 can hold; pass floats.")
        matrix = matrix.copy()
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
    if not np.isfinite(matrix.data).all():
        raise ValueError(f"{title}: weights of one edge sum to more than float64 can hold.")
    if duplicates == "binary":
        matrix.data[:] = 1
    return matrix


def _sum_overflows(matrix: Matrix) -> bool:
    """Tell whether entries that are there twice sum to 2**63 or more: exactly, in halves of 32 bits."""
    if matrix.data.sum(dtype=np.float64) < 2.0**62:
        return False
    high, low = (
        sparse.csr_array((half, matrix.indices, matrix.indptr), shape=matrix.shape, copy=True)
        for half in (matrix.data >> 32, matrix.data & 0xFFFFFFFF)
    )
    high.sum_duplicates()
    low.sum_duplicates()
    return bool((high.data + (low.data >> 32) >= 2**31).any())
