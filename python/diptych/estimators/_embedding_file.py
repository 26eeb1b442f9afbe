"""A fitted DeepWalk or Node2Vec as arrays and a header, and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import diptych
from diptych.estimators._names_file import names_as_array, names_from_array, plain
from diptych.estimators.embedding import DeepWalk, Node2Vec
from diptych.graph import index_names

_CLASSES = {"DeepWalk": DeepWalk, "Node2Vec": Node2Vec}


def to_archive(model: DeepWalk | Node2Vec) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header and the arrays that describe a fitted model."""
    params: dict[str, Any] = {name: plain(value) for name, value in model.get_params().items()}
    if not isinstance(params["random_state"], int):
        params["random_state"] = None
    header = {"class": type(model).__name__, "diptych": diptych.__version__, "params": params}
    arrays: dict[str, NDArray[Any]] = {
        "embedding": model.embedding_,
        "contexts": model.contexts_,
        "losses": model.losses_,
        "node_names": names_as_array(model.node_names_),
    }
    return header, arrays


def from_archive(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> DeepWalk | Node2Vec:
    """Return the model; ValueError when the parts do not fit together."""
    model = _CLASSES[header["class"]](**header["params"])
    names = names_from_array(arrays["node_names"])
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
