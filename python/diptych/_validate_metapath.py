"""The checks of what meta-paths take, beside those of :mod:`diptych._validate`, and in the same manner."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from diptych._validate import (
    _MOST_INT64,
    MOST_NODES,
    DtypeError,
    _all_finite,
    _real_array,
    _real_number,
    _row_of_integers,
    _row_starts,
    is_sparse,
    node_numbers,
)

Integers: TypeAlias = NDArray[np.int32] | NDArray[np.int64]
Counts: TypeAlias = NDArray[np.int64] | NDArray[np.float64]
Relation: TypeAlias = tuple[Integers, Integers, Counts, int]  # indptr, indices, data, number of columns
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Chain:
    """Relations that can be multiplied, as they were given.

    Kernels want canonical form, that is with ascending columns, none twice and no zeros, and of one dtype:
    int64 or float64. Most matrices are in that form already, and a kernel tells fastest.
    """

    matrices: Sequence[Any]
    names: list[str]

    @property
    def n_nodes(self) -> int:
        """Return the number of nodes of the first type."""
        return int(self.matrices[0].shape[0])

    @property
    def n_columns(self) -> int:
        """Return the number of nodes of the last type."""
        return int(self.matrices[-1].shape[1])

    def give(self, kernel: Callable[[list[Relation]], Answer | None]) -> Answer:
        """Call a kernel with the relations; once more, in canonical form, where it declines by None.

        Entries stored more than once are then summed, in the order in which they are stored.
        """
        whole = all(A.dtype.kind in "biu" for A in self.matrices)
        stored = [_as_stored(A, whole) for A in self.matrices]
        if all(relation is not None for relation in stored):
            answer = kernel(cast(list[Relation], stored))
            if answer is not None:
                return answer
        named = zip(self.matrices, self.names, strict=True)
        return cast(Answer, kernel([_in_canonical_form(A, its_name, whole) for A, its_name in named]))


def chain(matrices: Any, name: str) -> Chain:
    """Return relations that can be multiplied, by their shapes."""
    if is_sparse(matrices) or not isinstance(matrices, Sequence) or isinstance(matrices, str):
        raise DtypeError(
            f"{name} is of type {type(matrices).__name__}: a list of SciPy matrices is needed; put a single "
            "one into brackets."
        )
    if not matrices:
        raise ValueError(f"{name} is empty: at least one matrix is needed.")
    names = [f"{name}[{place}]" for place in range(len(matrices))]
    for A, its_name in zip(matrices, names, strict=True):
        _check_matrix(A, its_name)
    for place in range(len(matrices) - 1):
        shape, after = matrices[place].shape, matrices[place + 1].shape
        if shape[1] != after[0]:
            raise ValueError(
                f"{names[place]} has shape {shape} and {names[place + 1]} {after}: the columns of one are "
                "the rows of the next."
            )
    return Chain(matrices, names)


def queries(nodes: Any, n: int) -> NDArray[np.int64] | None:
    """Return the numbers of nodes, each below n; None, which stands for all in order, stays None."""
    return None if nodes is None else node_numbers(nodes, n, "queries")


def pairs(left: Any, right: Any, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return two rows of node numbers of equal length."""
    one, other = node_numbers(left, n, "left"), node_numbers(right, n, "right")
    if len(one) != len(other):
        raise ValueError(f"left has {len(one)} nodes, right has {len(other)}: one of each makes a pair.")
    return one, other


def threshold(value: Any) -> float:
    """Return the least score to be kept."""
    number = _real_number(value, "threshold", "must be a number from 0 to 1.")
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"threshold={value}: must be a number from 0 to 1.")
    return number


def include_self(value: Any) -> bool:
    """Return whether a query may be among its own answers."""
    if not isinstance(value, bool | np.bool):
        raise DtypeError(f"include_self={value!r}: must be True or False.")
    return bool(value)


def _check_matrix(A: Any, name: str) -> None:
    if not is_sparse(A):
        raise DtypeError(
            f"{name} is of type {type(A).__name__}: a SciPy matrix is needed; pass "
            f"scipy.sparse.csr_array({name}) if it holds the weight from node i to node j at [i, j]."
        )
    if len(A.shape) != 2:
        raise ValueError(f"{name} has shape {A.shape}: a row for each node and a column for each are needed.")
    if max(A.shape) > MOST_NODES:
        raise ValueError(f"{name} has shape {A.shape}: at most {MOST_NODES} nodes of a type can be numbered.")


def _as_stored(A: Any, whole: bool) -> Relation | None:
    """Return the arrays of a CSR matrix, if they are of a form that needs no care."""
    if A.format != "csr" or any(type(part) is not np.ndarray for part in (A.indptr, A.indices, A.data)):
        return None  # a list or a masked array, perhaps
    widths = (np.int32, np.int64)
    if A.indptr.dtype not in widths or A.indices.dtype not in widths or A.data.dtype.kind not in "biuf":
        return None
    with np.errstate(over="ignore"):
        data = np.require(A.data, np.int64 if whole else np.float64, ["C", "A"])
    indptr, indices = np.require(A.indptr, None, ["C", "A"]), np.require(A.indices, None, ["C", "A"])
    stored = indptr.ndim == indices.ndim == data.ndim == 1 and len(indptr) == A.shape[0] + 1
    return (indptr, indices, data, int(A.shape[1])) if stored else None


