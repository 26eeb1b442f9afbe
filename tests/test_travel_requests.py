"""Travel requests: tags by construction, roles by context, seeds."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from diptych.datasets import make_travel_requests
from diptych.datasets._requests import _CHINESE_WORDS, _ENGLISH_WORDS

each_language = pytest.mark.parametrize(
    ("language", "words"), [("english", _ENGLISH_WORDS), ("chinese", _CHINESE_WORDS)]
)


def phrases(sentence, tags, blank):
    """Return (slot, phrase) pairs, read off without code of the package."""
    found = []
    for word, tag in zip(sentence, tags, strict=True):
        if tag[0] == "B":
            found.append((tag[2:], [word]))
        elif tag[0] == "I":
            assert found[-1][0] == tag[2:]
            found[-1][1].append(word)
    return [(slot, blank.join(phrase)) for slot, phrase in found]


@each_language
def test_every_phrase_is_one_of_its_slot(language, words):
    sentences, tags, intents = make_travel_requests(400, language=language, rng=0)
    assert (len(sentences), len(tags), len(intents)) == (400, 400, 400)
    assert set(intents) == {"book", "fare", "list"}
    seen = Counter()
    for sentence, row in zip(sentences, tags, strict=True):
        found = phrases(sentence, row, " " if language == "english" else "")
        cities = [phrase for slot, phrase in found if slot in ("from", "to", "via")]
        assert cities
        assert len(set(cities)) == len(cities)
        assert all(phrase in words.get(slot, words["city"]) for slot, phrase in found)
        seen.update(slot for slot, _ in found)
    assert set(seen) == {"from", "to", "via", "date", "time"}


@each_language
def test_any_city_fills_any_of_three_slots(language, words):
    sentences, tags, _ = make_travel_requests(3000, language=language, rng=1)
    blank = " " if language == "english" else ""
    roles = Counter(pair for s, t in zip(sentences, tags, strict=True) for pair in phrases(s, t, blank))
    for city in words["city"]:
        for slot in ("from", "to", "via"):
            assert roles[slot, city] > 0, (slot, city)


def roles_told(sentence):
    """Return the role of each city in English, by the last word before it that speaks of a role."""
    cue = {"leave": "from", "from": "from", "out": "from", "via": "via", "way": "via", "over": "via"}
    cue |= {"arrive": "to", "get": "to", "land": "to", "go": None}
    role, told = None, []
    for at, word in enumerate(sentence):
        if word == "to" and (sentence[at - 1] in ("get", "go") or role == "from"):
            role = "to"
        role = cue.get(word, role)
        told.append(role)
    return told


def test_english_roles_are_told_by_what_stands_before():
    sentences, tags, _ = make_travel_requests(1000, rng=2)
    for sentence, row in zip(sentences, tags, strict=True):
        for tag, role in zip(row, roles_told(sentence), strict=True):
            if tag[2:] in ("from", "to", "via"):
                assert tag[2:] == role, sentence


def test_chinese_roles_are_sometimes_told_by_what_stands_behind_alone():
    sentences, tags, _ = make_travel_requests(1000, language="chinese", rng=3)
    starts = Counter()
    for sentence, row in zip(sentences, tags, strict=True):
        text = "".join(sentence)
        if re.match("查一下(?!从|去|到|离开|飞往)", text):  # a city follows with nothing before it that tells
            starts[row[3]] += 1
    assert set(starts) == {"B-from", "B-via"}


def test_requests_depend_on_the_seed_alone():
    first, again, other = (make_travel_requests(50, rng=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.sentences != other.sentences
    assert make_travel_requests(50, rng=np.random.default_rng(1)) == first


@pytest.mark.parametrize(
    ("arguments", "says"), [({"n": 0}, "n=0"), ({"language": "latin"}, "language='latin': must be one of")]
)
def test_what_is_refused(arguments, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        make_travel_requests(**arguments)
