"""The checks of what networks take, beside those of :mod:`diptych._validate`, and in the same manner.

A network has one dtype, float32 or float64. What loses nothing by it is converted, lists and whole numbers
are too; an array of a wider dtype is refused. Inputs and states are not scanned for NaN; weights are.
"""

import itertools
from collections.abc import Collection, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from diptych._threads import resolve_n_jobs
from diptych._validate import DtypeError, FloatArray, _array, _count, _real_array, _real_number
from diptych._validate_attention import as_booleans, refuse_booleans_beside_numbers
from diptych._validate_recurrent import _floats, flag, gradient, lengths, nonlinearity

__all__ = [
    "activation",
    "any_floats",
    "attended",
    "backend",
    "batch",
    "count",
    "divisor",
    "dtype",
    "epsilon",
    "fields",
    "flag",
    "gradient",
    "lengths",
    "listed",
    "loaded",
    "mask",
    "n_jobs",
    "nonlinearity",
    "number",
    "numbers_below",
    "positions",
    "probability",
    "sequences",
    "shaped",
    "states",
    "step_inputs",
]

_BACKENDS = ("rust", "reference")
_ACTIVATIONS = ("relu", "gelu")


def backend(value: Any) -> str:
    """Return which panel does the work."""
    if not isinstance(value, str) or value not in _BACKENDS:
        raise ValueError(f"backend={value!r}: must be one of {', '.join(map(repr, _BACKENDS))}.")
    return value


def n_jobs(value: Any) -> int | None:
    """Return a number of threads as it was said: what it stands for may change until a call."""
    resolve_n_jobs(value)
    found: int | None = value
    return found


def dtype(value: Any) -> np.dtype[Any]:
    """Return the dtype of a network."""
    try:
        found: np.dtype[Any] | None = np.dtype(value)
    except TypeError:
        found = None
    if found is None or found.kind != "f" or found.itemsize not in (4, 8):
        raise DtypeError(f"dtype={value!r}: must be np.float32 or np.float64.")
    return np.dtype(np.float32 if found.itemsize == 4 else np.float64)


def count(value: Any, name: str) -> int:
    """Return how many of something there are, at least 1."""
    return _count(value, name)


def divisor(value: Any, name: str, of: int, whole: str) -> int:
    """Return a count that divides another."""
    found = count(value, name)
    if of % found:
        raise ValueError(f"{name}={found}: must divide {whole}={of}, into heads of equal width.")
    return found


def activation(value: Any) -> str:
    """Return what units between linear layers go through."""
    if not isinstance(value, str) or value not in _ACTIVATIONS:
        raise ValueError(f"activation={value!r}: must be one of {', '.join(map(repr, _ACTIVATIONS))}.")
    return value


def probability(value: Any, name: str) -> float:
    """Return a probability below 1."""
    number = _real_number(value, name, "must be a number from 0 to below 1.")
    if not 0.0 <= number < 1.0:
        raise ValueError(f"{name}={value}: must be from 0 to below 1.")
    return number


def number(value: Any, name: str, least: float = 0.0, below: float = np.inf) -> float:
    """Return a finite number in an interval that is open on the right."""
    rule = f"must be a number from {least:g}" + (f" to below {below:g}." if below < np.inf else ", finite.")
    found = _real_number(value, name, rule)
    if not least <= found < below:
        raise ValueError(f"{name}={value}: {rule}")
    return found


def epsilon(value: Any, name: str) -> float:
    """Return what is added to a variance."""
    found = number(value, name)
    if found == 0.0:
        raise ValueError(f"{name}={value}: must be greater than 0, or equal numbers would be divided by 0.")
    return found


def sequences(x: Any, like: Any, inputs: int, batch_first: bool) -> FloatArray:
    """Return inputs of shape (T, B, I), of the dtype of `like`."""
    X = _padded(x, like)
    axes = "(sequences, steps, inputs)" if batch_first else "(steps, sequences, inputs)"
    if X.ndim != 3:
        one = "x[None]" if batch_first else "x[:, None]"
        hint = f"; pass {one} if it is one sequence, or take .step if it is one step" if X.ndim == 2 else ""
        raise ValueError(f"x has shape {X.shape}: three dimensions {axes} are needed{hint}.")
    if 0 in X.shape[:2]:
        raise ValueError(f"x has shape {X.shape}: at least one step of one sequence is needed.")
    _check_columns(X, inputs)
    if not batch_first:
        return X
    return cast(FloatArray, np.ascontiguousarray(X.swapaxes(0, 1)))


