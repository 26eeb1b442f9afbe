"""Graph: what goes in as edges, matrices, files, frames, networkx; what comes out; what is refused."""

from __future__ import annotations

import pickle
import re

import networkx as nx
import numpy as np
import pandas as pd
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from diptych import Graph
from diptych._validate import DtypeError
from diptych.graph import as_graph
from graph_forms import DIRECTED, UNDIRECTED, by_name, dense

TRIANGLE = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 3.0], [2.0, 3.0, 0.0]])


# Matrices


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"])
@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix])
def test_a_matrix_of_any_format(form, kind):
    graph = Graph(kind(TRIANGLE).asformat(form))
    np.testing.assert_array_equal(dense(graph), TRIANGLE)
    assert (graph.n_nodes, graph.n_edges, graph.directed) == (3, 3, False)
    assert repr(graph) == "Graph(3 nodes, 3 undirected edges)"


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float32, ">f8", np.longdouble, object])
def test_a_matrix_of_any_real_dtype(dtype):
    np.testing.assert_array_equal(dense(Graph(np.array([[0, 1], [1, 1]]).astype(dtype))), [[0, 1], [1, 1]])


def test_symmetry_decides_about_direction_unless_the_caller_does():
    arrow = np.array([[0, 1], [0, 0]])
    assert Graph(arrow).directed
    assert Graph(TRIANGLE, directed=True).n_edges == 6
    with pytest.raises(
        ValueError, match=re.escape("matrix[0, 1]=1.0 and matrix[1, 0]=0.0") + r".*directed=True"
    ):
        Graph(arrow, directed=False)
    np.testing.assert_array_equal(dense(Graph(arrow)), arrow)  # not transposed


def test_duplicates_are_summed_zeros_dropped_and_the_callers_matrix_left_alone():
    data, indices, indptr = np.array([1.0, 2.0, 0.0, 3.0]), np.array([1, 1, 0, 0]), np.array([0, 2, 4])
    matrix = sparse.csr_array((data, indices, indptr), shape=(2, 2))
    graph = Graph(matrix)
    np.testing.assert_array_equal(dense(graph), [[0, 3], [3, 0]])
    np.testing.assert_array_equal(data, [1.0, 2.0, 0.0, 3.0])
    np.testing.assert_array_equal(indices, [1, 1, 0, 0])
    assert matrix.nnz == 4


def test_a_lying_flag_is_found_out():
    matrix = sparse.csr_array((np.ones(2), np.array([1, 1]), np.array([0, 2, 2])), shape=(2, 2))
    matrix.has_canonical_format = True
    np.testing.assert_array_equal(dense(Graph(matrix)), [[0, 2], [0, 0]])


def test_a_canonical_matrix_is_not_copied():
    matrix = sparse.csr_array(TRIANGLE)
    assert np.shares_memory(Graph(matrix).adjacency.data, matrix.data)


BAD_MATRICES = {
    "not square": (np.ones((2, 3)), r"\(2, 3\).*square"),
    "one dimension": (np.ones(4), r"\(4,\).*square"),
    "NaN": ([[0, np.nan], [1, 0]], r"matrix\[0, 1\]=nan"),
    "infinite": ([[0, 1], [np.inf, 0]], r"matrix\[1, 0\]=inf"),
    "negative": (sparse.csc_array([[0, 0], [-2, 0]]), r"matrix\[1, 0\]=-2"),
    "complex": (np.array([[0, 1j], [1, 0]]), "(?i)complex"),
    "strings": (np.array([["a", "b"], ["c", "d"]]), "dtype|numbers|string"),
    "frame": (pd.DataFrame(TRIANGLE), "from_edges.*to_numpy"),
}


@pytest.mark.parametrize("bad", BAD_MATRICES)
def test_bad_matrices(bad):
    matrix, says = BAD_MATRICES[bad]
    with pytest.raises(ValueError, match=says):
        Graph(matrix)


@pytest.mark.parametrize(
    ("indices", "indptr"),
    [([0, 5], [0, 1, 2]), ([0, -1], [0, 1, 2]), ([0, 1], [0, 2, 1]), ([0, 1], [1, 1, 2])],
)
def test_malformed_csr(indices, indptr):
    matrix = sparse.csr_array((2, 2))
    matrix.data, matrix.indices, matrix.indptr = np.ones(2), np.array(indices), np.array(indptr)
    with pytest.raises(ValueError, match=r"ind(ices|ptr)|ind"):
        Graph(matrix)


def test_sums_beyond_float64():
    with pytest.raises(ValueError, match="sum to more"):
        Graph.from_edges([("a", "b", 1e308), ("a", "b", 1e308)])


