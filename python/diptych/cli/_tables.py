"""Points in, labels out: csv, tsv, npy and npz files, and standard input."""

from __future__ import annotations

import csv
import io
import math
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, TextIO
from zipfile import BadZipFile

import numpy as np

STDIN = "-"
NPY_MAGIC = b"\x93NUMPY"
NPZ_MAGIC = b"PK\x03\x04"
COMMENT = "#"
FINITE = "every value must be finite: drop the row or fill in the value."


class DataError(ValueError):
    """The input could be read as a file but not as points; the message is one line."""


class TextLayout(NamedTuple):
    """How a text table is written: found out from its first row."""

    delimiter: str | None  # None: any run of blanks
    header: list[str] | None
    skip: int  # lines up to and including the header
    width: int  # columns of the first row


def read_points(
    source: str,
    *,
    columns: list[str] | None = None,
    header: str = "auto",
    delimiter: str | None = None,
    array: str | None = None,
) -> Any:
    """Read an array of points; binary formats are told by their first bytes, not by their name.

    Parameters
    ----------
    source : str
        A path, or ``-`` for standard input.
    columns : list of str, optional
        Columns to keep: names from the header, or numbers counted from 1.
    header : {"auto", "yes", "no"}
        Whether the first row of a text table holds names. "auto": it does when no cell of it is a number.
    delimiter : str, optional
        Column separator of a text table; found out from the first row when not given.
    array : str, optional
        Which array of an npz file.

    Returns
    -------
    ndarray or scipy.sparse.csr_array
        All values finite. Sparse only for an npz file written by ``scipy.sparse.save_npz``.
    """
    name = name_of(source)
    with _open_binary(source) as stream:
        start = stream.read(6)
        stream.seek(0)
        if not start:
            raise DataError(f"{name} is empty.")
        if start.startswith(NPY_MAGIC):
            with _one_line_errors(name):
                X = np.load(stream, allow_pickle=False)
            return _select_array_columns(X, columns, name)
        if start.startswith(NPZ_MAGIC):
            return _select_array_columns(_read_npz(stream, array, name), columns, name)
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        try:
            return _read_text(text, columns, header, delimiter, name)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name} is not UTF-8 text (byte {error.start}), nor an npy or npz file."
            ) from None


def name_of(source: str) -> str:
    """Return what messages call the input."""
    return "standard input" if source == STDIN else source


def _open_binary(source: str) -> IO[bytes]:
    if source == STDIN:
        return io.BytesIO(
            sys.stdin.buffer.read()
        )  # a pipe cannot be read twice, and the layout needs a look first
    return Path(source).open("rb")


@contextmanager
def _one_line_errors(name: str) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except (ValueError, EOFError, OSError, BadZipFile, zlib.error) as error:
        raise DataError(f"{name} cannot be read: {str(error).splitlines()[0]}") from None


def _read_npz(stream: IO[bytes], array: str | None, name: str) -> Any:
    with _one_line_errors(name), np.load(stream, allow_pickle=False) as archive:
        names = archive.files
        if array is None and {"format", "shape", "data"} <= set(names):
            from scipy import sparse

            stream.seek(0)
            return sparse.csr_array(sparse.load_npz(stream))
        if array is None and len(names) == 1:
            array = names[0]
        if array is None or array not in names:
            wanted = "several arrays" if array is None else f"no array {array!r}"
            raise DataError(f"{name} has {wanted}; choose one with --array: {', '.join(names)}.")
        return archive[array]


def _select_array_columns(X: Any, columns: list[str] | None, name: str) -> Any:
    if X.ndim != 2:
        raise DataError(f"{name} holds an array of shape {X.shape}; points are rows of a 2-D array.")
    if X.dtype.kind not in "biuf":
        raise DataError(f"{name} holds {X.dtype}; points are numbers.")
    if columns is None:
        used = list(range(X.shape[1]))
    else:
        used = _column_numbers(columns, None, X.shape[1], name)
        X = X[:, used]
    _check_finite(X, used, name)
    return X


def _check_finite(X: Any, used: list[int], name: str) -> None:
    """Refuse a value that is NaN or infinite; say where it stands, counted from 1 as in --columns."""
    bad = np.argwhere(~np.isfinite(X if isinstance(X, np.ndarray) else X.data))
    if not bad.size:
        return
    if isinstance(X, np.ndarray):
        i, j = bad[0]
        value = X[i, j]
    else:  # CSR
        at = bad[0, 0]
        i, j, value = np.searchsorted(X.indptr, at, side="right") - 1, X.indices[at], X.data[at]
    raise DataError(f"{name}, row {i + 1}: column {used[j] + 1} holds {value}; {FINITE}")


