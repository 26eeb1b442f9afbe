"""The sizes of a recurrent network, read off its weights."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from diptych import _validate_nn as _check

_FIRST = ("weight_ih_l0", "weight_hh_l0")
_KINDS = {1: "an RNN", 3: "a GRU", 4: "an LSTM"}


def sizes_of(state_dict: Any, prefix: str, name: str, gates: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments that make a network, and the weights without the prefix."""
    if not isinstance(state_dict, Mapping):
        _check.fields(state_dict, {}, "state_dict")
    weights = {k.removeprefix(prefix): v for k, v in state_dict.items() if k.startswith(prefix)}
    for key in _FIRST:
        if key not in weights:
            raise ValueError(f"state_dict has no {prefix}{key}{_where(key, state_dict)}.")
    W, U = (np.asarray(weights[key]) for key in _FIRST)
    for key, array in zip(_FIRST, (W, U), strict=True):
        if array.ndim != 2 or 0 in array.shape:
            raise ValueError(f"{key} has shape {array.shape}: two dimensions are needed.")
    rows, hidden = U.shape
    if rows != gates * hidden:
        if gates > 1 and hidden == gates * rows:
            raise ValueError(f"weight_hh_l0 has shape {U.shape}, which is transposed: pass weight_hh_l0.T.")
        other = _KINDS.get(rows // hidden if rows % hidden == 0 else 0, "another network")
        raise ValueError(f"weight_hh_l0 has shape {U.shape}, which is that of {other}, not of nn.{name}.")
    if W.shape[0] != rows and W.shape[1] == rows:
        raise ValueError(f"weight_ih_l0 has shape {W.shape}, which is transposed: pass weight_ih_l0.T.")
    layers = [int(m[1]) for m in (re.fullmatch(r"weight_ih_l(\d+)", key) for key in weights) if m]
    double = any(np.asarray(w).dtype == np.float64 for w in (W, U))
    sizes = {
        "input_size": W.shape[1],
        "hidden_size": hidden,
        "num_layers": max(layers) + 1,
        "bias": "bias_ih_l0" in weights or "bias_hh_l0" in weights,
        "bidirectional": "weight_ih_l0_reverse" in weights,
        "dtype": np.float64 if double else np.float32,
    }
    return sizes, weights


def _where(key: str, state_dict: Mapping[str, Any]) -> str:
    """Say where else a weight may be."""
    prefixes = [name.removesuffix(key) for name in state_dict if name.endswith(f".{key}")]
    if prefixes:
        return f": pass prefix={' or prefix='.join(map(repr, prefixes))}"
    return f"; it has {', '.join(state_dict)}" if state_dict else ", it is empty"
