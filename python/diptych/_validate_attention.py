"""The checks of what attention takes, beside those of :mod:`diptych._validate`, and in the same manner.

The query decides the dtype: float32 where it has that, float64 where it has that or is a list. Key, value
and mask follow it, lists are converted; arrays of another dtype are refused. Numbers are not scanned.
"""

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from diptych._validate import DtypeError, FloatArray, _array, _narrowed, _real_array, _real_number

_KINDS = (np.dtype(np.float32), np.dtype(np.float64))
MOST_AXES = 32  # of a mask: the extension reads no array of more where it lies
Mask: TypeAlias = NDArray[np.bool] | FloatArray


class Heads(NamedTuple):
    """Query, key and value that fit each other, of one dtype."""

    query: FloatArray
    key: FloatArray
    value: FloatArray

    @property
    def scores(self) -> tuple[int, ...]:
        """Return (…, L, S)."""
        return (*self.query.shape[:-1], self.key.shape[-2])

    @property
    def output(self) -> tuple[int, ...]:
        """Return (…, L, v)."""
        return (*self.query.shape[:-1], self.value.shape[-1])


class Tape(NamedTuple):
    """The parts of a tape, fitting each other."""

    heads: Heads
    mask: Mask | None
    is_causal: bool
    scale: float
    output: FloatArray
    maximum: FloatArray
    total: FloatArray


def heads(query: Any, key: Any, value: Any, enable_gqa: bool) -> Heads:
    """Return query, key and value."""
    Q = _floats(query, "query", None)
    known = Heads(Q, _floats(key, "key", Q.dtype), _floats(value, "value", Q.dtype))
    for name, array in zip(known._fields, known, strict=True):
        if array.ndim < 2:
            raise ValueError(
                f"{name} has shape {array.shape}: at least two axes are needed, of positions and of features."
            )
        if 0 in array.shape:
            raise ValueError(f"{name} has shape {array.shape}: no axis may be empty.")
    _, K, V = known
    if K.shape[-1] != Q.shape[-1]:
        raise ValueError(
            f"key has shape {K.shape}, {K.shape[-1]} features on its last axis: query of shape {Q.shape} has "
            f"{Q.shape[-1]}."
        )
    if V.shape[-2] != K.shape[-2]:
        raise ValueError(
            f"value has shape {V.shape}, {V.shape[-2]} positions on axis -2: key of shape {K.shape} has "
            f"{K.shape[-2]}."
        )
    if V.shape[:-2] != K.shape[:-2]:
        raise ValueError(
            f"value has shape {V.shape}: its axes before the last two must be those of key, {K.shape[:-2]}; "
            "np.broadcast_to makes them so."
        )
    _check_lead(Q.shape, K.shape, enable_gqa)
    return known


def attn_mask(value: Any, known: Heads) -> Mask | None:
    """Return a mask with all axes of the scores; those it is the same along have stride 0."""
    if value is None:
        return None
    dtype = known.query.dtype
    if len(known.scores) > MOST_AXES:
        raise ValueError(
            f"query has {len(known.scores)} axes: with attn_mask {MOST_AXES} at most; reshape those "
            "before the last two into one."
        )
    given = _array(value, "attn_mask")
    mask = given if isinstance(value, np.ndarray) else _from_list(value, dtype)
    if mask.dtype != bool and mask.dtype.newbyteorder("=") != dtype:
        hint = (
            f"attn_mask.astype(np.{dtype})"
            if mask.dtype.kind == "f"
            else f"{as_booleans(value, 'attn_mask')}, True where a key takes part"
        )
        raise DtypeError(
            f"attn_mask has dtype {mask.dtype}: bool, or {dtype} as query has, is needed; pass {hint}."
        )
    try:
        wide = np.broadcast_to(mask, known.scores)
    except ValueError:
        raise ValueError(_why_not_broadcast(mask.shape, known)) from None
    if wide.flags.aligned and wide.dtype.isnative and all(s % wide.itemsize == 0 for s in wide.strides):
        return wide
    return np.broadcast_to(np.require(mask, mask.dtype.newbyteorder("="), ["C", "A"]), known.scores)


def as_booleans(value: Any, name: str) -> str:
    """Return how to make a boolean mask of what was given."""
    return f"{name}.astype(bool)" if hasattr(value, "astype") else f"np.asarray({name}, dtype=bool)"


def refuse_booleans_beside_numbers(value: Any, name: str) -> None:
    """Refuse a list such as [True, 0.0], which NumPy would make numbers of."""
    if not isinstance(value, list | tuple):
        return
    for place, part in np.ndenumerate(np.array(value, dtype=object)):
        if isinstance(part, bool | np.bool):
            raise DtypeError(
                f"{name}[{', '.join(map(str, place))}]={part} stands beside numbers: a mask is all booleans, "
                "or all numbers, which are added to the scores."
            )


