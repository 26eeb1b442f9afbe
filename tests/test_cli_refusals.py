"""The command line refuses what cannot be meant, in its own words and before the work where it can."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy import sparse

from diptych.cli._console import check_picture
from diptych.cli._tables import DataError, read_points
from test_cli import RULE, TABLE, X, run, usage_error


@pytest.fixture
def points(tmp_path, monkeypatch):
    """A file of points in the working folder, where a refused command may leave nothing else."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "points.csv"
    np.savetxt(path, X, delimiter=",", fmt="%.17g")
    return path


@pytest.fixture
def graph(tmp_path):
    """A sparse matrix in a file."""
    path = tmp_path / "graph.npz"
    sparse.save_npz(path, sparse.csr_matrix(np.array([[0.0, 0.5], [0.5, 0.0]])))
    return path


# ---- places on a sphere ----


def stops(tmp_path, text):
    path = tmp_path / "stops.csv"
    path.write_text(text)
    return path


def bad_data(capsys, *words):
    code, out, err = run(capsys, *words)
    assert (code, out, err.count("\n")) == (1, "", 1)
    return err


def test_degrees_without_saying_so(tmp_path, capsys):
    path = stops(tmp_path, "0.5,0.1\n47,8\n48,9\n")
    err = bad_data(capsys, "cluster", path, "--eps", "0.1", "--metric", "haversine")
    assert err == "diptych: the points look like degrees and not like radians: add --degrees.\n"


@pytest.mark.parametrize(
    ("eps", "message"),
    [
        (["20"], "--eps 20: radians, at most pi; add --degrees, or a unit, such as 20km."),
        (["200", "--degrees"], "--eps 200: degrees, at most 180; a distance takes its unit, such as 200km."),
        (["30000km"], "--eps 30000km: no two places are farther apart than 20015.1km."),
    ],
)
def test_a_radius_beyond_the_sphere(tmp_path, capsys, eps, message):
    path = stops(tmp_path, "0.47,0.08\n0.48,0.09\n")
    assert message in usage_error(capsys, "cluster", path, "--metric", "haversine", "--eps", *eps)


@pytest.mark.parametrize(
    ("columns", "advice"), [([], "2,1"), (["--columns", "lon,lat"], "lat,lon"), (["--columns", "1,2"], "2,1")]
)
def test_latitudes_beyond_the_pole_are_columns_swapped(tmp_path, capsys, columns, advice):
    path = stops(tmp_path, "lon,lat\n90,-30\n-90,-31\n151.2,-33.9\n")
    words = ["cluster", path, "--metric", "haversine", "--degrees", "--eps", "5km", *columns]
    err = bad_data(capsys, *words)
    assert "row 3: latitude 151.2 is beyond ±90 degrees; are the columns swapped?" in err
    assert err.endswith(f"Then pass --columns {advice}.\n")
    assert run(capsys, *words[:7], "--columns", advice)[0] == 0


def test_places_have_two_columns_and_are_dense(tmp_path, capsys, graph):
    path = stops(tmp_path, "1,0.47,0.08\n2,0.48,0.09\n")
    for degrees in ([], ["--degrees"]):
        words = ["--metric", "haversine", "--eps", "1", *degrees]
        assert "has 3 columns; haversine takes latitude and longitude" in bad_data(
            capsys, "cluster", path, *words
        )
        assert "graph.npz is sparse; latitudes" in bad_data(capsys, "cluster", graph, *words)


# ---- the input ----


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, sparse.coo_array])
def test_sparse_columns_and_values_that_are_not_finite(tmp_path, form):
    dense = np.array([[0.0, 1.0, 2.0], [0.0, 0.0, np.nan], [np.inf, 0.0, 3.0]])
    path = tmp_path / "table.npz"
    sparse.save_npz(path, form(dense))
    np.testing.assert_array_equal(read_points(str(path), columns=["2"]).toarray(), dense[:, [1]])
    with pytest.raises(DataError, match=r"table\.npz, row 2: column 3 holds nan; every value must be finite"):
        read_points(str(path), columns=["2", "3"])


def test_values_of_columns_that_are_not_used_may_be_missing(tmp_path):
    path = stops(tmp_path, "a,b\n1,nan\n2,\n")
    np.testing.assert_array_equal(read_points(str(path), columns=["a"]), [[1.0], [2.0]])


@pytest.mark.parametrize(
    ("source", "message"),
    [("none.csv", "there is no file none.csv."), (".", ". is a folder."), ("", "the input is ''")],
)
def test_input_that_is_no_file(points, capsys, source, message):
    assert message in usage_error(capsys, "cluster", source, "--eps", "1")


@pytest.mark.parametrize("delimiter", ["\\t", "tab", "\t"])
def test_tab_can_be_written(tmp_path, capsys, delimiter):
    path = stops(tmp_path, "1;1\t2\n3;1\t4\n")
    words = ["--eps", "9", "--min-samples", "1", "--columns", "2", "--no-header", "--quiet"]
    code, out, _ = run(capsys, "cluster", path, *words, "--delimiter", delimiter)
    assert (code, out) == (0, "0,core\n0,core\n")


