"""Every check of an argument, once, and every message, once.

A check takes what the caller gave and returns what the kernels take: plain Python numbers and C-contiguous,
aligned, native-endian arrays. float32 and float64 arrays that already are so pass through without a copy.
"""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64] | NDArray[np.float32]
IndexArray: TypeAlias = NDArray[np.int64] | NDArray[np.int32]

METRICS = ("euclidean", "manhattan", "chebyshev", "minkowski", "cosine", "haversine", "precomputed")
MOST_ROWS = 2**32 - 2  # rows are numbered in 32 bits, and one number means "none"
MOST_LABEL = 2**32 - 2  # and so are clusters
MOST_NODES = 2**31 - 1  # nodes of a walk are numbered in 31 bits, below which -1 means "none"
MOST_STEPS = 2**32 - 1  # a position is half of the address of a random word
NEGATIVE = "Negative values in data passed to precomputed distance matrix."
NOT_SQUARE = "Precomputed matrix must be square"
_MOST_INT64 = 2**63 - 1


class DtypeError(TypeError, ValueError):
    """A value of the wrong type; both kinds of error, because callers look for either."""


class CSR(Protocol):
    """What is asked of a SciPy matrix or array in CSR format."""

    format: Any
    shape: Any
    indptr: Any
    indices: Any
    data: Any


def is_sparse(X: object) -> bool:
    """Tell a SciPy sparse container, of any format, without importing SciPy."""
    return hasattr(X, "tocsr") and hasattr(X, "format")


def is_missing(value: object) -> bool:
    """Tell None, NaN and pandas' NA, whose comparisons are NA again, without importing pandas."""
    if value is None or type(value).__name__ == "NAType":
        return True
    unlike_itself = value != value
    return isinstance(unlike_itself, bool | np.bool) and bool(unlike_itself)


# Arrays


def points(X: Any, name: str = "X", *, may_be_empty: bool = False) -> FloatArray:
    """Return the rows of X as a 2-D array: float32 stays float32, all else becomes float64."""
    if is_sparse(X):
        raise DtypeError(
            f"{name} is sparse ({X.format}): dense rows are needed; pass {name}.toarray(), or use "
            "diptych.DBSCAN, which takes sparse features."
        )
    array = _real_array(X, name)
    _check_shape(array.shape, name, may_be_empty)
    values = _floats(array)
    if not _all_finite(values):
        i, j = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            f"{name}[{i}, {j}]={values[i, j]}: every value must be finite; drop the row or fill in the value."
        )
    return values


def distances(X: Any, name: str = "X", *, columns: int | None = None) -> FloatArray:
    """Return a dense matrix of distances, square unless the number of columns is given."""
    D = points(X, name, may_be_empty=columns == 0)
    _check_distance_shape(D.shape, name, columns)
    if D.size and D.min() < 0:
        i, j = np.argwhere(D < 0)[0]
        raise ValueError(f"{name}[{i}, {j}]={D[i, j]}: {NEGATIVE}")
    return D


def csr_distances(
    X: CSR, name: str = "X", *, columns: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], int]:
    """Return indptr, indices, data and the number of columns of a CSR matrix of distances.

    Whether the index arrays fit together is checked by the kernel, which has to be safe without Python.
    """
    _check_csr(X, name)
    _check_shape(X.shape, name, may_be_empty=columns == 0)
    _check_distance_shape(X.shape, name, columns)
    indptr, indices = _row_starts(X, name), _row_of_integers(X.indices, f"{name}.indices")
    data = _row_of_floats(X.data, f"{name}.data", "drop the entry instead, for a pair out of reach")
    if data.size and data.min() < 0:
        at = np.flatnonzero(data < 0)[0]
        raise ValueError(f"{name}.data[{at}]={data[at]}: {NEGATIVE}")
    return indptr, indices, data, int(X.shape[1])


def weights(sample_weight: Any, n: int) -> NDArray[np.float64] | None:
    """Return one float64 weight for each of n rows; None when they make no difference, all being 1."""
    if sample_weight is None:
        return None
    w = _row_of_floats(sample_weight, "sample_weight", "drop the row or give it weight 0")
    if len(w) != n:
        raise ValueError(f"sample_weight has {len(w)} entries: one for each of the {n} rows is needed.")
    if not w.any():
        raise ValueError(
            "sample_weight is 0 everywhere: Sample weights must contain at least one non-zero number; pass "
            "None to weigh every row 1."
        )
    if (w == 1.0).all():
        return None
    with np.errstate(over="ignore"):
        total = np.abs(w).sum()
    if not math.isfinite(total):
        raise ValueError("sample_weight sums to more than float64 can hold: divide it and min_samples alike.")
    return w


