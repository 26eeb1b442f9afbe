"""A fitted PathSim as arrays and a header, and back: the part of the graph that its half path passes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

import diptych
from diptych.estimators._names_file import names_as_array, names_from_array, plain
from diptych.estimators.pathsim import PathSim
from diptych.graph import HeteroGraph, MetaPath, Step

_PARTS = ("data", "indices", "indptr")


def to_archive(model: PathSim) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header and the arrays that describe a fitted model."""
    graph = model._graph
    arrays = {f"nodes_{i}": names_as_array(names) for i, names in enumerate(graph.nodes.values())}
    for i, matrix in enumerate(graph.relations.values()):
        arrays |= {f"relation_{i}_{part}": getattr(matrix, part) for part in _PARTS}
    params: dict[str, Any] = {name: plain(value) for name, value in model.get_params().items()}
    if isinstance(model.metapath, MetaPath):
        params["metapath"] = {"steps": _listed(model.metapath)}
    header = {
        "class": "PathSim",
        "diptych": diptych.__version__,
        "params": params,
        "types": list(graph.nodes),
        "relations": [list(key) for key in graph.relations],
        "steps": _listed(model.metapath_),
    }
    return header, arrays


def from_archive(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> PathSim:
    """Return the model, fitted to what was saved; ValueError when the parts do not fit together."""
    nodes = {kind: names_from_array(arrays[f"nodes_{i}"], kind) for i, kind in enumerate(header["types"])}
    relations = {}
    for i, (source, name, target) in enumerate(header["relations"]):
        data, indices, indptr = (arrays[f"relation_{i}_{part}"] for part in _PARTS)
        if data.dtype not in (np.int64, np.float64):
            raise ValueError(f"relation {i} has dtype {data.dtype}")
        shape = (len(nodes[source]), len(nodes[target]))
        relations[source, name, target] = csr_array((data, indices, indptr), shape=shape)
    params = dict(header["params"])
    params["metapath"] = _given(params["metapath"])
    model = PathSim(**params).fit(HeteroGraph(relations, nodes))
    if _listed(model.metapath_) != header["steps"]:
        raise ValueError(f"metapath {model.metapath!r} is {model.metapath_}, not what was fitted")
    return model


def _listed(path: MetaPath) -> list[list[Any]]:
    return [[*step.relation, step.reversed] for step in path.steps]


def _given(metapath: Any) -> Any:
    """Return the parameter as the user gave it; JSON has no tuples."""
    if isinstance(metapath, dict):
        return MetaPath(tuple(Step((x, name, y), turned) for x, name, y, turned in metapath["steps"]))
    if isinstance(metapath, list):
        return [tuple(item) if isinstance(item, list) else item for item in metapath]
    return metapath
