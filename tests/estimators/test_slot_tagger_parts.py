"""The parts of a SlotTagger: decoding beside brute force, gradients beside differences, words, batches."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diptych import SlotTagger, nn
from diptych.estimators._tagging_decode import begins, best_sequences
from diptych.estimators._tagging_network import Sizes, TaggingNetwork
from diptych.estimators._tagging_words import UNKNOWN, Room, Vocabulary, batches, cuts, padded

TAGS = ["B-a", "B-b", "I-a", "I-b", "O"]


def is_bio(row):
    return all(tag[0] != "I" or before[2:] == tag[2:] for before, tag in zip(["O", *row], row, strict=False))


@given(st.integers(0, 2**32), st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_no_sequence_is_better_than_the_decoded_one(seed, lengths):
    scores = np.random.default_rng(seed).normal(size=(max(lengths), len(lengths), 5)).astype(np.float32)
    found = best_sequences(scores, np.array(lengths), begins(TAGS))
    for b, length in enumerate(lengths):
        sums = {
            row: scores[:length, b][np.arange(length), list(row)].sum(dtype=np.float64)
            for row in product(range(5), repeat=length)
            if is_bio([TAGS[i] for i in row])
        }
        assert tuple(found[b]) == max(sums, key=sums.get)


def test_begins():
    assert begins(["B-a", "B-b", "I-b", "O"]).tolist() == [-1, -1, 1, -1]


@pytest.mark.parametrize("encoder", ["none", "rnn", "lstm", "transformer"])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("n_intents", [0, 3])
def test_gradients_are_those_of_differences(encoder, bidirectional, n_intents):
    sizes = Sizes(encoder, bidirectional, 7, 3, 4, 5, n_intents)
    network = TaggingNetwork(sizes, dropout=0.0, backend="rust", n_jobs=1, seed=1, dtype=np.float64)
    rng = np.random.default_rng(0)
    lengths = np.array([4, 2, 3])
    words, wanted = rng.integers(0, 7, (4, 3)), rng.integers(0, 5, (4, 3))
    wanted[np.arange(4)[:, None] >= lengths] = -100
    intents = rng.integers(0, 3, 3)

    def loss(training):
        tags, of_intents = network.forward(words, lengths, training=training)
        value, by_tags = nn.softmax_cross_entropy(tags, wanted)
        if not n_intents:
            return value, by_tags, None
        more, by_intents = nn.softmax_cross_entropy(of_intents, intents)
        return value + more, by_tags, by_intents

    by = network.backward(*loss(True)[1:])
    known = {name: array.copy() for name, array in network.state_dict().items()}
    for name, array in known.items():
        layer, weight = name.split(".", 1)
        for at in rng.choice(array.size, min(6, array.size), replace=False):
            values = []
            for step in (1e-6, -1e-6):
                moved = array.copy()
                moved.flat[at] += step
                network.load_state_dict(known | {name: moved})
                values.append(loss(False)[0])
            expected = (values[0] - values[1]) / 2e-6
            assert by[layer][weight].flat[at] == pytest.approx(expected, abs=2e-8), (name, at)
        network.load_state_dict(known)


@pytest.mark.parametrize("encoder", ["lstm", "transformer"])
def test_what_stands_behind_the_end_of_a_sentence_is_not_read(encoder):
    sizes = Sizes(encoder, True, 7, 3, 4, 5, 3)
    network = TaggingNetwork(sizes, dropout=0.0, backend="rust", n_jobs=1, seed=1)
    words, lengths = np.array([[1, 2], [3, 4], [5, 6]]), np.array([3, 1])
    tags, intents = network.forward(words, lengths)
    words[1:, 1] = 0
    again, other = network.forward(words, lengths)
    np.testing.assert_array_equal(tags[:1], again[:1])
    np.testing.assert_array_equal(intents, other)


def test_words_are_numbered_and_digits_folded():
    vocabulary = Vocabulary.of([["at", "9:30"], ["At", "8:15", "٣"]])
    assert vocabulary.words == ["0", "0:00", "At", "at"]
    assert vocabulary.numbers(["7:45", "AT", "At", "near", "5"]).tolist() == [2, 4, 3, UNKNOWN, 1]
    assert len(vocabulary) == 5


def test_a_word_that_was_seen_n_times_is_unknown_once_in_n_plus_one():
    vocabulary = Vocabulary(["a", "b", "c"])
    rates = vocabulary.unknown_rates([np.array([1, 2, 1]), np.array([1])], 0.5)
    np.testing.assert_allclose(rates, [0, 1 / 4, 1 / 2, 0])


@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(1, 7), st.booleans())
def test_batches_hold_each_sentence_once_by_length(lengths, size, shuffled):
    lengths = np.array(lengths)
    generator = np.random.default_rng(0) if shuffled else None
    found = list(batches(lengths, Room(size, size * 9, 0), generator))
    assert sorted(np.concatenate(found).tolist()) == list(range(len(lengths)))
    assert sorted(map(len, found), reverse=True)[:-1] == [size] * (len(found) - 1)
    ranges = sorted((lengths[rows].min(), lengths[rows].max()) for rows in found)
    assert all(one[1] <= other[0] for one, other in pairwise(ranges))


@given(
    st.lists(st.integers(1, 9) | st.integers(90, 99), min_size=1, max_size=40),
    st.builds(Room, rows=st.integers(1, 9), places=st.integers(1, 300), spread=st.integers(0, 4)),
    st.booleans(),
)
def test_batches_are_as_large_as_there_is_room(lengths, room, shuffled):
    def fits(batch):
        places = len(batch) * max(batch)
        return len(batch) <= room.rows and places <= max(room.places, room.spread * sum(batch))

    generator = np.random.default_rng(0) if shuffled else None
    found = [np.array(lengths)[rows].tolist() for rows in batches(np.array(lengths), room, generator)]
    assert len(found) == len(cuts(np.array(lengths), room))
    found.sort(key=lambda batch: (min(batch), max(batch), -len(batch)))
    assert [length for batch in found for length in batch] == sorted(lengths)
    assert all(len(batch) == 1 or fits(batch) for batch in found)
    assert not any(fits([*batch, after[0]]) for batch, after in pairwise(found))


@pytest.mark.parametrize("encoder", ["none", "lstm"])
def test_one_long_sentence_does_not_make_all_others_long(monkeypatch, encoder):
    shapes, forward = [], TaggingNetwork.forward

    def spy(network, words, lengths, *, training=False):
        shapes.append(words.shape)
        return forward(network, words, lengths, training=training)

    monkeypatch.setattr(TaggingNetwork, "forward", spy)
    sentences = [["w"] * n for n in [3, 7, 2500, *[5] * 61, 40, 60]]
    tags = [["B-a", *["O"] * (len(sentence) - 1)] for sentence in sentences]
    tagger = SlotTagger(encoder=encoder, embedding_dim=2, hidden_size=2, epochs=1, validation_share=0.0)
    tagger.set_params(random_state=0).fit(sentences, tags)
    assert sorted(shapes) == [(5, 32), (40, 32), (2500, 2)]  # 66 rows of 2500 would be thirty times as much
    shapes.clear()
    together = tagger.predict(sentences)
    assert shapes == [(40, 64), (60, 1), (2500, 1)]
    shapes.clear()
    tagger.predict([["w"] * 1000] * 64)
    assert shapes == [(1000, 4)] * 16
    assert together == [tagger.predict([sentence])[0] for sentence in sentences]


def test_rows_are_filled_up():
    assert padded([np.array([1, 2]), np.array([3])], -9).tolist() == [[1, 3], [2, -9]]
