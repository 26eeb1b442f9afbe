"""Graph.from_file: every format, names in texts, and what bad files are told."""

from __future__ import annotations

import gzip

import networkx as nx
import numpy as np
import pytest
import scipy.io
from scipy import sparse

from diptych import Graph
from diptych.graph import as_graph
from graph_forms import DIRECTED, UNDIRECTED, by_name, dense

TRIANGLE = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 3.0], [2.0, 3.0, 0.0]])

TEXTS = {
    "e.csv": "source,target,weight\na,b,2\nb,c,.5\nc,c,4\n",
    "index.csv": ",weight,target,source\n0,2,b,a\n1,.5,c,b\n2,4,c,c\n",
    "quoted.csv": '"from","to","weight"\n"a","b",2\n"b","c",0.5\n"c","c",4\n',
    "plain.csv": "a, b, 2\nb, c, 0.5\nc, c, 4",
    "semicolons.csv": "a;b;2\nb;c;.5\nc;c;4\n",
    "e.tsv": "# a comment\nFromNodeId\tToNodeId\tweight\na\tb\t2\n\nb\tc\t.5\n% another\nc\tc\t4\n",
    "windows.txt": "\ufeffa b 2\r\nb c .5\r\nc c 4\r\n",
    "e.edgelist": "a b {'weight': 2}\nb c {'weight': 0.5}\nc c {'weight': 4}\n",
    "no suffix": "a b 2\nb   c 5e-1\nc c 4",
    "header.txt": "one other strength\na b 2\nb c .5\nc c 4\n",
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", TEXTS)
def test_texts(tmp_path, name, packed):
    path = tmp_path / (name + ".gz" * packed)
    text = TEXTS[name].encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    assert by_name(Graph.from_file(path)) == UNDIRECTED
    assert by_name(Graph.from_file(str(path), directed=True)) == DIRECTED
    assert by_name(as_graph(str(path))) == UNDIRECTED
    ordered = Graph.from_file(path, node_names=["d", "c", "b", "a"])
    assert ordered.node_names.tolist() == ["d", "c", "b", "a"]
    assert by_name(ordered) == UNDIRECTED


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("10 9\n9 100\n", [9, 10, 100]),
        ("007 8\n8 9\n", ["007", "8", "9"]),
        ("New York\tRome\nRome\tSão Paulo\n", ["New York", "Rome", "São Paulo"]),
        ('"Paris, Texas",Rome\n', ["Paris, Texas", "Rome"]),
        ("a,b\n1,2\n", [1, 2]),  # titles
        ("a,b\nc,2\n", ["a", "b", "c", "2"]),
        ("-1 5\n", [-1, 5]),
        ("", []),
        ("# nothing\n", []),
        ("person,friend\nann,bob\n", ["person", "friend", "ann", "bob"]),  # who could know
    ],
)
def test_names_in_texts(tmp_path, text, names):
    path = tmp_path / "e.txt"
    path.write_text(text, encoding="utf-8")
    assert Graph.from_file(path).node_names.tolist() == names


@pytest.mark.parametrize(
    ("text", "header", "edges"),
    [
        ("person,friend\nann,bob\n", True, {("ann", "bob"): 1}),
        ("alice bob\n1 2\n", False, {("alice", "bob"): 1, ("1", "2"): 1}),
        ("source target\na b\n", False, {("source", "target"): 1, ("a", "b"): 1}),
        ("b a 2\nc d 3\n", True, {("c", "d"): 3}),
        ("weight;to;from\n2;b;a\n", True, {("a", "b"): 2}),
        ("a b\n", True, {}),
        ("", True, {}),
        ("", False, {}),
    ],
)
def test_a_header_where_the_caller_knows(tmp_path, text, header, edges):
    (tmp_path / "e.txt").write_text(text)
    assert by_name(Graph.from_file(tmp_path / "e.txt", header=header, directed=True)) == edges


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("name", ["a.npz", "a.mtx", "a.adjlist"])
def test_headers_are_of_texts_of_edges(tmp_path, name, header):
    with pytest.raises(ValueError, match=f"header={header}: only a text of edges.*{name}"):
        Graph.from_file(tmp_path / name, header=header)


def test_without_a_header_no_line_announces_sizes(tmp_path):
    (tmp_path / "e.txt").write_text("3 2\n0 1 5\n1 2 6\n")
    with pytest.raises(ValueError, match="line 2 has 3 columns, the lines before it have 2"):
        Graph.from_file(tmp_path / "e.txt", header=False)


