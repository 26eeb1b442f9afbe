"""The command line refuses what cannot be meant, in its own words and before the work where it can."""

from __future__ import annotations

import numpy as np
import pytest

from test_cli import X, run, usage_error


@pytest.fixture
def points(tmp_path, monkeypatch):
    """A file of points in the working folder, where a refused command may leave nothing else."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "points.csv"
    np.savetxt(path, X, delimiter=",", fmt="%.17g")
    return path


def bad_data(capsys, *words):
    code, out, err = run(capsys, *words)
    assert (code, out, err.count("\n")) == (1, "", 1)
    return err


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