@pytest.mark.parametrize("n", [0, 1, 4])
def test_graphs_without_edges(n):
    for graph in (Graph(sparse.csr_array((n, n))), Graph.from_edges([], node_names=range(n))):
        assert dense(graph).shape == (n, n)
        assert (graph.n_nodes, graph.n_edges, graph.directed) == (n, 0, False)
    assert Graph.from_edges([]).n_nodes == 0
    assert Graph.from_edges(np.empty((2, 0), int)).n_nodes == 0


# Names


def test_names_and_rows():
    graph = Graph(TRIANGLE, node_names=["x", ("y", 1), 7])
    assert graph.node_names.tolist() == ["x", ("y", 1), 7]
    assert [graph.index_of(name) for name in graph.node_names] == [0, 1, 2]
    with pytest.raises(KeyError, match="'z'"):
        graph.index_of("z")
    with pytest.raises(KeyError, match=r"'7'; there is 7, a int"):
        graph.index_of("7")
    with pytest.raises(DtypeError, match=r"\[7\] cannot name a node"):
        graph.index_of([7])


def test_integer_names_are_an_integer_array():
    graph = Graph(TRIANGLE, node_names=[30, 10, 20])
    assert graph.node_names.dtype == np.int64
    assert graph.node_names.tolist() == [30, 10, 20]
    assert graph.index_of(np.int64(10)) == graph.index_of(10) == 1
    assert Graph(TRIANGLE).node_names.tolist() == [0, 1, 2]
    assert Graph(TRIANGLE).index_of(2) == 2


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["a", "b", "a"], r"node_names\[0\] and node_names\[2\] are both 'a'"),
        ([1, 2, 2], r"node_names\[1\] and node_names\[2\] are both 2"),
        (["a", "b"], "2 entries.*3 nodes"),
        (["a", None, "b"], r"node_names\[1\]=None names no node"),
        (["a", "b", float("nan")], r"node_names\[2\]=nan names no node"),
        ([["a"], ["b"], ["c"]], "names are"),
    ],
)
def test_bad_names(names, says):
    with pytest.raises(ValueError, match=says):
        Graph(TRIANGLE, node_names=names)


def test_order_of_names():
    assert Graph.from_edges([("c", "a"), ("b", "c")]).node_names.tolist() == ["c", "a", "b"]
    assert Graph.from_edges([(30, 2), (100, 30)]).node_names.tolist() == [2, 30, 100]
    assert Graph.from_edges(np.array([[30, 2], [100, 30], [2, 2]])).node_names.tolist() == [2, 30, 100]
    assert Graph.from_edges([(3, "a"), (1, 3)]).node_names.tolist() == [3, "a", 1]
    assert Graph.from_edges([(1, 0), (0, 2)]).node_names.tolist() == [0, 1, 2]
    ordered = Graph.from_edges([("c", "a")], node_names=["a", "b", "c"])
    assert by_name(ordered) == {("a", "c"): 1, ("c", "a"): 1}
    assert ordered.node_names.tolist() == ["a", "b", "c"]


# Edges

EDGES = [("a", "b", 2.0), ("b", "c", 0.5), ("c", "c", 4.0)]
FRAME = {"source": ["a", "b", "c"], "target": ["b", "c", "c"], "weight": [2.0, 0.5, 4.0]}

FORMS = {
    "tuples": EDGES,
    "lists": [list(edge) for edge in EDGES],
    "generator": None,
    "attributes": [(u, v, {"weight": w, "colour": "red"}) for u, v, w in EDGES],
    "objects": np.array(EDGES, dtype=object),
    "pandas": pd.DataFrame(FRAME),
    "pandas, other order": pd.DataFrame(FRAME)[["weight", "target", "source"]].set_axis([5, 9, 7]),
    "pandas, other titles": pd.DataFrame(
        {"To": FRAME["target"], "Weight": FRAME["weight"], "when": [1, 2, 3], "FROM": FRAME["source"]}
    ),
    "pandas, no titles": pd.DataFrame(list(EDGES)),
    "pandas, categories": pd.DataFrame(FRAME).astype({"source": "category"}),
    "polars": polars.DataFrame(FRAME),
}


@pytest.mark.parametrize("form", FORMS)
def test_any_form_of_edges(form):
    def edges():
        return (edge for edge in EDGES) if form == "generator" else FORMS[form]

    graph = Graph.from_edges(edges())
    dense(graph)
    assert by_name(graph) == UNDIRECTED
    assert graph.n_edges == 3
    assert by_name(as_graph(edges())) == UNDIRECTED
    graph = Graph.from_edges(edges(), directed=True)
    assert by_name(graph) == DIRECTED
    assert graph.n_edges == 3
    assert graph.directed


