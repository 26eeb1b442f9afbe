"""HeteroGraph: every form in which relations come, names and rows, what is refused, files."""

import gzip
import json
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import diptych
from diptych import HeteroGraph
from diptych.graph import as_hetero_graph

WRITES, APPEARS = ("author", "writes", "paper"), ("paper", "appears in", "venue")
PAIRS = {
    WRITES: [("A1", "P1"), ("A1", "P2"), ("A2", "P3"), ("A3", "P4")],
    APPEARS: [("P1", "C1"), ("P2", "C2"), ("P3", "C1"), ("P4", "C2")],
}
NAMES = {"author": ["A1", "A2", "A3"], "paper": ["P1", "P2", "P3", "P4"], "venue": ["C1", "C2"]}
DENSE = {
    WRITES: [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
    APPEARS: [[1, 0], [0, 1], [1, 0], [0, 1]],
}
LIKES, OTHER, BACK = ("a", "likes", "b"), ("b", "r", "c"), ("b", "r", "a")
nan = float("nan")


def assert_is(graph, names=NAMES, dense=DENSE, dtype=np.int64):
    assert {kind: own.tolist() for kind, own in graph.nodes.items()} == names
    assert list(graph.relations) == list(dense)
    for key, matrix in graph.relations.items():
        np.testing.assert_array_equal(matrix.toarray(), dense[key])
        assert matrix.dtype == dtype
        assert isinstance(matrix, sparse.csr_array)
        fresh = sparse.csr_array((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
        assert fresh.has_canonical_format
        assert matrix.data.all()


def one(given, nodes=None, **options):
    """Return the matrix of one relation."""
    return HeteroGraph({LIKES: given}, nodes, **options).relations[LIKES]


# ---- forms ----


def frames(library):
    return {
        WRITES: library.DataFrame(
            {"paper": [p for _, p in PAIRS[WRITES]], "author": [a for a, _ in PAIRS[WRITES]]}
        ),
        APPEARS: library.DataFrame(
            {"from": [p for p, _ in PAIRS[APPEARS]], "to": [c for _, c in PAIRS[APPEARS]]}
        ),
    }


FORMS = {
    "pairs": (PAIRS, None),
    "generators": ({key: iter(rows) for key, rows in PAIRS.items()}, None),
    "arrays of names": ({key: tuple(np.array(rows).T) for key, rows in PAIRS.items()}, None),
    "an array of names": ({key: np.array(rows).T for key, rows in PAIRS.items()}, None),
    "indices": ({WRITES: ([0, 0, 1, 2], [0, 1, 2, 3]), APPEARS: ([0, 1, 2, 3], [0, 1, 0, 1])}, NAMES),
    "edge index": ({key: np.array(np.nonzero(d)) for key, d in DENSE.items()}, NAMES),
    "sparse": ({key: sparse.csc_matrix(d) for key, d in DENSE.items()}, NAMES),
    "pandas": (frames(pd), None),
    "polars": (frames(pl), None),
    "names and indices": ({WRITES: ([0, 0, 1, 2], ["P1", "P2", "P3", "P4"]), APPEARS: PAIRS[APPEARS]}, NAMES),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_graph(form):
    relations, nodes = FORMS[form]
    if form == "generators":
        relations = {key: iter(rows) for key, rows in PAIRS.items()}
    assert_is(HeteroGraph(relations, nodes))


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.parametrize("container", [sparse.coo_array, sparse.coo_matrix])
def test_every_sparse_format(kind, container):
    matrix = container([[0, 2, 0], [1, 0, 3]]).asformat(kind)
    np.testing.assert_array_equal(one(matrix).toarray(), [[0, 2, 0], [1, 0, 3]])


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.uint64, np.int64, np.float32, np.float64])
def test_counts_stay_whole_and_duplicates_are_summed_beyond_the_dtype(dtype):
    entries = np.full(300, 1, dtype=dtype)
    matrix = one(sparse.coo_array((entries, (np.zeros(300, int), np.ones(300, int))), shape=(1, 2)))
    assert matrix.toarray().tolist() == [[0, 300]]
    assert matrix.dtype == (np.float64 if np.dtype(dtype).kind == "f" else np.int64)


def test_duplicates_are_summed_or_made_binary():
    edges = [("x", "y", 2), ("x", "y", 3), ("x", "z", 0)]
    assert one(edges).toarray().tolist() == [[5, 0]]
    assert one(edges, duplicates="binary").toarray().tolist() == [[1, 0]]
    assert one([("x", "y", 0.5)], duplicates="binary").dtype == np.int64
    assert one([("x", "y", 0.5), ("x", "y", 0.25)]).toarray().tolist() == [[0.75]]


def test_the_matrix_given_is_neither_copied_nor_changed():
    matrix = sparse.csr_array(np.array(DENSE[WRITES]))
    assert np.shares_memory(one(matrix).data, matrix.data)
    parts = np.array([1, 2, 3]), np.array([1, 0, 1]), np.array([0, 3])  # unsorted, with a duplicate
    rough = sparse.csr_array(parts, shape=(1, 2))
    before = [part.copy() for part in parts]
    assert one(rough).toarray().tolist() == [[2, 4]]
    for part, old in zip((rough.data, rough.indices, rough.indptr), before, strict=True):
        np.testing.assert_array_equal(part, old)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 9)), max_size=30))
