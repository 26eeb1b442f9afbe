"""The command line: what it reads, what it writes where, and the exit codes."""

from __future__ import annotations

import inspect
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

import diptych
from diptych import studies
from diptych.cli import main
from diptych.cli._tables import DataError, read_points

# Two clusters of three points, one of them with a border point at 2.0, and a point of noise.
X = np.array(
    [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [2.0, 0.0], [10.0, 0.0], [10.5, 0.0], [10.0, 0.5], [50.0, 50.0]]
)
RULE = ["--eps", "1", "--min-samples", "3"]
KINDS = ["core", "core", "core", "border", "core", "core", "core", "noise"]
LABELS = [0, 0, 0, 0, 1, 1, 1, -1]
TABLE = "".join(f"{label},{kind}\n" for label, kind in zip(LABELS, KINDS, strict=True))


@pytest.fixture
def points(tmp_path):
    path = tmp_path / "points.csv"
    np.savetxt(path, X, delimiter=",", fmt="%.17g")
    return path


def run(capsys, *words):
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def usage_error(capsys, *words):
    """Exit code 2, from argparse or from a check of ours, with something said on standard error only."""
    try:
        code = main([str(word) for word in words])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    return captured.err


def process(*words, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "diptych", *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


# ---- cluster: results ----


def test_labels_go_to_standard_output_and_the_summary_to_standard_error(points, capsys):
    code, out, err = run(capsys, "cluster", points, *RULE)
    assert (code, out) == (0, "label,kind\n" + TABLE)
    assert err.startswith("diptych: 8 points: 2 clusters; 6 core, 1 border, 1 noise. ")


def test_both_panels_write_the_same(points, capsys):
    results = [
        run(capsys, "cluster", points, *RULE, "--backend", panel)[1] for panel in ("rust", "reference")
    ]
    assert results[0] == results[1]


def test_a_radius_that_fits_nothing_is_remarked_on(points, capsys):
    _, out, err = run(capsys, "cluster", points, "--eps", "1e-9")
    assert out.count("noise") == 8
    assert "eps=1e-09 may be too small" in err


def test_quiet_and_no_header(points, capsys):
    code, out, err = run(capsys, "cluster", points, *RULE, "--quiet", "--no-header")
    assert (code, out) == (0, TABLE)
    assert err == ""


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_output_file(points, tmp_path, capsys, ending):
    path = tmp_path / f"labels.{ending}"
    code, out, _ = run(capsys, "cluster", points, *RULE, "-o", path)
    assert (code, out) == (0, "")
    expected = "label,kind\n" + TABLE
    assert path.read_text() == (expected if ending == "csv" else expected.replace(",", "\t"))


def test_npy_output(points, tmp_path, capsys):
    path = tmp_path / "labels.npy"
    assert run(capsys, "cluster", points, *RULE, "-o", path)[0] == 0
    labels = np.load(path, allow_pickle=False)
    assert labels.dtype == np.intp
    assert labels.tolist() == LABELS


def test_json(points, capsys):
    code, out, _ = run(capsys, "cluster", points, *RULE, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["labels"] == LABELS
    assert found["core_sample_indices"] == [0, 1, 2, 4, 5, 6]
    assert (found["clusters"], found["cluster_sizes"], found["noise"]) == (2, [4, 3], 1)
    assert (found["points"], found["columns"], found["eps"], found["min_samples"]) == (8, 2, 1.0, 3)


def test_plot(points, tmp_path, capsys):
    path = tmp_path / "clusters.png"
    assert run(capsys, "cluster", points, *RULE, "--plot", path)[0] == 0
    assert path.read_bytes().startswith(b"\x89PNG")


def test_minkowski_takes_its_power(capsys, tmp_path):
    path = tmp_path / "points.npy"
    np.save(path, np.array([[0.0, 0.0], [1.0, 1.0]]))
    rule = ["--eps", "1.5", "--min-samples", "2", "--metric", "minkowski", "--quiet", "--no-header"]
    assert run(capsys, "cluster", path, *rule)[1] == "0,core\n0,core\n"  # distance 1.41
    assert run(capsys, "cluster", path, *rule, "--p", "1")[1] == "-1,noise\n-1,noise\n"  # distance 2


@pytest.mark.parametrize("eps", ["120m", "0.12km", str(np.degrees(120 / 6_371_008.8))])
def test_haversine_in_degrees_takes_metres_kilometres_and_degrees(tmp_path, capsys, eps):
    # A thousandth of a degree of latitude is 111 m.
    path = tmp_path / "stops.csv"
    path.write_text("name,lat,lon\na,47.000,8\nb,47.001,8\nc,47.003,8\n")
    words = ["--columns", "lat,lon", "--metric", "haversine", "--degrees", "--min-samples", "2"]
    _, out, _ = run(capsys, "cluster", path, "--eps", eps, *words)
    assert out.split() == ["label,kind", "0,core", "0,core", "-1,noise"]


def test_sparse_distances(tmp_path, capsys):
    path = tmp_path / "distances.npz"
    sparse.save_npz(path, sparse.csr_matrix(np.array([[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]])))
    code, out, _ = run(capsys, "cluster", path, "--eps", "1", "--min-samples", "2", "--metric", "precomputed")
    assert (code, out.split()[1:]) == (0, ["0,core", "0,core", "-1,noise"])


# ---- cluster: what it reads ----


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("comma.csv", "1.5,2\n3,4e1\n"),
        ("header.csv", "x,y\n1.5,2\n3,4e1\n"),
        ("mark.csv", "\ufeffx,y\n1.5,2\n3,4e1\n"),
        ("quoted.csv", '"x","y"\n"1.5","2"\n"3","4e1"\n'),
        ("semicolon.csv", "1.5;2\n3;4e1\n"),
        ("crlf.csv", "x,y\r\n1.5,2\r\n3,4e1\r\n"),
        ("tab.tsv", "x\ty\n1.5\t2\n3\t4e1\n"),
        ("blanks.dat", "  1.5   2\n3 4e1"),
        ("comments.txt", "# made by hand\n\n1.5 2 # first\n3 4e1\n"),
    ],
)
def test_text_tables(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text.encode())
    np.testing.assert_array_equal(read_points(str(path)), [[1.5, 2.0], [3.0, 40.0]])


