"""What a fitted SlotTagger knows by name: words, tags and intents, and their numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diptych.estimators._tagging_decode import begins
from diptych.estimators._tagging_network import TaggingNetwork
from diptych.estimators._tagging_training import Examples, tag
from diptych.estimators._tagging_words import Vocabulary
from diptych.evaluation import chunk_scores


@dataclass(frozen=True)
class Sentences:
    """Sentences as they came: words, tags, and the intent of each if there are any."""

    words: list[list[str]]
    tags: list[list[str]]
    intents: list[str] | None

    def at(self, rows: NDArray[np.int64]) -> "Sentences":
        """Return some of them."""
        intents = None if self.intents is None else [self.intents[i] for i in rows]
        return Sentences([self.words[i] for i in rows], [self.tags[i] for i in rows], intents)


class Known:
    """Names of words, tags and intents; the number of each is its place."""

    def __init__(self, words: list[str], tags: list[str], intents: list[str] | None) -> None:
        self.vocabulary, self.tags, self.intents = Vocabulary(words), tags, intents
        self._begins = begins(tags)

    @classmethod
    def of(cls, given: Sentences, learnt: Sentences) -> "Known":
        """Return the words that are learnt from, and all tags and intents that are given."""
        tags = sorted({tag for row in given.tags for tag in row})
        intents = None if given.intents is None else sorted(set(given.intents))
        return cls(Vocabulary.of(learnt.words).words, tags, intents)

    def examples(self, given: Sentences) -> Examples:
        """Return sentences as numbers."""
        tag = {name: i for i, name in enumerate(self.tags)}
        words = [self.vocabulary.numbers(row) for row in given.words]
        tags = [np.array([tag[name] for name in row], dtype=np.int64) for row in given.tags]
        if given.intents is None or self.intents is None:
            return Examples(words, tags, None)
        intent = {name: i for i, name in enumerate(self.intents)}
        return Examples(words, tags, np.array([intent[name] for name in given.intents], dtype=np.int64))

    def tagged(
        self, network: TaggingNetwork, words: list[list[str]]
    ) -> tuple[list[list[str]], list[str] | None]:
        """Return the tags of sentences, and their intents."""
        found, intents = tag(network, [self.vocabulary.numbers(row) for row in words], self._begins)
        tags = [[self.tags[i] for i in row] for row in found]
        if intents is None or self.intents is None:
            return tags, None
        return tags, [self.intents[i] for i in intents]

    def score(self, network: TaggingNetwork, given: Sentences) -> float:
        """Return the chunk F1 of sentences; with intents, its mean with the share of them that are right."""
        tags, intents = self.tagged(network, given.words)
        f1 = chunk_scores(given.tags, tags).f1
        if given.intents is None or intents is None:
            return f1
        right = sum(map(str.__eq__, intents, given.intents))
        return (f1 + right / len(intents)) / 2

    def as_header(self) -> dict[str, Any]:
        """Return the names for a file."""
        return {"words": self.vocabulary.words, "tags": self.tags, "intents": self.intents}
