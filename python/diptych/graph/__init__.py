"""Graphs: edge lists, files, data frames, networkx and SciPy matrices in; a CSR adjacency and names out."""

from diptych.graph._edges import find_row, index_names, name_array
from diptych.graph._graph import Graph, as_graph

__all__ = ["Graph", "as_graph", "find_row", "index_names", "name_array"]
