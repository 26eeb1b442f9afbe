"""What HeteroData of PyTorch Geometric and its dictionaries hold, told by their attributes alone."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from diptych._validate import DtypeError
from diptych.graph._alike import refuse_misspelt
from diptych.graph._metapath import Relation


def parts_of_pyg(data: Any, names: Mapping[str, Iterable[Any]]) -> tuple[dict[Relation, Any], dict[str, Any]]:
    """Return the edges of each relation, and names or numbers of the nodes of a type where they are known."""
    if isinstance(data, Mapping):
        stores = {key: value for key, value in data.items() if key != "_global_store"}
        relations = [key for key in stores if isinstance(key, tuple)]
        kinds = [key for key in stores if isinstance(key, str)]
    elif hasattr(data, "edge_types") and hasattr(data, "node_types"):
        relations, kinds = list(data.edge_types), list(data.node_types)
        stores = {key: data[key] for key in [*relations, *kinds]}
    else:
        raise DtypeError(f"data is a {type(data).__name__}: a HeteroData or a dictionary like it is needed.")
    refuse_misspelt(names, [*kinds, *(kind for key in relations for kind in (key[0], key[-1]))], "names")
    nodes: dict[str, Any] = {}
    for kind in kinds:
        n = _part(stores[kind], "num_nodes")
        features = _part(stores[kind], "x")  # what to_dict() holds, and no number
        if n is None and features is not None:
            n = len(features)
        if kind in names:
            nodes[kind] = _checked_number(kind, names[kind], n)
        elif n is not None:
            nodes[kind] = int(n)
    nodes |= {kind: own for kind, own in names.items() if kind not in nodes}
    return {key: _edges(key, stores[key]) for key in relations}, nodes


def _checked_number(kind: str, names: Iterable[Any], n: Any) -> Any:
    """Return names, which are as many as there are nodes, if that is known."""
    listed: Any = names if hasattr(names, "__len__") else list(names)
    if n is not None and len(listed) != n:
        raise ValueError(f"names[{kind!r}] has {len(listed)} names, and data has {n} nodes of that type.")
    return listed


def _edges(key: Relation, store: Any) -> Any:
    """Return an edge index, or (sources, targets, weights)."""
    index = _part(store, "edge_index")
    if index is None:
        raise ValueError(f"data[{key!r}] has no edge_index, an array of shape (2, E).")
    index = np.asarray(index) if isinstance(index, list | tuple) else index
    if getattr(index, "ndim", 0) != 2 or index.shape[0] != 2:
        raise ValueError(f"data[{key!r}].edge_index has shape {tuple(index.shape)}: (2, E) is needed.")
    weights = _part(store, "edge_weight")
    return (index[0], index[1]) if weights is None else (index[0], index[1], weights)


def _part(store: Any, name: str) -> Any:
    """Return an entry of a store, which is a mapping or has attributes; None if it is not there."""
    if isinstance(store, Mapping):
        return store.get(name)
    return getattr(store, name, None)
