"""Words as numbers: which are known, what is done with others, which sentences go together."""

import re
from collections import Counter
from collections.abc import Iterator

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
        counts = Counter(np.concatenate(numbered).tolist())
        seen = np.array([counts[i] for i in range(len(self))], dtype=np.float64)
        rates = np.zeros(len(self))
        there = seen > 0
        odds = rate / (1.0 - rate)
        rates[there] = odds / (odds + seen[there])
        return rates


def folded(word: str) -> str:
    """Return a word with each digit, of any script, replaced by 0."""
    return _DIGIT.sub("0", word)


def batches(
    lengths: NDArray[np.int64], size: int, generator: np.random.Generator | None = None
) -> Iterator[NDArray[np.int64]]:
    """Give the rows of each batch, of nearly equal lengths; in random order if there is a generator."""
    rows = np.arange(len(lengths))
    if generator is not None:
        rows = generator.permutation(rows)
    rows = rows[np.argsort(lengths[rows], kind="stable")]
    starts = np.arange(0, len(rows), size)
    if generator is not None:
        starts = generator.permutation(starts)
    for start in starts:
        yield rows[start : start + size]


def padded(rows: list[NDArray[np.int64]], fill: int) -> NDArray[np.int64]:
    """Return rows of numbers side by side, (T, B), the shorter ones filled up."""
    table = np.full((max(map(len, rows)), len(rows)), fill, dtype=np.int64)
    for column, row in enumerate(rows):
        table[: len(row), column] = row
    return table
