"""The command similar along a meta-path: graphs and saved estimators. For vectors: test_cli_embedding."""

from __future__ import annotations

import json

import pytest

from diptych import DeepWalk, HeteroGraph, PathSim, datasets
from diptych.cli import main

NODE = "Ada Brandt"


@pytest.fixture(scope="module")
def model():
    return PathSim("APVPA").fit(datasets.load_academic_network())


@pytest.fixture
def graph(tmp_path):
    path = tmp_path / "graph.json"
    datasets.load_academic_network().to_json(path)
    return path


def run(capsys, *words):
    try:
        code = main([str(word) for word in words])
    except SystemExit as stop:
        code = stop.code
    return code, *capsys.readouterr()


@pytest.mark.parametrize(
    "words",
    [
        ["--metapath", "APVPA", "--node", NODE, "-k", 3],
        ["--metapath", "author-paper-venue-paper-author", NODE, "-k", 3],
        [NODE, "--metapath", "APVPA", "-k", 3],
    ],
)
def test_a_graph(graph, model, capsys, words):
    code, out, err = run(capsys, "similar", graph, *words)
    rows = "".join(f"{name},{score:.6f}\n" for name, score in model.top_k(NODE, 3))
    assert (code, out, err) == (0, "node,score\n" + rows, "")


def test_a_graph_is_known_by_its_first_character(graph, model, tmp_path, capsys):
    for text in ("", "\ufeff", " \n"):
        path = tmp_path / "graph.data"
        path.write_text(text + graph.read_text())
        out = run(capsys, "similar", path, "--metapath", "APVPA", NODE, "-k", 1)[1]
        assert out.splitlines()[1].startswith(model.top_k(NODE, 1)[0][0])


def test_a_saved_estimator(model, tmp_path, capsys):
    model.save(tmp_path / "pathsim.npz")
    code, out, _ = run(capsys, "similar", tmp_path / "pathsim.npz", NODE, "--json")
    expected = [{"node": name, "score": score} for name, score in model.top_k(NODE)]
    assert code == 0
    assert json.loads(out) == {"node": NODE, "metapath": str(model.metapath_), "similar": expected}


def test_reasons_in_words(graph, model, tmp_path, capsys):
    path = tmp_path / "why.txt"
    words = ["--metapath", "APVPA", "--node", NODE, "-k", 2, "--explain", "-o", path]
    assert run(capsys, "similar", graph, *words) == (0, "", "")
    names = [name for name, _ in model.top_k(NODE, 2)]
    expected = "\n\n".join(str(model.explain(NODE, name, limit=3)) for name in names) + "\n"
    assert path.read_text(encoding="utf-8") == expected


def test_reasons_as_json(graph, model, capsys):
    words = ["--metapath", "APVPA", "--node", NODE, "-k", 2, "--explain", "--json"]
    found = json.loads(run(capsys, "similar", graph, *words)[1])["similar"]
    assert [(entry["node"], entry["score"]) for entry in found] == model.top_k(NODE, 2)
    for entry in found:
        why, told = model.explain(NODE, entry["node"], limit=3), entry["explanation"]
        assert (told["M_xy"], told["M_xx"], told["M_yy"]) == (why.M_xy, why.M_xx, why.M_yy)
        assert [(one["node"], one["share"]) for one in told["shares"]] == list(why.shares)
        paths = [(tuple(one["nodes"]), one["through"], one["weight"]) for one in told["paths"]]
        assert paths == [tuple(path) for path in why.paths]


@pytest.mark.parametrize(("words", "out"), [([], "node,score\n"), (["--explain"], "")])
def test_a_node_without_company(tmp_path, capsys, words, out):
    path = tmp_path / "graph.json"
    HeteroGraph({("author", "writes", "paper"): [(1, "a"), (2, "b")]}).to_json(path)
    found = run(capsys, "similar", path, "--metapath", "APA", 1, *words)  # a name that is a number
    assert found == (0, out, "diptych: 1 shares a path author-paper-author with no other author.\n")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--node", NODE], 2, "is a graph: --metapath says along which path"),
        (["--metapath", "APVPA"], 2, "the following arguments are required: NODE"),
        (["--metapath", "APVPA", NODE, "--node", NODE], 2, "name one node"),
        (["--metapath", "APVPA", "--node", "Ada Brant"], 1, "did you mean 'Ada Brandt'"),
        (["--metapath", "APQPA", "--node", NODE], 1, "no type begins with 'Q'"),
        (["--metapath", "APV", "--node", NODE], 1, "round trip"),
        (["--metapath", "APVPA", "--node", NODE, "-k", "0"], 2, "0: must be at least 1"),
        (["--metapath", "APVPA", "--node", NODE, "-o", "{graph}"], 2, "would overwrite the input"),
    ],
)
def test_what_is_refused_of_a_graph(graph, capsys, words, code, says):
    found, out, err = run(capsys, "similar", graph, *(str(word).format(graph=graph) for word in words))
    assert (found, out) == (code, "")
    assert says in err


def test_files_that_are_no_graph(tmp_path, capsys):
    path = tmp_path / "graph.json"
    for text, says in (("{", "is not JSON"), ("{}", 'has no list "relations"')):
        path.write_text(text)
        code, _, err = run(capsys, "similar", path, "--metapath", "APVPA", NODE)
        assert code == 1
        assert says in err


@pytest.mark.parametrize(
    ("edges", "says"),
    [
        ([["x", "y", 2**32]], "node 0 has about"),
        ([["x", "y", 2**63]], "graph.json'"),
        ([["x", "y", 2**62], ["x", "y", 2**62]], "graph.json'"),
    ],
)
def test_counts_that_are_too_large(tmp_path, capsys, edges, says):
    path = tmp_path / "graph.json"
    relation = {"source": "a", "relation": "r", "target": "b", "edges": edges}
    path.write_text(json.dumps({"relations": [relation]}))
    code, out, err = run(capsys, "similar", path, "--metapath", "aba", "--node", "x")
    assert (code, out) == (1, "")
    assert says in err


def test_options_of_graphs_are_refused_elsewhere(model, tmp_path, capsys):
    DeepWalk(4, walk_length=5, random_state=0).fit([("a", "b")]).save(tmp_path / "v.npz")
    (tmp_path / "v.txt").write_text("2 2\na 1 0\nb 0 1\n")
    for name in ("v.npz", "v.txt"):
        for option in (["--metapath", "APVPA"], ["--explain"]):
            code, out, err = run(capsys, "similar", tmp_path / name, "a", *option)
            assert (code, out) == (2, "")
            assert f"{option[0]} is for a graph with types (JSON)" in err
        assert run(capsys, "similar", tmp_path / name, "--node", "a")[1].splitlines()[1].startswith("b,")
    model.save(tmp_path / "p.npz")
    code, _, err = run(capsys, "similar", tmp_path / "p.npz", NODE, "--metapath", "APA")
    assert code == 2
    assert "is fitted along author-paper-venue-paper-author" in err
