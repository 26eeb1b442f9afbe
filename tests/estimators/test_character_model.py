"""CharacterModel: what it learns, what it costs, streams, files, and what it refuses."""

import math
import pickle
from itertools import pairwise

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import diptych
from diptych import CharacterModel
from diptych.io import read_archive, write_archive

WORDS = ("sing ", "o ", "muse ", "the ", "wrath ")
SMALL = {"hidden_size": 24, "embedding_dim": 8, "epochs": 6, "batch_size": 8, "sequence_length": 16}
SMALL |= {"learning_rate": 0.01, "random_state": 0}


def text_of(n, seed=0):
    """Words in a random order: within a word each character is certain, between words there are five."""
    return "".join(WORDS[k] for k in np.random.default_rng(seed).integers(0, 5, n))


@pytest.fixture(scope="module")
def model():
    return CharacterModel(**SMALL).fit(text_of(2000))


def test_it_comes_near_what_can_be_known(model):
    # Nothing can beat log 5 nats for each word, 4.4 characters on average.
    unknown = text_of(500, seed=1)
    least = 500 * math.log(5) / len(unknown)
    cost = model.cross_entropy(unknown)
    assert least - 0.02 < cost < least + 0.05
    assert model.losses_[-1] < model.losses_[0]
    by_frequency = -np.log([unknown.count(c) / len(unknown) for c in unknown]).mean()
    assert cost < by_frequency / 4
    assert model.score(unknown) == -cost


def test_a_stream_costs_what_the_text_costs(model):
    text = text_of(40, seed=2)
    whole = model.stream().feed(text)
    assert whole.shape == (len(text),)
    assert whole.mean() == pytest.approx(model.cross_entropy(text), rel=1e-6)
    stream, cuts = model.stream(), (slice(0, 1), slice(1, 1), slice(1, 7), slice(7, None))
    parts = [stream.feed(text[cut]) for cut in cuts]
    # The recurrent sums are the same, bit for bit; those of the last layer, BLAS's, in single precision.
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=0, atol=1e-5)


def test_a_stream_reads_on_as_its_model_was():
    options = SMALL | {"epochs": 2}
    fickle, twin = (CharacterModel(**options).fit("abcabc" * 20) for _ in range(2))
    stream, expected = fickle.stream(), twin.stream()
    np.testing.assert_array_equal(stream.feed("abc"), expected.feed("abc"))
    fickle.fit("sing, o muse " * 9)  # more characters, among which a, b and c are not
    np.testing.assert_array_equal(stream.feed("cab"), expected.feed("cab"))
    assert stream.expected() == expected.expected()
    with pytest.raises(ValueError, match=r"text\[0\]='s': not one of the 3 characters"):
        stream.feed("sing")
    fickle.fit("bca" * 30)  # the same characters, other weights
    np.testing.assert_array_equal(stream.feed("bcab"), expected.feed("bcab"))


def test_a_long_text_is_read_in_pieces(model, monkeypatch):
    from diptych.estimators import character

    text = text_of(60, seed=3)
    whole = model.stream().feed(text)
    monkeypatch.setattr(character, "_PIECE", 7)
    np.testing.assert_allclose(model.stream().feed(text), whole, rtol=0, atol=1e-5)


def test_what_is_expected_is_what_a_character_costs(model):
    stream = model.stream()
    first = stream.expected()
    assert first == pytest.approx(dict(zip(model.characters_, model.shares_, strict=True)))
    for character in "sing o":
        expected = stream.expected()
        assert sum(expected.values()) == pytest.approx(1)
        assert stream.feed(character)[0] == pytest.approx(-math.log(expected[character]), rel=1e-5, abs=1e-6)
    assert max(stream.expected(), key=stream.expected().get) == " "


def test_it_writes_words(model):
    written = model.generate("sing ", 400, rng=0)
    assert len(written) == 400
    words = written.split(" ")[:-1]
    assert sum(word + " " in WORDS for word in words) > 0.97 * len(words)
    assert len(set(words)) >= 5
    assert model.generate("sing ", 400, rng=0) == written
    assert model.generate("sing ", 400, rng=1) != written
    assert model.generate("", 3, rng=0)
    assert model.generate("sing", 0, rng=0) == ""


def test_temperature(model):
    cold, warm, hot = (model.generate("o ", 300, temperature=t, rng=0) for t in (0, 1.0, 100.0))
    assert cold == model.generate("o ", 300, temperature=0, rng=5)
    for next_to_nothing in (1e-9, 1e-310):
        assert cold == model.generate("o ", 300, temperature=next_to_nothing, rng=5)
    costs = [model.stream().feed("o " + text)[2:].mean() for text in (cold, warm, hot)]
    assert costs[0] < costs[1] < costs[2]
    share = np.array([hot.count(c) for c in model.characters_]) / 300  # nearly uniform
    assert share.max() < 3 / len(model.characters_)