def test_edges_are_entries(edges):
    expected = np.zeros((5, 7), dtype=np.int64)
    for i, j, w in edges:
        expected[i, j] += w
    columns = [np.array([edge[at] for edge in edges], dtype=np.int64) for at in range(3)]
    np.testing.assert_array_equal(one(tuple(columns), {"a": 5, "b": 7}).toarray(), expected)


# ---- names ----


def test_names_are_learnt():
    graph = HeteroGraph({LIKES: [("z", 7), ("y", 3), ("z", 5)]})
    assert graph.nodes["a"].tolist() == ["z", "y"]  # first appearance
    assert graph.nodes["b"].tolist() == [3, 5, 7]  # integers are sorted
    assert graph.nodes["b"].dtype == np.int64
    counted = HeteroGraph({LIKES: ([0, 4], [2, 0])})
    assert counted.nodes["a"].tolist() == [0, 1, 2, 3, 4]


def test_an_integer_is_a_name_where_names_are_integers_else_a_row():
    assert one(([0, 1], [30, 10]), {"b": [10, 20, 30]}).toarray().tolist() == [[0, 0, 1], [1, 0, 0]]
    assert one(([0, 1], [2, 0]), {"b": ["x", "y", "z"]}).toarray().tolist() == [[0, 0, 1], [1, 0, 0]]
    assert one([("x", 10)], {"b": ["n", 10]}).toarray().tolist() == [[0, 1]]


def test_nodes_without_edges_and_types_without_nodes():
    graph = HeteroGraph({LIKES: []}, {"a": [], "c": ["only"], "b": 3})
    assert graph.relations[LIKES].shape == (0, 3)
    assert graph.node_types == ("a", "c", "b")
    assert one([]).shape == (0, 0)
    assert one(sparse.csr_array((0, 4))).shape == (0, 4)
    assert HeteroGraph({}).node_types == ()


def test_index_of():
    graph = HeteroGraph(PAIRS)
    assert [graph.index_of("author", name) for name in NAMES["author"]] == [0, 1, 2]
    with pytest.raises(KeyError, match=r"no author is named 'a1' \(did you mean 'A1'"):
        graph.index_of("author", "a1")
    with pytest.raises(
        KeyError, match=r"no type 'autor' \(did you mean 'author'\?\); the types are 'author',"
    ):
        graph.index_of("autor", "A1")
    with pytest.raises(KeyError, match="there is 3, a int"):
        HeteroGraph({LIKES: [(3, 4)]}).index_of("a", "3")


# ---- what is refused ----


BROKEN = sparse.csr_array(np.ones((1, 1)))
BROKEN.indices = np.array([4], dtype=np.int32)

