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