def test_draws_follow_the_probabilities(model):
    stream = model.stream()
    stream.feed("sing ")
    expected = stream.expected()
    rng = np.random.default_rng(0)
    found = [model.generate("sing ", 1, rng=rng) for _ in range(1500)]
    for character, p in expected.items():
        n = found.count(character)
        assert abs(n - 1500 * p) < 5 * math.sqrt(1500 * p * (1 - p)) + 1, character


def test_a_seed_fixes_the_model(model):
    again = CharacterModel(**SMALL).fit(text_of(2000))
    other = CharacterModel(**SMALL | {"random_state": 1}).fit(text_of(2000))
    for name, weight in model.lstm_.state_dict().items():
        np.testing.assert_array_equal(again.lstm_.state_dict()[name], weight)
        assert (other.lstm_.state_dict()[name] != weight).any()
    np.testing.assert_array_equal(again.losses_, model.losses_)


@pytest.mark.parametrize("layers", [1, 2])
def test_the_reference_learns_the_same(layers):
    # Rounding differs from the first update on and grows with every one; after few the models are close.
    text, options = text_of(60), SMALL | {"epochs": 1, "num_layers": layers, "dropout": 0.1}
    rust, reference = (CharacterModel(**options, backend=name).fit(text) for name in ("rust", "reference"))
    for name, weight in rust.lstm_.state_dict().items():
        np.testing.assert_allclose(reference.lstm_.state_dict()[name], weight, rtol=0, atol=2e-4)
    assert reference.cross_entropy(text) == pytest.approx(rust.cross_entropy(text), rel=1e-3)
    assert abs(rust.losses_[0] - reference.losses_[0]) < 1e-3


def test_any_text_that_has_two_characters():
    for text in ("ab", "aaaa", "预定明天从北京飞往上海的航班", "\ud800\U0001f600\ud800", "a\nb\x00c" * 5):
        model = CharacterModel(**SMALL | {"epochs": 1}).fit(text)
        assert model.characters_ == "".join(sorted(set(text)))
        assert math.isfinite(model.cross_entropy(text))
        assert set(model.generate(text[0], 5, rng=0)) <= set(text)


def test_file(model, tmp_path):
    path = tmp_path / "model.npz"
    model.save(path)
    again, text = diptych.load(path), text_of(30, seed=4)
    assert again.get_params() == model.get_params()
    assert (again.characters_, again.cross_entropy(text)) == (model.characters_, model.cross_entropy(text))
    assert again.generate("the ", 50, rng=0) == model.generate("the ", 50, rng=0)
    np.testing.assert_array_equal(again.losses_, model.losses_)
    assert pickle.loads(pickle.dumps(model)).cross_entropy(text) == model.cross_entropy(text)


