"""Names of nodes as arrays that are saved without pickle, and back."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diptych.graph import name_array


def plain(value: Any) -> Any:
    """Return a number of NumPy as one of Python."""
    return value.item() if isinstance(value, np.generic) else value


def section(header: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a part of a header that has names itself."""
    found = header[name]
    if not isinstance(found, dict):
        raise ValueError(f"{name} is of type {type(found).__name__}, not a mapping")
    return found


def weights_with(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """Return the weights whose names begin so, without that."""
    for name, array in arrays.items():
        if name.startswith(prefix) and array.dtype != np.float32:
            raise ValueError(f"{name} is {array.dtype}, not float32")
    return {name.removeprefix(prefix): w for name, w in arrays.items() if name.startswith(prefix)}


def check_shapes(weights: dict[str, NDArray[Any]], shapes: dict[str, tuple[int, ...]]) -> None:
    """Compare weights with the shapes that a header says, before a network of this size is made."""
    for name, shape in shapes.items():
        if name not in weights:
            raise ValueError(f"{name} is missing")
        if weights[name].shape != shape:
            layer, _, own = name.partition(".")
            raise ValueError(f"{layer}: {own} has shape {weights[name].shape}: {shape} is needed")


def names_as_array(names: NDArray[Any]) -> NDArray[Any]:
    """Return names as integers, or the bytes of a JSON list where some are strings."""
    if names.dtype.kind == "i":
        return names
    listed = [plain(name) for name in names.tolist()]
    for name in listed:
        if not isinstance(name, str | int | float):
            raise ValueError(
                f"the node {name!r} is named by a {type(name).__name__}: only strings and numbers can be "
                "saved without pickle; rename it, or save the whole model with pickle."
            )
    return np.frombuffer(json.dumps(listed).encode(), dtype=np.uint8)


def names_from_array(array: NDArray[Any], title: str = "node_names") -> NDArray[Any]:
    """Return names from what :func:`names_as_array` made of them."""
    if array.ndim != 1 or array.dtype not in (np.int64, np.uint8):
        raise ValueError(f"{title} is {array.dtype} of shape {array.shape}")
    if array.dtype == np.int64:
        return array
    try:
        listed = json.loads(array.tobytes().decode())
    except RecursionError:
        raise ValueError(f"{title} is not a list of names") from None
    if not isinstance(listed, list) or not all(isinstance(name, str | int | float) for name in listed):
        raise ValueError(f"{title} is not a list of names")
    return name_array(listed)
