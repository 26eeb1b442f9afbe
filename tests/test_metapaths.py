"""Meta-paths: each way to write one, what is refused and how, round trips and their halves."""

import numpy as np
import pytest

from diptych import HeteroGraph
from diptych.graph import MetaPath, Step

WRITES, APPEARS, CITES = (
    ("author", "writes", "paper"),
    ("paper", "appears in", "venue"),
    ("paper", "cites", "paper"),
)
GRAPH = HeteroGraph(
    {
        WRITES: [("A1", "P1"), ("A1", "P2"), ("A2", "P3")],
        APPEARS: [("P1", "C1"), ("P2", "C2"), ("P3", "C1")],
        CITES: [("P1", "P2"), ("P3", "P1")],
    }
)
# Two relations between the same types, two types with the same initial, a name for two relations.
CROWDED = HeteroGraph(
    {
        WRITES: [],
        ("author", "reviews", "paper"): [],
        ("paper", "thanks", "author"): [],
        ("artist", "likes", "paper"): [],
        ("author", "likes", "artist"): [],
        ("paper", "venue", "venue"): [],
    }
)
APVPA = MetaPath((Step(WRITES), Step(APPEARS), Step(APPEARS, True), Step(WRITES, True)))


@pytest.mark.parametrize(
    "written",
    [
        "APVPA",
        "apvpa",
        "author-paper-venue-paper-author",
        "author – paper – venue – paper – author",
        "A-P-V-P-A",
        "author>paper>venue<paper<author",
        ["author", "paper", "venue", "paper", "author"],
        ("A", "P", "V", "P", "A"),
        ["writes", "appears in", "~appears in", "~writes"],
        [WRITES, APPEARS, ("venue", "~appears in", "paper"), ("paper", "~writes", "author")],
        ["writes", APPEARS, "~appears in", ("paper", "~writes", "author")],
        APVPA,
    ],
    ids=str,
)
def test_ways_to_write_one_path(written):
    path = GRAPH.metapath(written)
    assert path == APVPA
    assert path.types == ("author", "paper", "venue", "paper", "author")
    assert str(path) == "author-paper-venue-paper-author"
    assert path.is_round_trip
    assert path.half == GRAPH.metapath("APV")


@pytest.mark.parametrize(
    ("written", "directions"),
    [
        ("P>P", [False]),
        ("paper<paper", [True]),
        ("AP>PV", [False, False, False]),
        ("P>P<P", [False, True]),
        (["cites", "~cites"], [False, True]),
        ([CITES, ("paper", "~cites", "paper")], [False, True]),
    ],
)
def test_relations_of_a_type_with_itself(written, directions):
    path = GRAPH.metapath(written)
    assert [step.reversed for step in path.steps] == directions
    assert GRAPH.metapath(str(path)) == path


def test_directions_choose_among_relations():
    assert CROWDED.metapath("paper>author").steps == (Step(("paper", "thanks", "author")),)
    assert CROWDED.metapath("author<paper").steps == (Step(("paper", "thanks", "author"), True),)
    assert CROWDED.metapath(["artist", "author"]).steps == (Step(("author", "likes", "artist"), True),)
    assert CROWDED.metapath(["reviews", "~writes", "likes"]).types == ("author", "paper", "author", "artist")


REFUSED = [
    (GRAPH, "AXA", r"'AXA', position 1 \(from 0\): no type begins with 'X'; the types are 'author',"),
    (GRAPH, "author-papr", r"position 1 \(from 0\): there is no type 'papr' \(did you mean 'paper'\?\)"),
    (GRAPH, ["author", "papper"], r"position 1 .*no type 'papper' \(did you mean 'paper'"),
    (GRAPH, "author--paper", r"position 1 .*a type is missing there"),
    (GRAPH, "", r"position 0 .*a type is missing there"),
    (GRAPH, "APPA", r"position 2 .*'cites' joins 'paper' with itself.*paper>paper along it or paper<"),
    (GRAPH, ["paper", "paper"], r"position 1 .*a list of relations, with 'cites' or '~cites'"),
    (
        GRAPH,
        "AVA",
        r"position 1 .*no relation joins 'author' and 'venue';.* lead author-paper by",
    ),
    (GRAPH, "venue>paper", r"position 1 .*against the direction of \('paper', .*write venue-paper"),
    (GRAPH, "author", "passes one type: at least one relation"),
    (GRAPH, [], "at least one relation"),
    (
        GRAPH,
        ["writes", "writes"],
        r"position 1 .*reached 'paper', .* does not leave .*\('paper', '~writes',",
    ),
    (
        GRAPH,
        ["writes", "apears in"],
        r"position 1 .*no relation 'apears in' .*'appears in'.*relations are",
    ),
    (GRAPH, ["writes", "~writs"], r"position 1 .*did you mean '~writes'"),
    (GRAPH, ["writes", "appears in", "venue"], r"position 2 .*'venue' is a type, and others"),
    (GRAPH, ["author", "paper", "appears in"], r"position 2 .*'appears in' is a relation, and others"),
    (
        GRAPH,
        [WRITES, ("paper", "writes", "author")],
        r"position 1 .*mean \('paper', '~writes', 'author'",
    ),
    (GRAPH, [("author", "writes")], r"position 0 .*no relation \('author', 'writes'\)"),
    (GRAPH, MetaPath((Step(("x", "y", "z")),)), r"position 0 .*no relation \('x', 'y', 'z'\)"),
    (CROWDED, "APA", r"position 0 .*'A' may be 'author' or 'artist'; write the types out"),
    (
        CROWDED,
        "author-paper",
        r"position 1 .*3 relations lead from 'author' to 'paper'; in Python pass a list",
    ),
    (CROWDED, "author>paper", r"position 1 .*2 relations .*'writes', 'paper'\) or \('author', 'reviews',"),
    (CROWDED, ["likes"], r"position 0 .*'likes' may be \('artist', 'likes', 'paper'\) or \('author',"),
    (CROWDED, ["venue"], "names of types and of relations as well"),
    (GRAPH, "author paper author", r"types are joined by '-'; write 'author-paper-author'\."),
    (GRAPH, "author, paper, author", r"types are joined by '-'; write 'author-paper-author'\."),
    (GRAPH, "author->paper->author", r"types are joined by '-'; write 'author-paper-author'\."),
    (GRAPH, "A P A", r"types are joined by '-'; write 'A-P-A'\."),
    (GRAPH, "author papr author", r"types are joined by '-', as in 'author-paper-author'\."),
    (GRAPH, 3, "metapath=3: must be a str"),
    (GRAPH, [3], r"metapath=\[3\]: must be a str"),
    (HeteroGraph({}), "APA", "the graph has no types"),
]