REFUSED = {
    "NaN weight": ({LIKES: [("x", "y", nan)]}, None, r"weight\[0\]=nan"),
    "negative weight": ({LIKES: ([0, 0], [0, 1], [1, -2])}, None, r"weight\[1\]=-2"),
    "infinite entry": ({LIKES: sparse.csr_array([[0, np.inf]])}, None, r"\[0, 1\]=inf"),
    "negative entry": ({LIKES: sparse.csr_array([[0, 1], [-3, 0]])}, None, r"\[1, 0\]=-3"),
    "unknown name": (
        {LIKES: [("x", "Pariss")]},
        {"b": ["Paris"]},
        r"target\[0\]: no b .* 'Pariss' .*'Paris'",
    ),
    "missing name": ({LIKES: [("x", "y"), (None, "y")]}, None, r"source\[1\]: None names no node"),
    "NaN as name": ({LIKES: pd.DataFrame({"a": ["x", np.nan], "b": ["y", "y"]})}, None, r"source\[1\]: nan"),
    "names there twice": ({LIKES: []}, {"a": ["x", "y", "x"]}, r"nodes\['a'\]\[0\] and .*\[2\] are both 'x'"),
    "empty name": ({LIKES: []}, {"a": ["x", ""]}, r"nodes\['a'\]\[1\]"),
    "index out of range": (
        {LIKES: ([0, 1], [0, 5])},
        {"b": 5},
        r"target\[1\]=5 is out of range.* are 5",
    ),
    "negative index": ({LIKES: ([0, -1], [0, 1])}, None, r"source\[1\]=-1"),
    "sizes": ({LIKES: sparse.csr_array((2, 3))}, {"b": 4}, "3 columns, and there are 4 nodes of type 'b'"),
    "sizes of two": ({LIKES: sparse.csr_array((2, 3)), OTHER: sparse.csr_array((4, 1))}, None, "4 rows.*3"),
    "lengths": ({LIKES: ([0, 1], [0])}, None, "2 sources and 1 targets"),
    "lengths of weights": ({LIKES: ([0, 1], [0, 1], [2])}, None, "1 weights for 2 edges"),
    "names and counts": (
        {LIKES: ([0, 1], [0, 1]), BACK: [("u", "v")]},
        None,
        r"nodes=\{'a': n",
    ),
    "dense": ({LIKES: np.eye(3)}, None, "csr_array"),
    "fractions": ({LIKES: ([0.5], [1])}, None, r"source\[0\]=0\.5"),
    "row of one": ({LIKES: [("x", "y"), ("x",)]}, None, r"\[1\]=\('x',\): an edge is"),
    "a number": ({LIKES: 3}, None, "is a int"),
    "two words": ({("a", "b"): []}, None, r"key \('a', 'b'\)"),
    "no word": ({("a", "", "b"): []}, None, "key"),
    "negative count": ({LIKES: []}, {"a": -1}, r"nodes\['a'\]=-1"),
    "a word for names": ({LIKES: []}, {"a": "xyz"}, r"nodes\['a'\]='xyz'"),
    "broken matrix": ({LIKES: BROKEN}, None, "indices"),
    "a list": ([LIKES], None, "from_triples"),
    "nodes as a list": ({LIKES: []}, ["a"], "nodes is a list"),
}


@pytest.mark.parametrize("bad", REFUSED)
def test_what_is_refused(bad):
    relations, nodes, says = REFUSED[bad]
    with pytest.raises(ValueError, match=says):
        HeteroGraph(relations, nodes)


def test_duplicates_is_one_of_two_words():
    with pytest.raises(ValueError, match="duplicates='max': must be one of 'sum', 'binary'"):
        HeteroGraph(PAIRS, duplicates="max")


def test_counts_never_wrap():
    huge = 2**62
    assert one(([0, 0], [0, 0], [huge, huge - 1])).toarray().tolist() == [[2**63 - 1]]
    with pytest.raises(OverflowError, match="int64"):
        one(([0, 0], [0, 0], [huge, huge]))
    assert one(([0, 0], [0, 0], [huge, huge]), duplicates="binary").nnz == 1
    with pytest.raises(OverflowError, match=str(2**63)):
        one(sparse.csr_array(np.array([[2**63]], dtype=np.uint64)))
    for count in (2**63, 2**64, np.uint64(2**63)):  # of which NumPy makes floats, beside a 1
        with pytest.raises(OverflowError, match=str(count)):
            HeteroGraph({("a", "r", "b"): [("a", "p", count), ("a", "q", 1)]})
        with pytest.raises(OverflowError, match=str(count)):
            one(([0, 0], [0, 1], np.array([count, 1], dtype=object)))
    with pytest.raises(ValueError, match="float64"):
        one(([0, 0], [0, 0], [1e308, 1e308]))


# ---- description ----


def test_the_description_says_types_and_relations_with_counts():
    graph = HeteroGraph({**PAIRS, ("author", "knows", "artist"): []}, {"artist": 1})
    assert repr(graph).splitlines() == [
        "HeteroGraph with 4 types of nodes and 3 relations",
        "  artist: 1 node",
        "  author: 3 nodes",
        "  paper (P): 4 nodes",
        "  venue (V): 2 nodes",
        "  author --writes--> paper: 4 edges",
        "  paper --appears in--> venue: 4 edges",
        "  author --knows--> artist: 0 edges",
    ]


# ---- triples ----


TRIPLES = [(h, "writes", t) for h, t in PAIRS[WRITES]] + [(h, "appears in", t) for h, t in PAIRS[APPEARS]]
BY_RELATION = {"writes": ("author", "paper"), "appears in": ("paper", "venue")}
BY_NODE = {name: kind for kind, names in NAMES.items() for name in names}