DAMAGED = {
    "a layer is missing": lambda header, arrays: arrays.pop("linear.bias"),
    "another alphabet": lambda header, arrays: header["characters"].append(0x10FFFF),
    "not sorted": lambda header, arrays: header["characters"].reverse(),
    "no characters": lambda header, arrays: header.pop("characters"),
    "transposed": lambda header, arrays: arrays.update({"linear.weight": arrays["linear.weight"].T.copy()}),
    "NaN": lambda header, arrays: arrays["lstm.weight_hh_l0"].fill(np.nan),
    "a share of 0": lambda header, arrays: arrays["shares"].fill(0.0),
    "losses of integers": lambda header, arrays: arrays.update({"losses": np.arange(3)}),
    "another parameter": lambda header, arrays: header["params"].update({"depth": 3}),
    "a bad parameter": lambda header, arrays: header["params"].update({"epochs": 0}),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_files_that_lie(model, tmp_path, case):
    path = tmp_path / "model.npz"
    model.save(path)
    header, arrays = read_archive(path)
    DAMAGED[case](header, arrays)
    write_archive(path, {k: v for k, v in header.items() if k != "format"}, arrays)
    with pytest.raises(ValueError, match="does not fit together"):
        diptych.load(path)


def test_refusals(model):
    says = {
        r"text\[5\]='é': not one of the \d+ characters": lambda: model.cross_entropy("sing é"),
        "text is empty: there is no character": lambda: model.cross_entropy(""),
        r"prompt\[0\]='X': not one of": lambda: model.generate("X", 3),
        "text is of type list: a string is needed; join": lambda: model.cross_entropy(["a"]),
        "text is of type bytes": lambda: CharacterModel().fit(b"ab"),
        "text has 0 characters: at least 2": lambda: CharacterModel().fit(""),
        "text has 1 characters": lambda: CharacterModel().fit("a"),
        "'length' parameter of generate must be": lambda: model.generate("", -1),
        "'temperature' parameter of generate must be": lambda: model.generate("", 1, temperature=-0.5),
        "temperature": lambda: model.generate("", 1, temperature=math.nan),
    }
    for message, call in says.items():
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(NotFittedError):
        CharacterModel().cross_entropy("a")
    with pytest.raises(NotFittedError):
        CharacterModel().save("nowhere")
    with pytest.raises(NotFittedError):
        CharacterModel().lstm_  # noqa: B018 - a property


def test_threads_can_be_set_after_fitting(model):
    text = text_of(40, seed=3)
    other = pickle.loads(pickle.dumps(model)).set_params(n_jobs=1)
    assert other.cross_entropy(text) == model.cross_entropy(text)
    assert other.lstm_.n_jobs == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden_size", 0), ("num_layers", 1.5), ("epochs", 0), ("batch_size", True), ("sequence_length", 0),
        ("embedding_dim", "8"), ("dropout", 1.0), ("learning_rate", 0.0), ("min_learning_rate", 0.5),
        ("clip_norm", math.inf), ("random_state", -1), ("backend", "torch"), ("backend", []),
        ("verbose", "yes"), ("n_jobs", "a"),
    ],
)  # fmt: skip
def test_bad_parameters(name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of CharacterModel must be"):
        CharacterModel(**{name: value}).fit("abc")


def test_a_failed_fit_leaves_what_was_there(model):
    text, again = text_of(20), pickle.loads(pickle.dumps(model))
    before = again.cross_entropy(text)
    for rate in (1e6, 1e10, 1e25, 1e38, 1e39, 1e200):
        again.set_params(learning_rate=rate, min_learning_rate=rate, clip_norm=1e30)
        says = f"diverged at a learning rate of {rate:.6g}, .*: lower learning_rate".replace("+", "[+]")
        with pytest.raises(FloatingPointError, match=says):
            again.fit(text_of(300))
        assert again.cross_entropy(text) == before


def test_steps_that_are_too_long_are_no_divergence():
    # Ten times the default; thirty times makes a loss of 34 times log 2, which falls again.
    for rate in (0.03, 0.1):
        losses = CharacterModel(learning_rate=rate, random_state=0).fit("aaab" * 100).losses_
        assert losses[-1] < losses.max()


def test_progress(capsys):
    CharacterModel(**SMALL | {"epochs": 2}, verbose=True).fit(text_of(200))
    assert "learning a text" in capsys.readouterr().err
    CharacterModel(**SMALL | {"epochs": 1}).fit(text_of(50))
    assert capsys.readouterr().err == ""


def test_parameters_are_scikit_learns(model):
    assert clone(model).get_params() == model.get_params()
    assert CharacterModel(hidden_size=3).set_params(epochs=4).epochs == 4


def test_training_carries_the_state_and_reads_each_row_in_order(monkeypatch):
    from diptych.estimators import _character_training as training

    seen, real = [], training._update

    def spy(net, adam, dropout, given, wanted, state):
        loss, after = real(net, adam, dropout, given, wanted, state)
        seen.append((given, wanted, state, after, adam.learning_rate))
        return loss, after

    monkeypatch.setattr(training, "_update", spy)
    text = text_of(200)
    model = CharacterModel(**SMALL | {"epochs": 2}).fit(text)
    first = [k for k, (_, _, state, _, _) in enumerate(seen) if state is None]
    assert len(first) == 2  # the beginning of each epoch
    for epoch in (seen[: first[1]], seen[first[1] :]):
        for before, after in pairwise(epoch):
            assert after[2] is before[3]
        rows, wanted = (np.concatenate([part[k] for part in epoch]).T for k in (0, 1))
        assert len(rows) == 8
        read = "".join(model.characters_[k] for k in rows.ravel())
        at = text.index(read)  # the rows follow upon each other in the text
        assert "".join(model.characters_[k] for k in wanted.ravel()) == text[at + 1 : at + 1 + len(read)]
        assert len(text) - len(read) <= 8
    rates = [rate for *_, rate in seen]
    assert rates == sorted(rates, reverse=True)
    assert (rates[0], rates[-1] < 0.0011) == (0.01, True)
