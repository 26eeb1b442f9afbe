"""HeteroGraph from data frames, from PyTorch Geometric's dictionaries, and from matrices that are broken."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from diptych import HeteroGraph, PathSim
from diptych.kernels.metapath import commuting_matrix, pathsim_pairs, pathsim_top_k

WRITES = ("author", "writes", "paper")


def edges(frame):
    graph = HeteroGraph({WRITES: frame})
    entries = graph.relations[WRITES].tocoo()
    names = graph.nodes["author"][entries.row], graph.nodes["paper"][entries.col]
    return list(zip(*(side.tolist() for side in names), entries.data.tolist(), strict=True))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"paper": ["p"], "author": ["a"]}, ("a", "p", 1)),
        ({"Paper": ["p"], "Author": ["a"]}, ("a", "p", 1)),
        ({"paper": ["p"], "weights": [5], "author": ["a"]}, ("a", "p", 5)),
        ({"author": ["a"], "paper": ["p"], "Weight": [5]}, ("a", "p", 5)),
        ({"author": ["a"], "paper": ["p"], "year": [1999]}, ("a", "p", 1)),
        ({"author": ["a"], "paper": ["p"], "position": [0]}, ("a", "p", 1)),
        ({"author": ["a"], "paper": ["p"], "year": [1999], "weight": [5]}, ("a", "p", 5)),
        ({"author": ["a"], "paper": ["p"], "year": [1999], "pages": [5]}, ("a", "p", 1)),
        ({"author": ["x"], "target": ["p"], "source": ["a"]}, ("a", "p", 1)),
        ({"x": ["a"], "y": ["p"], "z": [5]}, ("a", "p", 5)),
    ],
)
def test_columns_are_found_by_their_titles(frame, columns, expected):
    assert edges(frame(columns)) == [expected]


@pytest.mark.parametrize(
    "columns", [["paper", "author_name"], ["Paper", "paper ", "author"], ["writer", "author"]]
)
def test_titles_that_name_one_end_alone_are_refused(columns):
    frame = pd.DataFrame({title: ["x"] for title in columns})
    with pytest.raises(ValueError, match=r"has the columns .*: title two of them author and paper"):
        HeteroGraph({WRITES: frame})


@pytest.mark.parametrize("name", [1e20, 2.0**53, np.inf])
def test_floats_that_skip_whole_numbers_name_no_nodes(name):
    with pytest.raises(ValueError, match=r"source\[1\]=.*nodes are whole numbers or strings"):
        edges(pd.DataFrame({"author": [1.0, name], "paper": ["p", "q"]}))


def test_a_lazy_frame_is_to_be_collected():
    lazy = pl.LazyFrame({"author": ["a"], "paper": ["p"]})
    with pytest.raises(TypeError, match=r"pass .*\.collect\(\)"):
        HeteroGraph({WRITES: lazy})
    with pytest.raises(TypeError, match=r"pass .*\.collect\(\)"):
        HeteroGraph.from_triples(lazy, types={})


def test_features_tell_how_many_nodes_there_are():
    index = [[0, 1], [0, 1]]
    graph = HeteroGraph.from_pyg({"author": {"x": np.ones((5, 2))}, WRITES: {"edge_index": index}})
    assert {kind: len(names) for kind, names in graph.nodes.items()} == {"author": 5, "paper": 2}


def broken(part, values):
    matrix = sparse.csr_array(np.eye(2))
    setattr(matrix, part, values)
    return matrix


OUTSIDE = sparse.coo_array((np.ones(1), ([0], [0])), shape=(2, 3))
OUTSIDE.coords = np.array([5]), np.array([0])


@pytest.mark.parametrize(
    "matrix", [OUTSIDE, broken("indices", np.array([0, 9])), broken("indptr", np.array([0.0, 1.5, 2.0]))]
)
def test_a_broken_matrix_is_named(matrix):
    with pytest.raises(
        ValueError, match=r"relations\[\('author', 'writes', 'paper'\)\].*(out of|indices|indptr)"
    ):
        HeteroGraph({WRITES: matrix})


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("indptr", np.array([0.0, 1.9, 2.0])),
        ("indptr", np.array([0, None, 2], dtype=object)),
        ("data", np.ma.masked_array([1.0, 2.0], [0, 1])),
    ],
)
def test_arrays_of_another_kind_are_not_taken_as_they_are(part, values):
    with pytest.raises(ValueError, match=rf"relations\[0\]\.{part}"):
        commuting_matrix([broken(part, values)])


MASKED = np.ma.masked_array([0, 1], [False, True])


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ((MASKED, [0, 1]), "source"),
        ((["a", "b"], MASKED), "target"),
        (([0, 1], [0, 1], MASKED), "weight"),
        (([0, 1], [0, 1], MASKED.astype(float)), "weight"),
        (np.ma.masked_array([[0, 1], [0, 1]], [[False, True]] * 2), r"'b'\)\]"),
        (broken("data", MASKED), r"\.data"),
        (broken("indices", MASKED), r"\.indices"),
    ],
)
def test_masked_entries_are_refused(given, title):
    with pytest.raises(ValueError, match=rf"{title} has masked entries"):
        HeteroGraph({("a", "r", "b"): given})


def test_masked_queries_are_refused():
    half = [sparse.csr_array(np.eye(2))]
    with pytest.raises(ValueError, match="queries has masked entries"):
        pathsim_top_k(half, queries=MASKED)
    with pytest.raises(ValueError, match="right has masked entries"):
        pathsim_pairs(half, [0, 1], MASKED)


def test_a_list_of_columns_is_taken():
    np.testing.assert_array_equal(commuting_matrix([broken("indices", [1, 0])]).toarray(), [[0, 1], [1, 0]])


def test_paths_whose_weights_vanish_are_no_paths():
    found = PathSim("APA").fit({WRITES: ([0, 1], [0, 0], [1e-200, 1e-200])}).explain(0, 1)
    assert found.shares == ()
    assert found.paths == ()
    assert "PathSim" in str(found)


def test_a_product_keeps_no_more_room_than_it_needs(run_python):
    printed = run_python(
        """
import numpy as np, psutil
from scipy.sparse import csr_array, random_array
from diptych.kernels.metapath import commuting_matrix
A = random_array((400_000, 50_000), density=2e-4, format="csr", rng=0).astype(bool).astype(np.int64)
B = csr_array(np.ones((50_000, 1), dtype=np.int64))
kept = [commuting_matrix([A, B]) for _ in range(3)]  # the allocator keeps room of its own
before = psutil.Process().memory_info().rss
kept += [commuting_matrix([A, B]) for _ in range(20)]
print(psutil.Process().memory_info().rss - before)
"""
    )
    assert int(printed) < 20 * 12 * 2**20  # a product has 6 MiB