def step_inputs(x: Any, like: Any, inputs: int) -> FloatArray:
    """Return inputs of one step, of shape (B, I)."""
    X = _padded(x, like)
    if X.ndim != 2:
        hint = (
            "pass x[None] if it is one sequence" if X.ndim == 1 else "call the network itself for sequences"
        )
        raise ValueError(
            f"x has shape {X.shape}: two dimensions (sequences, inputs) are needed of one step; {hint}."
        )
    if len(X) == 0:
        raise ValueError(f"x has shape {X.shape}: at least one sequence is needed.")
    _check_columns(X, inputs)
    return X


def states(value: Any, names: tuple[str, ...], shape: tuple[int, ...], like: Any) -> tuple[FloatArray, ...]:
    """Return the states to begin with, each of a shape; None is 0."""
    if value is None:
        return tuple(np.zeros(shape, like) for _ in names)
    if len(names) == 1:
        parts = (value,)
    elif isinstance(value, tuple | list) and len(value) == len(names):
        parts = tuple(value)
    else:
        raise DtypeError(
            f"state is of type {type(value).__name__}: the pair ({', '.join(names)}) is needed, as an LSTM "
            "returns it."
        )
    found = []
    for given, name in zip(parts, names, strict=True):
        part = _floats(given, name, like)
        if part.shape != shape:
            one = f"; pass {name}[None]" if part.shape == shape[1:] and shape[0] == 1 else ""
            raise ValueError(
                f"{name} has shape {part.shape}: {shape} is needed, (layers and directions, sequences, "
                f"units){one}."
            )
        found.append(part)
    return tuple(found)


def positions(x: Any, name: str, like: Any, features: int, whole: str, batch_first: bool) -> FloatArray:
    """Return an array of positions, sequences and features, in the order it has."""
    X = _floats(x, name, like)
    axes = "(sequences, positions, features)" if batch_first else "(positions, sequences, features)"
    if X.ndim != 3:
        one = f"{name}[None]" if batch_first else f"{name}[:, None]"
        hint = f"; pass {one} if it is one sequence" if X.ndim == 2 else ""
        raise ValueError(f"{name} has shape {X.shape}: three dimensions {axes} are needed{hint}.")
    if 0 in X.shape[:2]:
        raise ValueError(f"{name} has shape {X.shape}: at least one position of one sequence is needed.")
    if X.shape[2] != features:
        raise ValueError(
            f"{name} has shape {X.shape}, {X.shape[2]} features: the layer has {whole}={features}."
        )
    return X


