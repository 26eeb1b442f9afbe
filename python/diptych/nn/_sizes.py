"""The sizes of a network, read off its weights."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diptych import _validate_nn as _check
from diptych._validate import DtypeError

_FIRST = ("weight_ih_l0", "weight_hh_l0")
_KINDS = {1: "an RNN", 3: "a GRU", 4: "an LSTM"}


def sizes_of(state_dict: Any, prefix: str, name: str, gates: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments that make a network, and the weights without the prefix."""
    weights, (W, U) = _matrices(state_dict, prefix, _FIRST)
    rows, hidden = U.shape
    if rows != gates * hidden:
        if gates > 1 and hidden == gates * rows:
            raise ValueError(f"weight_hh_l0 has shape {U.shape}, which is transposed: pass weight_hh_l0.T.")
        other = _KINDS.get(rows // hidden if rows % hidden == 0 else 0, "another network")
        raise ValueError(f"weight_hh_l0 has shape {U.shape}, which is that of {other}, not of nn.{name}.")
    if W.shape[0] != rows and W.shape[1] == rows:
        raise ValueError(f"weight_ih_l0 has shape {W.shape}, which is transposed: pass weight_ih_l0.T.")
    layers = [key for key in weights if re.fullmatch(r"weight_ih_l(0|[1-9]\d*)", key)]
    for number in range(len(layers)):  # a name alone may not ask for thousands of layers
        if f"weight_ih_l{number}" not in weights:
            raise ValueError(
                f"state_dict has {layers[-1]} and no weight_ih_l{number}: layers are counted from 0 on."
            )
    sizes = {
        "input_size": W.shape[1],
        "hidden_size": hidden,
        "num_layers": len(layers),
        "bias": "bias_ih_l0" in weights or "bias_hh_l0" in weights,
        "bidirectional": any(key.endswith("_reverse") for key in weights),
        "dtype": _dtype(W, U),
    }
    return sizes, weights


def sizes_of_attention(state_dict: Any, prefix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments that make attention with several heads, but for their number, and the weights."""
    weights, (W,) = _matrices(state_dict, prefix, ("in_proj_weight",))
    _check_projection(W, "in_proj_weight")
    return {"embed_dim": W.shape[1], "bias": "in_proj_bias" in weights, "dtype": _dtype(W)}, weights


def sizes_of_encoder_layer(state_dict: Any, prefix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments that make a layer of an encoder, but for its heads, and the weights."""
    names = ("self_attn.in_proj_weight", "linear1.weight")
    weights, (W, F) = _matrices(state_dict, prefix, names)
    _check_projection(W, names[0])
    d = W.shape[1]
    if F.shape[1] != d:
        transposed = f", which is transposed: pass {names[1]}.T" if F.shape[0] == d else ""
        raise ValueError(
            f"{names[1]} has shape {F.shape}{transposed or f': (dim_feedforward, {d}) is needed'}."
        )
    bias = f"{names[1].removesuffix('weight')}bias" in weights
    return {"d_model": d, "dim_feedforward": F.shape[0], "bias": bias, "dtype": _dtype(W, F)}, weights


def _matrices(
    state_dict: Any, prefix: str, names: tuple[str, ...]
) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Return the weights without the prefix, and those that tell sizes."""
    if not isinstance(state_dict, Mapping):
        _check.fields(state_dict, {}, "state_dict")
    for key in state_dict:
        if not isinstance(key, str):
            raise DtypeError(f"state_dict has the key {key!r}: names of weights, strings, are needed.")
    weights = {k.removeprefix(prefix): v for k, v in state_dict.items() if k.startswith(prefix)}
    found = []
    for name in names:
        if name not in weights:
            raise ValueError(f"state_dict has no {prefix}{name}{_where(name, state_dict)}.")
        array = np.asarray(weights[name])
        if array.ndim != 2 or 0 in array.shape:
            raise ValueError(f"{name} has shape {array.shape}: two dimensions are needed.")
        found.append(array)
    return weights, found


def _check_projection(W: NDArray[Any], name: str) -> None:
    """Compare the weights that make queries, keys and values, stacked, with what they have to be."""
    rows, columns = W.shape
    if rows == 3 * columns:
        return
    if columns == 3 * rows:
        raise ValueError(f"{name} has shape {W.shape}, which is transposed: pass {name}.T.")
    raise ValueError(
        f"{name} has shape {W.shape}: (3 · embed_dim, embed_dim) is needed, for queries, keys and values."
    )


def _dtype(*arrays: NDArray[Any]) -> type[np.floating[Any]]:
    """Return the dtype of a network of these weights."""
    return np.float64 if any(array.dtype == np.float64 for array in arrays) else np.float32


def _where(key: str, state_dict: Mapping[str, Any]) -> str:
    """Say where else a weight may be."""
    prefixes = [name.removesuffix(key) for name in state_dict if name.endswith(f".{key}")]
    if key.endswith("in_proj_weight") and any(name.endswith("q_proj_weight") for name in state_dict):
        return ", it has q_proj_weight: PyTorch's kdim and vdim are not there"
    if prefixes:
        return f": pass prefix={' or prefix='.join(map(repr, prefixes))}"
    return f"; it has {_check.listed(state_dict)}" if state_dict else ", it is empty"
