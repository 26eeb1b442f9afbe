"""Sentences and tags as text: a word on a line with its tag behind it, or a sentence on a line."""

from __future__ import annotations

import sys
from pathlib import Path

from diptych import _validate_tags
from diptych.cli._tables import DataError


def lines_of(path: str) -> list[str]:
    """Return the lines of a file, or of standard input, without what ends them."""
    try:
        # Not sys.stdin itself, which decodes as the locale says and lets wrong bytes pass.
        text = (sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        name = "standard input" if path == "-" else path
        raise DataError(f"{name} is not UTF-8 text (byte {error.start}).") from None
    return [line.rstrip("\r") for line in text.split("\n")]


def read_columns(path: str) -> tuple[list[list[str]], list[list[str]]]:
    """Read words, in the first column, and tags, in the last; an empty line ends a sentence.

    What is no tag, or stands where none of its kind may stand, is told by its line.
    """
    sentences: list[list[str]] = []
    tags: list[list[str]] = []
    first_lines: list[int] = []
    goes_on = False
    for number, line in enumerate(lines_of(path), start=1):
        cells = line.split("\t") if "\t" in line else line.split()
        if not line.strip():
            goes_on = False
            continue
        if len(cells) < 2:
            raise DataError(
                f"{path}, line {number}: {line!r} holds a word and no tag; a sentence on a line needs --tags."
            )
        if not goes_on:
            sentences.append([])
            tags.append([])
            first_lines.append(number)
        goes_on = True
        sentences[-1].append(cells[0])
        tags[-1].append(cells[-1].strip())
    if not sentences:
        raise DataError(f"{path} holds no sentence.")
    for first, row in zip(first_lines, tags, strict=True):
        fault = _fault(row)
        if fault is not None:
            raise DataError(f"{path}, line {first + fault[0]}: {fault[1]}")
    return sentences, tags


def read_tags(path: str) -> list[list[str]]:
    """Read the tags of a sentence from each line."""
    rows = read_sentences(path)
    for number, row in enumerate(rows, start=1):
        fault = _fault(row)
        if fault is not None:
            raise DataError(f"{path}, line {number}, tag {fault[0] + 1}: {fault[1]}")
    return rows


def _fault(row: list[str]) -> tuple[int, str] | None:
    """Return which tag is wrong, and why, if there is one."""
    return _validate_tags.misshapen(row) or _validate_tags.out_of_place(row)


def read_sentences(path: str, *, characters: bool = False) -> list[list[str]]:
    """Read a sentence from each line: what blanks part, or each character that is no blank."""
    lines = lines_of(path)
    if lines and not lines[-1]:
        lines.pop()
    found = []
    for number, line in enumerate(lines, start=1):
        words = [character for character in line if not character.isspace()] if characters else line.split()
        if not words:
            raise DataError(f"{path}, line {number} is empty: a sentence is needed on each line.")
        found.append(words)
    if not found:
        raise DataError(f"{path} holds no sentence.")
    return found


def read_labels(path: str) -> list[str]:
    """Read a label from each line."""
    lines = lines_of(path)
    if lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            raise DataError(f"{path}, line {number} is empty: an intent is needed on each line.")
    return [line.strip() for line in lines]
