"""Checks of sentences and their tags: which sentence, which word, what is wrong with it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from diptych._validate import DtypeError

SHAPE = "a tag is 'O', or 'B-' or 'I-' and the name of a slot"


def sentences(given: Any, name: str, *, may_be_empty: bool = False) -> list[list[str]]:
    """Return sentences as lists of words."""
    rows = _rows(given, name, "words")
    if not rows and not may_be_empty:
        raise ValueError(f"{name} is empty: at least one sentence is needed.")
    for i, row in enumerate(rows):
        if not row:
            raise ValueError(f"{name}[{i}] is empty: a sentence has at least one word; leave it out.")
        _refuse_empty_words(row, f"{name}[{i}]")
    return rows


def sentence(given: Any, name: str) -> list[str]:
    """Return one sentence as a list of words."""
    row = _row(given, name, "words")
    if not row:
        raise ValueError(f"{name} is empty: a sentence has at least one word.")
    _refuse_empty_words(row, name)
    return row


def _refuse_empty_words(row: list[str], name: str) -> None:
    if not all(row):
        raise ValueError(f"{name}[{row.index('')}] is '': a word has at least one character.")


def tags(given: Any, name: str, words: list[list[str]], words_name: str) -> list[list[str]]:
    """Return rows of tags, one for each word of the rows that are given."""
    rows = _rows(given, name, "tags")
    if len(rows) != len(words):
        raise ValueError(f"{name} has {len(rows)} rows for the {len(words)} of {words_name}.")
    for i, (row, wanted) in enumerate(zip(rows, words, strict=True)):
        if len(row) != len(wanted):
            raise ValueError(
                f"{name}[{i}] has {len(row)} tags for the {len(wanted)} of {words_name}[{i}]: one for each "
                "is needed."
            )
    check_shape(rows, name)
    return rows


def check_shape(rows: list[list[str]], name: str) -> None:
    """Refuse what is no tag at all."""
    every: set[str] = set().union(*rows)
    if misshapen(list(every)) is not None:
        _refuse_first(rows, name, misshapen)


def check_sequences(rows: list[list[str]], name: str) -> None:
    """Refuse an I- that goes on with what has not begun."""
    _refuse_first(rows, name, out_of_place)


def misshapen(row: list[str]) -> tuple[int, str] | None:
    """Return where something is no tag at all, and why, if there is such a thing."""
    for j, tag in enumerate(row):
        if tag != "O" and not (tag[:2] in ("B-", "I-") and len(tag) > 2):
            return j, f"{tag!r}: {SHAPE}."
    return None


def out_of_place(row: list[str]) -> tuple[int, str] | None:
    """Return where an I- goes on with what has not begun, and why that is wrong, if there is one."""
    before = "O"
    for j, tag in enumerate(row):
        if tag[0] == "I" and before[2:] != tag[2:]:
            after = f"after {before!r}" if j else "at the beginning"
            begins = f"what fills a slot begins with 'B-{tag[2:]}'"
            return j, f"{tag!r} stands {after}: no BIO sequence; {begins}."
        before = tag
    return None


def _refuse_first(
    rows: list[list[str]], name: str, fault: Callable[[list[str]], tuple[int, str] | None]
) -> None:
    for i, row in enumerate(rows):
        found = fault(row)
        if found is not None:
            raise ValueError(f"{name}[{i}][{found[0]}]={found[1]}")


def rows_of_tags(given: Any, name: str) -> list[list[str]]:
    """Return rows of tags, of any lengths."""
    rows = _rows(given, name, "tags")
    check_shape(rows, name)
    return rows


def labels(given: Any, name: str, n: int) -> list[str]:
    """Return a string for each of n sentences."""
    _refuse_string(given, name, "strings, one for each sentence")
    found = list(_iterated(given, name, "strings, one for each sentence"))
    if len(found) != n:
        raise ValueError(f"{name} has {len(found)} entries for {n} sentences: one for each is needed.")
    for i, label in enumerate(found):
        if not isinstance(label, str):
            raise DtypeError(f"{name}[{i}]={label!r}: a string is needed.")
    return list(map(str, found))


def _rows(given: Any, name: str, kind: str) -> list[list[str]]:
    whole = f"lists of {kind}"
    _refuse_string(given, name, whole)
    return [_row(row, f"{name}[{i}]", kind) for i, row in enumerate(_iterated(given, name, whole))]


def _row(given: Any, name: str, kind: str) -> list[str]:
    if type(given) is list:  # as nearly all rows are, of which there may be very many
        found = given.copy()
    else:
        _refuse_string(given, name, f"a list of {kind}")
        found = list(_iterated(given, name, f"a list of {kind}"))
    if set(map(type, found)) <= {str}:
        return found
    for j, item in enumerate(found):
        if not isinstance(item, str):
            raise DtypeError(f"{name}[{j}]={item!r}: a string is needed.")
    return list(map(str, found))


def _refuse_string(given: Any, name: str, wanted: str) -> None:
    if isinstance(given, str | bytes):
        shown = f"{given[:40]!r}{'…' if len(given) > 40 else ''}"
        hint = "; text.split() makes one of words parted by blanks, list(text) one of characters"
        raise DtypeError(f"{name}={shown} is text: {wanted} {_is(wanted)} needed{hint}.")


def _iterated(given: Any, name: str, wanted: str) -> Iterator[Any]:
    # A set has an order that depends on hashing, and a dict is something else altogether.
    if not isinstance(given, Iterable) or isinstance(given, dict | set | frozenset):
        raise DtypeError(f"{name} is of type {type(given).__name__}: {wanted} {_is(wanted)} needed.")
    return iter(given)


def _is(wanted: str) -> str:
    return "is" if wanted.startswith("a ") else "are"
