"""The study `order`: memory solves what order decides.

"leave taipei and arrive in rome" and "leave rome and arrive in taipei" are the same words. Which city is left
is said by their order, and a tagger that looks at each word by itself cannot know. Travel requests with known
tags, English by the word and Chinese by the character, are tagged by four kinds of `SlotTagger`: without
memory, with an RNN and an LSTM that read forward, and with an LSTM that reads both ways. All are tried on new
sentences and on the same sentences with their words shuffled.

- **Context-free**: of all taggers that decide on each word by itself, none is right more often than one
  that knows the most frequent tag of each word *in the very sentences it is asked about*. That is a bound,
  and the memoryless tagger stays under it, and near it.
- **Forward**: in English all that decides stands before the city, and reading forward is enough. In Chinese
  it may stand behind it alone (北京出发, "Beijing depart"): who reads forward cannot know yet.
- **Shuffled**: what was learnt about order is no help where there is none, but misleads.

And a "no": it does not take an LSTM. What decides is eight words back at most, and a plain RNN remembers that
as well; the study `contribution` is about longer ways.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diptych import _validate
from diptych import plot as _plot
from diptych._blas import one_thread
from diptych.datasets import TaggedSentences, make_travel_requests
from diptych.estimators import SlotTagger
from diptych.studies._moving import MovingDisplay
from diptych.studies._result import StudyResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Example", "OrderDisplay", "Tagged", "order"]

QUESTION = "What does memory solve: which words need it, is one direction enough, and what if order is lost?"
LAW = (
    "A tagger without memory gives a word the same tag wherever it stands, and is right about no more city "
    "words than the most frequent tag of each word, the context-free bound, and about less than a tenth of "
    "all city words fewer; with memory F1 is 0.99 or more: of an RNN and an LSTM "
    "that read forward where all that decides stands before the city (English) and not where it may stand "
    "behind (Chinese), of an LSTM that reads both ways in both; on shuffled words that LSTM falls below the "
    "context-free bound."
)
TAGGERS: dict[str, dict[str, Any]] = {
    "no memory": {"encoder": "none"},
    "RNN, forward": {"encoder": "rnn", "bidirectional": False},
    "LSTM, forward": {"encoder": "lstm", "bidirectional": False},
    "LSTM, both ways": {"encoder": "lstm", "bidirectional": True},
}
LANGUAGES = ("english", "chinese")
ROLES = ("from", "to", "via")
SOLVED = 0.99
NEAR = 0.1  # of all city words
PAIR = ("leave taipei and arrive in rome", "leave rome and arrive in taipei")  # the same words
PACE = 2  # frames for each second of the animation

Tags = list[list[str]]


@dataclass(frozen=True)
class Tagged:
    """How a tagger did on sentences that it had not seen.

    Attributes
    ----------
    language : {"english", "chinese"}
        Of the sentences.
    tagger : str
        Which kind.
    f1 : float
        Chunk F1.
    cities : float
        Share of the words of city names with the right tag: from, to or via.
    shuffled_f1, shuffled_cities : float
        The same of sentences with shuffled words.
    bound : float
        The largest share of the words of city names that taggers which see one word at a time can have.
    same_in_any_order : bool
        Whether shuffled words got the tags they had.
    """

    language: str
    tagger: str
    f1: float
    cities: float
    shuffled_f1: float
    shuffled_cities: float
    bound: float
    same_in_any_order: bool

    def __str__(self) -> str:
        return (
            f"F1 {self.f1:.4f}, city words {self.cities:.4f}; shuffled: F1 {self.shuffled_f1:.3f}, "
            f"city words {self.shuffled_cities:.3f}"
        )


@dataclass(frozen=True)
class Example:
    """What a tagger says of two sentences of the same words.

    Attributes
    ----------
    tagger : str
        Which kind.
    sentences, tags : tuple of list of str
        The words and their tags.
    """

    tagger: str
    sentences: tuple[list[str], list[str]]
    tags: tuple[list[str], list[str]]


@dataclass(frozen=True)
class _Answer:
    """How all taggers did, by language and kind."""

    tagged: dict[tuple[str, str], Tagged]

    @property
    def words_alone_are_not_enough(self) -> bool:
        """Whether taggers without memory do not see order, and stay under the bound."""
        blind = [self.tagged[language, "no memory"] for language in LANGUAGES]
        seeing = [found for found in self.tagged.values() if found.tagger != "no memory"]
        return all(
            found.same_in_any_order and found.bound - NEAR < found.cities <= found.bound for found in blind
        ) and not any(found.same_in_any_order for found in seeing)

    @property
    def memory_solves_it(self) -> bool:
        """Whether memory is enough, forward in English, and both ways in both languages."""
        forward = [name for name in TAGGERS if name.endswith("forward")]
        solved = {key for key, found in self.tagged.items() if found.f1 >= SOLVED}
        english = {("english", name) for name in forward}
        return solved == english | {(language, "LSTM, both ways") for language in LANGUAGES}

    @property
    def shuffling_undoes_it(self) -> bool:
        """Whether the best tagger falls below the bound where there is no order."""
        best = [self.tagged[language, "LSTM, both ways"] for language in LANGUAGES]
        return all(found.shuffled_cities < found.bound for found in best)


def order(
    n_sentences: int = 2000, *, n_fresh: int = 400, hidden_size: int = 64, epochs: int = 20, rng: int = 0
) -> StudyResult:
    """Show that memory solves what order decides, on travel requests in order and shuffled.

    Trains taggers without memory, with memory of what was read, and with memory of both directions, on
    English and Chinese travel requests.

    Parameters
    ----------
    n_sentences : int
        Sentences to learn from.
    n_fresh : int
        Sentences to be tried on.
    hidden_size : int
        Units of RNN and LSTM, in each direction.
    epochs : int
        How often to go through the sentences.
    rng : int
        Seed of sentences, weights and shuffling.

    Returns
    -------
    StudyResult
        ``display`` is an `OrderDisplay`, which has how each tagger did as ``tagged``, and an `Example` of
        each as ``examples``.

    Raises
    ------
    ValueError
        If a number is below 1.

    References
    ----------
    .. [1] J. L. Elman, "Finding structure in time", Cognitive Science, 1990.
    .. [2] G. Mesnil et al., "Using recurrent neural networks for slot filling in spoken language
       understanding", IEEE/ACM Transactions on Audio, Speech, and Language Processing 23(3), 2015.
    """
    _validate.count(n_sentences, "n_sentences")
    _validate.count(n_fresh, "n_fresh")
    sizes: dict[str, Any] = {
        "hidden_size": hidden_size,
        "embedding_dim": 32,
        "epochs": epochs,
        "random_state": rng,
    }
    tagged: dict[tuple[str, str], Tagged] = {}
    examples = []
    for language in LANGUAGES:
        known = make_travel_requests(n_sentences, language=language, rng=np.random.default_rng([rng, 0]))
        fresh = make_travel_requests(n_fresh, language=language, rng=np.random.default_rng([rng, 1]))
        for name, options in TAGGERS.items():
            with one_thread():
                tagger = SlotTagger(**options, **sizes).fit(known.sentences, known.tags)
                tagged[language, name] = _try(tagger, language, name, fresh, rng)
            if language == "english" and name in ("no memory", "LSTM, both ways"):
                one, other = (sentence.split() for sentence in PAIR)
                first, second = tagger.predict([one, other])
                examples.append(Example(name, (one, other), (first, second)))
    answer = _Answer(tagged)
    holds = answer.words_alone_are_not_enough and answer.memory_solves_it and answer.shuffling_undoes_it
    display = OrderDisplay(tuple(tagged.values()), tuple(examples))
    return StudyResult("order", QUESTION, LAW, holds, _numbers(tagged, examples), display)


def _try(tagger: SlotTagger, language: str, name: str, fresh: TaggedSentences, rng: int) -> Tagged:
    """Try a tagger on fresh sentences, and on their words shuffled."""
    generator = np.random.default_rng([rng, 2])
    orders = [generator.permutation(len(sentence)).tolist() for sentence in fresh.sentences]
    words, right = _shuffle(fresh.sentences, orders), _shuffle(fresh.tags, orders)
    said, shuffled = tagger.predict(fresh.sentences), tagger.predict(words)
    return Tagged(
        language,
        name,
        tagger.score(fresh.sentences, fresh.tags),
        _cities(fresh.tags, said),
        tagger.score(words, right),
        _cities(right, shuffled),
        context_free_bound(fresh.sentences, fresh.tags),
        shuffled == _shuffle(said, orders),
    )


def _shuffle(rows: Sequence[Sequence[str]], orders: Sequence[Sequence[int]]) -> Tags:
    return [[row[i] for i in new] for row, new in zip(rows, orders, strict=True)]


def _cities(right: Tags, said: Tags) -> float:
    """Return the share of the words of city names that have the right tag."""
    pairs = [pair for rows in zip(right, said, strict=True) for pair in zip(*rows, strict=True)]
    hits = [true == guess for true, guess in pairs if true[2:] in ROLES]
    return sum(hits) / len(hits) if hits else float("nan")


def context_free_bound(sentences: Sequence[Sequence[str]], tags: Tags) -> float:
    """Return the largest share of city words that a function of the word alone tags right.

    Parameters
    ----------
    sentences : list of list of str
        The words.
    tags : list of list of str
        Their tags.

    Returns
    -------
    float
        Σ_w max_tag #(w, tag) / Σ_w #(w), over words of city names: nobody who gives w one tag is right more
        often.
    """
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sentence, row in zip(sentences, tags, strict=True):
        for word, tag in zip(sentence, row, strict=True):
            if tag[2:] in ROLES:
                counts[word][tag] += 1
    total = sum(count.total() for count in counts.values())
    return sum(max(count.values()) for count in counts.values()) / total if total else float("nan")


def _numbers(tagged: dict[tuple[str, str], Tagged], examples: Sequence[Example]) -> dict[str, Any]:
    """Return what was counted, by name."""
    numbers: dict[str, Any] = {}
    for (language, name), found in tagged.items():
        if name == "no memory":
            numbers[f"{language},_city_words_right_without_context,_at_most"] = round(found.bound, 4)
        numbers[f"{language},_{name}"] = str(found)
    for example in examples:
        for sentence, tags in zip(example.sentences, example.tags, strict=True):
            cities = [f"{w} {t[2:]}" for w, t in zip(sentence, tags, strict=True) if t != "O"]
            numbers[f"“{' '.join(sentence)}”,_{example.tagger}"] = ", ".join(cities)
    return numbers


class OrderDisplay(MovingDisplay):
    """City words that are tagged right, in order and shuffled; and two sentences of the same words.

    The animation reads them word by word.

    Parameters
    ----------
    tagged : tuple of Tagged
        How each tagger did in each language.
    examples : tuple of Example
        What two of them say of two sentences of the same words.

    Attributes
    ----------
    axes_ : dict of str to matplotlib Axes
        One for each language, and "examples".
    figure_ : matplotlib Figure
        Their figure.
    """

    axes_: dict[str, Axes]
    figure_: Figure
    _pace = PACE

    def __init__(self, tagged: tuple[Tagged, ...], examples: tuple[Example, ...]) -> None:
        self.tagged = tagged
        self.examples = examples

    def _frames(self) -> range:
        return range(self._longest() + 1)

    def _longest(self) -> int:
        return max(len(sentence) for example in self.examples for sentence in example.sentences)

    def _open(self) -> None:
        _plot.import_matplotlib()
        import matplotlib.pyplot as plt

        self.figure_, self.axes_ = plt.subplot_mosaic(
            [list(LANGUAGES), ["examples", "examples"]], figsize=(10.5, 6.6), height_ratios=[3, 2]
        )
        self.figure_.subplots_adjust(left=0.07, right=0.98, bottom=0.03, top=0.93, hspace=0.3, wspace=0.12)

    def _draw(self, words: int) -> None:
        """Draw everything, the examples up to a number of words."""
        for ax in self.axes_.values():
            ax.clear()
        for language in LANGUAGES:
            self._draw_bars(self.axes_[language], [t for t in self.tagged if t.language == language])
        self.axes_["english"].set_ylabel("city words tagged right")
        self._draw_examples(self.axes_["examples"], words)

    def _draw_bars(self, ax: Axes, tagged: list[Tagged]) -> None:
        blue, orange = _plot.cluster_colours(2)
        for shift, colour, label, values in (
            (-0.2, blue, "in order", [found.cities for found in tagged]),
            (0.2, orange, "shuffled", [found.shuffled_cities for found in tagged]),
        ):
            bars = ax.bar(np.arange(len(tagged)) + shift, values, width=0.38, color=colour, label=label)
            ax.bar_label(bars, [f"{value:.2f}" for value in values], fontsize="x-small", padding=1)
        label = "the most that words alone can tell"
        ax.axhline(tagged[0].bound, color="#222222", linewidth=1.0, linestyle=":", label=label)
        ax.set_xticks(range(len(tagged)), [found.tagger for found in tagged], fontsize="small")
        ax.set_ylim(0, 1.28)
        ax.set_title(tagged[0].language, fontsize="medium")
        ax.legend(fontsize="x-small", frameon=False, ncols=3, loc="upper left")

    def _draw_examples(self, ax: Axes, words: int) -> None:
        colours = dict(zip(ROLES, _plot.cluster_colours(len(ROLES)), strict=True))
        ax.set_axis_off()
        ax.set_xlim(0, 10)
        ax.set_ylim(-0.5, 2 * len(self.examples) - 0.3)
        row = 2 * len(self.examples) - 1.0
        for example in self.examples:
            ax.text(0, row - 0.5, example.tagger, fontsize="medium", va="center")
            for sentence, tags in zip(example.sentences, example.tags, strict=True):
                for place, (word, tag) in enumerate(list(zip(sentence, tags, strict=True))[:words]):
                    colour = colours.get(tag[2:], "#222222")
                    style = {"ha": "center", "va": "center", "fontsize": "medium", "color": colour}
                    ax.text(2.6 + 1.25 * place, row, word, fontweight="bold" if tag != "O" else None, **style)
                    style["fontsize"] = "x-small"
                    ax.text(2.6 + 1.25 * place, row - 0.36, tag[2:], **style)
                row -= 1