def test_numbers_keep_all_their_digits(tmp_path):
    values = np.random.default_rng(0).normal(size=(50, 3)) * 10.0 ** np.arange(-3, 147, 3)[:, None]
    path = tmp_path / "points.csv"
    path.write_text("\n".join(",".join(map(repr, row)) for row in values.tolist()))
    np.testing.assert_array_equal(read_points(str(path)), values)


@pytest.mark.parametrize("columns", [["y", "x"], ["3", "2"], ["y", "2"]])
def test_columns_by_name_and_by_number(tmp_path, columns):
    path = tmp_path / "points.csv"
    path.write_text("name,x,y\nfirst,1,2\nsecond,3,4\n")
    np.testing.assert_array_equal(read_points(str(path), columns=columns), [[2.0, 1.0], [4.0, 3.0]])


def test_columns_of_binary_files(tmp_path):
    np.save(tmp_path / "points.npy", X)
    np.testing.assert_array_equal(read_points(str(tmp_path / "points.npy"), columns=["2"]), X[:, 1:])


@pytest.mark.parametrize(("header", "rows"), [("yes", [[3.0, 4.0]]), ("no", [[1.0, 2.0], [3.0, 4.0]])])
def test_header_can_be_told(tmp_path, header, rows):
    path = tmp_path / "points.csv"
    path.write_text("1,2\n3,4\n")
    np.testing.assert_array_equal(read_points(str(path), header=header), rows)


def test_binary_files_are_known_by_their_first_bytes(tmp_path):
    np.save(tmp_path / "points.npy", X.astype(np.float32))
    (tmp_path / "points.npy").rename(tmp_path / "points.csv")
    assert read_points(str(tmp_path / "points.csv")).dtype == np.float32


def test_npz_with_one_array_and_with_several(tmp_path):
    np.savez(tmp_path / "one.npz", anything=X)
    np.savez(tmp_path / "two.npz", a=X, b=-X)
    np.testing.assert_array_equal(read_points(str(tmp_path / "one.npz")), X)
    np.testing.assert_array_equal(read_points(str(tmp_path / "two.npz"), array="b"), -X)
    with pytest.raises(DataError, match="several arrays; choose one with --array: a, b"):
        read_points(str(tmp_path / "two.npz"))


@pytest.mark.parametrize("binary", [False, True])
def test_standard_input(points, capsys, monkeypatch, binary):
    content = points.read_bytes()
    if binary:
        buffer = io.BytesIO()
        np.save(buffer, X)
        content = buffer.getvalue()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    assert run(capsys, "cluster", "-", *RULE)[:2] == (0, "label,kind\n" + TABLE)


