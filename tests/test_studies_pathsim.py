"""The study pathsim_or_walks: what it says is so, and its law can break in each part."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from diptych import HeteroGraph, PathSim, datasets, studies
from diptych.studies._pathsim_or_walks_display import PathSimOrWalksDisplay
from study_answers import answer

module = import_module("diptych.studies.pathsim_or_walks")  # the package has the function by that name
GRAPH = datasets.load_academic_network()


@pytest.fixture(scope="module")
def result():
    return answer("pathsim_or_walks")


@pytest.fixture(name="answers")
def _answers(result):
    return result.display.answers


def test_the_two_most_visible_are_asked_about(answers):
    W = PathSim("APVPA").fit(GRAPH).half_matrix_.toarray()
    most = np.sort((W**2).sum(axis=1))[-2:]
    rows = [GRAPH.index_of("author", found.author) for found in answers]
    assert [found.author for found in answers] == ["Ada Brandt", "Daniel Okwari"]
    assert (W[rows] ** 2).sum(axis=1).tolist() == most[::-1].tolist()


def test_scores_and_counts_are_those_of_the_graph(answers):
    writes, appears = (matrix.toarray() for matrix in GRAPH.relations.values())
    M = (writes @ appears) @ (writes @ appears).T
    for found in answers:
        x = GRAPH.index_of("author", found.author)
        names = [name for name in GRAPH.nodes["author"] if name != found.author]
        assert [other.name for other in found.others] == names
        for other in found.others:
            y = GRAPH.index_of("author", other.name)
            assert other.score == 2 * M[x, y] / (M[x, x] + M[y, y])
            assert other.together == (writes[x] * writes[y]).sum()
            assert other.visibility == pytest.approx(math.sqrt(M[y, y] / M[x, x]), rel=1e-15)


def test_answers_are_the_best_of_either(answers):
    for found in answers:
        for those, value in ((found.by_pathsim, "score"), (found.by_walks, "cosine")):
            values = sorted((getattr(other, value) for other in found.others), reverse=True)
            assert [getattr(other, value) for other in those] == values[:5]
        assert found.about(found.by_walks[2].name) == found.by_walks[2]
        assert [why.y for why in found.reasons] == [other.name for other in found.by_pathsim]


def test_pathsim_names_peers_and_walks_name_company(answers):
    ada, daniel = answers
    assert ada.by_pathsim[0].name == daniel.author
    assert [other.together for other in ada.by_pathsim[:2]] == [0, 0]  # they never wrote together
    assert all(other.visibility < 0.5 for other in ada.by_walks[:3])
    for found in answers:
        assert all(other.together > 5 for other in found.by_walks[:3])  # their own groups
        student = found.by_walks[3]  # who writes with a member alone, where the head never is
        assert (student.score, student.together) == (0, 0)


@pytest.mark.parametrize("rng", [1, 2, 3])
def test_the_law_does_not_hang_on_the_seed(rng):
    assert studies.pathsim_or_walks(rng=rng).holds


def test_the_law_breaks_with_each_of_its_parts(answers):
    for right in answers:
        assert right.nearer_in_visibility
        assert right.walks_know_company
        assert right.reasons_add_up
        assert right.walks_go_on
        swapped = replace(right, by_pathsim=right.by_walks, by_walks=right.by_pathsim)
        assert not swapped.nearer_in_visibility
        assert not swapped.walks_know_company
        why = right.reasons[0]
        for wrong in (replace(why, M_xy=why.M_xy + 1), replace(why, score=0.5), replace(why, M_yy=1)):
            assert not replace(right, reasons=(wrong, *right.reasons[1:])).reasons_add_up
        far = tuple(replace(other, cosine=-1.0) if other.score == 0 else other for other in right.others)
        assert not replace(right, others=far).walks_go_on


def test_the_law_breaks_when_mirror_images_are_similar(monkeypatch):
    monkeypatch.setattr(module, "_mirror_images", lambda: (2 / 3, 0.5))
    assert not studies.pathsim_or_walks().holds


def test_how_much_visibility_differs(answers):
    other = answers[0].by_walks[0]
    half, twice, gone = (replace(other, visibility=ratio) for ratio in (0.5, 2.0, 0.0))
    assert module.visibility_gap([half, twice]) == 2
    assert module.visibility_gap([half, gone]) == math.inf
    assert module.visibility_gap([]) == 1


def test_relations_as_one_graph():
    cites = ("paper", "cites", "paper")
    graph = HeteroGraph(
        {("author", "writes", "paper"): [("a", "p", 2), ("b", "q", 1)], cites: [("p", "q", 3)]}
    )
    found = module.one_graph(graph, graph.metapath("AP>P<PA"))
    expected = np.zeros((4, 4))  # a, b, p, q
    expected[0, 2] = expected[2, 0] = 2
    expected[1, 3] = expected[3, 1] = 1
    expected[2, 3] = expected[3, 2] = 3
    np.testing.assert_array_equal(found.toarray(), expected)


def test_the_same_run_gives_the_same_numbers(result):
    assert studies.pathsim_or_walks().numbers == result.numbers


def test_numbers_are_told(result, answers):
    text = str(result)
    for found in answers:
        for other in (*found.by_pathsim, *found.by_walks):
            assert str(other) in text
    assert result.numbers["A2_and_A3,_mirror_images"] == 0
    assert result.numbers["Ada Brandt,_walks,_collaborators"] == "4 of 5"


def test_pictures(result, tmp_path):
    display = result.display.plot()
    assert isinstance(display, PathSimOrWalksDisplay)
    assert [ax.get_title() for ax in display.axes_] == ["Ada Brandt", "Daniel Okwari"]
    for ax, found in zip(display.axes_, display.answers, strict=True):
        written = "\n".join(text.get_text() for text in ax.texts)
        assert all(str(other.name) in written for other in (*found.by_pathsim, *found.by_walks))
    display.animate(str(tmp_path / "ranks.gif"))
    assert (tmp_path / "ranks.gif").read_bytes().startswith(b"GIF89a")


def test_bad_arguments():
    with pytest.raises(ValueError, match="k=0"):
        studies.pathsim_or_walks(k=0)
    with pytest.raises(ValueError, match="'Ada Brant'"):
        studies.pathsim_or_walks(authors=["Ada Brant"])
    for authors, says in (
        (["Ada Brandt", "Ada Brandt"], "'Ada Brandt' twice"),
        ([], "authors is empty"),
        ("Ada Brandt", r"must be a list of names; pass \['Ada Brandt'\]"),
    ):
        with pytest.raises(ValueError, match=says):
            studies.pathsim_or_walks(authors=authors)
    graph = HeteroGraph(
        {
            ("author", "writes", "paper"): [("a", "p")],
            ("paper", "appears in", "venue"): [("p", "v")],
        },
        {"author": ["a", "idle"]},
    )
    with pytest.raises(ValueError, match="'idle' has no path author-paper-venue"):
        studies.pathsim_or_walks(graph, ["idle"])


def test_two_well_known_authors(data_dir):
    graph = datasets.read_four_area(data_dir / "hin" / "four_area")
    started = time.perf_counter()
    result = studies.pathsim_or_walks(
        graph, ["Christos Faloutsos", "Jiawei Han"], metapath="APCPA", k=10, walks_per_node=2
    )
    assert time.perf_counter() - started < 60
    assert result.holds
    faloutsos, han = result.display.answers
    # Table 7 of the PathSim paper, from all of DBLP: the nine most similar along APCPA.
    table = {"Jiawei Han", "Rakesh Agrawal", "Jian Pei", "H. V. Jagadish", "Raghu Ramakrishnan"}
    assert table <= {found.name for found in faloutsos.by_pathsim}
    assert faloutsos.about("Jiawei Han").together == 0
    assert faloutsos.about("Jiawei Han").score == han.about("Christos Faloutsos").score > 0.9
    assert all(found.together > 0 for found in (*faloutsos.by_walks, *han.by_walks))
    assert all(found.visibility < 0.5 for found in (*faloutsos.by_walks, *han.by_walks))
    # What the documentation quotes
    text = (Path(__file__).parents[1] / "docs/examples/plot_pathsim_or_walks.py").read_text(encoding="utf-8")
    quoted = " ".join(text.replace("\n#", " ").split())
    for answers in (faloutsos, han):
        named = [f"{other.name} {other.score:.3f}" for other in answers.by_pathsim[:5]]
        met = [f"{other.name} {other.cosine:.3f}" for other in answers.by_walks[:5]]
        assert f"{answers.author} PathSim: {', '.join(named)} walks: {', '.join(met)}" in quoted