def test_weights_beside_the_edges():
    pairs = [(u, v) for u, v, _ in EDGES]
    assert by_name(Graph.from_edges(pairs, weights=[2.0, 0.5, 4.0])) == UNDIRECTED
    index = np.array([[0, 1, 2], [1, 2, 2]])
    named = Graph.from_edges(index, weights=np.array([2, 0.5, 4]), node_names="abc")
    assert by_name(named) == UNDIRECTED
    with pytest.raises(ValueError, match="weights of their own"):
        Graph.from_edges(EDGES, weights=[1, 1, 1])
    with pytest.raises(ValueError, match=r"2 entries.*3 edges"):
        Graph.from_edges(pairs, weights=[1, 1])
    with pytest.raises(ValueError, match=r"weights\[1\]=nan"):
        Graph.from_edges(pairs, weights=[1, np.nan, 1])


def test_two_rows_are_an_edge_index():
    both = np.array([[0, 1], [1, 2]])
    assert by_name(Graph.from_edges(both, directed=True)) == {(0, 1): 1, (1, 2): 1}
    crossed = np.array([[0, 1], [4, 3]])  # edges 0-4 and 1-3, not 0-1 and 4-3
    assert by_name(Graph.from_edges(crossed, directed=True)) == {(0, 4): 1, (1, 3): 1}
    assert by_name(Graph.from_edges(crossed.tolist(), directed=True)) == {(0, 1): 1, (4, 3): 1}
    assert by_name(Graph.from_edges(list(crossed), directed=True)) == {(0, 1): 1, (4, 3): 1}
    columns = np.array([0, 1, 2]), np.array([1, 2, 0])
    assert by_name(Graph.from_edges(np.stack(columns), directed=True)).keys() == {(0, 1), (1, 2), (2, 0)}
    assert by_name(Graph.from_edges(np.array([[0, 1, 2], [1, 2, 0]]))).keys() == set(
        nx.DiGraph(nx.cycle_graph(3)).edges
    )


def test_an_edge_index_holds_rows_and_a_column_of_edges_names():
    index = np.array([[0, 5, 5], [5, 7, 7]])
    assert Graph.from_edges(index).node_names.tolist() == list(range(8))
    assert Graph.from_edges(index.T).node_names.tolist() == [0, 5, 7]
    assert Graph.from_edges(index, node_names=[f"n{i}" for i in range(9)]).n_nodes == 9
    with pytest.raises(ValueError, match=r"index 7.*7 node_names"):
        Graph.from_edges(index, node_names=range(7))
    with pytest.raises(ValueError, match=r"edges\[1, 2\]=-1"):
        Graph.from_edges(np.array([[0, 1, 2], [1, 2, -1]]))
    with pytest.raises(ValueError, match=r"index 2147483646, and there are 3 edges.*edges\.T"):
        Graph.from_edges(np.array([[0, 1, 2], [1, 2, 2**31 - 2]]))  # 8 bytes each would be 16 GiB of names
    with pytest.raises(ValueError, match=r"index 4294967296.*edges\.T"):
        Graph.from_edges(np.array([[0, 1, 2], [1, 2, 2**32]]))
    assert Graph.from_edges(np.array([[0, 2**32], [1, 2], [2, 2]])).node_names.tolist() == [0, 1, 2, 2**32]


def test_columns_of_numbers():
    table = np.array([[10, 20, 0.5], [20, 30, 2.0], [30, 30, 1.0]])
    assert by_name(Graph.from_edges(table, directed=True)) == {(10, 20): 0.5, (20, 30): 2.0, (30, 30): 1.0}
    assert Graph.from_edges(table).node_names.dtype == np.int64
    with pytest.raises(ValueError, match=r"edges\[:, 1\], entry 0, is 20\.5"):
        Graph.from_edges(table + np.array([0, 0.5, 0]))
    with pytest.raises(ValueError, match=r"edges\[:, 2\]\[2\]=-1"):
        Graph.from_edges(table - [[0, 0, 0], [0, 0, 0], [0, 0, 2]])


def test_an_edge_given_twice_is_summed_in_either_direction():
    edges = [("a", "b", 1.0), ("b", "a", 2.0), ("a", "b", 4.0), ("c", "a", 8.0)]
    assert by_name(Graph.from_edges(edges)) == {
        ("a", "b"): 7.0, ("b", "a"): 7.0, ("c", "a"): 8.0, ("a", "c"): 8.0,
    }  # fmt: skip
    assert by_name(Graph.from_edges(edges, directed=True)) == {
        ("a", "b"): 5.0, ("b", "a"): 2.0, ("c", "a"): 8.0,
    }  # fmt: skip