# ---- cluster: bad data is one line and exit code 1 ----


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"# nothing but a comment\n", "has no rows"),
        (b"x,y\n", r"has a header \(x, y\) and no rows below it"),
        (b"x,y\n1,2\n3,four\n", r"line 3: column 2 \(y\) holds 'four', not a number; choose columns"),
        (b"1,2\n3,\n", "line 2: column 2 is empty"),
        (b"1,2\n\n3,4,5\n", "line 3: 3 columns, the lines before it have 2"),
        (b"1,2\n3,1_000\n", "line 2: column 2 holds '1_000'"),
        ("1,2\n3,4\n".encode("utf-16"), "not UTF-8 text"),
        (b"\x93NUMPY\x01\x00", "cannot be read"),
        (b"PK\x03\x04 and then nothing", "cannot be read"),
        (b"x,y\n1,2\n\nnan,4\n", r"line 4: column 1 \(x\) holds 'nan'; every value must be finite: drop"),
        (b"1,2\n3,1e999\n", "line 2: column 2 holds '1e999'; every value must be finite"),
    ],
)
def test_bad_content(tmp_path, capsys, content, message):
    path = tmp_path / "points.csv"
    path.write_bytes(content)
    code, out, err = run(capsys, "cluster", path, "--eps", "1")
    assert (code, out) == (1, "")
    assert err.startswith("diptych: ")
    assert err.count("\n") == 1
    with pytest.raises(ValueError, match=message):
        raise ValueError(err)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3), "shape (3,)"),
        (np.array([["a", "b"]]), "points are numbers"),
        (np.array([[1j, 2.0]]), "points are numbers"),
        (np.array([[None, 2.0]]), "allow_pickle=False"),
        (np.array([[1.0, 2.0], [3.0, -np.inf]], dtype=np.float32), "row 2: column 2 holds -inf; every value"),
    ],
)
def test_bad_arrays(tmp_path, capsys, array, message):
    path = tmp_path / "points.npy"
    np.save(path, array)
    code, _, err = run(capsys, "cluster", path, "--eps", "1")
    assert code == 1
    assert message in err
    assert err.count("\n") == 1


def test_an_npy_header_that_lies_about_its_size(tmp_path, capsys):
    path = tmp_path / "points.npy"
    np.save(path, X)
    path.write_bytes(path.read_bytes().replace(b"(8, 2), ", b"(8, 2000000000000), ", 1)[:128])
    code, _, err = run(capsys, "cluster", path, "--eps", "1")
    assert code == 1
    assert err.count("\n") == 1


def test_pickles_are_never_loaded(tmp_path, capsys):
    trace = tmp_path / "was-run"

    class Bomb:
        def __reduce__(self):
            return (Path.touch, (trace,))

    np.savez(tmp_path / "points.npz", X=np.array([[Bomb()]], dtype=object))
    code, _, err = run(capsys, "cluster", tmp_path / "points.npz", "--eps", "1")
    assert code == 1
    assert err.count("\n") == 1
    assert not trace.exists()


def test_unknown_column(points, capsys):
    code, _, err = run(capsys, "cluster", points, "--eps", "1", "--columns", "1,height")
    assert code == 1
    assert "has no column 'height': it has 2 columns and no header" in err


# ---- cluster: wrong usage is exit code 2, before any work ----


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--eps"),
        (["--eps", "0"], "must be a positive finite number"),
        (["--eps", "-1"], "must be a positive finite number"),
        (["--eps", "nan"], "must be a positive finite number"),
        (["--eps", "3 miles"], "is not a number"),
        (["--eps", "5m"], "a radius in m needs --metric haversine"),
        (["--eps", "1", "--min-samples", "0"], "must be at least 1"),
        (["--eps", "1", "--min-samples", "2.5"], "not a whole number"),
        (["--eps", "1", "--metric", "hamming"], "invalid choice"),
        (["--eps", "1", "--degrees"], "needs --metric haversine"),
        (["--eps", "1", "--p", "3"], "needs --metric minkowski"),
        (["--eps", "1", "--p", "0", "--metric", "minkowski"], "must be positive"),
        (["--eps", "1", "--n-jobs", "0"], "must be a number of threads"),
        (["--eps", "1", "--columns", "1,,2"], "with commas between"),
        (["--eps", "1", "--metric", "precomputed", "--plot", "x.png"], "needs points"),
        (["--eps", "1", "--plot", "x.docx"], "x.docx: pictures end in"),
        (["--eps", "1", "-o", "no/such/folder/labels.csv"], "there is no folder"),
        (["--eps", "1", "--min"], "unrecognized arguments"),
    ],
)
def test_wrong_usage(points, capsys, words, message):
    assert message in usage_error(capsys, "cluster", points, *words)