@pytest.mark.parametrize("delimiter", ["", "::", "\\n", "#", '"', "\n"])
def test_delimiters_that_part_nothing(points, capsys, delimiter):
    err = usage_error(capsys, "cluster", points, "--eps", "1", "--delimiter", delimiter)
    assert "must be one character" in err


# ---- where results go ----


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "out.npz"], "-o out.npz: the labels are written as csv, tsv or npy (--json for JSON)"),
        (["-o", "out.json"], "-o out.json: the labels are written as csv, tsv or npy"),
        (["-o", "out.CSV.GZ"], "-o out.CSV.GZ: the labels are written as csv, tsv or npy"),
        (["-o", "out.npy", "--json"], "-o out.npy: the labels are written as one JSON object, to .json"),
        (["-o", "out.CSV", "--json"], "-o out.CSV: the labels are written as one JSON object"),
        (["-o", ""], "-o '': name a file"),
        (["--plot", ""], "--plot '': name a file"),
        (["--plot", "out"], "--plot out: pictures end in"),
        (["--plot", "-"], "--plot -: a picture goes to a file"),
        (["-o", "a.webp", "--plot", "a.webp"], "--plot a.webp: is where -o puts the labels"),
        (["-o", "a.webp", "--plot", "./a.webp"], "--plot ./a.webp: is where -o puts the labels"),
    ],
)
def test_results_that_cannot_be_meant(points, capsys, words, message):
    assert message in usage_error(capsys, "cluster", points, *RULE, *words)
    assert os.listdir() == ["points.csv"]


def test_endings_in_capitals_and_of_ones_own(points, capsys):
    expected = "label,kind\n" + TABLE
    for ending, text in [("TSV", expected.replace(",", "\t")), ("labels", expected)]:
        assert run(capsys, "cluster", points, *RULE, "-o", f"out.{ending}")[0] == 0
        assert (points.parent / f"out.{ending}").read_text() == text
    assert run(capsys, "cluster", points, *RULE, "-o", "out.NPY")[0] == 0
    assert np.load("out.NPY").shape == (len(X),)
    assert run(capsys, "cluster", points, *RULE, "-o", "out.JSON", "--json")[0] == 0
    assert sorted(os.listdir()) == ["out.JSON", "out.NPY", "out.TSV", "out.labels", "points.csv"]


@pytest.mark.parametrize("link", [os.link, os.symlink])
@pytest.mark.parametrize(("option", "name"), [("-o", "linked.csv"), ("--plot", "linked.png")])
def test_a_link_to_the_points_is_not_overwritten(points, capsys, link, option, name):
    before = points.read_bytes()
    link(points, name)
    message = f"{option} {name}: would overwrite the points"
    assert message in usage_error(capsys, "cluster", points, *RULE, option, name)
    assert points.read_bytes() == before


def test_sparse_points_are_not_drawn(points, graph, capsys):
    err = usage_error(capsys, "cluster", graph, "--eps", "1", "--plot", "x.png", "-o", "labels.csv")
    assert "--plot needs dense points" in err
    assert not {"x.png", "labels.csv"} & set(os.listdir())


@pytest.mark.parametrize("command", [["study", "dbscan_steps"], ["demo"]])
@pytest.mark.parametrize(
    ("path", "message"),
    [("out", "-o out: pictures end in"), ("-", "a picture goes to a file"), ("", "-o '': name a file")],
)
def test_pictures_of_the_other_commands(points, capsys, command, path, message):
    assert message in usage_error(capsys, *command, "-o", path)
    assert os.listdir() == ["points.csv"]


def test_a_study_moves_whatever_still_pictures_matplotlib_knows(points, capsys, monkeypatch):
    from matplotlib.backend_bases import FigureCanvasBase

    still = {"png": "Portable Network Graphics"}
    monkeypatch.setattr(FigureCanvasBase, "get_supported_filetypes", lambda: still)
    check_picture("out.gif", option="-o", moving=True)
    assert "pictures end in .png." in usage_error(capsys, "demo", "-o", "out.gif")
    assert "pictures end in .gif, .png." in usage_error(capsys, "study", "dbscan_steps", "-o", "out.svg")


# ---- check ----


@pytest.mark.parametrize("place", ["points.csv", "./points.csv", "no_such_module", "diptych.nothing"])
def test_what_is_checked_is_python(points, capsys, place):
    err = usage_error(capsys, "check", "clustering.dbscan", f"{place}:dbscan")
    assert f"there is no module {place}, and a file has to end in .py." in err


def test_a_module_that_misses_another_says_which(points, capsys, monkeypatch):
    monkeypatch.syspath_prepend(points.parent)
    (points.parent / "needs_more.py").write_text("import no_such_module\n")
    err = bad_data(capsys, "check", "clustering.dbscan", "needs_more:dbscan")
    assert err == "diptych: No module named 'no_such_module'\n"
