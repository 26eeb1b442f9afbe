"""Travel requests made by a small grammar: the role of a city is told by its context alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from diptych import _validate


class TaggedSentences(NamedTuple):
    """Sentences, a tag for each word, and what each sentence asks for.

    Attributes
    ----------
    sentences : list of list of str
        The words, in Chinese the characters, of each sentence.
    tags : list of list of str
        "O", or "B-" and "I-" with the name of a slot: where one begins and goes on.
    intents : list of str
        One of each sentence.
    """

    sentences: list[list[str]]
    tags: list[list[str]]
    intents: list[str]


# A name in capitals stands for one of its alternatives, a name in braces for a phrase that fills this slot.
# In English what decides between "from", "to" and "via" stands before the city, with a PLACE between them.
_ENGLISH = {
    "book": (
        "POLITE TRIP {date}",
        "POLITE {date} TRIP",
        "{date} TRIP",
        "WISH TRIP , perhaps {date}",
        "WISH TRIP {date} at {time}",
        "WISH TRIP between {time} and {time}",
    ),
    "fare": (
        "how much is it to TRIP",
        "how much is it to TRIP {date}",
        "tell me the price for {date} if i TRIP",
        "what do i pay if i TRIP AROUND {time}",
    ),
    "list": (
        "which flights TRIP",
        "which flights TRIP {date} AROUND {time}",
        "show me all flights {date} that TRIP",
        "are there any flights that TRIP BEFORE {time} {date}",
    ),
    "POLITE": ("please", "could you let me", "i would like to", "we want to", "my boss and i have to"),
    "WISH": ("i want to", "i need to", "let us", "help me to"),
    "AROUND": ("at", "around", "shortly after"),
    "BEFORE": ("before", "not after"),
    "TRIP": (
        "LEAVE {from}",
        "LEAVE {from} and ARRIVE {to}",
        "ARRIVE {to}",
        "ARRIVE {to} but LEAVE {from}",
        "go from PLACE{from} to PLACE{to}",
        "go to PLACE{to} from PLACE{from}",
        "fly out of PLACE{from} via PLACE{via} and ARRIVE {to}",
        "LEAVE {from} , stop over in PLACE{via} and ARRIVE {to}",
        "ARRIVE {to} by way of PLACE{via}",
    ),
    "LEAVE": ("leave PLACE", "depart from PLACE", "get away from PLACE", "set out from PLACE"),
    "ARRIVE": ("arrive", "arrive in PLACE", "get to PLACE", "land in PLACE"),
    "PLACE": ("", "", "the city of", "the KIND city of", "KIND", "KIND KIND", "the KIND , KIND harbour of"),
    "KIND": ("big", "old", "sunny", "noisy", "lovely", "rainy", "crowded"),
}  # fmt: skip
_ENGLISH_WORDS = {
    "city": (
        "taipei", "beijing", "shanghai", "tokyo", "new york", "york", "paris", "lima", "new delhi", "delhi",
        "cape town", "san francisco", "hong kong", "rome", "oslo", "buenos aires",
    ),
    "date": (
        "today", "tomorrow", "tomorrow night", "next monday", "monday", "this friday", "may 3", "june 21",
        "the day after tomorrow", "december 24", "in two weeks", "the first of october",
    ),
    "time": ("noon", "midnight", "9 am", "9 30 am", "half past six", "5 pm", "ten o'clock"),
}  # fmt: skip

# In Chinese some patterns tell a city's slot by what follows it, and by nothing before.
_CHINESE = {
    "book": (
        "预定{date}TRIP的航班",
        "预定TRIP的航班",
        "WISH{date}TRIP",
        "WISH{date}{time}TRIP",
        "请帮我订一张{date}TRIP的PAPER",
        "{date}TRIP的PAPER给我来一张",
    ),
    "fare": ("{date}TRIP的PAPER多少钱", "TRIP要多少钱", "{date}{time}TRIP的航班贵不贵"),
    "list": ("{date}TRIP有哪些航班", "有没有{date}{time}TRIP的航班", "查一下TRIP的航班"),
    "WISH": ("我想", "我要", "我们打算", "请安排我"),
    "PAPER": ("机票", "票"),
    "TRIP": (
        "从{from}飞往{to}",
        "从{from}到{to}",
        "从{from}经{via}到{to}",
        "从{from}出发去KIND{to}",
        "去KIND{to}",
        "到{to}",
        "飞往KIND{to}",
        "离开{from}",
        "{from}飞{to}",
        "{from}出发",
        "{from}出发到{to}",
        "{via}转机去{to}",
    ),
    "KIND": ("", "", "美丽的", "热闹的"),
}
_CHINESE_WORDS = {
    "city": (
        "北京", "上海", "台北", "广州", "深圳", "成都", "香港", "西安", "南京", "东京",
        "海口", "哈尔滨", "乌鲁木齐", "纽约", "巴黎",
    ),
    "date": ("今天", "明天", "后天", "下周一", "这周五", "五月三号", "十二月二十四号", "国庆节"),
    "time": ("早上", "中午", "下午五点", "晚上九点半", "六点左右"),
}  # fmt: skip

_LANGUAGES = {"english": (_ENGLISH, _ENGLISH_WORDS), "chinese": (_CHINESE, _CHINESE_WORDS)}
_INTENTS = ("book", "fare", "list")
_CITIES = ("from", "to", "via")
_PARTS = re.compile(r"[A-Z]+|\{\w+\}|[^A-Z{}\s]+")


def make_travel_requests(
    n: int = 1000,
    *,
    language: str = "english",
    rng: int | np.random.SeedSequence | np.random.Generator | None = None,
) -> TaggedSentences:
    """Make travel requests whose tags are known by construction.

    The slots are "from", "to" and "via", which any city may fill, "date" and "time". Which of the three a
    city fills is told by its context alone: "arrive taipei" and "leave taipei", 飞往北京 and 从北京.

    Parameters
    ----------
    n : int, default=1000
        How many.
    language : {"english", "chinese"}, default="english"
        English comes by the word, Chinese by the character. In English all that decides stands before the
        city, up to eight words before ("leave the noisy , old harbour of taipei"); in Chinese it may also
        stand after it alone (北京出发), so that only a tagger that reads both ways can know.
    rng : None, int, SeedSequence or Generator
        Where the draws come from.

    Returns
    -------
    TaggedSentences
        Intents are "book", "fare" and "list". Sentences may occur more than once.

    Raises
    ------
    ValueError
        If `n` is below 1 or there is no such language.

    Examples
    --------
    >>> from diptych.datasets import make_travel_requests
    >>> sentences, tags, intents = make_travel_requests(5, language="chinese", rng=0)
    >>> "".join(sentences[1]), tags[1], intents[1]
    ('查一下去深圳的航班', ['O', 'O', 'O', 'O', 'B-to', 'I-to', 'O', 'O', 'O'], 'list')
    """
    generator = np.random.default_rng(rng)
    if language not in _LANGUAGES:
        raise ValueError(f"language={language!r}: must be one of {', '.join(map(repr, _LANGUAGES))}.")
    grammar, words = _LANGUAGES[language]
    made = TaggedSentences([], [], [])
    for _ in range(_validate.count(n, "n")):
        intent = _INTENTS[generator.integers(len(_INTENTS))]
        cities = iter(generator.permutation(words["city"]).tolist())  # no city twice in a sentence
        pairs = list(_expand(_pick(grammar[intent], generator), grammar, words, cities, generator))
        made.sentences.append([word for word, _ in pairs])
        made.tags.append([tag for _, tag in pairs])
        made.intents.append(intent)
    return made


def _expand(
    pattern: str,
    grammar: dict[str, tuple[str, ...]],
    words: dict[str, tuple[str, ...]],
    cities: Iterator[str],
    generator: np.random.Generator,
) -> Iterator[tuple[str, str]]:
    """Give each word of a sentence of the pattern, and its tag."""
    for part in _PARTS.findall(pattern):
        if part.isupper():
            yield from _expand(_pick(grammar[part], generator), grammar, words, cities, generator)
        elif part[0] == "{":
            slot = part[1:-1]
            phrase = next(cities) if slot in _CITIES else _pick(words[slot], generator)
            for i, word in enumerate(_split(phrase)):
                yield word, f"{'I' if i else 'B'}-{slot}"
        else:
            yield from ((word, "O") for word in _split(part))


def _pick(alternatives: tuple[str, ...], generator: np.random.Generator) -> str:
    return alternatives[generator.integers(len(alternatives))]


def _split(phrase: str) -> list[str]:
    """Return the words of a phrase, or its characters where they are not written apart."""
    return phrase.split() if phrase.isascii() else list(phrase)