def test_the_points_are_not_overwritten(points, capsys):
    before = points.read_bytes()
    assert "would overwrite the points" in usage_error(capsys, "cluster", points, *RULE, "-o", points)
    assert points.read_bytes() == before


def test_no_command_and_an_unknown_one(capsys):
    assert "cluster" in usage_error(capsys)
    assert "invalid choice" in usage_error(capsys, "dance")


def test_version(capsys):
    assert run(capsys, "--version")[:2] == (0, f"diptych {diptych.__version__}\n")


# ---- signals and pipes ----


def test_ctrl_c_is_exit_code_130():
    with process("cluster", "-", "--eps", "1") as child:
        time.sleep(1.5)  # long enough for it to wait for its input
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=20)
    assert (child.returncode, out, err) == (130, b"", b"diptych: interrupted\n")


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    path = tmp_path / "points.npy"
    np.save(path, np.arange(200_000.0).reshape(-1, 1))
    with process("cluster", path, "--eps", "0.1", "--quiet") as child:
        assert child.stdout.readline() == b"label,kind\n"
        child.stdout.close()
        err = child.stderr.read()
    assert (child.returncode, err) == (141, b"")


@pytest.mark.parametrize("terminal", [True, False])
def test_the_progress_bar_is_for_terminals_only(monkeypatch, terminal):
    from diptych import _progress
    from diptych.cli import _console

    shown = io.StringIO()
    shown.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr(_console, "BAR_DELAY_SECONDS", 0.0)
    with _console.progress_bar("working"):
        report = _progress.current()
        assert (report is not None) == terminal
        if terminal:
            for done in (10, 60, 100):
                time.sleep(0.15)
                report(done, 100)
    assert ("working" in shown.getvalue()) == terminal


# ---- the other commands ----


def test_doctor_is_healthy(capsys):
    code, out, _ = run(capsys, "doctor")
    assert code == 0
    assert out.rstrip().endswith("\nhealthy")
    assert "clustering, haversine" in out


def test_doctor_says_when_the_panels_differ(capsys, monkeypatch):
    from diptych.reference import clustering

    monkeypatch.setattr(clustering, "k_distances", lambda X, k, metric: np.zeros(len(X)))
    code, out, _ = run(capsys, "doctor", "--json")
    found = json.loads(out)
    assert code == 1
    assert found["healthy"] is False
    assert found["self_test"]["clustering, euclidean"] is False
    assert found["self_test"]["random numbers"] is True


def test_doctor_says_when_the_self_test_stops(capsys, monkeypatch):
    from diptych.kernels import clustering

    def broken(*_arguments, **_named):
        raise RuntimeError("lost the plot")

    monkeypatch.setattr(clustering, "dbscan", broken)
    code, out, _ = run(capsys, "doctor")
    assert code == 1
    assert "the self-test stopped: RuntimeError: lost the plot" in out


GOOD = "from diptych.reference.clustering import dbscan\n"
WRONG = "def dbscan(X, eps, *, min_samples):\n    return [-1] * len(X)\n"
STEP = "from diptych.reference.recurrent import lstm_step\n"
KEEPS_ALL = """
import numpy as np
def sigmoid(x):
    return 1 / (1 + np.exp(-x))
def lstm_step(x, h, c, w_ih, w_hh, b_ih=None, b_hh=None):
    gates = x @ w_ih.T + h @ w_hh.T
    gates = gates if b_ih is None else gates + b_ih + b_hh
    i, f, g, o = np.split(gates, 4, axis=1)
    c = c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c
"""
FORGETS = KEEPS_ALL.replace("c = c + ", "c = sigmoid(f) * c + ")


