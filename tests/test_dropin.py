"""scikit-learn's own tests of DBSCAN, read from the installed package, pass on ours."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sklearn.cluster

import diptych

THEIRS = Path(sklearn.cluster.__file__).parent / "tests" / "test_dbscan.py"


def test_scikit_learns_own_tests_pass(tmp_path):
    if not THEIRS.exists():
        pytest.skip("this build of scikit-learn ships no tests")
    text, swapped = re.subn(
        r"^from sklearn\.cluster import DBSCAN, dbscan$",
        "from diptych import DBSCAN, dbscan",
        THEIRS.read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    assert swapped == 1, "scikit-learn imports the names it tests in another way: adapt the pattern"
    assert "from sklearn.cluster import" not in text
    copy = tmp_path / "test_theirs.py"
    copy.write_text(text, encoding="utf-8")
    package = os.fspath(Path(diptych.__file__).parents[1])
    # Their conftest supplies the fixture of seeds; a folder of its own keeps our configuration out.
    options = ["-q", "-p", "no:cacheprovider", "-p", "sklearn.conftest", "--rootdir", os.fspath(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, copy],
        cwd=tmp_path,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))}
        | {"SKLEARN_TESTS_GLOBAL_RANDOM_SEED": "0-9"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 20, done.stdout
    assert "skipped" not in done.stdout