def _column_numbers(columns: list[str], names: list[str] | None, width: int, name: str) -> list[int]:
    found = []
    for column in columns:
        if names is not None and column in names:
            found.append(names.index(column))
        elif column.isdecimal() and 1 <= int(column) <= width:
            found.append(int(column) - 1)
        else:
            known = "no header" if names is None else f"the columns {', '.join(names)}"
            raise DataError(
                f"{name} has no column {column!r}: it has {width} columns and {known}; count from 1."
            )
    return found


def _read_text(
    text: TextIO, columns: list[str] | None, header: str, delimiter: str | None, name: str
) -> np.ndarray[Any, np.dtype[np.float64]]:
    layout = _find_layout(text, header, delimiter, name)
    used = None if columns is None else _column_numbers(columns, layout.header, layout.width, name)
    _skip(text, layout.skip)
    try:
        X = np.loadtxt(
            text,
            delimiter=layout.delimiter,
            comments=COMMENT,
            usecols=used,
            ndmin=2,
            quotechar='"',
            dtype=np.float64,
        )
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        _skip(text, layout.skip)
        raise DataError(_first_fault(text, layout, used, name) or f"{name}: {error}") from None
    if not np.isfinite(X).all():
        _skip(text, layout.skip)
        raise DataError(_first_fault(text, layout, used, name) or f"{name}: {FINITE}")
    return X


def _skip(text: TextIO, lines: int) -> None:
    text.seek(0)
    for _ in range(lines):
        text.readline()


def _find_layout(text: TextIO, header: str, delimiter: str | None, name: str) -> TextLayout:
    number = 0
    for number, line in enumerate(text, start=1):  # noqa: B007  (the last number is used after the loop)
        content = line.split(COMMENT, 1)[0].strip("\r\n")
        if content.strip():
            break
    else:
        raise DataError(f"{name} has no rows.")
    if delimiter is None:
        bare = re.sub(r'"[^"]*"', "", content)
        delimiter = next((mark for mark in "\t;," if mark in bare), None)
    cells = _split(content, delimiter)
    named = header == "yes" or (header == "auto" and not any(map(_is_number, cells)))
    if not named:
        return TextLayout(delimiter, None, number - 1, len(cells))
    if not any(line.split(COMMENT, 1)[0].strip() for line in text):
        raise DataError(f"{name} has a header ({', '.join(cells)}) and no rows below it.")
    return TextLayout(delimiter, cells, number, len(cells))


def _split(content: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return content.split()
    return [cell.strip() for cell in next(csv.reader([content], delimiter=delimiter))]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python reads 1_000, NumPy's text reader does not


def _first_fault(text: TextIO, layout: TextLayout, used: list[int] | None, name: str) -> str | None:
    """Say which cell is no finite number: line, column, text, and what to do."""
    for number, line in enumerate(text, start=layout.skip + 1):
        content = line.split(COMMENT, 1)[0].strip("\r\n")
        if not content.strip():
            continue
        cells = _split(content, layout.delimiter)
        if used is None and len(cells) != layout.width:
            return f"{name}, line {number}: {len(cells)} columns, the lines before it have {layout.width}."
        for column in range(layout.width) if used is None else used:
            cell = cells[column] if column < len(cells) else ""
            fault = _fault(cell)
            if fault is not None:
                title = f" ({layout.header[column]})" if layout.header else ""
                return f"{name}, line {number}: column {column + 1}{title} {fault}"
    return None


def _fault(cell: str) -> str | None:
    if not cell:
        return "is empty; choose columns with --columns."
    if not _is_number(cell):
        return f"holds {cell[:40]!r}, not a number; choose columns with --columns."
    if not math.isfinite(float(cell)):
        return f"holds {cell[:40]!r}; {FINITE}"
    return None


def label_lines(
    labels: np.ndarray[Any, Any], kinds: np.ndarray[Any, Any], mark: str, header: bool
) -> Iterator[str]:
    """Lines of the result table, in pieces large enough to write at speed."""
    if header:
        yield f"label{mark}kind\n"
    for start in range(0, len(labels), 100_000):
        piece = slice(start, start + 100_000)
        pairs = zip(labels[piece].tolist(), kinds[piece].tolist(), strict=True)
        yield "".join(f"{label}{mark}{kind}\n" for label, kind in pairs)