@pytest.mark.parametrize(
    ("what", "source", "code"),
    [
        ("clustering.dbscan", GOOD, 0),
        ("clustering.dbscan", WRONG, 1),
        ("recurrent.lstm_step", STEP, 0),
        ("recurrent.lstm_step", FORGETS, 0),
        ("recurrent.lstm_step", KEEPS_ALL, 1),
    ],
    ids=["right", "wrong", "the reference's step", "a student's step", "a step without a forget gate"],
)
def test_check(tmp_path, capsys, what, source, code):
    path = tmp_path / "mine.py"
    path.write_text(source)
    found = run(capsys, "check", what, f"{path}:{what.split('.')[1]}", "--examples", "5")
    assert found[0] == code
    assert ("broken: " in found[1]) == bool(code)


def test_check_as_json_and_by_module(capsys):
    words = [
        "check",
        "clustering.k_distances",
        "diptych.reference.clustering:k_distances",
        "--examples",
        "3",
        "--json",
    ]
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert json.loads(out)["passed"] is True


def test_check_of_a_file_that_does_not_run(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text("1 / 0\n")
    code, _, err = run(capsys, "check", "clustering.dbscan", f"{path}:dbscan")
    assert (code, err.count("\n")) == (1, 1)
    assert "does not run: ZeroDivisionError" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["clustering.nothing", "mine.py:f"], "there are no laws of"),
        (["clustering.dbscan", "mine.py"], "write FILE.py:FUNCTION"),
        (["clustering.dbscan", "no-such-file.py:f"], "there is no file"),
        (["clustering.dbscan", "diptych.reference.clustering:nothing"], "has no function 'nothing'"),
    ],
)
def test_check_wrong_usage(capsys, words, message):
    assert message in usage_error(capsys, "check", *words)


@pytest.mark.parametrize("what", ["clustering.dbscan", "recurrent.lstm_step"])
def test_exercise_is_a_stub_that_fails_until_it_is_filled_in(tmp_path, capsys, what):
    path, name = tmp_path / "attempt.py", what.split(".")[1]
    code, out, err = run(capsys, "exercise", what, "-o", path)
    assert (code, out) == (0, "")
    assert f"diptych check {what} {path}:{name}" in err
    assert run(capsys, "check", what, f"{path}:{name}", "--examples", "2")[0] == 1
    assert f"diptych check {what} attempt.py:{name}" in path.read_text()
    assert "is there already" in usage_error(capsys, "exercise", what, "-o", path)


def test_exercise_on_standard_output(capsys):
    code, out, _ = run(capsys, "exercise", "clustering.dbscan")
    assert code == 0
    compile(out, "exercise", "exec")


def test_study_lists_and_runs(capsys, tmp_path):
    code, out, _ = run(capsys, "study")
    assert code == 0
    assert "dbscan_steps" in [line.split()[0] for line in out.splitlines()]
    picture = tmp_path / "steps.png"
    code, out, _ = run(capsys, "study", "dbscan_steps", "-o", picture)
    assert code == 0
    assert "holds in this run" in out
    assert picture.read_bytes().startswith(b"\x89PNG")
    code, out, _ = run(capsys, "study", "dbscan_steps", "--json")
    assert json.loads(out)["holds"] is True
    assert "there is no study" in usage_error(capsys, "study", "nothing")
    assert "does not read ATIS" in usage_error(capsys, "study", "dbscan_steps", "--atis", "folder")


def test_study_passes_on_what_was_said(capsys, monkeypatch):
    usual, told = dict(studies.STUDIES), []
    assert all("rng" in inspect.signature(study).parameters for study in usual.values())
    answer = usual["dbscan_steps"]()
    asked = dict.fromkeys(usual, lambda **options: told.append(options) or answer)
    monkeypatch.setattr(studies, "STUDIES", asked)
    run(capsys, "study", "scaling", "--seed", "3")
    run(capsys, "study", "lstm_or_transformer", "--atis", "folder")
    assert told == [{"rng": 3}, {"atis": "folder"}]


def test_demo(capsys, tmp_path, monkeypatch):
    from diptych.cli import _demo_clustering, demo

    monkeypatch.setattr(demo, "JOBS", (_demo_clustering.iris, _demo_clustering.digits_k_distances))
    picture = tmp_path / "demo.png"
    code, out, _ = run(capsys, "demo", "-o", picture)
    assert code == 0
    header, rule, *rows = out.splitlines()
    assert header.split() == ["input", "job", "result", "both", "panels", "reference", "rust", "ratio"]
    assert set(rule) == {"-", " "}
    assert len(rows) == 2
    assert all("equal" in row for row in rows)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_demo_fails_when_the_panels_differ(capsys, monkeypatch):
    from diptych.cli import _demo_clustering, demo
    from diptych.reference import clustering

    monkeypatch.setattr(demo, "JOBS", (_demo_clustering.iris,))
    monkeypatch.setattr(clustering, "dbscan", lambda X, eps: (np.arange(0), np.zeros(len(X), dtype=np.intp)))
    code, out, _ = run(capsys, "demo", "--json")
    assert code == 1
    assert [row["equal"] for row in json.loads(out)["rows"]] == [False]


