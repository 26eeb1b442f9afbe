"""SlotTagger: what is said of bad input, by sentence and word."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from diptych import SlotTagger, datasets

TINY = {"embedding_dim": 4, "hidden_size": 4, "epochs": 1, "random_state": 0}
GOOD = [["leave", "rome"], ["hello"]], [["O", "B-from"], ["O"]]


@pytest.mark.parametrize(
    ("sentences", "tags", "says"),
    [
        ([], [], "sentences is empty: at least one sentence is needed."),
        ([["a"], []], [["O"], []], "sentences[1] is empty: a sentence has at least one word"),
        ([["a"], ["b", ""]], [["O"], ["O", "O"]], "sentences[1][1] is '': a word has"),
        ([["a"]], [["O"], ["O"]], "tags has 2 rows for the 1 of sentences."),
        ([["a"], ["b", "c"]], [["O"], ["O"]], "tags[1] has 1 tags for the 2 of sentences[1]"),
        ([["a"], ["b"]], [["O"], ["from"]], "tags[1][0]='from': a tag is 'O', or 'B-' or 'I-'"),
        ([["a"], ["b"]], [["O"], ["b-from"]], "tags[1][0]='b-from': a tag is"),
        ([["a"], ["b"]], [["O"], ["I-x"]], "tags[1][0]='I-x' stands at the beginning: no BIO sequence"),
        ([["a", "b"]], [["O", "I-x"]], "tags[0][1]='I-x' stands after 'O': no BIO sequence"),
        ([["a", "b"]], [["B-y", "I-x"]], "tags[0][1]='I-x' stands after 'B-y'"),
        ([["a", "b", "c"]], [["B-x", "I-x", "I-y"]], "begins with 'B-y'"),
        ("leave rome", [["O", "O"]], "sentences='leave rome' is text"),
        (
            ["leave rome"],
            [["O", "O"]],
            "sentences[0]='leave rome' is text: a list of words is needed; text.split()",
        ),
        ([["a"]], ["O"], "tags[0]='O' is text"),
        ([["a", 3]], [["O", "O"]], "sentences[0][1]=3: a string is needed"),
        ([["a", None]], [["O", "O"]], "sentences[0][1]=None: a string is needed"),
        ([["a"], 5], [["O"], ["O"]], "sentences[1] is of type int"),
        (None, [["O"]], "sentences is of type NoneType"),
        ({"a": ["b"]}, [["O"]], "sentences is of type dict"),
        ({("x", "y")}, [["O", "B-q"]], "sentences is of type set: lists of words are needed"),
        ([{"x", "y"}], [["O", "B-q"]], "sentences[0] is of type set: a list of words is needed"),
        ([frozenset({"x"})], [["O"]], "sentences[0] is of type frozenset: a list of words is needed"),
        ([["x", "y"]], [{"O", "B-q"}], "tags[0] is of type set: a list of tags is needed"),
        ([["a"]], None, "tags is of type NoneType"),
        ([[["a"]]], [["O"]], "sentences[0][0]=['a']: a string is needed"),
        (np.ones((2, 2)), [["O"]], "a string is needed"),
    ],
)
def test_sentences_and_tags_that_are_refused(sentences, tags, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        SlotTagger(**TINY).fit(sentences, tags)


@pytest.mark.parametrize(
    ("intents", "says"),
    [
        (["a"], "intents has 1 entries for 2 sentences"),
        (["a", 1], "intents[1]=1: a string is needed"),
        ("ab", "intents='ab' is text"),
        ({"a", "b"}, "intents is of type set"),
        (7, "intents is of type int"),
    ],
)
def test_intents_that_are_refused(intents, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        SlotTagger(**TINY).fit(*GOOD, intents)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("encoder", "gru"),
        ("encoder", None),
        ("bidirectional", 1),
        ("embedding_dim", 0),
        ("hidden_size", 2.5),
        ("dropout", 1.0),
        ("dropout", float("nan")),
        ("epochs", 0),
        ("batch_size", True),
        ("learning_rate", 0),
        ("learning_rate", float("inf")),
        ("validation_share", 1.0),
        ("validation_share", -0.1),
        ("patience", 0),
        ("random_state", -1),
        ("n_jobs", 1.5),
        ("verbose", "yes"),
        ("backend", "cuda"),
    ],
)
def test_parameters_that_are_refused(parameter, value):
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of SlotTagger must be"):
        SlotTagger(**TINY | {parameter: value}).fit(*GOOD)


def test_no_threads_are_refused():
    with pytest.raises(ValueError, match="n_jobs"):
        SlotTagger(**TINY, n_jobs=0).fit(*GOOD)


def test_what_prediction_refuses():
    tagger = SlotTagger(**TINY).fit(*GOOD)
    for call in (tagger.predict, tagger.predict_slots):
        with pytest.raises(ValueError, match=r"sentences\[1\] is empty"):
            call([["a"], []])
        with pytest.raises(TypeError, match=r"sentences\[0\]='leave rome' is text"):
            call(["leave rome"])
        with pytest.raises(TypeError, match=r"sentences\[0\] is of type set: a list of words is needed"):
            call([{"leave", "rome"}])
    with pytest.raises(ValueError, match="no intents were learnt: pass them to fit"):
        tagger.predict_intent([["a"]])
    with pytest.raises(ValueError, match=r"tags\[0\] has 2 tags for the 1"):
        tagger.score([["a"]], [["O", "O"]])
    with pytest.raises(ValueError, match="sentences is empty"):
        tagger.score([], [])


def test_other_sequences_are_taken():
    sentences, tags, intents = datasets.make_travel_requests(30, rng=0)
    plain = SlotTagger(**TINY).fit(sentences, tags, intents)
    series = SlotTagger(**TINY).fit(pd.Series(sentences), map(tuple, tags), np.array(intents))
    np.testing.assert_array_equal(plain.losses_, series.losses_)
    assert all(type(intent) is str for intent in series.intents_)
    assert series.predict(np.array([["leave", "rome"]])) == plain.predict([("leave", "rome")])