@pytest.mark.parametrize("types", [BY_RELATION, BY_NODE])
@pytest.mark.parametrize("library", [list, pd.DataFrame, pl.DataFrame])
def test_triples(types, library):
    if library is not list:
        columns = dict(
            zip(
                ("tail", "head", "relation"),
                zip(*((t, h, r) for h, r, t in TRIPLES), strict=True),
                strict=True,
            )
        )
        triples = library({title: list(values) for title, values in columns.items()})
    else:
        triples = TRIPLES
    assert_is(HeteroGraph.from_triples(triples, types=types))


@pytest.mark.parametrize(
    ("name", "header", "separator"),
    [("t.tsv", "head\trelation\ttail\n", "\t"), ("t.csv", "", ","), ("t.txt.gz", "# three columns\n", ";")],
)
def test_files_of_triples(tmp_path, name, header, separator):
    path = tmp_path / name
    text = header + "".join(separator.join(triple) + "\n" for triple in TRIPLES)
    with (gzip.open if name.endswith("gz") else open)(path, "wt", encoding="utf-8") as file:
        file.write(text)
    assert_is(HeteroGraph.from_triples(path, types=BY_RELATION))


def test_files_of_numbers(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("10\tr\t2\n9\tr\t2\n")
    assert HeteroGraph.from_triples(path).nodes["node"].tolist() == [2, 9, 10]


def test_triples_without_types_are_of_one():
    graph = HeteroGraph.from_triples(TRIPLES)
    assert graph.node_types == ("node",)
    half = graph.relations_along(["writes", "appears in"])
    assert (half[0] @ half[1]).sum() == 4
    assert list(graph.relations) == [("node", "writes", "node"), ("node", "appears in", "node")]


def test_a_relation_may_join_several_pairs_of_types():
    types = {"ann": "person", "tea": "drink", "bob": "person"}
    graph = HeteroGraph.from_triples([("ann", "likes", "tea"), ("ann", "likes", "bob")], types=types)
    assert list(graph.relations) == [("person", "likes", "drink"), ("person", "likes", "person")]


@pytest.mark.parametrize(
    ("triples", "types", "says"),
    [
        ([("a", "r")], None, r"triples\[0\]=\('a', 'r'\): a triple is"),
        ([("a", "r", "b"), ("a", "r", None)], None, r"triples\[1\]: None names no node"),
        ([("a", 3, "b")], None, "relation 3"),
        ([("a", "writs", "b")], BY_RELATION, r"triples\[0\].*'writs' \(did you mean 'writes'"),
        ([("A1", "r", "P7")], BY_NODE, r"triples\[0\].*node 'P7'"),
        ([("a", "r", "b")], {"r": ("x", "y"), "a": "x"}, r"types\['a'\]='x'"),
        ([("a", "r", "b")], ["x"], "types is a list"),
        (7, None, "triples is a int"),
        (pd.DataFrame({"a": [1], "b": [2]}), None, "columns are a, b"),
    ],
)
def test_bad_triples(triples, types, says):
    with pytest.raises(ValueError, match=says):
        HeteroGraph.from_triples(triples, types=types)


def test_bad_lines_are_named(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("a\tr\tb\n\nc\tr\n")
    with pytest.raises(ValueError, match=r"t\.tsv, line 3"):
        HeteroGraph.from_triples(path)


# ---- PyTorch Geometric, by its attributes ----


class Store(dict):
    __getattr__ = dict.get


class HeteroData:
    """The part of HeteroData that is read: stores by key, as attributes."""

    def __init__(self, stores):
        self.stores = stores
        self.node_types = [key for key in stores if isinstance(key, str)]
        self.edge_types = [key for key in stores if isinstance(key, tuple)]

    def __getitem__(self, key):
        return self.stores[key]


def stores(**weights):
    index = {key: np.array(np.nonzero(dense)) for key, dense in DENSE.items()}
    edges = {key: Store(edge_index=e, **weights) for key, e in index.items()}
    turned = {("paper", "rev_writes", "author"): Store(edge_index=index[WRITES][::-1], **weights)}
    return {kind: Store(num_nodes=len(names)) for kind, names in NAMES.items()} | edges | turned


@pytest.mark.parametrize(
    "wrap", [HeteroData, lambda s: {"_global_store": {}, **{k: dict(v) for k, v in s.items()}}]
)
def test_pyg(wrap):
    assert_is(HeteroGraph.from_pyg(wrap(stores()), names=NAMES))
    counted = as_hetero_graph(wrap(stores()))
    assert_is(counted, {kind: list(range(len(names))) for kind, names in NAMES.items()})
    weighted = HeteroGraph.from_pyg(wrap(stores(edge_weight=np.full(4, 0.5))), names=NAMES)
    assert_is(weighted, dense={key: np.array(d) / 2 for key, d in DENSE.items()}, dtype=np.float64)


def test_pyg_keeps_what_is_no_inverse():
    data = stores()
    data["paper", "rev_writes", "author"] = Store(edge_index=np.array([[0], [2]]))
    assert ("paper", "rev_writes", "author") in HeteroGraph.from_pyg(HeteroData(data)).relations


def test_pyg_without_edge_index():
    with pytest.raises(ValueError, match="has no edge_index"):
        HeteroGraph.from_pyg({WRITES: {"adj_t": None}})
    with pytest.raises(ValueError, match=r"shape \(3, 2\)"):
        HeteroGraph.from_pyg({WRITES: {"edge_index": np.zeros((3, 2), int)}})
    with pytest.raises(TypeError, match="data is a int"):
        HeteroGraph.from_pyg(3)


# ---- JSON, pickle ----


def assert_same(ours, theirs):
    assert_is(
        ours,
        {kind: names.tolist() for kind, names in theirs.nodes.items()},
        {key: matrix.toarray() for key, matrix in theirs.relations.items()},
        next(iter(theirs.relations.values())).dtype,
    )


@pytest.mark.parametrize(
    "graph",
    [
        HeteroGraph(PAIRS),
        HeteroGraph({LIKES: [("é", 5, 0.1), ("y", 3, 1.0)]}),
        HeteroGraph({LIKES: ([0, 1], [1, 1], [1.0, 1.0])}, {"a": 4}),
        HeteroGraph({LIKES: ([0, 1], [1, 1], [2**62 + 1, 7])}),
        HeteroGraph({("p", "cites", "p"): [("x", "y")]}),
        HeteroGraph({LIKES: []}, {"a": ["x"]}),
    ],
)
def test_json_and_pickle(tmp_path, graph):
    path = tmp_path / "graph.json"
    graph.to_json(path)
    assert_same(HeteroGraph.from_json(path), graph)
    assert_same(as_hetero_graph(path), graph)
    assert_same(pickle.loads(pickle.dumps(graph)), graph)


def test_json_as_the_documentation_writes_it(tmp_path):
    path = tmp_path / "graph.json"
    path.write_text(
        """{"nodes": {"author": ["A1", "A2"], "paper": ["P1"], "venue": 20},
            "relations": [{"source": "author", "relation": "writes", "target": "paper",
                           "edges": [["A1", "P1"], ["A2", "P1"]]}]}"""
    )
    graph = HeteroGraph.from_json(path)
    assert graph.relations[WRITES].toarray().tolist() == [[1], [1]]
    assert len(graph.nodes["venue"]) == 20


RELATION = {"source": "a", "relation": "likes", "target": "b", "edges": [["x", "y"]]}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[1, 2", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ([1], 'no list "relations"'),
        ({"nodes": [], "links": []}, 'no list "relations"; a graph is written as {"nodes"'),
        ({"nodes": [], "relations": []}, '"nodes" is no object'),
        ({"relations": [3]}, r'relations\[0\] has no list "edges"'),
        ({"relations": [RELATION, {**RELATION, "relation": ""}]}, r'relations\[1\] has no str "relation"'),
        ({"relations": [RELATION, RELATION]}, r"relations\[1\] is .* a second time"),
        ({"relations": [{**RELATION, "edges": [["x"]]}]}, r"\[0\]=\['x'\]: an edge is"),
        ({"relations": [RELATION], "nodes": {"a": ["X"]}}, r"no a is named 'x' \(did you mean 'X'"),
        ({"relations": [{**RELATION, "edges": [["x", "y", nan]]}]}, "nan"),
    ],
)
def test_bad_json(tmp_path, content, says):
    path = tmp_path / "graph.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=says) as caught:
        HeteroGraph.from_json(path)
    assert "graph.json" in str(caught.value)


def test_names_that_json_has_not(tmp_path):
    with pytest.raises(ValueError, match=r"nodes\['a'\]\[0\] is \(1, 2\), a tuple"):
        HeteroGraph({LIKES: [((1, 2), "y")]}).to_json(tmp_path / "graph.json")
    assert not list(tmp_path.iterdir())


def test_what_is_no_graph_of_types():
    with pytest.raises(TypeError, match=r"graph is a list: a diptych\.HeteroGraph is needed"):
        as_hetero_graph([1])
    graph = HeteroGraph(PAIRS)
    assert as_hetero_graph(graph) is graph
    assert_is(as_hetero_graph(PAIRS))
    assert diptych.HeteroGraph is HeteroGraph
