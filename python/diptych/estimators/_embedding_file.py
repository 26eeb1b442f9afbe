"""A fitted DeepWalk or Node2Vec as arrays and a header, and back."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

import diptych
from diptych.estimators.embedding import DeepWalk, Node2Vec
from diptych.graph import index_names, name_array

_CLASSES = {"DeepWalk": DeepWalk, "Node2Vec": Node2Vec}


def to_archive(model: DeepWalk | Node2Vec) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header and the arrays that describe a fitted model."""
    params: dict[str, Any] = {name: _plain(value) for name, value in model.get_params().items()}
    if not isinstance(params["random_state"], int):
        params["random_state"] = None
    header = {"class": type(model).__name__, "diptych": diptych.__version__, "params": params}
    arrays: dict[str, NDArray[Any]] = {
        "embedding": model.embedding_,
        "contexts": model.contexts_,
        "losses": model.losses_,
        "node_names": _names_as_array(model.node_names_),
    }
    return header, arrays


def from_archive(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> DeepWalk | Node2Vec:
    """Return the model; ValueError when the parts do not fit together."""
    model = _CLASSES[header["class"]](**header["params"])
    names = _names_from_array(arrays["node_names"])
    index_names(names)  # refuses names that are there twice
    embedding, contexts, losses = arrays["embedding"], arrays["contexts"], arrays["losses"]
    for name, table in (("embedding", embedding), ("contexts", contexts)):
        if table.ndim != 2 or len(table) != len(names) or table.shape[1] < 1 or table.dtype != np.float32:
            raise ValueError(f"{name} is {table.dtype} of shape {table.shape} for {len(names)} nodes")
        if not np.isfinite(table).all():
            raise ValueError(f"{name} holds a value that is not finite")
    if contexts.shape != embedding.shape:
        raise ValueError(f"contexts have shape {contexts.shape}, embedding {embedding.shape}")
    if losses.ndim != 1 or losses.dtype != np.float64:
        raise ValueError(f"losses is {losses.dtype} of shape {losses.shape}")
    model.embedding_, model.contexts_, model.losses_, model.node_names_ = embedding, contexts, losses, names
    return model


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _names_as_array(names: NDArray[Any]) -> NDArray[Any]:
    """Return names as integers, or the bytes of a JSON list where some are strings."""
    if names.dtype.kind == "i":
        return names
    listed = [_plain(name) for name in names.tolist()]
    for name in listed:
        if not isinstance(name, str | int | float):
            raise ValueError(
                f"the node {name!r} is named by a {type(name).__name__}: only strings and numbers can be "
                "saved without pickle; save embedding_ with np.save, or the whole model with pickle."
            )
    return np.frombuffer(json.dumps(listed).encode(), dtype=np.uint8)


def _names_from_array(array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim != 1 or array.dtype not in (np.int64, np.uint8):
        raise ValueError(f"node_names is {array.dtype} of shape {array.shape}")
    if array.dtype == np.int64:
        return array
    try:
        listed = json.loads(array.tobytes().decode())
    except RecursionError:
        raise ValueError("node_names is not a list of names") from None
    if not isinstance(listed, list) or not all(isinstance(name, str | int | float) for name in listed):
        raise ValueError("node_names is not a list of names")
    return name_array(listed)
