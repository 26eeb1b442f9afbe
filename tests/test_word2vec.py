"""The text format of word2vec: what is written is read back to the last bit, names included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diptych.io import read_word2vec, write_word2vec

VECTORS = np.array([[1.0, -0.1], [3.4e38, 1e-45], [0.0, -0.0]], dtype=np.float32)


def test_the_format(tmp_path):
    write_word2vec(tmp_path / "v.txt", ["a", "São", "7"], [[1.0, -0.5], [0.25, 2e-8], [3, 4]])
    assert (tmp_path / "v.txt").read_text(encoding="utf-8") == "3 2\na 1.0 -0.5\nSão 0.25 2e-08\n7 3.0 4.0\n"


@pytest.mark.parametrize("names", [["a", "b", "c"], [10, 2, -3], ["007", "8", "9"], [("x", 1)[0], 2, "é"]])
def test_there_and_back(tmp_path, names):
    write_word2vec(tmp_path / "v.txt", names, VECTORS)
    found, vectors = read_word2vec(tmp_path / "v.txt")
    assert found.tolist() == (names if all(isinstance(n, int) for n in names) else list(map(str, names)))
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors.view(np.uint32), VECTORS.view(np.uint32))


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_every_float32_survives(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "survives.txt"
    vectors = np.array([values], dtype=np.float32)
    write_word2vec(path, ["x"], vectors)
    np.testing.assert_array_equal(read_word2vec(path)[1].view(np.uint32), vectors.view(np.uint32))


def test_no_vectors(tmp_path):
    write_word2vec(tmp_path / "v.txt", [], np.empty((0, 3), np.float32))
    names, vectors = read_word2vec(tmp_path / "v.txt")
    assert len(names) == 0
    assert vectors.shape == (0, 3)


@pytest.mark.parametrize("name", ["New York", "a\tb", "a\nb", "", " ", "a\u00a0b", "a\u2028b"])
def test_names_that_cannot_be_written(tmp_path, name):
    path = tmp_path / "v.txt"
    path.write_text("old")
    with pytest.raises(ValueError, match=r"names\[1\]=.*white space.*\.npz"):
        write_word2vec(path, ["a", name], VECTORS[:2])
    assert path.read_text() == "old"


def test_what_else_is_refused(tmp_path):
    path = tmp_path / "v.txt"
    with pytest.raises(ValueError, match="vectors 0 and 2 are both named '1'"):
        write_word2vec(path, [1, 2, "1"], VECTORS)
    with pytest.raises(ValueError, match="2 names and 3 vectors"):
        write_word2vec(path, [1, 2], VECTORS)
    with pytest.raises(ValueError, match=r"vectors\[0, 1\]=nan"):
        write_word2vec(path, [1], [[0, np.nan]])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "first line"),
        ("a 1 2\n", "first line"),
        ("-1 2\n", "first line"),
        ("2 2\na 1 2\n", "announces 2 vectors and holds 1"),
        ("1 2\na 1 2\nb 1 2\n", "announces 1 vectors and holds 2"),
        ("2 2\na 1 2\nb 1\n", "line 3: 1 values after the name, not 2"),
        ("1 2\na 1 2 3\n", "line 2: 3 values"),
        ("1 2\na 1 x\n", "line 2: .*'x'"),
        ("1 2\na 1 nan\n", "line 2: every value must be finite"),
        ("1 2\na 1 1e39\n", "line 2: every value must be finite"),
        ("2 1\na 1\na 2\n", "both named 'a'"),
        ("99999999999999999 2\n", "announces"),
    ],
)
def test_damaged_files(tmp_path, text, says):
    (tmp_path / "v.txt").write_text(text)
    with pytest.raises(ValueError, match=says):
        read_word2vec(tmp_path / "v.txt")


def test_binary_files(tmp_path):
    (tmp_path / "v.bin").write_bytes(b"1 2\na \xff\xfe\x00\x80\n")
    with pytest.raises(ValueError, match="not UTF-8"):
        read_word2vec(tmp_path / "v.bin")


def test_lines_as_other_programs_end_them(tmp_path):
    (tmp_path / "v.txt").write_bytes(b"2 2\r\na 1 2 \r\nb 3 4 \r\n")
    names, vectors = read_word2vec(tmp_path / "v.txt")
    assert names.tolist() == ["a", "b"]
    np.testing.assert_array_equal(vectors, [[1, 2], [3, 4]])