def attended(
    query: Any, key: Any, value: Any, like: Any, features: int, batch_first: bool
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return query, key and value that fit each other."""
    Q, K, V = (
        positions(x, name, like, features, "embed_dim", batch_first)
        for x, name in ((query, "query"), (key, "key"), (value, "value"))
    )
    axis = 0 if batch_first else 1
    if K.shape[axis] != Q.shape[axis]:
        raise ValueError(
            f"key has shape {K.shape}, {K.shape[axis]} sequences on axis {axis}: query of shape {Q.shape} "
            f"has {Q.shape[axis]}{_other_order(batch_first, K.shape[1 - axis] == Q.shape[1 - axis])}."
        )
    if V.shape != K.shape:
        raise ValueError(f"value has shape {V.shape}: {K.shape} is needed, a value for each key.")
    return Q, K, V


def mask(value: Any, name: str, shapes: list[tuple[int, ...]], like: Any) -> NDArray[Any]:
    """Return a mask in the meaning of PyTorch's layers: True is not looked at, numbers are added."""
    array = _array(value, name)
    if array.dtype != bool:
        if array.dtype.kind != "f":
            raise DtypeError(
                f"{name} has dtype {array.dtype}: bool, True where a key is not looked at, or {like}, to be "
                f"added to the scores, is needed; pass {as_booleans(value, name)}."
            )
        refuse_booleans_beside_numbers(value, name)
        array = _floats(value, name, like)
    if array.shape not in shapes:
        said = " or ".join(map(str, shapes))
        raise ValueError(f"{name} has shape {array.shape}: {said} is needed.")
    return array


def batch(x: Any, name: str, columns: int, like: Any) -> FloatArray:
    """Return an array of any number of axes, the last of which has so many entries."""
    X = _floats(x, name, like)
    if X.ndim == 0 or X.shape[-1] != columns:
        raise ValueError(f"{name} has shape {X.shape}: a last axis of {columns} is needed.")
    return X


def any_floats(x: Any, name: str) -> FloatArray:
    """Return floating-point numbers of any shape and dtype."""
    array = _array(x, name)
    if array.dtype.kind != "f":
        raise DtypeError(
            f"{name} has dtype {array.dtype}: floating-point numbers are needed; pass "
            f"{name}.astype(np.float32)."
        )
    return array


def numbers_below(value: Any, name: str, n: int, *, unless: NDArray[np.bool_] | None = None) -> NDArray[Any]:
    """Return integers from 0 to n - 1, of any shape; where `unless` is true, any number will do."""
    array = _array(value, name)
    if array.dtype.kind not in "iu":
        raise DtypeError(f"{name} has dtype {array.dtype}: integers are needed.")
    wrong = (array < 0) | (array >= n)
    if unless is not None:
        wrong &= ~unless
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        where = f"[{', '.join(map(str, place))}]" if place else ""
        raise ValueError(f"{name}{where}={array[place]}: must be from 0 to {n - 1}.")
    return array


def two(value: Any, name: str) -> tuple[Any, Any]:
    """Return a pair of whatever there is."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise ValueError(f"{name}={value!r}: must be two numbers.")
    return value[0], value[1]


def fields(given: Any, wanted: Mapping[str, Any], what: str) -> None:
    """Compare the names of a mapping with those that are wanted."""
    if not isinstance(given, Mapping):
        raise DtypeError(f"{what} is of type {type(given).__name__}: a dict of arrays by name is needed.")
    missing = [name for name in wanted if name not in given]
    unexpected = [str(name) for name in given if name not in wanted]
    said = []
    if missing:
        said.append(f"{listed(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    if unexpected:
        said.append(f"{listed(unexpected)} {'is' if len(unexpected) == 1 else 'are'} not expected")
    if said:
        hint = _prefix_hint(missing, unexpected)
        raise ValueError(f"{what}: {', and '.join(said)}; the names are {listed(wanted)}{hint}.")


def listed(names: Collection[Any], most: int = 40) -> str:
    """Return names in a row, of a long list the first."""
    shown = ", ".join(map(str, itertools.islice(names, most)))
    return shown if len(names) <= most else f"{shown}, … ({len(names)} in all)"


def loaded(value: Any, name: str, shape: tuple[int, ...], like: Any) -> FloatArray:
    """Return a copy of weights that were read from somewhere: of this shape, finite, not writable."""
    array = _real_array(value, name)
    own = not isinstance(value, list | tuple)
    if own and array.dtype.kind == "f" and not np.can_cast(array.dtype, like):
        wider = ", or make the network with dtype=np.float64" if array.dtype == np.float64 else ""
        raise DtypeError(
            f"{name} has dtype {array.dtype}, wider than the {like} of the network: pass "
            f"{name}.astype(np.{like}){wider}."
        )
    shaped(array, name, shape)
    found = np.array(array, like, order="C")
    if not np.isfinite(found).all():
        place = np.argwhere(~np.isfinite(found))[0]
        where = f"{name}[{', '.join(map(str, place))}]={found[tuple(place)]}"
        raise ValueError(f"{where}: every weight must be finite; see where training went astray.")
    found.flags.writeable = False
    return found


def shaped(array: NDArray[Any], name: str, shape: tuple[int, ...]) -> None:
    """Compare the shape of weights with the one that is needed."""
    if array.shape != shape:
        transposed = array.ndim == 2 and array.shape == shape[::-1]
        said = f", which is transposed: pass {name}.T" if transposed else f": {shape} is needed"
        raise ValueError(f"{name} has shape {array.shape}{said}.")


# What the checks above are made of


def _padded(x: Any, like: Any) -> FloatArray:
    try:
        return _floats(x, "x", like)
    except DtypeError:
        raise
    except ValueError as error:
        if "differ in length" not in str(error):
            raise
        raise ValueError(
            "x is ragged, its sequences differ in length: pad them to one length and pass lengths=."
        ) from None


def _check_columns(X: FloatArray, inputs: int) -> None:
    if X.shape[-1] != inputs:
        raise ValueError(f"x has shape {X.shape}, {X.shape[-1]} inputs: the network has input_size={inputs}.")


def _other_order(batch_first: bool, lengths_agree: bool) -> str:
    """Say which axis is taken for that of sequences, where the other one would fit."""
    return f"; the layer has batch_first={batch_first}" if lengths_agree else ""


def _prefix_hint(missing: list[str], unexpected: list[str]) -> str:
    """Recognise weights of a module inside another, as PyTorch names them: lstm.weight_ih_l0."""
    for wanted in missing:
        for name in unexpected:
            if name.endswith(f".{wanted}"):
                prefix = name.removesuffix(wanted)
                return f"; take the prefix {prefix!r} off: {{k.removeprefix({prefix!r}): v for k, v in …}}"
    return ""
