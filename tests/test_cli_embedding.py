"""The commands embed and similar: what they read, what they write where, and what they refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest

import diptych
from diptych import DeepWalk, Node2Vec, datasets
from diptych.cli import main
from diptych.io import read_word2vec

EDGES = datasets.load_karate().edges
QUICK = ["--dimensions", "8", "--walk-length", "20", "--walks-per-node", "4", "--window", "3", "--seed", "0"]
PARAMETERS = {"dimensions": 8, "walk_length": 20, "walks_per_node": 4, "window": 3, "random_state": 0}


@pytest.fixture
def edges(tmp_path):
    path = tmp_path / "edges.csv"
    np.savetxt(path, EDGES, fmt="%d", delimiter=",", header="source,target", comments="")
    return path


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "vectors.npz"
    DeepWalk(**PARAMETERS).fit(EDGES).save(path)
    return path


def run(capsys, *words):
    try:
        code = main([str(word) for word in words])
    except SystemExit as stop:
        code = stop.code
    return code, *capsys.readouterr()


# ---- embed ----


def test_vectors_of_deepwalk(edges, tmp_path, capsys):
    code, out, err = run(capsys, "embed", edges, "-o", tmp_path / "v.npz", *QUICK)
    assert (code, out) == (0, "")
    assert err.startswith("diptych: the first line, 'source target', holds titles;")
    assert "\ndiptych: Graph(34 nodes, 78 undirected edges): 8 dimensions, loss " in err
    model = diptych.load(tmp_path / "v.npz")
    assert model.get_params() == DeepWalk(**PARAMETERS).get_params()
    np.testing.assert_array_equal(model.embedding_, DeepWalk(**PARAMETERS).fit(EDGES).embedding_)


@pytest.mark.parametrize(
    ("words", "parameters"),
    [
        ([], {}),
        (["--p", "0.25", "--q", "4"], {"p": 0.25, "q": 4.0}),
        (["--negative", "2", "--epochs", "2"], {"negative": 2, "epochs": 2}),
        (["--learning-rate", "0.01", "--n-jobs", "1"], {"learning_rate": 0.01, "n_jobs": 1}),
        (["--backend", "reference"], {"backend": "reference"}),
    ],
)
def test_vectors_of_node2vec(edges, tmp_path, capsys, words, parameters):
    path = tmp_path / "v.npz"
    assert run(capsys, "embed", edges, "-o", path, "--method", "node2vec", *QUICK, *words)[0] == 0
    expected = Node2Vec(**PARAMETERS, **parameters)
    model = diptych.load(path)
    assert model.get_params() == expected.get_params()
    np.testing.assert_array_equal(model.embedding_, expected.fit(EDGES).embedding_)


def test_word2vec_text_json_and_picture(edges, tmp_path, capsys):
    text, picture = tmp_path / "v.txt", tmp_path / "v.png"
    words = ["-o", text, "--plot", picture, "--json", "--quiet", "--directed"]
    code, out, err = run(capsys, "embed", edges, *words, *QUICK)
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert (facts["nodes"], facts["edges"], facts["directed"]) == (34, 78, True)
    assert facts["params"]["dimensions"] == 8
    assert len(facts["losses"]) == 1
    names, found = read_word2vec(text)
    assert names.tolist() == list(range(34))
    assert found.shape == (34, 8)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-o", "v.csv"], "vectors are written to .npz, .txt, .vec"),
        (["-o", "-"], "vectors are written to"),
        (["-o", "{folder}/nowhere/v.npz"], "there is no folder"),
        (["-o", "{folder}/v.npz", "--p", "2"], "--p needs --method node2vec"),
        (["-o", "{folder}/v.npz", "--q", "2"], "--q needs --method node2vec"),
        (["-o", "{folder}/v.npz", "--method", "node2vec", "--p", "0"], "0: must be a positive finite"),
        (["-o", "{folder}/v.npz", "--dimensions", "0"], "0: must be at least 1"),
        (["-o", "{folder}/v.npz", "--seed", "-1"], "-1: must be at least 0"),
        (["-o", "{folder}/v.npz", "--plot", "{folder}/v.xyz"], "pictures end in"),
        (["-o", "{folder}/v.npz", "--plot", "{folder}/v.npz"], "is where -o puts the vectors"),
        (["-o", "{folder}/v.npz", "--plot", "{folder}/edges.csv"], "would overwrite the edges"),
        ([], "required: -o"),
    ],
)
def test_wrong_usage_of_embed(edges, tmp_path, capsys, words, says):
    code, out, err = run(capsys, "embed", edges, *(word.format(folder=tmp_path) for word in words))
    assert (code, out) == (2, "")
    assert says in err
    assert [path.name for path in tmp_path.iterdir()] == ["edges.csv"]


@pytest.mark.parametrize(("edges", "says"), [("-", "standard input"), ("nowhere.csv", "there is no file")])
def test_edges_that_are_not_there(tmp_path, capsys, edges, says):
    code, _, err = run(capsys, "embed", edges, "-o", tmp_path / "v.npz")
    assert code == 2
    assert says in err


@pytest.mark.parametrize(
    ("text", "says"), [("", "no edges"), ("a,b,heavy\nb,c,1\nc,d,x\n", "line 3"), ("a,b,-1\n", "-1")]
)
def test_edges_that_are_none(tmp_path, capsys, text, says):
    path = tmp_path / "edges.csv"
    path.write_text(text)
    code, out, err = run(capsys, "embed", path, "-o", tmp_path / "v.npz")
    assert (code, out) == (1, "")
    assert says in err
    assert [path.name for path in tmp_path.iterdir()] == ["edges.csv"]


@pytest.mark.parametrize(
    ("text", "words", "nodes", "says"),
    [
        ("alice,bob\n1,2\n2,3\n", [], 3, "'alice bob', holds titles; pass --no-header if this is an edge."),
        ("alice,bob\n1,2\n2,3\n", ["--no-header"], 5, None),
        ("person,friend\nann,bob\n", [], 4, None),
        ("person,friend\nann,bob\n", ["--header"], 2, "'person friend', holds titles."),
    ],
)
def test_what_is_said_of_a_header(tmp_path, capsys, text, words, nodes, says):
    (tmp_path / "edges.csv").write_text(text)
    files = [tmp_path / "edges.csv", "-o", tmp_path / "v.npz", "--json"]
    code, out, err = run(capsys, "embed", *files, *QUICK, *words)
    assert code == 0
    facts = json.loads(out)
    assert facts["nodes"] == nodes
    assert facts["header"] == (None if says is None else text.splitlines()[0].split(","))
    assert ("titles" in err) == (says is not None)
    assert says is None or f"the first line, {says}\n" in err


@pytest.mark.parametrize("ending", ["txt", "VEC"])
def test_names_that_the_output_cannot_hold_are_told_before_training(tmp_path, capsys, monkeypatch, ending):
    (tmp_path / "edges.csv").write_text("Jane Doe,bob\nbob,eve\n")

    def fit(*_):
        raise AssertionError("trained for nothing")

    with monkeypatch.context() as untrained:
        untrained.setattr(DeepWalk, "fit", fit)
        code, out, err = run(capsys, "embed", tmp_path / "edges.csv", "-o", tmp_path / f"v.{ending}", *QUICK)
    assert (code, out) == (1, "")
    assert "'Jane Doe'" in err
    assert f"-o {tmp_path / 'v.npz'}" in err
    assert [path.name for path in tmp_path.iterdir()] == ["edges.csv"]
    assert run(capsys, "embed", tmp_path / "edges.csv", "-o", tmp_path / "v.npz", *QUICK)[0] == 0


def test_divergence(edges, tmp_path, capsys):
    code, out, err = run(capsys, "embed", edges, "-o", tmp_path / "v.npz", *QUICK, "--learning-rate", "1e30")
    assert (code, out) == (1, "")
    assert "lower learning_rate" in err
    assert [path.name for path in tmp_path.iterdir()] == ["edges.csv"]


# ---- similar ----


def test_similar_nodes(vectors, capsys):
    code, out, err = run(capsys, "similar", vectors, "33", "-k", "3")
    expected = DeepWalk(**PARAMETERS).fit(EDGES).most_similar(33, k=3)
    assert (code, err) == (0, "")
    assert out == "node,cosine\n" + "".join(f"{name},{cosine:.6f}\n" for name, cosine in expected)


def test_similar_nodes_as_json_to_a_file(vectors, tmp_path, capsys):
    path = tmp_path / "similar.json"
    assert run(capsys, "similar", vectors, 33, "--json", "-o", path) == (0, "", "")
    found = json.loads(path.read_text())
    expected = DeepWalk(**PARAMETERS).fit(EDGES).most_similar(33)
    assert found == {"node": 33, "similar": [{"node": n, "cosine": c} for n, c in expected]}


def test_names_that_hold_commas_and_numbers_among_strings(tmp_path, capsys):
    model = DeepWalk(**PARAMETERS).fit([("a", "Doe, J"), ("a", 7)])
    model.save(tmp_path / "v.npz")
    lines = run(capsys, "similar", tmp_path / "v.npz", "a")[1].splitlines()
    assert any(line.startswith('"Doe, J",') for line in lines)
    assert run(capsys, "similar", tmp_path / "v.npz", "7")[0] == 0


def test_vectors_of_other_programs(tmp_path, capsys):
    (tmp_path / "v.txt").write_text("3 2\na 1 0\nb 0 1\nc 1 1\n")
    assert run(capsys, "similar", tmp_path / "v.txt", "a")[1] == "node,cosine\nc,0.707107\nb,0.000000\n"


def test_what_similar_refuses(vectors, tmp_path, capsys):
    code, out, err = run(capsys, "similar", vectors, "zoe")
    assert (code, out, err) == (1, "", "diptych: no node is named 'zoe'.\n")
    clusters = tmp_path / "clusters.npz"
    diptych.DBSCAN().fit([[0.0]]).save(clusters)
    code, _, err = run(capsys, "similar", clusters, "0")
    assert code == 1
    assert "holds a DBSCAN" in err
    assert run(capsys, "similar", vectors, "0", "-k", "0")[0] == 2
    assert run(capsys, "similar", "-", "0")[0] == 2
    assert run(capsys, "similar", vectors, "0", "-o", vectors)[0] == 2
