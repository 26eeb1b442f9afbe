"""The command tag: what it reads, what it writes where, and what it refuses."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

import diptych
from diptych import SlotTagger, datasets
from diptych.cli import main

SENTENCES, TAGS, INTENTS = datasets.make_travel_requests(60, rng=0)
QUICK = ["--embedding-dim", "8", "--hidden-size", "6", "--epochs", "2", "--seed", "0"]
PARAMETERS = {"embedding_dim": 8, "hidden_size": 6, "epochs": 2, "random_state": 0}


def joined(rows):
    return "".join(" ".join(row) + "\n" for row in rows)


def in_columns(sentences, tags, blank="\t"):
    pairs = zip(sentences, tags, strict=True)
    return "\n".join("".join(f"{w}{blank}{t}\n" for w, t in zip(s, r, strict=True)) for s, r in pairs)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "requests.conll").write_text(in_columns(SENTENCES, TAGS))
    (tmp_path / "seq.in").write_text(joined(SENTENCES))
    (tmp_path / "seq.out").write_text(joined(TAGS))
    (tmp_path / "label").write_text("".join(f"{intent}\n" for intent in INTENTS))
    return tmp_path


@pytest.fixture
def tagger(tmp_path):
    path = tmp_path / "tagger.npz"
    SlotTagger(**PARAMETERS).fit(SENTENCES, TAGS, INTENTS).save(path)
    return path


def run(capsys, *words):
    try:
        code = main([str(word) for word in words])
    except SystemExit as stop:
        code = stop.code
    return code, *capsys.readouterr()


def typed(text):
    """Return a standard input whose own decoding is of no use."""
    return io.TextIOWrapper(io.BytesIO(text), encoding="ascii", errors="replace")


def losses(path):
    return diptych.load(path).losses_.tolist()


# ---- train ----


def test_training_on_columns(folder, capsys):
    path = folder / "t.npz"
    code, out, err = run(capsys, "tag", "train", folder / "requests.conll", "-o", path, *QUICK)
    assert (code, out) == (0, "")
    assert err.startswith("diptych: 60 sentences, ")
    assert "of 2 kept, " in err
    assert losses(path) == SlotTagger(**PARAMETERS).fit(SENTENCES, TAGS).losses_.tolist()


@pytest.mark.parametrize("blank", [" ", "\t", " NN x "])
def test_columns_are_parted_by_tabs_or_blanks_and_the_last_is_the_tag(folder, capsys, blank):
    text = "\n\n" + in_columns(SENTENCES, TAGS, blank).replace("\n\n", "\n \n\n") + "\n"
    (folder / "other.conll").write_text(text.replace("\n", "\r\n"), encoding="utf-8-sig")
    assert run(capsys, "tag", "train", folder / "other.conll", "-o", folder / "t.npz", *QUICK)[0] == 0
    assert losses(folder / "t.npz") == SlotTagger(**PARAMETERS).fit(SENTENCES, TAGS).losses_.tolist()


def test_training_on_lines_with_intents(folder, capsys):
    files = [folder / "seq.in", "--tags", folder / "seq.out", "--intents", folder / "label"]
    words = ["-o", folder / "t.npz", *QUICK, "--json", "--quiet"]
    code, out, err = run(capsys, "tag", "train", *files, *words)
    assert (code, err) == (0, "")
    facts = json.loads(out)
    model = SlotTagger(**PARAMETERS).fit(SENTENCES, TAGS, INTENTS)
    assert facts["losses"] == model.losses_.tolist() == losses(folder / "t.npz")
    assert facts["score"] == model.validation_scores_[facts["best_epoch"]]
    assert (facts["sentences"], facts["intents"]) == (60, ["book", "fare", "list"])
    assert facts["params"]["hidden_size"] == 6


@pytest.mark.parametrize(
    ("words", "parameters"),
    [
        (["--encoder", "rnn", "--one-way"], {"encoder": "rnn", "bidirectional": False}),
        (["--dropout", "0", "--batch-size", "7"], {"dropout": 0.0, "batch_size": 7}),
        (["--learning-rate", "0.01", "--patience", "1"], {"learning_rate": 0.01, "patience": 1}),
        (["--validation-share", "0.3", "--n-jobs", "1"], {"validation_share": 0.3, "n_jobs": 1}),
        (["--backend", "reference"], {"backend": "reference"}),
        (["--validation-share", "0"], {"validation_share": 0.0}),
    ],
)
def test_options_are_parameters(folder, capsys, words, parameters):
    path = folder / "t.npz"
    assert run(capsys, "tag", "train", folder / "requests.conll", "-o", path, *QUICK, *words)[0] == 0
    expected = SlotTagger(**PARAMETERS | parameters)
    assert diptych.load(path).get_params() == expected.get_params()
    assert losses(path) == expected.fit(SENTENCES, TAGS).losses_.tolist()


def test_the_defaults_are_those_of_the_class(folder, capsys):
    path = folder / "t.npz"
    assert run(capsys, "tag", "train", folder / "requests.conll", "-o", path, "--epochs", "1")[0] == 0
    assert diptych.load(path).get_params() == SlotTagger(epochs=1).get_params()


def test_characters(tmp_path, capsys):
    sentences, tags, _ = datasets.make_travel_requests(40, language="chinese", rng=0)
    (tmp_path / "in").write_text("".join("".join(row) + "\n" for row in sentences), encoding="utf-8")
    (tmp_path / "out").write_text(joined(tags))
    files = [tmp_path / "in", "--tags", tmp_path / "out", "--characters"]
    assert run(capsys, "tag", "train", *files, "-o", tmp_path / "t.npz", *QUICK)[0] == 0
    assert losses(tmp_path / "t.npz") == SlotTagger(**PARAMETERS).fit(sentences, tags).losses_.tolist()
    (tmp_path / "new").write_text("明天 去北京\n", encoding="utf-8")
    words = [tmp_path / "t.npz", tmp_path / "new", "--characters", "--json"]
    assert json.loads(run(capsys, "tag", "predict", *words)[1])["words"] == list("明天去北京")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["{f}/seq.in", "-o", "{f}/t.txt"], "a tagger is written to .npz"),
        (["{f}/seq.in", "-o", "-"], "a tagger is written to .npz"),
        (["{f}/seq.in", "-o", "{f}/nowhere/t.npz"], "there is no folder"),
        (["{f}/absent", "-o", "{f}/t.npz"], "there is no file"),
        (["{f}/seq.in", "--tags", "{f}/absent", "-o", "{f}/t.npz"], "there is no file"),
        (["-", "--tags", "-", "-o", "{f}/t.npz"], "standard input can be read once"),
        (["{f}/requests.conll", "--characters", "-o", "{f}/t.npz"], "--characters needs --tags"),
        (["{f}/requests.conll"], "required: -o"),
        (["{f}/requests.conll", "-o", "{f}/t.npz", "--dropout", "1"], "1: must be from 0 to below 1"),
        (["{f}/requests.conll", "-o", "{f}/t.npz", "--dropout", "x"], "'x' is not a number"),
        (["{f}/requests.conll", "-o", "{f}/t.npz", "--epochs", "0"], "0: must be at least 1"),
        (["{f}/requests.conll", "-o", "{f}/t.npz", "--encoder", "gru"], "invalid choice"),
    ],
)
def test_wrong_usage_of_train(folder, capsys, words, says):
    before = sorted(folder.iterdir())
    code, out, err = run(capsys, "tag", "train", *(word.format(f=folder) for word in words))
    assert (code, out) == (2, "")
    assert says in err
    assert sorted(folder.iterdir()) == before


def test_what_is_read_is_not_overwritten(folder, capsys):
    (folder / "tags.npz").write_text("O\n")
    code, _, err = run(
        capsys, "tag", "train", folder / "seq.in", "--tags", folder / "tags.npz", "-o", folder / "tags.npz"
    )
    assert code == 2
    assert "would overwrite what is read" in err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no sentence"),
        ("leave O\nrome\n", "line 2: 'rome' holds a word and no tag"),
        ("leave O\nrome I-to\n", "c, line 2: 'I-to' stands after 'O': no BIO sequence"),
        ("leave to\n", "c, line 1: 'to': a tag is"),
        ("a O\n\n\nleave O\nto B-x\nrome I-y\n", "c, line 6: 'I-y' stands after 'B-x'"),
    ],
)
def test_columns_that_are_none(tmp_path, capsys, text, says):
    (tmp_path / "c").write_text(text)
    code, out, err = run(capsys, "tag", "train", tmp_path / "c", "-o", tmp_path / "t.npz", *QUICK)
    assert (code, out) == (1, "")
    assert says in err
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_lines_that_do_not_fit(folder, capsys):
    def train(*words):
        return run(capsys, "tag", "train", folder / "seq.in", *words, "-o", folder / "t.npz", *QUICK)

    (folder / "short").write_text(joined(TAGS[:-1]))
    assert "tags has 59 rows for the 60 of sentences" in train("--tags", folder / "short")[2]
    (folder / "gap").write_text(joined(TAGS[:3]) + "\n" + joined(TAGS[3:]))
    assert "line 4 is empty" in train("--tags", folder / "gap")[2]
    code, _, err = train("--tags", folder / "seq.out", "--intents", folder / "short")
    assert code == 1
    assert "intents has 59 entries for 60 sentences" in err
    (folder / "label").write_text("book\n\nfare\n")
    assert "line 2 is empty" in train("--tags", folder / "seq.out", "--intents", folder / "label")[2]
    (folder / "other").write_text(joined([*TAGS[:3], ["O", "I-x"], *TAGS[4:]]))
    assert "other, line 4, tag 2: 'I-x' stands after 'O'" in train("--tags", folder / "other")[2]
    (folder / "latin").write_bytes(b"caf\xe9 O\n")
    assert "is not UTF-8 text (byte 3)" in train("--tags", folder / "latin")[2]


# ---- predict ----


def test_tags_in_columns_can_be_read_again(tagger, folder, capsys):
    code, out, err = run(capsys, "tag", "predict", tagger, folder / "seq.in")
    assert (code, err) == (0, "")
    assert out == in_columns(SENTENCES, diptych.load(tagger).predict(SENTENCES))
    (folder / "again.conll").write_text(out)
    assert run(capsys, "tag", "train", folder / "again.conll", "-o", folder / "t.npz", *QUICK)[0] == 0


def test_tags_as_json_lines_to_a_file(tagger, folder, capsys):
    path = folder / "tagged.jsonl"
    assert run(capsys, "tag", "predict", tagger, folder / "seq.in", "--json", "-o", path) == (0, "", "")
    found = [json.loads(line) for line in path.read_text().splitlines()]
    model = diptych.load(tagger)
    assert [row["words"] for row in found] == SENTENCES
    assert [row["tags"] for row in found] == model.predict(SENTENCES)
    assert [row["slots"] for row in found] == model.predict_slots(SENTENCES)
    assert [row["intent"] for row in found] == model.predict_intent(SENTENCES)


def test_sentences_from_standard_input_without_intents(folder, capsys, monkeypatch):
    SlotTagger(**PARAMETERS).fit(SENTENCES, TAGS).save(folder / "t.npz")
    monkeypatch.setattr("sys.stdin", typed("\ufeffleave rome".encode()))  # as Windows' editors begin a file
    code, out, _ = run(capsys, "tag", "predict", folder / "t.npz", "-", "--json")
    assert code == 0
    assert json.loads(out) | {"tags": 0, "slots": 0} == {
        "words": ["leave", "rome"],
        "tags": 0,
        "slots": 0,
        "intent": None,
    }


def test_standard_input_is_utf8_whatever_the_locale(tagger, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", typed("飞往 rome".encode()))
    assert "飞往\t" in run(capsys, "tag", "predict", tagger, "-")[1]
    monkeypatch.setattr("sys.stdin", typed(b"leave caf\xe9"))
    code, _, err = run(capsys, "tag", "predict", tagger, "-")
    assert code == 1
    assert "standard input is not UTF-8 text (byte 9)" in err


def test_a_tagger_of_characters_asks_for_characters(tmp_path, capsys):
    spelt = [[c for word in row for c in word] for row in SENTENCES]
    SlotTagger(**PARAMETERS).fit(spelt, [["O"] * len(row) for row in spelt]).save(tmp_path / "t.npz")
    (tmp_path / "s").write_text("leave rome\n")
    code, _, err = run(capsys, "tag", "predict", tmp_path / "t.npz", tmp_path / "s")
    assert code == 2
    assert "knows single characters, not 'leave': pass --characters" in err
    assert run(capsys, "tag", "predict", tmp_path / "t.npz", tmp_path / "s", "--characters")[0] == 0


def test_what_predict_refuses(tagger, folder, capsys):
    assert run(capsys, "tag", "predict", "-", folder / "seq.in")[0] == 2
    assert run(capsys, "tag", "predict", tagger, folder / "absent")[0] == 2
    code, _, err = run(capsys, "tag", "predict", tagger, folder / "seq.in", "-o", tagger)
    assert code == 2
    assert "would overwrite" in err
    diptych.DBSCAN().fit(np.zeros((2, 2))).save(folder / "clusters.npz")
    code, _, err = run(capsys, "tag", "predict", folder / "clusters.npz", folder / "seq.in")
    assert code == 1
    assert "holds a DBSCAN, no tagger" in err
    (folder / "empty").write_text("")
    code, _, err = run(capsys, "tag", "predict", tagger, folder / "empty")
    assert code == 1
    assert "holds no sentence" in err


def test_an_action_is_needed(capsys):
    code, out, err = run(capsys, "tag")
    assert (code, out) == (2, "")
    assert "ACTION" in err


# ---- the rows of the demo ----


def shown(capsys, monkeypatch, tmp_path, row, tolerance):
    """Return what the demo prints of a row alone, after the row was seen to tell a cell that is wrong."""
    from diptych.cli import demo
    from diptych.reference import recurrent

    assert row in demo.JOBS
    monkeypatch.setattr(demo, "JOBS", (row,))
    code, out, _ = run(capsys, "demo", "-o", tmp_path / "demo.png")
    assert code == 0
    assert f"within {tolerance:g}" in out
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")
    cell = recurrent.cell
    monkeypatch.setattr(recurrent, "cell", lambda a, c: cell(a, c * np.float32(1.01)))
    code, broken, _ = run(capsys, "demo", "--json")
    assert code == 1
    (found,) = json.loads(broken)["rows"]
    assert (found["equal"], found["tolerance"]) == (False, tolerance)
    return out


def test_demo_tags_requests(capsys, monkeypatch, tmp_path):
    from diptych.cli import _demo_recurrent

    out = shown(capsys, monkeypatch, tmp_path, _demo_recurrent.slots, 1e-4)
    assert float(out.split("chunk F1 ")[1].split("%")[0]) >= 99.0


def test_demo_predicts_characters(capsys, monkeypatch, tmp_path):
    from diptych import datasets
    from diptych.cli import _demo_recurrent

    out = shown(capsys, monkeypatch, tmp_path, _demo_recurrent.characters, 1e-5)
    # Better than what the shares of the characters alone tell, by far
    _, counts = np.unique(list(datasets.load_king_james()), return_counts=True)
    shares = counts / counts.sum()
    alone = -np.sum(shares * np.log(shares))
    assert float(out.split(" nats per character")[0].split()[-1]) < 0.75 * alone
