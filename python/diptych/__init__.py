"""diptych: each algorithm twice, as readable NumPy and as a fast Rust kernel.

Names are loaded on first use: ``import diptych`` takes NumPy at most, no SciPy, scikit-learn or Matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diptych import (
        datasets,
        estimators,
        evaluation,
        graph,
        io,
        kernels,
        nn,
        plot,
        reference,
        studies,
        testing,
    )
    from diptych._rust import InternalError
    from diptych._threads import get_num_threads, set_num_threads
    from diptych._versions import __version__, show_versions
    from diptych.estimators.character import CharacterModel
    from diptych.estimators.dbscan import DBSCAN, dbscan
    from diptych.estimators.embedding import DeepWalk, Node2Vec
    from diptych.estimators.pathsim import PathSim
    from diptych.estimators.slot_tagger import SlotTagger
    from diptych.graph import Graph, HeteroGraph
    from diptych.io import load

_HOMES = {
    "CharacterModel": "diptych.estimators.character",
    "DBSCAN": "diptych.estimators.dbscan",
    "DeepWalk": "diptych.estimators.embedding",
    "Graph": "diptych.graph",
    "HeteroGraph": "diptych.graph",
    "InternalError": "diptych._rust",
    "Node2Vec": "diptych.estimators.embedding",
    "PathSim": "diptych.estimators.pathsim",
    "SlotTagger": "diptych.estimators.slot_tagger",
    "__version__": "diptych._versions",
    "dbscan": "diptych.estimators.dbscan",
    "get_num_threads": "diptych._threads",
    "load": "diptych.io",
    "set_num_threads": "diptych._threads",
    "show_versions": "diptych._versions",
}
_SUBPACKAGES = {
    "datasets",
    "estimators",
    "evaluation",
    "graph",
    "io",
    "kernels",
    "nn",
    "plot",
    "reference",
    "studies",
    "testing",
}

__all__ = [
    "DBSCAN",
    "CharacterModel",
    "DeepWalk",
    "Graph",
    "HeteroGraph",
    "InternalError",
    "Node2Vec",
    "PathSim",
    "SlotTagger",
    "__version__",
    "datasets",
    "dbscan",
    "estimators",
    "evaluation",
    "get_num_threads",
    "graph",
    "io",
    "kernels",
    "load",
    "nn",
    "plot",
    "reference",
    "set_num_threads",
    "show_versions",
    "studies",
    "testing",
]


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return import_module(f"diptych.{name}")
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'diptych' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
