"""HeteroGraph: names of nodes and types that are not there, and what is written like them."""

from difflib import get_close_matches

import numpy as np
import pytest

from diptych import HeteroGraph
from diptych.graph import _alike

nan = float("nan")


def test_nodes_that_are_counted_are_found_by_their_rows():
    graph = HeteroGraph({}, {"a": 3})
    assert [graph.index_of("a", row) for row in (0, 2, np.int8(1), 2.0)] == [0, 2, 1, 2]
    for name in (3, -1, 0.5, nan, "x", None):
        with pytest.raises(KeyError, match="no a is named"):
            graph.index_of("a", name)
    with pytest.raises(TypeError, match="cannot name a node"):
        graph.index_of("a", [0])


def test_of_many_names_few_are_compared_in_full(monkeypatch):
    compared = []

    def recorded(word, choices, n):
        compared.append(len(choices))
        return get_close_matches(word, choices, n)

    monkeypatch.setattr(_alike, "get_close_matches", recorded)
    names = [f"author {number}" for number in range(100_000)]
    assert "'author 19999'" in _alike.did_you_mean("Author 199999x", names)
    assert _alike.did_you_mean("z", names) == ""
    assert max(compared) <= 20_000  # each takes some 10 µs


WRITES = ("author", "writes", "paper")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: HeteroGraph({WRITES: []}, {"autor": ["a"]}), r"nodes has the type 'autor'.*mean 'author'"),
        (
            lambda: HeteroGraph.from_pyg(
                {"author": {"num_nodes": 1}, WRITES: {"edge_index": [[0], [0]]}}, names={"autor": ["a"]}
            ),
            r"names has the type 'autor'.*mean 'author'",
        ),
        (
            lambda: HeteroGraph.from_triples(
                [("a", "writes", "p")], types={"a": "author", "p": "paper", "b": "autor"}
            ),
            r"types has the type 'autor'.*mean 'author'",
        ),
        (
            lambda: HeteroGraph.from_pyg({"author": {"num_nodes": 5}}, names={"author": ["a", "b", "c"]}),
            r"names\['author'\] has 3 names, and data has 5 nodes",
        ),
    ],
)
def test_types_that_are_misspelt_are_no_new_ones(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_types_without_relations_are_taken_where_nothing_is_misspelt():
    assert HeteroGraph({WRITES: []}, {"venue": ["v"]}).node_types == ("venue", "author", "paper")
    both = {"author": ["a"], "authors": ["b"], "paper": []}
    assert HeteroGraph({WRITES: []}, both).node_types == ("author", "authors", "paper")
    relations = {("author", "has", "authority"): []}
    assert HeteroGraph(relations, {"author": ["a"]}).node_types == ("author", "authority")
    named = HeteroGraph.from_pyg({"author": {"num_nodes": 2}}, names={"author": iter("ab"), "venue": ["v"]})
    assert {kind: names.tolist() for kind, names in named.nodes.items()} == {
        "author": ["a", "b"],
        "venue": ["v"],
    }
