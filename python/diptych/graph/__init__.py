"""Graphs: edge lists, files, data frames, networkx and SciPy matrices in; CSR matrices and names out."""

from diptych.graph._edges import find_row, index_names, name_array
from diptych.graph._graph import Graph, as_graph
from diptych.graph._hetero import HeteroGraph, as_hetero_graph
from diptych.graph._metapath import MetaPath, Step

__all__ = [
    "Graph",
    "HeteroGraph",
    "MetaPath",
    "Step",
    "as_graph",
    "as_hetero_graph",
    "find_row",
    "index_names",
    "name_array",
]