def test_demo_compares_embeddings_to_a_tolerance(capsys, monkeypatch):
    from diptych.cli import _demo_embedding, demo
    from diptych.reference import skipgram

    monkeypatch.setattr(demo, "JOBS", (_demo_embedding.karate,))
    assert _demo_embedding.karate in _demo_embedding.JOBS
    code, out, _ = run(capsys, "demo")
    assert code == 0
    assert "within 0.0001" in out
    train = skipgram.train

    def off_by_little(*args, **kwargs):
        learnt = train(*args, **kwargs)
        return learnt._replace(contexts=learnt.contexts + np.float32(2e-4))

    monkeypatch.setattr(skipgram, "train", off_by_little)
    code, out, _ = run(capsys, "demo", "--json")
    assert code == 1
    (row,) = json.loads(out)["rows"]
    assert (row["equal"], row["tolerance"]) == (False, 1e-4)


def test_demo_compares_pathsim_bit_for_bit(capsys, monkeypatch, tmp_path):
    from diptych.cli import _demo_metapath, demo
    from diptych.reference import metapath

    assert _demo_metapath.academic_network in demo.JOBS
    monkeypatch.setattr(demo, "JOBS", (_demo_metapath.academic_network,))
    code, out, _ = run(capsys, "demo", "-o", tmp_path / "demo.png")
    assert code == 0
    assert "Ada Brandt is most like Daniel Okwari" in out
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")
    pathsim = metapath.pathsim

    def off_by_a_bit(*args, **kwargs):
        scores = pathsim(*args, **kwargs)
        scores.data[-1] = np.nextafter(scores.data[-1], 0.0)
        return scores

    monkeypatch.setattr(metapath, "pathsim", off_by_a_bit)
    code, out, _ = run(capsys, "demo", "--json")
    assert code == 1
    (row,) = json.loads(out)["rows"]
    assert (row["equal"], row["tolerance"]) == (False, 0.0)


def test_drawing_without_matplotlib_says_how_to_get_it(points, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for words in (["cluster", points, *RULE, "--plot", "x.png"], ["study", "dbscan_steps", "-o", "x.png"]):
        code, out, err = run(capsys, *words)
        assert (code, out) == (1, "")
        assert "pip install 'diptych[plot]'" in err


# ---- real data ----


def test_a_table_with_comments_and_a_column_of_text(data_dir, capsys):
    path = data_dir / "points" / "3clusters-and-noise-2d.csv"
    words = ["--columns", "1,2", "--eps", "0.04", "--min-samples", "20", "--json"]
    found = json.loads(run(capsys, "cluster", path, *words)[1])
    # ELKI's own expectation for this file (DBSCANTest), noise first.
    assert [found["noise"], *sorted(found["cluster_sizes"])] == [29, 50, 101, 150]


def test_published_labels_up_to_renaming(data_dir, capsys):
    path = data_dir / "points" / "irvingc_labeled_data.csv"
    words = ["--columns", "1,2", "--eps", "0.3", "--min-samples", "10", "--json"]
    labels = json.loads(run(capsys, "cluster", path, *words)[1])["labels"]
    published = np.loadtxt(path, delimiter=",", usecols=2, dtype=int)  # 0 is noise there
    pairs = set(zip(labels, published.tolist(), strict=True))
    assert len(pairs) == len(set(labels)) == len(set(published.tolist()))
    assert (-1, 0) in pairs


def test_quoted_text_with_commas_beside_the_columns(data_dir, capsys):
    path = data_dir / "points" / "openflights_airports.dat"
    words = ["--columns", "7,8", "--metric", "haversine", "--degrees", "--eps", "100km", "--json"]
    found = json.loads(run(capsys, "cluster", path, *words)[1])
    assert (found["points"], found["columns"]) == (7698, 2)
    assert found["clusters"] > 1
