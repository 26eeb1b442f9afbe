"""The checks of what skip-gram takes, beside those of :mod:`diptych._validate`, and in the same manner."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diptych._validate import (
    MOST_NODES,
    MOST_ROWS,
    MOST_STEPS,
    DtypeError,
    _all_finite,
    _count,
    _is_empty_list,
    _real_array,
    _real_number,
    _row_of_floats,
)

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]

_AT_ONCE = 2**20  # entries of walks looked at together: few, for the memory that comparisons take


def n_nodes(value: Any) -> int:
    """Return the number of nodes, which may be 0."""
    number = _count(value, "n_nodes", least=0)
    if number > MOST_NODES:
        raise ValueError(f"n_nodes={number}: at most {MOST_NODES} can be numbered.")
    return number


def walks(values: Any, n: int = MOST_NODES + 1) -> NDArray[np.int32]:
    """Return walks over n nodes as int32, -1 after the end of each."""
    array = _table_of_integers(values)
    if array.size and n == 0:
        raise ValueError(f"n_nodes=0: there are {len(array)} walks; count the nodes they may visit.")
    for start in range(0, len(array), rows := max(_AT_ONCE // array.shape[1], 1)):
        _check_walks(array[start : start + rows], start, n)
    return np.require(array, np.int32, ["C", "A"])


def window(value: Any) -> int:
    """Return the radius of a window."""
    number = _count(value, "window")
    if number > MOST_STEPS:
        raise ValueError(f"window={number}: at most {MOST_STEPS} positions can be numbered.")
    return number


def dimensions(value: Any) -> int:
    """Return the length of a vector."""
    return _count(value, "dimensions")


def negative(value: Any) -> int:
    """Return the number of negatives, which may be 0."""
    return _count(value, "negative", least=0)


def epochs(value: Any) -> int:
    """Return how often the walks are trained on, which may be 0 times."""
    return _count(value, "epochs", least=0)


def shrink(value: Any) -> bool:
    """Return whether windows are of random size."""
    if not isinstance(value, bool | np.bool):
        raise DtypeError(f"shrink={value!r}: must be True or False.")
    return bool(value)


def exponent(value: Any) -> float:
    """Return the power to which counts are raised."""
    number = _real_number(value, "exponent", "must be a finite number.")
    if not math.isfinite(number):
        raise ValueError(f"exponent={value}: must be a finite number.")
    return number


def learning_rates(highest: Any, lowest: Any) -> tuple[float, float]:
    """Return the learning rate at the beginning and at the end."""
    first, last = _rate(highest, "learning_rate"), _rate(lowest, "min_learning_rate")
    if last > first:
        raise ValueError(
            f"min_learning_rate={lowest} is above learning_rate={highest}: the rate falls from the latter to "
            "the former; pass both."
        )
    return first, last


def initial(tables: Any, n: int, d: int) -> tuple[Float32s, Float32s] | None:
    """Return vectors and contexts to begin with; None stands for the usual ones."""
    if tables is None:
        return None
    try:
        vectors, contexts = tables
    except (TypeError, ValueError):
        raise DtypeError(
            f"initial is of type {type(tables).__name__}: a pair (vectors, contexts) is needed."
        ) from None
    return _float32s(vectors, "initial vectors", (n, d)), _float32s(contexts, "initial contexts", (n, d))


def pair(center: Any, positive: Any, negatives: Any) -> tuple[Float64s, Float64s, Float64s]:
    """Return the vectors of one pair and its negatives, all of one length."""
    remedy = "see where training went astray"
    v, c = _row_of_floats(center, "center", remedy), _row_of_floats(positive, "positive", remedy)
    N = np.require(_real_array(negatives, "negatives"), np.float64, ["C", "A"])
    if not v.size:
        raise ValueError("center has no entries: at least one dimension is needed.")
    if len(c) != len(v):
        raise ValueError(f"positive has {len(c)} entries, center has {len(v)}.")
    if N.ndim != 2 or N.shape[1] != len(v):
        raise ValueError(f"negatives has shape {N.shape}: a row of {len(v)} for each negative is needed.")
    _check_finite(N, "negatives", remedy)
    return v, c, N


def _rate(value: Any, name: str) -> float:
    number = _real_number(value, name, "must be a positive finite number.")
    with np.errstate(over="ignore", under="ignore"):
        rounded = np.float32(number)
    if not 0.0 < rounded < math.inf:
        raise ValueError(f"{name}={value}: must be a positive finite number, also as float32.")
    return number


def _float32s(values: Any, name: str, shape: tuple[int, int]) -> Float32s:
    array = _real_array(values, name)
    if array.shape != shape:
        raise ValueError(f"{name} have shape {array.shape}: n_nodes and dimensions need {shape}.")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is then named
        rounded = np.require(array, np.float32, ["C", "A"])
    _check_finite(rounded, name, "float32 holds up to 3.4e38")
    return rounded


def _check_finite(table: NDArray[Any], name: str, remedy: str) -> None:
    if not _all_finite(table):
        i, j = np.argwhere(~np.isfinite(table))[0]
        raise ValueError(f"{name}[{i}, {j}]={table[i, j]}: every value must be finite; {remedy}.")


def _table_of_integers(values: Any) -> NDArray[Any]:
    try:
        array = np.zeros((0, 1), dtype=np.int32) if _is_empty_list(values) else np.asarray(values)
    except ValueError as error:
        raise ValueError(f"walks differ in length, pad them with -1: {error}") from None
    if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any():
        raise ValueError("walks has masked entries: walks.filled(-1) ends each walk at the first.")
    if array.dtype.kind not in "iu":
        raise DtypeError(f"walks has dtype {array.dtype}: integers, the numbers of nodes, are needed.")
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"walks has shape {array.shape}: a row for each walk, of at least 1, is needed.")
    if array.shape[0] > MOST_ROWS or array.shape[1] > MOST_STEPS:
        raise ValueError(
            f"walks has shape {array.shape}: at most {MOST_ROWS} walks of {MOST_STEPS} nodes can be numbered."
        )
    return array


def _check_walks(part: NDArray[Any], start: int, n: int) -> None:
    """Refuse entries that are no nodes, and nodes that follow the end of their walk."""
    if part.max() >= n or part.min() < -1:
        i, t = np.argwhere((part < -1) | (part >= n))[0]
        raise ValueError(
            f"walks[{start + i}, {t}]={part[i, t]}: nodes are numbered from 0 to {n - 1}, and -1 ends a walk."
        )
    resumed = (part[:, :-1] == -1) & (part[:, 1:] != -1)
    if resumed.any():
        i, t = np.argwhere(resumed)[0]
        raise ValueError(
            f"walks[{start + i}, {t + 1}]={part[i, t + 1]} follows -1, which ends a walk: put the rest into "
            "a row of its own."
        )
