"""The data sets: shapes, classes, seeds."""

from __future__ import annotations

import numpy as np
import pytest

from diptych import datasets


@pytest.mark.parametrize(
    ("name", "shape", "n_classes"),
    [("iris", (150, 4), 3), ("wine", (178, 13), 3), ("digits", (1797, 64), 10)],
)
def test_what_scikit_learn_ships(name, shape, n_classes):
    X, y, class_names = getattr(datasets, f"load_{name}")()
    assert X.shape == shape
    assert X.dtype == np.float64
    assert X.flags.c_contiguous
    assert y.dtype == np.intp
    assert sorted(set(y.tolist())) == list(range(n_classes))
    assert len(class_names) == n_classes


def test_photo():
    pytest.importorskip("PIL")
    photo = datasets.load_photo(step=4)
    assert photo.shape == (107, 160, 3)
    assert photo.dtype == np.uint8


def test_moons_depend_on_the_seed_alone():
    first, again, other = (datasets.make_moons_and_noise(50, rng=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.X, again.X)
    assert not np.array_equal(first.X, other.X)
    generator = datasets.make_moons_and_noise(50, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(first.X, generator.X)


def test_moons_lie_on_half_circles():
    X, y, _ = datasets.make_moons_and_noise(300, noise_share=0.2, spread=0.0, rng=0)
    assert np.bincount(y).tolist() == [120, 120, 60]
    np.testing.assert_allclose(np.hypot(*X[y == 0].T), 1.0)
    np.testing.assert_allclose(np.hypot(*(X[y == 1] - [1.0, 0.5]).T), 1.0)
    assert (X[y == 0][:, 1] >= 0).all()


def test_karate_is_the_one_that_networkx_ships():
    theirs = pytest.importorskip("networkx").karate_club_graph()
    edges, y, class_names = datasets.load_karate()
    assert sorted(map(tuple, edges.tolist())) == sorted(tuple(sorted(edge)) for edge in theirs.edges)
    clubs = {"Mr. Hi": "instructor", "Officer": "officer"}
    assert [class_names[c] for c in y] == [clubs[theirs.nodes[node]["club"]] for node in range(34)]
    assert (edges.dtype, y.dtype) == (np.int64, np.intp)


def test_the_academic_network_is_what_its_rule_says():
    graph = datasets.load_academic_network()
    assert [len(graph.nodes[kind]) for kind in ("author", "paper", "venue")] == [75, 385, 10]
    writes, appears = graph.relations.values()
    assert set(writes.data.tolist()) == set(appears.data.tolist()) == {1}
    assert np.diff(appears.indptr).tolist() == [1] * 385  # each paper appears once
    assert set(writes.sum(axis=0).tolist()) == {2, 3}
    published = (writes @ appears).toarray()  # (author, venue)
    workshops = np.array(["Workshop" in venue for venue in graph.nodes["venue"]])
    assert workshops.sum() == 3
    at_workshops, elsewhere = (
        published[:, workshops].sum(axis=1) > 0,
        published[:, ~workshops].sum(axis=1) > 0,
    )
    students, first_members = at_workshops & ~elsewhere, at_workshops & elsewhere
    assert (students.sum(), first_members.sum(), (elsewhere & ~at_workshops).sum()) == (15, 15, 45)
    together = (writes @ writes.T).toarray() > 0
    np.testing.assert_array_equal((together[students] & first_members).sum(axis=1), 1)
    np.testing.assert_array_equal(together[students].sum(axis=1), 2)  # with themselves
    by_heads = np.array([" and " in title for title in graph.nodes["paper"]])  # of neighbouring groups
    heads = writes[:, by_heads].sum(axis=1) == 2
    assert heads.sum() == 15
    assert not at_workshops[heads].any()
    assert (published[heads][:, graph.index_of("venue", "Almanac")] > 0).all()


def write_four_area(folder, *, conf="1\tTODS\n2\tKDD\n"):
    files = {
        "author": "7\tAnn Lee\n8\tBob\n",
        "paper": "3\tJoins.\n4\tTrees.\n5\tJoins.\n",
        "conf": conf,
        "term": "9\tjoin\n",
        "paper_author": "3\t7\n5\t7\n4\t8\n",
        "paper_conf": "3\t1\n5\t1\n4\t2\n",
        "paper_term": "3\t9\n",
    }
    for name, text in files.items():
        (folder / f"{name}.txt").write_text("\ufeff" + text, encoding="utf-8")


def test_four_area_merges_papers_of_one_title(tmp_path):
    write_four_area(tmp_path)
    graph = datasets.read_four_area(tmp_path)
    assert {kind: names.tolist() for kind, names in graph.nodes.items()} == {
        "author": ["Ann Lee", "Bob"],
        "paper": ["Joins.", "Trees."],
        "conf": ["TODS", "KDD"],
        "term": ["join"],
    }
    assert [matrix.toarray().tolist() for matrix in graph.relations.values()] == [
        [[1, 0], [0, 1]],
        [[1, 0], [0, 1]],
        [[1], [0]],
    ]


def test_four_area_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"author\.txt"):
        datasets.read_four_area(tmp_path)


def test_king_james_is_plain_text():
    text = datasets.load_king_james()
    assert 15_000 < len(text) < 25_000
    assert set(text) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ,.;:?'()-\n") == set()
    lines = text.split("\n")
    assert lines[0] == "In the beginning God created the heaven and the earth."
    assert lines[-1] == ""
    assert all(line == line.strip() and "  " not in line for line in lines)
    verses = [len(passage.strip().split("\n")) for passage in text.split("\n\n")]
    assert verses == [31, 25, 24, 6, 8, 18, 5, 3, 14, 13, 17, 14, 8]  # as the book counts them
