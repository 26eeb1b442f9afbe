"""AttentionDisplay: whose weights are drawn where, under which names, and what is refused."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from diptych import SlotTagger, datasets, nn
from diptych.kernels.attention import scaled_dot_product_attention
from diptych.plot import AttentionDisplay
from diptych.plot._attention import LABEL_LENGTH, MOST_LABELS, MOST_NUMBERS

mpl.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

WEIGHTS = np.array([[[0.75, 0.25, 0.0], [0.5, 0.5, 0.0]], [[0.25, 0.25, 0.5], [0.0, 0.0, 0.0]]])  # 2 heads
SENTENCE = ["leave", "taipei", "and", "arrive", "in", "rome"]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module", name="tagger")
def fitted():
    sentences, tags, _ = datasets.make_travel_requests(60, rng=0)
    tagger = SlotTagger(
        encoder="transformer", embedding_dim=8, hidden_size=8, epochs=2, dropout=0.1, random_state=0
    )
    return tagger.fit(sentences, tags)


def drawn(display, **options):
    display.plot(**options)
    display.figure_.canvas.draw()
    return display


def squares(display):
    return np.asarray(display.ax_.images[0].get_array())


def names(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


@pytest.mark.parametrize(
    ("head", "shown", "title"),
    [
        (None, WEIGHTS.mean(axis=0), "mean of 2 heads"),
        (0, WEIGHTS[0], "head 0"),
        (-1, WEIGHTS[1], "head 1"),
    ],
)
def test_each_square_is_a_weight(head, shown, title):
    display = drawn(AttentionDisplay.from_weights(WEIGHTS, ["p", "q"], keys=["x", "y", "z"]), head=head)
    np.testing.assert_array_equal(squares(display), shown)
    assert names(display.ax_.yaxis) == ["p", "q"]
    assert names(display.ax_.xaxis) == ["x", "y", "z"]
    assert display.ax_.get_title() == title
    assert display.ax_.images[0].get_clim() == (0, 1)  # the same shade means the same in every picture


def test_numbers_stand_in_their_squares():
    display = drawn(AttentionDisplay.from_weights(WEIGHTS[0]))
    assert {text.get_position(): text.get_text() for text in display.ax_.texts} == {
        (0, 0): "75",
        (1, 0): "25",
        (0, 1): "50",
        (1, 1): "50",
    }
    assert names(display.ax_.xaxis) == ["0", "1", "2"]  # not named, so numbered
    assert display.ax_.get_title() == ""
    many = AttentionDisplay.from_weights(np.eye(MOST_NUMBERS + 1))
    assert not drawn(many).ax_.texts


def test_weights_of_the_kernel_and_of_a_layer():
    x = np.random.default_rng(0).normal(size=(5, 4))
    _, weights = scaled_dot_product_attention(x, x, x, is_causal=True, return_weights=True)
    display = drawn(AttentionDisplay.from_weights(weights, "abcde"))
    np.testing.assert_array_equal(squares(display), weights)
    assert names(display.ax_.xaxis) == names(display.ax_.yaxis) == list("abcde")
    attention = nn.MultiheadAttention(4, 2, batch_first=True, dtype=np.float64, rng=0)
    _, weights = attention(x[None], x[None], x[None], average_attn_weights=False)
    np.testing.assert_array_equal(
        squares(drawn(AttentionDisplay.from_weights(weights[0]), head=1)), weights[0, 1]
    )


@pytest.mark.parametrize("layer", [0, 1, -1])
def test_of_a_tagger(tagger, layer):
    display = drawn(AttentionDisplay.from_estimator(tagger, SENTENCE, layer=layer))
    assert display.weights.shape == (4, 6, 6)
    np.testing.assert_array_equal(display.weights, tagger.attention_weights(SENTENCE)[layer])
    np.testing.assert_allclose(squares(display).sum(axis=1), 1, rtol=1e-6)
    assert names(display.ax_.xaxis) == names(display.ax_.yaxis) == SENTENCE
    assert display.ax_.get_title() == f"What words look at, layer {layer % 2}, mean of 4 heads"


def test_a_tagger_s_weights_are_those_it_tags_by(tagger):
    """Of the first layer, from its weights alone: softmax(q kᵀ / √2) of normed vectors in places."""
    weights = {
        name.removeprefix("encoder.layers.0."): array.astype(np.float64)
        for name, array in tagger._fitted_network.state_dict().items()
    }
    numbers = tagger._known.vocabulary.numbers(SENTENCE)
    x = weights["words.weight"][numbers] + nn.sinusoidal_positions(6, 8, dtype=np.float64)
    x = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    x = x * weights["norm1.weight"] + weights["norm1.bias"]
    q, k, _ = np.split(
        x @ weights["self_attn.in_proj_weight"].T + weights["self_attn.in_proj_bias"], 3, axis=1
    )
    for head, columns in enumerate(np.arange(8).reshape(4, 2)):
        e = np.exp(q[:, columns] @ k[:, columns].T / np.sqrt(2))
        expected = e / e.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(tagger.attention_weights(SENTENCE)[0, head], expected, rtol=0, atol=1e-5)


def test_a_tagger_that_reads_forward_looks_back_alone():
    sentences, tags, _ = datasets.make_travel_requests(20, rng=0)
    options = {"embedding_dim": 6, "hidden_size": 4, "epochs": 1, "random_state": 0}
    tagger = SlotTagger(encoder="transformer", bidirectional=False, **options).fit(sentences, tags)
    found = tagger.attention_weights(SENTENCE)
    assert found.shape == (2, 2, 6, 6)
    assert (np.triu(found, 1) == 0).all()
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-6)


def test_long_sequences_are_named_now_and_then():
    n = 3 * MOST_LABELS - 1
    display = drawn(AttentionDisplay.from_weights(np.full((n, n), 1 / n)))
    assert names(display.ax_.xaxis) == list(map(str, range(0, n, 3)))


def test_names_are_cut_and_no_mathematics():
    tokens = ["$a_{$", "and so on " * 8]
    display = drawn(AttentionDisplay.from_weights(np.eye(2), tokens))
    first, second = names(display.ax_.yaxis)
    assert first == "$a_{$"
    assert second.endswith(" …")
    assert len(second) <= LABEL_LENGTH


def test_an_axes_of_the_caller_is_used(tagger):
    _, (left, _) = plt.subplots(1, 2)
    display = AttentionDisplay.from_estimator(tagger, SENTENCE)
    assert display.plot(left) is display
    assert display.ax_ is left
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([0.5, 0.5], r"weights has shape \(2,\)"),
        (np.ones((2, 2, 1, 1)), r"weights has shape \(2, 2, 1, 1\).*weights\[0\]"),
        (np.ones((2, 0)), r"weights has shape \(2, 0\)"),
        ([[0.5, 0.5], [0.7, 0.7]], "query 1 in head 0: the row sums to 1.4"),
        ([[1.5, -0.5]], "query 0 in head 0: the row holds -0.5"),
        ([[np.nan, 1.0]], "the row sums to nan"),
        ([[1.0], [0.5, 0.5]], "weights is not a table of numbers, its rows differ"),
        (np.ma.masked_array(np.eye(2), np.eye(2)), "weights has masked entries"),
    ],
)
def test_what_are_no_weights(weights, words):
    with pytest.raises(ValueError, match=words):
        AttentionDisplay.from_weights(weights)


def test_bad_arguments(tagger):
    with pytest.raises(TypeError, match="weights has dtype <U1"):
        AttentionDisplay.from_weights([["a"]])
    with pytest.raises(ValueError, match="tokens has 1 entries: one for each of the 2 queries"):
        AttentionDisplay.from_weights(np.eye(2), ["a"])
    with pytest.raises(ValueError, match="keys has 1 entries: one for each of the 2 keys"):
        AttentionDisplay.from_weights(np.eye(2), ["a", "b"], keys=["a"])
    with pytest.raises(
        TypeError, match="tokens is of type generator: a list of 2 is needed, one for each of"
    ):
        AttentionDisplay.from_weights(np.eye(2), (token for token in "ab"))
    with pytest.raises(
        TypeError, match="keys is of type int: a list of 2 is needed, one for each of the keys"
    ):
        AttentionDisplay.from_weights(np.eye(2), keys=2)
    display = AttentionDisplay.from_weights(WEIGHTS)
    with pytest.raises(ValueError, match="head=2: there are 2 heads, 0 to 1"):
        display.plot(head=2)
    with pytest.raises(TypeError, match=r"head=0\.5"):
        display.plot(head=0.5)
    with pytest.raises(ValueError, match="layer=2: there are 2 layers"):
        AttentionDisplay.from_estimator(tagger, SENTENCE, layer=2)
    with pytest.raises(TypeError, match=r"^sentence='leave taipei' is text: a list of words"):
        AttentionDisplay.from_estimator(tagger, "leave taipei")
    for sentence, words in (
        ([], r"sentence is empty: a sentence has at least one word"),
        (["a", ""], r"sentence\[1\] is '': a word has"),
        ([SENTENCE], r"sentence\[0\]=.*: a string is needed"),
        (None, r"sentence is of type NoneType: a list of words"),
    ):
        with pytest.raises(ValueError, match="^" + words):
            AttentionDisplay.from_estimator(tagger, sentence)
    with pytest.raises(NotFittedError):
        AttentionDisplay.from_estimator(SlotTagger(encoder="transformer"), SENTENCE)
    sentences, tags, _ = datasets.make_travel_requests(20, rng=0)
    other = SlotTagger(embedding_dim=4, hidden_size=4, epochs=1).fit(sentences, tags)
    with pytest.raises(ValueError, match="encoder='lstm' does not attend"):
        AttentionDisplay.from_estimator(other, SENTENCE)
