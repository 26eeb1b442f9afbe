"""The study order: its bound is one, figures are those of the sentences, the law can break in each part."""

from __future__ import annotations

import itertools
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from diptych import studies
from study_answers import answer

module = import_module("diptych.studies.order")  # the package has the function by that name
KINDS = ["no memory", "RNN, forward", "LSTM, forward", "LSTM, both ways"]


@pytest.fixture(scope="module")
def result():
    return answer("order")


@pytest.fixture(name="right")
def _right(result):
    return module._Answer({(found.language, found.tagger): found for found in result.display.tagged})


def test_the_bound_is_the_best_of_all_functions_of_a_word():
    sentences = [["go", "a", "b"], ["go", "b", "a"], ["a", "c"], ["a"]]
    tags = [["O", "B-to", "B-from"], ["O", "B-via", "B-to"], ["B-from", "I-from"], ["O"]]
    best = 0
    choices = ["B-to", "B-from", "I-from", "B-via", "O"]
    for said in itertools.product(choices, repeat=3):
        tag = {"go": "O", **dict(zip("abc", said, strict=True))}
        best = max(best, module._cities(tags, [[tag[word] for word in sentence] for sentence in sentences]))
    assert module.context_free_bound(sentences, tags) == best == 4 / 6


def test_city_words_are_counted():
    right = [["O", "B-from", "I-from", "B-date"], ["B-to"]]
    assert module._cities(right, right) == 1
    assert module._cities(right, [["B-to", "B-from", "B-from", "O"], ["B-via"]]) == 1 / 3
    assert np.isnan(module._cities([["O"]], [["O"]]))
    assert np.isnan(module.context_free_bound([["go"]], [["O"]]))


def test_the_two_sentences_are_the_same_words():
    one, other = module.PAIR
    assert one != other
    assert sorted(one.split()) == sorted(other.split())


def test_memory_solves_what_words_alone_cannot(result, right):
    assert result.holds
    assert [key[1] for key in right.tagged] == KINDS * 2
    for language in ("english", "chinese"):
        blind, best = right.tagged[language, KINDS[0]], right.tagged[language, KINDS[3]]
        assert blind.cities == blind.shuffled_cities < 0.5  # order is nothing to it
        assert best.f1 >= 0.99
        assert blind.f1 < 0.65


def test_taggers_answer_for_themselves(result):
    """No memory: a word has one tag. Both ways: the first city is left in either sentence."""
    blind, best = result.display.examples
    words = [dict(zip(s, t, strict=True)) for s, t in zip(blind.sentences, blind.tags, strict=True)]
    assert words[0] == words[1]
    for tags in best.tags:
        assert tags == ["O", "B-from", "O", "O", "O", "B-to"]


def test_the_law_breaks_with_each_of_its_parts(right):
    def changed(language, kind, **change):
        key = language, kind
        return replace(right, tagged=right.tagged | {key: replace(right.tagged[key], **change)})

    assert right.words_alone_are_not_enough
    assert right.memory_solves_it
    assert right.shuffling_undoes_it
    assert not changed("english", KINDS[0], cities=0.9).words_alone_are_not_enough
    assert not changed("english", KINDS[0], cities=0.0).words_alone_are_not_enough
    assert not changed("chinese", KINDS[0], same_in_any_order=False).words_alone_are_not_enough
    assert not changed("chinese", KINDS[1], same_in_any_order=True).words_alone_are_not_enough
    for kind in KINDS[1:]:
        assert not changed("english", kind, f1=0.98).memory_solves_it
    assert not changed("english", KINDS[0], f1=1.0).memory_solves_it
    assert not changed("chinese", KINDS[2], f1=1.0).memory_solves_it
    assert not changed("chinese", KINDS[3], shuffled_cities=0.9).shuffling_undoes_it


def test_the_same_run_gives_the_same_numbers():
    small = {"n_sentences": 60, "n_fresh": 20, "hidden_size": 8, "epochs": 2}
    first = studies.order(**small)
    assert not first.holds  # nothing is learnt from so few
    assert studies.order(**small).numbers == first.numbers
    assert studies.order(**small, rng=1).numbers != first.numbers


def test_pictures(result, tmp_path):
    display = result.display.plot()
    assert set(display.axes_) == {"english", "chinese", "examples"}
    for language in ("english", "chinese"):
        heights = [bar.get_height() for bar in display.axes_[language].patches]
        tagged = [found for found in display.tagged if found.language == language]
        assert heights == [found.cities for found in tagged] + [found.shuffled_cities for found in tagged]
    written = [text.get_text() for text in display.axes_["examples"].texts]
    assert written.count("taipei") == 4
    display.animate(str(tmp_path / "words.gif"))
    assert (tmp_path / "words.gif").read_bytes().startswith(b"GIF89a")


@pytest.mark.parametrize(
    ("name", "value"), [("n_sentences", 0), ("n_fresh", 0), ("hidden_size", 0), ("epochs", 1.5)]
)
def test_runs_that_cannot_be(name, value):
    with pytest.raises(ValueError, match=f"{name}.*{value}"):
        studies.order(**{name: value})