def scale(value: Any, features: int, dtype: Any) -> float:
    """Return what products of query and key are multiplied by."""
    if value is None:
        return 1 / math.sqrt(features)
    number = _real_number(value, "scale", "must be a finite number, or None for 1/√d.")
    if not math.isfinite(number):
        raise ValueError(f"scale={number}: must be a finite number, or None for 1/√d.")
    if abs(number) > float(np.finfo(dtype).max):
        raise ValueError(f"scale={number}: a number beyond the range of {dtype}, the dtype of query.")
    return number


def flag(value: Any, name: str) -> bool:
    """Return whether something is wanted."""
    if not isinstance(value, bool | np.bool):
        raise DtypeError(f"{name}={value!r}: must be True or False.")
    return bool(value)


def tape(value: Any) -> Tape:
    """Return the parts of a tape."""
    names = ("query", "key", "value", "attn_mask", "is_causal", "scale", "output", "maximum", "total")
    for name in names:
        if not hasattr(value, name):
            raise DtypeError(
                f"tape is of type {type(value).__name__} and has no {name}: what "
                "attention.scaled_dot_product_attention(…, return_tape=True) returns last is needed."
            )
    known = heads(value.query, value.key, value.value, True)
    rows = known.scores[:-1]
    return Tape(
        known,
        attn_mask(value.attn_mask, known),
        flag(value.is_causal, "tape.is_causal"),
        scale(value.scale, known.query.shape[-1], known.query.dtype),
        _shaped(value.output, "tape.output", known.output, known),
        _shaped(value.maximum, "tape.maximum", rows, known),
        _shaped(value.total, "tape.total", rows, known),
    )


def gradient(value: Any, known: Heads) -> FloatArray:
    """Return derivatives by the output."""
    return _shaped(value, "d_output", known.output, known)


# What the checks above are made of


def _floats(values: Any, name: str, dtype: Any) -> FloatArray:
    """Return an array of the dtype; of its own, float32 or float64, where None is given."""
    if type(values) is np.ndarray and values.dtype in _KINDS and (dtype is None or dtype == values.dtype):
        flags = values.flags  # nearly every call comes this way, and a short one feels a microsecond
        if flags.c_contiguous and flags.aligned:
            return values
    array = _real_array(values, name)
    if isinstance(values, list | tuple):  # a list has no dtype of its own
        wanted = np.dtype(np.float64) if dtype is None else dtype
        array = _narrowed(array, wanted, name)
    elif array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
        raise DtypeError(
            f"{name} has dtype {array.dtype}: float32 or float64 is needed; pass {name}.astype(np.float32)."
        )
    else:
        wanted = array.dtype.newbyteorder("=")
    if dtype is not None and wanted != dtype:
        raise DtypeError(
            f"{name} has dtype {array.dtype} and query {dtype}: one dtype is needed; pass "
            f"{name}.astype(np.{dtype})."
        )
    return np.require(array, wanted, ["C", "A"])


def _shaped(value: Any, name: str, shape: tuple[int, ...], known: Heads) -> FloatArray:
    array = _floats(value, name, known.query.dtype)
    if array.shape != shape:
        raise ValueError(
            f"{name} has shape {array.shape}: {shape} is needed, for query {known.query.shape} and value "
            f"{known.value.shape}."
        )
    return array


def _from_list(value: Any, dtype: Any) -> NDArray[Any]:
    array = _real_array(value, "attn_mask")
    if array.dtype.kind == "f":
        refuse_booleans_beside_numbers(value, "attn_mask")
    return _narrowed(array, dtype, "attn_mask") if array.dtype.kind == "f" else array


def _check_lead(query: tuple[int, ...], key: tuple[int, ...], enable_gqa: bool) -> None:
    """Check the axes before positions and features."""
    mine, theirs = query[:-2], key[:-2]
    if mine == theirs:
        return
    if not mine or not theirs or mine[:-1] != theirs[:-1]:
        raise ValueError(
            f"key has shape {key}: its axes before the last two, {theirs}, must be those of query, {mine}; "
            "np.broadcast_to makes them so."
        )
    if not enable_gqa:
        hint = "; pass enable_gqa=True" if mine[-1] % theirs[-1] == 0 else ""
        raise ValueError(f"key has {theirs[-1]} heads on axis -3 and query {mine[-1]}{hint}.")
    if mine[-1] % theirs[-1] != 0:
        raise ValueError(
            f"query has {mine[-1]} heads and key {theirs[-1]} on axis -3: the first must be a multiple of "
            "the second."
        )


def _why_not_broadcast(shape: tuple[int, ...], known: Heads) -> str:
    wanted = known.scores
    text = f"attn_mask has shape {shape}, which does not broadcast to the scores' {wanted}"
    if len(shape) > len(wanted):
        return f"{text}: it has {len(shape)} axes, the scores have {len(wanted)}."
    for axis in range(-1, -len(shape) - 1, -1):
        if shape[axis] not in (1, wanted[axis]):
            last = {-1: ", keys", -2: ", queries"}.get(axis, "")
            return f"{text}: axis {axis}{last}, has {shape[axis]} entries, 1 or {wanted[axis]} are needed."
    return f"{text}."