def test_integer_names_given_for_a_text(tmp_path):
    (tmp_path / "e.txt").write_text("3 1\n")
    graph = Graph.from_file(tmp_path / "e.txt", node_names=[1, 2, 3])
    assert graph.node_names.tolist() == [1, 2, 3]
    assert by_name(graph) == {(1, 3): 1, (3, 1): 1}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a b\nb c d\n", r"e\.txt, line 2.*3 columns.*2|e\.txt, line 2: the weight 'd'"),
        ("# x\na b 1\n\nb c x\n", r"e\.txt, line 4: the weight 'x' is not a number"),
        ("a b n/a\nb c 2\n", r"e\.txt, line 1: the weight 'n/a' is not a number"),
        ("a,b,\nb,c,2\n", r"e\.txt, line 1: the weight '' is not a number"),
        ("a b x\n", r"e\.txt, line 1: the weight 'x' is not a number"),
        ("a b 1\nb c nan\n", r"e\.txt, line 2: weight=nan"),
        ("a b 1\nb c -1\n", r"e\.txt, line 2: weight=-1"),
        ("a b 1 2\nb c 1 2\n", r"line 1 has 4 columns"),
        ("a,b\n,c\n", r"line 2: '' names no node"),
        ("a\nb\n", "line 1"),
        ("4 7\n0 1 1\n1 2 1\n", r"'4 7'.*7 edges; there are 2"),
        ("a b {'weight': \n", "weight .* is not a number"),
    ],
)
def test_bad_texts(tmp_path, text, says):
    path = tmp_path / "e.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=says):
        Graph.from_file(path)


def test_a_line_that_announces_sizes(tmp_path):
    path = tmp_path / "e.txt"
    path.write_text("3 2\n0 1 5\n1 2 6\n")
    assert by_name(Graph.from_file(path, directed=True)) == {(0, 1): 5, (1, 2): 6}


def test_what_networkx_writes(tmp_path):
    g = nx.karate_club_graph()
    expected = nx.to_numpy_array(g, nodelist=range(34))
    nx.write_edgelist(g, tmp_path / "data.edgelist")
    nx.write_weighted_edgelist(g, tmp_path / "weighted.edgelist")
    nx.to_pandas_edgelist(g).to_csv(tmp_path / "frame.csv")
    for name in ("data.edgelist", "weighted.edgelist", "frame.csv"):
        graph = Graph.from_file(tmp_path / name)
        np.testing.assert_array_equal(dense(graph), expected)
        assert graph.node_names.tolist() == list(range(34))
    g.add_node(34)
    nx.write_adjlist(g, tmp_path / "k.adjlist")
    graph = Graph.from_file(tmp_path / "k.adjlist")
    np.testing.assert_array_equal(dense(graph), nx.to_numpy_array(g, nodelist=range(35), weight=None))


def test_matrices_in_files(tmp_path):
    A = sparse.csr_array(TRIANGLE)
    sparse.save_npz(tmp_path / "a.npz", A)
    scipy.io.mmwrite(tmp_path / "a.mtx", A, symmetry="symmetric")
    (tmp_path / "a.mtx.gz").write_bytes(gzip.compress((tmp_path / "a.mtx").read_bytes()))
    scipy.io.savemat(
        tmp_path / "a.mat", {"network": sparse.csc_matrix(A), "group": sparse.csc_matrix(A[:, :2])}
    )
    for name in ("a.npz", "a.mtx", "a.mtx.gz", "a.mat"):
        graph = as_graph(tmp_path / name)
        np.testing.assert_array_equal(dense(graph), TRIANGLE)
        assert not graph.directed
        assert Graph.from_file(tmp_path / name, node_names="xyz", directed=True).index_of("z") == 2


def test_files_that_are_no_graphs(tmp_path):
    for name in ("a.npz", "a.mtx", "a.mat"):
        (tmp_path / name).write_bytes(b"\x93 nonsense")
        with pytest.raises(ValueError, match=f"{name}.*cannot be read as {name[2:]}"):
            Graph.from_file(tmp_path / name)
        with pytest.raises(FileNotFoundError):
            Graph.from_file(tmp_path / "none" / name)
    (tmp_path / "a.bin").write_bytes(b"\x93\xff\x00")
    with pytest.raises(ValueError, match=r"a\.bin.*not UTF-8.*\.npz"):
        Graph.from_file(tmp_path / "a.bin")
    scipy.io.savemat(tmp_path / "none.mat", {"x": np.eye(2)})
    with pytest.raises(ValueError, match="0 sparse square matrices"):
        Graph.from_file(tmp_path / "none.mat")


@pytest.mark.parametrize(
    ("name", "n_nodes", "n_edges"),
    [  # as the data folder's README counts them; Wikipedia's 222 self-loops are not in its 92,295
        ("blogcatalog.mat", 10_312, 333_983),
        ("Wikipedia.edg", 4_777, 92_295 + 222),
        ("cora_edgelist.txt", 2_708, 5_278),
        ("CA-GrQc.txt", 4_158, 13_422),
        ("karate.adjlist", 34, 78),
    ],
)
def test_the_files_of_the_benchmarks(data_dir, name, n_nodes, n_edges):
    graph = Graph.from_file(data_dir / "graphs" / name)
    assert (graph.n_nodes, graph.n_edges, graph.directed) == (n_nodes, n_edges, False)
    assert abs(graph.adjacency - graph.adjacency.T).max() == 0
