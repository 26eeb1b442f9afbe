"""Chunk F1: seqeval as the oracle, cases by hand, what is said of tags that are none."""

from __future__ import annotations

import re
import warnings

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diptych.evaluation import chunk_scores

TAGS = ("O", "B-from", "I-from", "B-to", "I-to", "B-fromloc.city-name", "I-fromloc.city-name")


@st.composite
def two_taggings(draw):
    """Return the tags of some sentences, and others of the same lengths that are often equal."""
    truth = draw(st.lists(st.lists(st.sampled_from(TAGS), max_size=12), min_size=1, max_size=5))
    rate = draw(st.sampled_from([0, 1, 3, 9]))
    other = st.sampled_from(TAGS)
    kept = st.integers(0, rate).map(bool)
    return truth, [[tag if draw(kept) else draw(other) for tag in row] for row in truth]


@given(two_taggings())
def test_seqeval_agrees(taggings):
    metrics = pytest.importorskip("seqeval.metrics")
    truth, predicted = taggings
    ours = chunk_scores(truth, predicted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scores that are undefined and set to 0
        theirs = [
            getattr(metrics, f"{name}_score")(truth, predicted, zero_division=0)
            for name in ("precision", "recall", "f1")
        ]
        report = metrics.classification_report(truth, predicted, output_dict=True, zero_division=0)
    assert ours[:3] == pytest.approx(theirs, abs=1e-12)
    slots = {slot for slot in report if not slot.endswith(" avg")}
    assert set(ours.by_slot) == slots
    for slot in slots:
        scores = ours.by_slot[slot]
        assert (scores.precision, scores.recall, scores.f1, scores.n_true) == pytest.approx(
            [report[slot][key] for key in ("precision", "recall", "f1-score", "support")], abs=1e-12
        )


@pytest.mark.parametrize(
    ("truth", "predicted", "numbers"),  # of true, predicted and right chunks
    [
        ("B-a I-a O", "B-a I-a O", (1, 1, 1)),
        ("B-a I-a O", "I-a I-a O", (1, 1, 1)),  # an I that goes on with nothing begins
        ("B-a I-a O", "B-a B-a O", (1, 2, 0)),
        ("B-a I-a O", "B-a I-b O", (1, 2, 0)),
        ("B-a I-a O", "B-a I-a I-a", (1, 1, 0)),
        ("B-a B-a O", "B-a B-a O", (2, 2, 2)),
        ("O O O", "O O O", (0, 0, 0)),
        ("O O B-a", "O O B-b", (1, 1, 0)),
    ],
)
def test_chunks_by_hand(truth, predicted, numbers):
    scores = chunk_scores([truth.split()], [predicted.split()])
    assert (scores.n_true, scores.n_predicted, scores.n_right) == numbers
    assert sum(slot.n_true for slot in scores.by_slot.values()) == numbers[0]


def test_a_chunk_ends_with_its_sentence():
    assert chunk_scores([["B-a"], ["I-a"]], [["B-a"], ["B-a"]]).n_right == 2


def test_series_and_tuples_are_sequences_too():
    rows = pd.Series([("B-a", "O"), ("O",)])
    assert chunk_scores(rows, rows).f1 == 1.0


@pytest.mark.parametrize(
    ("truth", "predicted", "says"),
    [
        ([["O"]], [["O"], ["O"]], "predicted has 2 rows for the 1 of tags."),
        ([["O"], ["O"]], [["O"], ["O", "O"]], "predicted[1] has 2 tags for the 1 of tags[1]"),
        ([["O"], ["O", "X-a"]], [["O"], ["O", "O"]], "tags[1][1]='X-a': a tag is 'O', or 'B-'"),
        ([["O", "O"]], [["O", "B-"]], "predicted[0][1]='B-': a tag is"),
        ([["O", ""]], [["O", "O"]], "tags[0][1]='': a tag is"),
        ("OO", [["O"]], "tags='OO' is text: lists of tags are needed"),
        (["O O"], [["O"]], "tags[0]='O O' is text: a list of tags is needed"),
        ([["O", 1]], [["O", "O"]], "tags[0][1]=1: a string is needed"),
        ([3], [["O"]], "tags[0] is of type int: a list of tags is needed"),
        (None, [["O"]], "tags is of type NoneType: lists of tags are needed"),
    ],
)
def test_what_is_refused(truth, predicted, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        chunk_scores(truth, predicted)
