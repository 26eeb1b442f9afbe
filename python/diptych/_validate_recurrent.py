"""The checks of what recurrent nets take, beside those of :mod:`diptych._validate`, and in the same manner.

The weights decide the dtype: float32 where `w_ih` has that, else float64. Lists and whole numbers follow
them, and so do arrays that lose nothing by it; an array of a wider dtype is refused. Weights are scanned for
NaN and infinity; inputs, states and gradients are not.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diptych._validate import DtypeError, FloatArray, _narrowed, _real_array, _row_of_integers

NONLINEARITIES = ("tanh", "relu", "identity")

Lengths = NDArray[np.int64]

_SINGLE, _DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
_BLOCKS = {1: "H", 4: "4H"}
_ORDER = "; its blocks of rows stand in the order i, f, g, o"


class Weights(NamedTuple):
    """Weights that fit each other, of one dtype."""

    w_ih: FloatArray
    w_hh: FloatArray
    b_ih: FloatArray | None
    b_hh: FloatArray | None

    @property
    def units(self) -> int:
        """H."""
        return int(self.w_hh.shape[1])

    @property
    def inputs(self) -> int:
        """I."""
        return int(self.w_ih.shape[1])


class Tape(NamedTuple):
    """The parts of a tape, of one dtype and fitting each other; `gates`, `c0` and `c` of an LSTM alone."""

    x: FloatArray
    h0: FloatArray
    weights: Weights
    h: FloatArray
    lengths: Lengths | None
    reverse: bool
    nonlinearity: str
    c0: FloatArray
    gates: FloatArray
    c: FloatArray


def weights(gates: int, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Weights:
    """Return the weights of an RNN (one block of rows) or of an LSTM (four)."""
    own = _real_array(w_ih, "w_ih").dtype
    dtype = _SINGLE if own.kind == "f" and own.itemsize == 4 else _DOUBLE
    W, U = _floats(w_ih, "w_ih", dtype), _floats(w_hh, "w_hh", dtype)
    _check_matrices(gates, W.shape, U.shape)
    rows = U.shape[0]
    found = Weights(W, U, _bias(b_ih, "b_ih", rows, dtype), _bias(b_hh, "b_hh", rows, dtype))
    for name, array in zip(found._fields, found, strict=True):
        if array is not None and not np.isfinite(array).all():
            place = np.argwhere(~np.isfinite(array))[0]
            where = f"{name}[{', '.join(map(str, place))}]={array[tuple(place)]}"
            raise ValueError(f"{where}: every weight must be finite; see where training went astray.")
    return found


def sequences(x: Any, known: Weights) -> FloatArray:
    """Return inputs of shape (T, B, I)."""
    X = _padded(x, known)
    if X.ndim != 3:
        hint = "x[:, None] if it is one sequence" if X.ndim == 2 else "x.reshape(T, B, I)"
        raise ValueError(
            f"x has shape {X.shape}: three dimensions (steps, sequences, inputs) are needed; pass {hint}."
        )
    _check_inputs(X, known)
    return X


def inputs(x: Any, known: Weights) -> FloatArray:
    """Return inputs of one step, of shape (B, I)."""
    X = _padded(x, known)
    if X.ndim != 2:
        hint = (
            "x[None] if it is one sequence" if X.ndim == 1 else "one step, or take the function without _step"
        )
        raise ValueError(
            f"x has shape {X.shape}: two dimensions (sequences, inputs) are needed; pass {hint}."
        )
    _check_inputs(X, known)
    return X


def state(value: Any, name: str, batch: int, known: Weights) -> FloatArray:
    """Return a state of each sequence, of shape (B, H)."""
    array, shape = _floats(value, name, known.w_hh.dtype), (batch, known.units)
    if array.shape != shape:
        one = f"; the first axis is one of layers, pass {name}[0]" if array.shape == (1, *shape) else ""
        raise ValueError(
            f"{name} has shape {array.shape}: {shape} is needed, a row for each sequence of x and a column "
            f"for each unit of w_hh{one}."
        )
    return array


def gradient(value: Any, name: str, shape: tuple[int, ...], dtype: Any) -> FloatArray:
    """Return derivatives by a result of this shape."""
    if isinstance(value, tuple) and any(part is None for part in value):
        raise DtypeError(
            f"{name} is a tuple with None in it: one array of shape {shape} is needed, the derivatives by "
            "the output alone."
        )
    array = _floats(value, name, dtype)
    if array.shape != shape:
        raise ValueError(
            f"{name} has shape {array.shape}: {shape} is needed, that of what it is a gradient by."
        )
    return array


def lengths(value: Any, steps: int, batch: int) -> Lengths | None:
    """Return how many steps each sequence has; None where all have all."""
    if value is None:
        return None
    ends = _row_of_integers(value, "lengths")
    if len(ends) != batch:
        raise ValueError(f"lengths has {len(ends)} entries: one for each of the {batch} sequences is needed.")
    if ends.min() < 1 or ends.max() > steps:
        at = int(np.flatnonzero((ends < 1) | (ends > steps))[0])
        why = (
            "a sequence has at least 1 step; drop those that are empty"
            if ends[at] < 1
            else f"x has {steps} steps"
        )
        raise ValueError(f"lengths[{at}]={ends[at]}: {why}.")
    return ends


def nonlinearity(value: Any) -> str:
    """Return what the sums of an RNN go through."""
    if not isinstance(value, str) or value not in NONLINEARITIES:
        raise ValueError(f"nonlinearity={value!r}: must be one of {', '.join(map(repr, NONLINEARITIES))}.")
    return value


def flag(value: Any, name: str) -> bool:
    """Return whether something is wanted."""
    if not isinstance(value, bool | np.bool):
        raise DtypeError(f"{name}={value!r}: must be True or False.")
    return bool(value)


def rnn_tape(tape: Any) -> Tape:
    """Return the parts of a tape of an RNN."""
    parts = _attributes(tape, "rnn", ("x", "h0", "nonlinearity", "h", "lengths", "reverse"))
    known = weights(1, tape.w_ih, tape.w_hh, tape.b_ih, tape.b_hh)
    X, first, y, ends, reverse = _common(parts, known)
    kind, none = nonlinearity(parts["nonlinearity"]), np.zeros(0, known.w_hh.dtype)
    return Tape(X, first, known, y, ends, reverse, kind, none, none, none)


def lstm_tape(tape: Any) -> Tape:
    """Return the parts of a tape of an LSTM."""
    parts = _attributes(tape, "lstm", ("x", "h0", "c0", "gates", "c", "h", "lengths", "reverse"))
    known = weights(4, tape.w_ih, tape.w_hh, tape.b_ih, tape.b_hh)
    X, first, y, ends, reverse = _common(parts, known)
    T, B, H = y.shape
    cells = _part(parts["c"], "tape.c", (T, B, H), known)
    gates = _part(parts["gates"], "tape.gates", (T, B, 4, H), known)
    memory = _part(parts["c0"], "tape.c0", (B, H), known)
    return Tape(X, first, known, y, ends, reverse, "", memory, gates, cells)


def is_lstm_tape(tape: Any) -> bool:
    """Tell tapes of an LSTM."""
    return hasattr(tape, "gates")


# What the checks above are made of


def _attributes(tape: Any, name: str, wanted: tuple[str, ...]) -> dict[str, Any]:
    for attribute in (*wanted, "w_ih", "w_hh", "b_ih", "b_hh"):
        if not hasattr(tape, attribute):
            raise DtypeError(
                f"tape is of type {type(tape).__name__} and has no {attribute}: what recurrent.{name}(…, "
                "return_tape=True) returns last is needed."
            )
    return {attribute: getattr(tape, attribute) for attribute in wanted}


def _common(
    parts: dict[str, Any], known: Weights
) -> tuple[FloatArray, FloatArray, FloatArray, Lengths | None, bool]:
    X = sequences(parts["x"], known)
    T, B, _ = X.shape
    first = state(parts["h0"], "h0", B, known)
    y = _part(parts["h"], "tape.h", (T, B, known.units), known)
    return X, first, y, lengths(parts["lengths"], T, B), flag(parts["reverse"], "reverse")


def _part(value: Any, name: str, shape: tuple[int, ...], known: Weights) -> FloatArray:
    array = _floats(value, name, known.w_hh.dtype)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}: {shape} is needed, after x and w_hh of the tape.")
    return array


def _floats(values: Any, name: str, dtype: Any) -> FloatArray:
    if type(values) is np.ndarray and values.dtype == dtype:
        flags = values.flags
        if flags.c_contiguous and flags.aligned:  # what a stream of steps brings, and np.require is slow
            return values
    array = _real_array(values, name)
    own = not isinstance(values, list | tuple)  # a list has no dtype of its own
    if own and array.dtype.kind == "f" and not np.can_cast(array.dtype, dtype):
        raise DtypeError(
            f"{name} has dtype {array.dtype}, wider than the {dtype} of the weights: pass "
            f"{name}.astype(np.{dtype})."
        )
    return np.require(array if own else _narrowed(array, dtype, name), dtype, ["C", "A"])


def _padded(x: Any, known: Weights) -> FloatArray:
    try:
        return _floats(x, "x", known.w_ih.dtype)
    except DtypeError:
        raise
    except ValueError as error:
        if "differ in length" not in str(error):
            raise
        raise ValueError(
            "x is ragged, its sequences differ in length: pad them to (steps, sequences, inputs) and pass "
            "lengths=, where the function takes it."
        ) from None


def _check_inputs(X: FloatArray, known: Weights) -> None:
    if 0 in X.shape[:-1]:
        raise ValueError(f"x has shape {X.shape}: at least one step of one sequence is needed.")
    if X.shape[-1] != known.inputs:
        raise ValueError(
            f"x has shape {X.shape}, {X.shape[-1]} inputs: w_ih of shape {known.w_ih.shape} takes "
            f"{known.inputs}."
        )


def _check_matrices(gates: int, ih: tuple[int, ...], hh: tuple[int, ...]) -> None:
    for name, shape in (("w_ih", ih), ("w_hh", hh)):
        if len(shape) == 3 and shape[0] == 1:
            raise ValueError(
                f"{name} has shape {shape}, as ONNX has it, with an axis of directions: pass {name}[0]"
                f"{', with the blocks i, o, f, c put in the order i, f, g, o' if gates == 4 else ''}."
            )
        if len(shape) != 2 or 0 in shape:
            columns = "I" if name == "w_ih" else "H"
            raise ValueError(f"{name} has shape {shape}: ({_BLOCKS[gates]}, {columns}) is needed.")
    _check_recurrent(gates, ih, hh)
    rows = hh[0]
    if ih[0] != rows:
        if ih[1] == rows:
            order = _ORDER if gates == 4 else ""
            raise ValueError(
                f"w_ih has shape {ih}, which is transposed: pass w_ih.T of shape {ih[::-1]}{order}."
            )
        raise ValueError(
            f"w_ih has shape {ih}: {rows} rows are needed, as w_hh of shape {hh} has, and a column for each "
            "input."
        )


def _check_recurrent(gates: int, ih: tuple[int, ...], hh: tuple[int, ...]) -> None:
    rows, units = hh
    if rows == gates * units:
        return
    if gates > 1 and units == gates * rows:
        raise ValueError(
            f"w_hh has shape {hh}, which is transposed: pass w_hh.T of shape {hh[::-1]}{_ORDER}."
        )
    if ih[0] == gates * ih[1] and ih[0] == rows:
        raise ValueError(f"w_hh has shape {hh} and w_ih {ih}: they have changed places; w_ih comes first.")
    other = {1: "of an RNN", 3: "of a GRU", 4: "of an LSTM"}.get(rows // units if rows % units == 0 else 0)
    whose = f", which is the shape {other}" if other else ""
    many = "four rows" if gates == 4 else "one row"
    raise ValueError(f"w_hh has shape {hh}{whose}: ({_BLOCKS[gates]}, H) is needed, {many} for each unit.")


def _bias(value: Any, name: str, rows: int, dtype: Any) -> FloatArray | None:
    if value is None:
        return None
    b = _floats(value, name, dtype)
    if b.shape != (rows,):
        raise ValueError(f"{name} has shape {b.shape}: ({rows},) is needed, an entry for each row of w_hh.")
    return b
