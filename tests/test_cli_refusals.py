"""The command line refuses what cannot be meant, in its own words and before the work where it can."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from diptych.cli._tables import DataError, read_points
from test_cli import X, run, usage_error


@pytest.fixture
def points(tmp_path, monkeypatch):
    """A file of points in the working folder, where a refused command may leave nothing else."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "points.csv"
    np.savetxt(path, X, delimiter=",", fmt="%.17g")
    return path


def stops(tmp_path, text):
    path = tmp_path / "stops.csv"
    path.write_text(text)
    return path


def bad_data(capsys, *words):
    code, out, err = run(capsys, *words)
    assert (code, out, err.count("\n")) == (1, "", 1)
    return err


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