def test_a_table_that_says_every_edge_both_ways_says_each_once():
    one_way = [("a", "b", 2.0), ("b", "c", 0.5), ("c", "c", 4.0)]
    both_ways = [*one_way, ("b", "a", 2.0), ("c", "b", 0.5)]
    assert by_name(Graph.from_edges(both_ways)) == by_name(Graph.from_edges(one_way)) == UNDIRECTED
    unlike = [*one_way, ("b", "a", 2.0), ("c", "b", 0.25)]
    assert by_name(Graph.from_edges(unlike))["b", "c"] == 0.75


def test_zero_weights_are_no_edges_but_their_nodes_stay():
    graph = Graph.from_edges([("a", "b", 0.0), ("b", "c", 1.0)])
    assert graph.n_nodes == 3
    assert by_name(graph) == {("b", "c"): 1, ("c", "b"): 1}
    assert by_name(Graph.from_edges([("a", "b", 0.0), ("b", "c", 1.0)], directed=True)) == {("b", "c"): 1}
    stored = sparse.csr_array((np.array([0.0, 2.0]), np.array([1, 1]), np.array([0, 1, 2])), shape=(2, 2))
    assert by_name(Graph(stored)) == {(1, 1): 2}


BAD_EDGES = {
    "four": ([(0, 1), (0, 1, 2, 3)], r"edges\[1\]=\(0, 1, 2, 3\).*\(2, E\)"),
    "one": ([(0,)], r"edges\[0\]"),
    "a string": (["ab"], r"edges\[0\]='ab'"),
    "mixed": ([(0, 1), (1, 2, 3.0)], r"edges\[1\] has 3 entries.*have 2"),
    "None": ([(0, 1), (1, None)], r"edges\[1\]: None names no node"),
    "NaN": ([(0, 1), (float("nan"), 1)], r"edges\[1\]: nan names no node"),
    "empty name": ([("", "a")], r"edges\[0\]: '' names no node"),
    "unhashable": ([([1], 2)], r"edges\[0\]: \[1\].*hashable"),
    "weight NaN": ([(0, 1, 1.0), (1, 2, float("nan"))], r"edges\[1\]: weight=nan"),
    "weight negative": ([(0, 1, -1)], r"edges\[0\]: weight=-1"),
    "weight infinite": ([(0, 1, float("inf"))], r"edges\[0\]: weight=inf"),
    "weight a string": ([(0, 1, "1")], r"edges\[0\]: the weight '1'"),
    "missing in a frame": (pd.DataFrame({"source": ["a", None], "target": ["b", "c"]}), r"edges\[1\]"),
    "NA in a frame": (
        pd.DataFrame({"source": ["a", None], "target": ["b", "c"]}).convert_dtypes(),
        r"edges\[1\]: <NA> names no node",
    ),
    "NA among numbers": (
        pd.DataFrame({"source": [0, pd.NA], "target": [1, 2]}, dtype=object),
        r"edges\[1\]: <NA> names no node",
    ),
    "missing number": (pd.DataFrame({"source": [0, np.nan], "target": [1, 2]}), "source, entry 1, is nan"),
    "weight in a frame": (pd.DataFrame({"source": [0], "target": [1], "weight": [-2.0]}), r"weight\[0\]=-2"),
    "lazy": (polars.LazyFrame(FRAME), r"LazyFrame.*edges\.collect\(\)"),
    "twice the title": (
        pd.DataFrame([["a", "b", "c"]], columns=["source", "target", "source"]),
        "source, target, source: more than one is titled 'source'",
    ),
    "titled alike": (pd.DataFrame([["a", "b"]], columns=["x", "x"]), "more than one is titled 'x'"),
    "titles": (pd.DataFrame({"a": [0], "b": [1], "c": [1], "d": [1]}), "a, b, c, d.*source and target"),
    "dense": (np.eye(5), r"\(5, 5\).*scipy\.sparse\.csr_array\(adjacency\)"),
    "dense Booleans": (np.eye(4) > 0, r"\(4, 4\).*scipy\.sparse\.csr_array\(adjacency\)"),
    "dense, three nodes": (TRIANGLE, r"\(3, 3\).*scipy\.sparse\.csr_array\(adjacency\)"),
    "two columns": ((np.array([0, 1, 2]), np.array([1, 2, 0])), r"tuple of two arrays.*np\.stack"),
    "two lists of columns": ([np.arange(5), np.arange(5)], r"list of two arrays.*np\.stack"),
    "two series": ((pd.Series([0, 1, 2]), pd.Series([1, 2, 0])), r"np\.stack\(\(src, dst\)\)"),
    "cube": (np.zeros((2, 2, 2)), r"\(2, 2, 2\)"),
    "number": (3, "int.*edges|edges.*int"),
    "text": ("0 1", "str"),
    "mapping": ({0: 1}, "dict"),
    "large unsigned": (np.array([[0, 2**63], [1, 1], [2, 2]], dtype=np.uint64), "9223372036854775808"),
}


