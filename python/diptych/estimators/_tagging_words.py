"""Words as numbers: which are known, what is done with others, which sentences go together."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

UNKNOWN = 0  # the number of every word that is not known
_DIGIT = re.compile(r"\d")


class Vocabulary:
    """The words of some sentences, numbered from 1 in alphabetical order, digits folded into 0."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self._numbers = {word: i for i, word in enumerate(words, start=1)}

    @classmethod
    def of(cls, sentences: list[list[str]]) -> "Vocabulary":
        """Return the words of sentences."""
        written: set[str] = set().union(*sentences)
        return cls(sorted(set(map(folded, written))))

    def __len__(self) -> int:
        return 1 + len(self.words)

    def numbers(self, sentence: list[str]) -> NDArray[np.int64]:
        """Return the number of each word: as it is written, else in small letters, else unknown."""
        known = self._numbers.get  # what is known is folded already
        found = [known(word) for word in sentence]
        if None in found:
            found = [self._number(folded(word)) for word in sentence]
        return np.array(found, dtype=np.int64)

    def _number(self, word: str) -> int:
        found = self._numbers.get(word)
        return self._numbers.get(word.casefold(), UNKNOWN) if found is None else found

    def unknown_rates(self, numbered: list[NDArray[np.int64]], rate: float) -> NDArray[np.float64]:
        """Return how often in training each word is taken for an unknown one: a word seen once at `rate`."""
        seen = np.bincount(np.concatenate(numbered), minlength=len(self)).astype(np.float64)
        rates = np.zeros(len(self))
        there = seen > 0
        odds = rate / (1.0 - rate)
        rates[there] = odds / (odds + seen[there])
        return rates


def folded(word: str) -> str:
    """Return a word with each digit, of any script, replaced by 0."""
    return _DIGIT.sub("0", word)


class Room(NamedTuple):
    """How large a batch may be; a sentence that is larger has one for itself.

    Attributes
    ----------
    rows : int
        Sentences at most.
    places : int
        Sentences times the longest of them at most: all are filled up to it.
    spread : int
        There may be more places, if they are no more than so many for each word.
    """

    rows: int
    places: int
    spread: int


def cuts(lengths: NDArray[np.int64], room: Room) -> list[tuple[int, int]]:
    """Return where batches of sentences begin and end, in ascending order of length."""
    found, begin, words = [], 0, 0
    for end, length in enumerate(np.sort(lengths).tolist()):
        places, most = (end + 1 - begin) * length, max(room.places, room.spread * (words + length))
        if end > begin and (end - begin == room.rows or places > most):
            found.append((begin, end))
            begin, words = end, 0
        words += length
    return [*found, (begin, len(lengths))] if len(lengths) else []


def batches(
    lengths: NDArray[np.int64], room: Room, generator: np.random.Generator | None = None
) -> Iterator[NDArray[np.int64]]:
    """Give the rows of each batch, of nearly equal lengths; in random order if there is a generator."""
    rows, parts = np.arange(len(lengths)), np.array(cuts(lengths, room)).reshape(-1, 2)
    if generator is not None:
        rows = generator.permutation(rows)
    rows = rows[np.argsort(lengths[rows], kind="stable")]
    if generator is not None:
        parts = parts[generator.permutation(len(parts))]
    for begin, end in parts:
        yield rows[begin:end]


def padded(rows: list[NDArray[np.int64]], fill: int) -> NDArray[np.int64]:
    """Return rows of numbers side by side, (T, B), the shorter ones filled up."""
    table = np.full((max(map(len, rows)), len(rows)), fill, dtype=np.int64)
    for column, row in enumerate(rows):
        table[: len(row), column] = row
    return table
