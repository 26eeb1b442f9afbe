"""Values as Python text that can be pasted into a session."""

from __future__ import annotations

from typing import Any

import numpy as np


def show_value(value: Any) -> str:
    """`value` as an expression over `np` and `scipy.sparse`."""
    if isinstance(value, np.ndarray):
        return _show_array(value)
    if hasattr(value, "indptr"):
        parts = ", ".join(_show_array(part) for part in (value.data, value.indices, value.indptr))
        return f"scipy.sparse.csr_array(({parts}), shape={value.shape})"
    if isinstance(value, list) and _is_table(value):
        return f"[{', '.join(map(show_value, value))}]"
    if hasattr(value, "_fields"):
        fields = ", ".join(f"{name}={show_value(getattr(value, name))}" for name in value._fields)
        return f"{type(value).__name__}({fields})"
    if isinstance(value, tuple):
        inner = ", ".join(show_value(item) for item in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, np.generic):
        value = value.item()
    return _plain(repr(value))


def _is_table(value: Any) -> bool:
    """Tell arrays, sparse matrices, and lists and named tuples of them from numbers and words."""
    if hasattr(value, "_fields"):
        return True
    if isinstance(value, list):
        return any(_is_table(item) for item in value)
    return np.ndim(value) > 0


def _show_array(array: np.ndarray[Any, Any]) -> str:
    empty = array.size == 0
    body = f"np.empty({array.shape}" if empty else f"np.array({_plain(repr(array.tolist()))}"
    plain = array.dtype == np.float64 or (not empty and array.dtype == np.int64)
    return f"{body})" if plain else f"{body}, dtype=np.{array.dtype.name})"


def _plain(text: str) -> str:
    """`inf` and `nan` as names that exist."""
    words = {"inf": "np.inf", "-inf": "-np.inf", "nan": "np.nan"}
    for ending in (",", "]", ")"):
        for word, name in words.items():
            text = text.replace(f" {word}{ending}", f" {name}{ending}").replace(
                f"[{word}{ending}", f"[{name}{ending}"
            )
    return words.get(text, text)


def show_call(function: str, names: tuple[str, ...], positional: list[Any], named: dict[str, Any]) -> str:
    """Write the call as a few lines: the arrays first, then one line that passes them."""
    lines, arguments = [], []
    for name, value in zip((*names, *[""] * len(positional)), positional, strict=False):
        if name and _is_table(value):
            lines.append(f"{name} = {show_value(value)}")
            arguments.append(name)
        else:
            arguments.append(show_value(value))
    for name, value in named.items():
        if _is_table(value):
            lines.append(f"{name} = {show_value(value)}")
            arguments.append(f"{name}={name}")
        else:
            arguments.append(f"{name}={show_value(value)}")
    imports = ["import numpy as np"] + ["import scipy.sparse"] * any("scipy.sparse" in line for line in lines)
    named_tuples = {type(value) for value in (*positional, *named.values()) if hasattr(value, "_fields")}
    imports += sorted(f"from {kind.__module__} import {kind.__name__}" for kind in named_tuples)
    return "\n".join([*imports, *lines, f"{function}({', '.join(arguments)})"])