@pytest.mark.parametrize(("graph", "written", "says"), REFUSED, ids=[str(row[1]) for row in REFUSED])
def test_what_is_refused(graph, written, says):
    with pytest.raises(ValueError, match=says):
        graph.metapath(written)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (
            "APV",
            r"author-paper-venue is no round trip: position 2 \(from 0\) is 'venue' .* position 0,",
        ),
        ("APV", "such as author-paper-venue-paper-author"),
        ("VPA", "position 2"),
        ("AP", "position 1.*mirror position 0"),
        ("AP>PA", "it has 3 relations, an odd number, so that no type is its middle"),
        ("P>P", "it has 1 relation, an odd number"),
        (
            "P>P>P",
            r"from position 1 \(from 0\) it goes by .*'cites', .* to go by \('paper', '~cites',",
        ),
        ("APVP>P", r"position 4 .* is 'paper' and would have to mirror position 0, 'author'"),
    ],
)
def test_what_is_no_round_trip(written, says):
    path = GRAPH.metapath(written)
    assert not path.is_round_trip
    with pytest.raises(ValueError, match=says):
        _ = path.half


def test_the_first_relation_that_does_not_mirror():
    path = CROWDED.metapath(["writes", "~reviews"])
    assert not path.is_round_trip
    with pytest.raises(ValueError, match=r"goes by \('paper', '~reviews', .* to go by .*~writes"):
        _ = path.half


def test_inverses():
    path = GRAPH.metapath("AP>PV")
    assert path.inverse.types == path.types[::-1]
    assert path.inverse.inverse == path
    assert MetaPath(path.steps + path.inverse.steps).is_round_trip


def test_paths_by_hand_are_checked():
    with pytest.raises(ValueError, match=r"relation 1 \(from 0\) .* leaves 'author', .* reaches 'paper'"):
        MetaPath((Step(WRITES), Step(WRITES)))
    with pytest.raises(ValueError, match="at least one relation"):
        MetaPath(())


def test_relations_are_printed_where_types_do_not_suffice():
    path = CROWDED.metapath(["writes", "~writes"])
    assert str(path) == "author --writes--> paper <--writes-- author"
    assert str(path.half) == "author --writes--> paper"
    assert str(path) == str(path.inverse) != str(CROWDED.metapath(["reviews", "~reviews"]))
    assert path == MetaPath(path.steps)  # which says types alone, for it knows no graph
    assert str(CROWDED.metapath("paper>author")) == "paper --thanks--> author"
    assert str(GRAPH.metapath(path)) == "author-paper-author"


def test_the_name_of_a_relation_is_not_that_of_an_inverse():
    with pytest.raises(ValueError, match=r"does not begin with '~'.*pass \('b', 'r', 'a'\)"):
        HeteroGraph({("a", "~r", "b"): []})


def test_relations_along():
    writes, appears = (GRAPH.relations[key].toarray() for key in (WRITES, APPEARS))
    along = GRAPH.relations_along("APVPA")
    for matrix, expected in zip(along, (writes, appears, appears.T, writes.T), strict=True):
        assert matrix.format == "csr"
        np.testing.assert_array_equal(matrix.toarray(), expected)
    cites = GRAPH.relations[CITES].toarray()
    np.testing.assert_array_equal(GRAPH.relations_along("P<P")[0].toarray(), cites.T)
    assert GRAPH.relations_along("AP")[0] is GRAPH.relations[WRITES]