def _in_canonical_form(A: Any, name: str, whole: bool) -> Relation:
    rows = A if A.format == "csr" else _compressed_rows(A, name)
    n_columns = int(A.shape[1])
    indptr, indices, data = _parts(rows, name, n_columns)
    counts = _counts(data, name, indptr, indices, whole)
    if not _ascends(indptr, indices):
        indptr, indices, counts = _merged(indptr, indices, counts, n_columns, name)
    if not counts.all():
        kept = counts != 0
        indptr = np.append(0, np.cumsum(kept))[indptr]
        indices, counts = indices[kept], counts[kept]
    return indptr, np.require(indices, np.int32, ["C", "A"]), counts, n_columns


def _compressed_rows(A: Any, name: str) -> Any:
    """Return the entries as CSR, in their order within each row, none summed: SciPy's sums wrap around."""
    try:
        own = A.copy()  # because the check may rearrange; a copy of coordinates is checked as it is made
        if hasattr(own, "check_format"):
            own.check_format()
        entries = own.tocoo()
        entries.has_canonical_format = True
        return entries.tocsr()
    except ValueError as error:  # indices out of range, in SciPy's words
        raise ValueError(f"{name}: {error}") from None


def _parts(A: Any, name: str, n_columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    """Return indptr, indices and data, of which the first two fit together."""
    indptr, indices = _row_starts(A, name), _row_of_integers(A.indices, f"{name}.indices")
    data = _real_array(A.data, f"{name}.data")
    if data.shape != indices.shape:
        raise ValueError(f"{name}.data has shape {data.shape}, {name}.indices {indices.shape}: not the same.")
    falls = np.flatnonzero(np.diff(indptr) < 0)
    if indptr[0] != 0 or falls.size:
        at = 0 if indptr[0] != 0 else falls[0] + 1
        raise ValueError(f"{name}.indptr[{at}]={indptr[at]}: must begin with 0 and never fall.")
    if indptr[-1] > len(indices):
        raise ValueError(f"{name}.indptr[-1]={indptr[-1]}: there are {len(indices)} entries.")
    indices, data = indices[: indptr[-1]], data[: indptr[-1]]
    if indices.size and (indices.min() < 0 or indices.max() >= n_columns):
        at = np.flatnonzero((indices < 0) | (indices >= n_columns))[0]
        raise ValueError(
            f"{name}.indices[{at}]={indices[at]} is out of range for {n_columns} columns (row "
            f"{_row_of(at, indptr)}); SciPy does not check this, check_format() does."
        )
    return indptr, indices, data


def _counts(
    data: NDArray[Any], name: str, indptr: NDArray[np.int64], indices: NDArray[np.int64], whole: bool
) -> Counts:
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes infinite, and is then named
        values = data if whole else np.require(data, np.float64, ["C", "A"])
    if values.size and not (values.min() >= 0 and _all_finite(values)):
        at = int(np.flatnonzero(~((values >= 0) & np.isfinite(values)))[0])
        raise ValueError(
            f"{name}[{_row_of(at, indptr)}, {indices[at]}]={values[at]}: the weight of an edge is finite and "
            "not negative; drop the edge."
        )
    if whole and values.size and values.max() > _MOST_INT64:
        at = int(values.argmax())
        raise _overflow(f"{name}[{_row_of(at, indptr)}, {indices[at]}]={values[at]}")
    return np.require(values, np.int64 if whole else np.float64, ["C", "A"])


def _row_of(at: int, indptr: NDArray[np.int64]) -> int:
    """Return the row that an entry is stored in."""
    return int(np.searchsorted(indptr, at, side="right")) - 1


def _ascends(indptr: NDArray[np.int64], indices: NDArray[np.int64]) -> bool:
    """Tell whether columns ascend strictly within each row."""
    rises = np.diff(indices) > 0
    starts = indptr[(indptr > 0) & (indptr < len(indices))]
    rises[starts - 1] = True  # from the last of one row to the first of another
    return bool(rises.all())


def _merged(
    indptr: NDArray[np.int64], indices: NDArray[np.int64], counts: Counts, n_columns: int, name: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], Counts]:
    """Sort the columns of each row, and sum entries of one place in the order in which they are stored."""
    n_rows = len(indptr) - 1
    place = np.repeat(np.arange(n_rows), np.diff(indptr)) * n_columns + indices
    order = np.argsort(place, kind="stable")
    place, counts = place[order], counts[order]
    first = np.append(True, place[1:] != place[:-1])
    which, place = np.cumsum(first) - 1, place[first]
    sums = cast(Counts, np.zeros(len(place), counts.dtype))
    with np.errstate(over="ignore"):
        np.add.at(sums, which, counts)
        about = np.bincount(which, weights=counts)
    # Whole numbers that wrapped around are negative, or were beyond 2**64 on their way.
    over = ~np.isfinite(sums) | (sums < 0) | ((about > 1e19) & (counts.dtype == np.int64))
    if over.any():
        i, j = divmod(int(place[over][0]), n_columns)
        raise _overflow(f"{name}[{i}, {j}] is stored more than once, and the sum")
    starts = np.searchsorted(place, np.arange(n_rows + 1) * n_columns)
    return starts.astype(np.int64), place % n_columns, sums


def _overflow(what: str) -> OverflowError:
    return OverflowError(f"{what} is beyond 64 bits; whole numbers as floats give a rounded result.")