def core_points(given: Any, columns: int) -> FloatArray:
    """Return the rows of the core points; a list of none has the columns of the new points."""
    if given is None:
        raise DtypeError(
            "core_points=None: only metric='precomputed' takes None; pass the rows that are core points."
        )
    rows = np.zeros((0, columns)) if _is_empty_list(given) else given
    return points(rows, "core_points", may_be_empty=True)


def labels(core_labels: Any, n: int | None = None) -> NDArray[np.int64]:
    """Return the cluster numbers of core points, n of them if n is given."""
    known = _row_of_integers(core_labels, "core_labels")
    if n is not None and len(known) != n:
        raise ValueError(
            f"core_labels has {len(known)} entries: one for each of the {n} core points is needed."
        )
    if known.size and known.min() < 0:
        at = np.flatnonzero(known < 0)[0]
        raise ValueError(f"core_labels[{at}]={known[at]}: a core point has a cluster, numbered from 0.")
    if known.size and known.max() > MOST_LABEL:
        at = np.flatnonzero(known > MOST_LABEL)[0]
        raise ValueError(
            f"core_labels[{at}]={known[at]}: cluster numbers go up to {MOST_LABEL}; renumber them from 0."
        )
    return known


def alike(X_new: FloatArray, core_points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return both tables in one dtype; refuse new points that have not the columns of the core points."""
    if X_new.shape[1] != core_points.shape[1]:
        raise ValueError(f"X_new has {X_new.shape[1]} columns, core_points has {core_points.shape[1]}.")
    dtype = np.promote_types(X_new.dtype, core_points.dtype)
    return X_new.astype(dtype, copy=False), core_points.astype(dtype, copy=False)


def check_sphere(X: FloatArray, name: str = "X") -> None:
    """Refuse rows that cannot be (latitude, longitude) in radians."""
    if X.shape[1] != 2:
        raise ValueError(
            f"{name} has {X.shape[1]} columns: metric='haversine' takes latitude and longitude, in radians."
        )
    most = X.dtype.type(math.pi / 2)  # rounded as the latitudes are: float32 has none closer to the pole
    latitude = X[:, 0]
    if X.size and max(latitude.max(), -latitude.min()) > most:
        i = np.flatnonzero(np.abs(latitude) > most)[0]
        raise ValueError(
            f"{name}[{i}, 0]={latitude[i]}: a latitude lies within ±pi/2 radians; are these degrees? "
            f"Pass np.radians({name})."
        )


# Graphs


def edge_weights(values: Any, name: str, place: Callable[[int], str] | None = None) -> NDArray[np.float64]:
    """Return one weight for each edge, finite and not negative; `place` says where the k-th was found."""
    array = _real_array(values, name)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}: one dimension is needed, a weight for each edge.")
    w = np.require(array, np.float64, ["C", "A"])
    if w.size and not (w.min() >= 0 and _all_finite(w)):
        at = int(np.flatnonzero(~((w >= 0) & (w < math.inf)))[0])
        where = f"{name}[{at}]" if place is None else place(at)
        raise ValueError(f"{where}={w[at]}: the weight of an edge is finite and not negative; drop the edge.")
    return w


def check_square(shape: tuple[int, ...], name: str) -> None:
    """Refuse what cannot be an adjacency matrix, which has a row and a column for each node."""
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(
            f"{name} has shape {shape}: an adjacency matrix is square, with a row and a column for each node."
        )


def node_numbers(values: Any, n: int, name: str) -> NDArray[np.int64]:
    """Return the numbers of nodes, each below n."""
    array = _array(values, name)
    known = _row_of_integers(array if array.size else array.astype(np.int64), name)
    if known.size and (known.min() < 0 or known.max() >= n):
        at = np.flatnonzero((known < 0) | (known >= n))[0]
        raise ValueError(f"{name}[{at}]={known[at]}: nodes are numbered from 0 to {n - 1}.")
    return known


# Numbers


def eps(value: Any, metric: str = "euclidean") -> float:
    """Return the radius of a neighbourhood."""
    number = _real_number(value, "eps", "must be a positive finite number.")
    if not 0.0 < number < math.inf:
        raise ValueError(f"eps={value}: must be a positive finite number.")
    if metric == "haversine" and number > math.pi:
        raise ValueError(
            f"eps={value}: haversine distances are radians, at most pi; is this in degrees? Pass "
            "np.radians(eps). In metres? Divide by the radius of the Earth, 6371008.8."
        )
    return number


def min_samples(value: Any) -> int:
    """Return the number of neighbours that makes a core point."""
    return _count(value, "min_samples")


def count(value: Any, name: str) -> int:
    """Return how many of something are asked for, at least 1."""
    return _count(value, name)


def share(value: Any, name: str) -> float:
    """Return a part of a whole, neither none nor all of it."""
    number = _real_number(value, name, "must be a number between 0 and 1.")
    if not 0.0 < number < 1.0:
        raise ValueError(f"{name}={value}: must be between 0 and 1, neither of them.")
    return number


def k(value: Any, n: int) -> int:
    """Return which neighbour is asked for, among the n - 1 others."""
    number = _count(value, "k")
    if number >= n:
        raise ValueError(f"k={number} needs at least {number + 1} rows, got {n}.")
    return number


def metric(value: Any, p: Any = None) -> tuple[str, float]:
    """Return the name of the metric, and p of 'minkowski' (2.0 for the others, which ignore it).

    Minkowski distances with p = 1, 2 and infinity go by the names they have.
    """
    if not isinstance(value, str) or value not in METRICS:
        raise ValueError(
            f"metric={value!r}: must be one of {', '.join(map(repr, METRICS))}; diptych.DBSCAN takes "
            "others, and callables."
        )
    if value != "minkowski":
        return value, 2.0
    power = 2.0 if p is None else _real_number(p, "p", "must be a positive number or np.inf; None means 2.")
    if not power > 0:
        raise ValueError(f"p={p}: must be a positive number or np.inf; None means 2.")
    named = {1.0: "manhattan", 2.0: "euclidean", math.inf: "chebyshev"}
    return named.get(power, "minkowski"), power


def seed_key(rng: Any = None, name: str = "rng") -> int:
    """Return the 64-bit key of a random stream.

    None takes fresh entropy; an integer or a SeedSequence gives the same key every time; a Generator gives
    one raw word, so that its next use gives another key.
    """
    if isinstance(rng, np.random.Generator):
        return int(rng.bit_generator.random_raw())
    if isinstance(rng, np.random.SeedSequence):
        return int(rng.generate_state(1, np.uint64)[0])
    if isinstance(rng, bool) or not (rng is None or isinstance(rng, Integral)):
        raise DtypeError(
            f"{name}={rng!r}: must be None, an integer, a NumPy SeedSequence or a NumPy Generator."
        )
    seed = None if rng is None else int(rng)
    if seed is not None and seed < 0:
        raise ValueError(f"{name}={rng}: a seed must not be negative.")
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])


# What the checks above are made of


def _real_number(value: Any, name: str, rule: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise DtypeError(f"{name}={value!r}: {rule}")
    try:
        return float(value)
    except OverflowError:  # an integer beyond float64
        return math.inf


def _count(value: Any, name: str, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise DtypeError(f"{name}={value!r}: must be an integer, at least {least}.")
    number = int(value)
    if number < least:
        raise ValueError(f"{name}={number}: must be an integer, at least {least}.")
    return min(number, _MOST_INT64)  # what no count of rows reaches may as well fit in 64 bits


def _array(X: Any, name: str) -> NDArray[Any]:
    """Return X as an array of any dtype, none of whose entries is masked."""
    if isinstance(X, np.ma.MaskedArray) and np.ma.getmaskarray(X).any():
        raise ValueError(
            f"{name} has masked entries: drop those rows, or fill them with {name}.filled(value)."
        )
    try:
        return np.asarray(X)
    except ValueError as error:  # NumPy's own words say at which depth lengths differ
        raise ValueError(f"{name} is not a table of numbers, its rows differ in length: {error}") from None


def _real_array(X: Any, name: str) -> NDArray[Any]:
    """Return X as an array of any real dtype."""
    array = _array(X, name)
    if array.dtype.kind == "O":
        _check_objects(array, name, Real, "a real number")  # astype alone would read numbers out of strings
        return _as_doubles(array, name)
    if array.dtype.kind == "c":
        raise DtypeError(f"{name} has dtype {array.dtype}: Complex data not supported; pass the real part.")
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"{name} has dtype {array.dtype}: numbers are needed; convert with astype(float).")
    return array


def _narrowed(array: NDArray[Any], dtype: Any, name: str) -> NDArray[Any]:
    """Return numbers of a list, which has no dtype of its own, in one that may hold fewer."""
    with np.errstate(over="ignore"):
        found = array.astype(dtype)
    lost = np.isinf(found) & np.isfinite(array)
    if lost.any():
        at = tuple(np.argwhere(lost)[0].tolist())
        place = f"[{', '.join(map(str, at))}]" if at else ""
        raise ValueError(f"{name}{place}={array[at]}: a number beyond the range of {np.dtype(dtype)}.")
    return found


def _as_doubles(array: NDArray[Any], name: str) -> NDArray[np.float64]:
    try:
        return array.astype(np.float64)
    except OverflowError:
        for at, value in np.ndenumerate(array):
            try:
                float(value)
            except OverflowError:
                place = f"[{', '.join(map(str, at))}]" if at else ""
                raise ValueError(f"{name}{place}: a number beyond the range of float64.") from None
        raise


def _check_objects(array: NDArray[Any], name: str, kind: type, words: str) -> None:
    for at, value in np.ndenumerate(array):
        if not isinstance(value, kind):
            place = f"[{', '.join(map(str, at))}]" if at else ""
            raise DtypeError(f"{name}{place}={value!r}: every value must be {words}.")


def _floats(array: NDArray[Any]) -> FloatArray:
    dtype = np.float32 if array.dtype.kind == "f" and array.dtype.itemsize == 4 else np.float64
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes infinite, and is then named
        return cast(FloatArray, np.require(array, dtype, ["C", "A"]))


def _row_of_floats(values: Any, name: str, remedy: str) -> NDArray[np.float64]:
    array = _real_array(values, name)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}: one dimension is needed.")
    floats = np.require(array, np.float64, ["C", "A"])
    if not _all_finite(floats):
        at = np.flatnonzero(~np.isfinite(floats))[0]
        raise ValueError(f"{name}[{at}]={floats[at]}: every value must be finite; {remedy}.")
    return floats


def _is_empty_list(values: Any) -> bool:
    """Tell what has neither entries nor a dtype, to which NumPy would give float64."""
    return isinstance(values, list | tuple) and not values


def _row_of_integers(values: Any, name: str) -> NDArray[np.int64]:
    array = np.zeros(0, dtype=np.int64) if _is_empty_list(values) else _array(values, name)
    if array.dtype.kind == "O":
        _check_objects(array, name, Integral, "an integer")
    elif array.dtype.kind not in "iu":
        raise DtypeError(f"{name} has dtype {array.dtype}: integers are needed.")
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}: one dimension is needed.")
    if array.dtype.kind in "uO" and array.size and max(array.max(), -int(array.min())) > _MOST_INT64:
        at = np.flatnonzero((array > _MOST_INT64) | (array < -_MOST_INT64))[0]
        raise ValueError(f"{name}[{at}]={array[at]}: integers up to {_MOST_INT64} are taken.")
    return np.require(array, np.int64, ["C", "A"])


def _check_csr(X: CSR, name: str) -> None:
    if X.format != "csr":
        raise DtypeError(f"{name} is sparse in {X.format!r} format: pass {name}.tocsr().")


def _row_starts(X: CSR, name: str) -> NDArray[np.int64]:
    indptr = _row_of_integers(X.indptr, f"{name}.indptr")
    if len(indptr) != X.shape[0] + 1:
        raise ValueError(f"{name}.indptr has {len(indptr)} entries: {X.shape[0]} rows need {X.shape[0] + 1}.")
    return indptr


def _check_shape(shape: tuple[int, ...], name: str, may_be_empty: bool) -> None:
    if len(shape) != 2:
        hints = {0: f"[[{name}]] for one number", 1: f"{name}.reshape(-1, 1) if it is one column"}
        hint = hints.get(len(shape), f"{name}.reshape({name}.shape[0], -1) to lay each entry out as a row")
        raise ValueError(f"{name} has shape {shape}: two dimensions (rows, columns) are needed; pass {hint}.")
    if shape[0] == 0 and not may_be_empty:
        raise ValueError(f"{name} has shape {shape}: at least one row is needed; see what filtered them out.")
    if shape[1] == 0 and not may_be_empty:
        raise ValueError(f"{name} has shape {shape}: at least one column is needed; see what selected them.")
    if shape[0] > MOST_ROWS:
        raise ValueError(f"{name} has {shape[0]} rows: at most {MOST_ROWS} can be numbered; take a sample.")


def _check_distance_shape(shape: tuple[int, ...], name: str, columns: int | None) -> None:
    if columns is None and shape[0] != shape[1]:
        raise ValueError(
            f"{name} has shape {shape}: {NOT_SQUARE}, one distance for each pair of rows; for features "
            "choose another metric."
        )
    if columns is not None and shape[1] != columns:
        raise ValueError(
            f"{name} has {shape[1]} columns: one for each of the {columns} core points is needed."
        )


def _all_finite(values: NDArray[Any]) -> bool:
    with np.errstate(all="ignore"):  # one pass and no temporary; a sum that overflows is looked at again
        return math.isfinite(values.sum(dtype=np.float64)) or bool(np.isfinite(values).all())