@pytest.mark.parametrize("bad", BAD_EDGES)
def test_bad_edges(bad):
    edges, says = BAD_EDGES[bad]
    with pytest.raises(ValueError, match=says):
        Graph.from_edges(edges)


def test_a_name_that_is_not_among_the_nodes():
    with pytest.raises(ValueError, match=r"edges\[1\]: 'z' is not among the 2 node_names"):
        Graph.from_edges([("a", "b"), ("a", "z")], node_names=["a", "b"])


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 4)), max_size=25),
    st.booleans(),
)
def test_edges_against_networkx(edges, directed):
    """networkx adds parallel edges up when it makes a matrix; a symmetric table is the exception."""
    g = (nx.MultiDiGraph if directed else nx.MultiGraph)()
    g.add_nodes_from(range(7))
    g.add_weighted_edges_from(edges)
    expected = nx.to_numpy_array(g, nodelist=range(7))
    np.testing.assert_array_equal(dense(Graph.from_networkx(g)), expected)
    graph = Graph.from_edges(edges, directed=directed, node_names=range(7))
    table = np.zeros((7, 7))
    np.add.at(table, tuple(np.array(edges, dtype=int).reshape(-1, 3)[:, :2].T), [w for *_, w in edges])
    if not directed and (table == table.T).all():
        expected = table
    np.testing.assert_array_equal(dense(graph), expected)


# networkx


@pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph])
def test_networkx(kind):
    g = kind()
    g.add_nodes_from(["z", "lonely", 3])
    g.add_weighted_edges_from([("z", 3, 2.5), (3, "z", 2.5), ("z", "z", 4.0)])
    g.add_edge("z", "y", other=1)
    graph = as_graph(g)
    assert graph.node_names.tolist() == ["z", "lonely", 3, "y"]
    assert graph.directed == g.is_directed()
    np.testing.assert_array_equal(dense(graph), nx.to_numpy_array(g))
    unweighted = nx.to_numpy_array(g, weight=None)
    np.testing.assert_array_equal(dense(Graph.from_networkx(g, weight=None)), unweighted)
    graph = Graph.from_networkx(g, weight="other")
    np.testing.assert_array_equal(dense(graph), nx.to_numpy_array(g, weight="other"))


def test_networkx_karate():
    g = nx.karate_club_graph()
    graph = Graph.from_networkx(g)
    assert (graph.n_nodes, graph.n_edges) == (34, 78)
    assert graph.adjacency.sum() == 2 * g.size("weight")


def test_networkx_with_bad_weights():
    g = nx.Graph([("a", "b", {"weight": -1})])
    with pytest.raises(ValueError, match="-1"):
        Graph.from_networkx(g)
    g = nx.Graph([("a", "b", {"weight": "heavy"})])
    with pytest.raises(DtypeError, match="heavy"):
        Graph.from_networkx(g)


# as_graph, and a life after


def test_as_graph():
    graph = Graph(TRIANGLE)
    assert as_graph(graph) is graph
    np.testing.assert_array_equal(dense(as_graph(sparse.coo_matrix(TRIANGLE))), TRIANGLE)
    assert as_graph(np.array([[0, 1, 2], [1, 2, 0]])).n_edges == 3
    with pytest.raises(ValueError, match=r"Graph\(matrix\)"):
        as_graph(np.ones((4, 4)))
    with pytest.raises(DtypeError, match="NoneType"):
        as_graph(None)


def test_pickle():
    graph = pickle.loads(pickle.dumps(Graph.from_edges(EDGES)))
    assert by_name(graph) == UNDIRECTED
    assert graph.index_of("c") == 2


def test_import_needs_no_networkx_or_pandas(run_python):
    code = "from diptych import Graph\nprint(Graph.from_edges([('a', 'b')]).n_edges)\n"
    assert run_python(code, block=["networkx", "pandas", "polars", "sklearn"]).strip() == "1"
