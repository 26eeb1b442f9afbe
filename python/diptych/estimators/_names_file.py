"""Names of nodes as arrays that are saved without pickle, and back."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diptych.graph import name_array


def plain(value: Any) -> Any:
    """Return a number of NumPy as one of Python."""
    return value.item() if isinstance(value, np.generic) else value


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
