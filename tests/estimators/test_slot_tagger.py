"""SlotTagger: what it learns of requests, both panels, threads, files, scikit-learn's manners."""

from __future__ import annotations

import pickle
import sys
from collections import Counter, defaultdict

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import diptych
from diptych import SlotTagger, datasets
from diptych.evaluation import chunk_scores
from diptych.io import read_archive, write_archive

TINY = {"embedding_dim": 12, "hidden_size": 10, "epochs": 3, "batch_size": 16, "random_state": 0}
GOOD = {"embedding_dim": 64, "hidden_size": 64, "epochs": 16, "random_state": 0, "n_jobs": 2}
LANGUAGES = ("english", "chinese")
N_TRAIN, N_TEST = 1000, 500


def requests(language, n=N_TRAIN + N_TEST):
    return datasets.make_travel_requests(n, language=language, rng=0)


def parts(data, n=N_TRAIN):
    return tuple(part[:n] for part in data), tuple(part[n:] for part in data)


SMALL = requests("english", 160)


def weights(tagger):
    return tagger._fitted_network.state_dict()


def assert_same_weights(one, other):
    for (name, ours), (again, theirs) in zip(weights(one).items(), weights(other).items(), strict=True):
        assert name == again
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


@pytest.fixture(scope="module")
def small():
    return SlotTagger(**TINY).fit(*SMALL)


# ---- what it learns ----


@pytest.mark.parametrize("language", LANGUAGES)
def test_memory_solves_what_context_decides(language):
    train, (sentences, tags, intents) = parts(requests(language))
    tagger = SlotTagger(**GOOD).fit(*train)
    assert tagger.score(sentences, tags) >= 0.99
    assert np.mean(np.array(tagger.predict_intent(sentences)) == intents) >= 0.99


@pytest.mark.parametrize("language", LANGUAGES)
def test_attention_solves_it_too(language):
    train, (sentences, tags, intents) = parts(requests(language))
    tagger = SlotTagger(**GOOD | {"encoder": "transformer", "epochs": 30, "dropout": 0.1}).fit(*train)
    assert tagger.score(sentences, tags) >= 0.99
    assert np.mean(np.array(tagger.predict_intent(sentences)) == intents) >= 0.99


def right_words(truth, predicted):
    return np.mean(
        [a == b for one, two in zip(truth, predicted, strict=True) for a, b in zip(one, two, strict=True)]
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_memory_it_stays_below_the_rate_of_single_words(language):
    train, (sentences, tags, _) = parts(requests(language))
    tagger = SlotTagger(**GOOD | {"encoder": "none"}).fit(*train)
    seen = defaultdict(Counter)  # in the test sentences themselves: nobody who sees a word alone does better
    for sentence, row in zip(sentences, tags, strict=True):
        for word, tag in zip(sentence, row, strict=True):
            seen[word][tag] += 1
    most = sum(max(counts.values()) for counts in seen.values()) / sum(map(len, sentences))
    found = right_words(tags, tagger.predict(sentences))
    assert most - 0.05 < found <= most
    assert tagger.score(sentences, tags) < 0.75


def test_one_direction_does_for_english_and_not_for_chinese():
    scores = {}
    for language in LANGUAGES:
        train, (sentences, tags, _) = parts(requests(language))
        tagger = SlotTagger(**GOOD | {"bidirectional": False}).fit(*train[:2])
        scores[language] = tagger.score(sentences, tags)
    assert scores["english"] >= 0.99
    assert scores["chinese"] < 0.98  # in one sentence of ten what tells stands behind


def test_the_request_of_the_docs():
    sentences, tags, intents = datasets.make_travel_requests(1000, language="chinese", rng=0)
    tagger = SlotTagger(random_state=0).fit(sentences, tags, intents)
    sentence = list("预定明天从北京飞往上海的航班")
    assert tagger.predict_slots([sentence]) == [{"date": ["明天"], "from": ["北京"], "to": ["上海"]}]
    assert tagger.predict_intent([sentence]) == ["book"]


# ---- both panels, threads, seeds ----


@pytest.mark.parametrize("encoder", ["none", "rnn", "lstm", "transformer"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_panels_agree(encoder, bidirectional):
    options = TINY | {"encoder": encoder, "bidirectional": bidirectional}
    rust, reference = (SlotTagger(**options, backend=b).fit(*SMALL) for b in ("rust", "reference"))
    np.testing.assert_allclose(rust.losses_, reference.losses_, rtol=1e-5)  # sums in another order
    for name, ours in weights(rust).items():
        theirs = weights(reference)[name]
        if name.endswith("in_proj_bias"):
            # The keys' moves all scores of a query alike, which changes no weight: its gradient is rounding
            # alone, of which Adam makes steps of full length.
            ours, theirs = (np.delete(b, np.s_[len(b) // 3 : 2 * len(b) // 3]) for b in (ours, theirs))
        np.testing.assert_allclose(ours, theirs, atol=2e-4, err_msg=name)
    assert rust.predict(SMALL.sentences[:20]) == reference.predict(SMALL.sentences[:20])


@pytest.mark.parametrize("n_jobs", [1, 2, 3, -1])
def test_threads_change_no_bit(small, n_jobs):
    tagger = SlotTagger(**TINY, n_jobs=n_jobs).fit(*SMALL)
    assert_same_weights(tagger, small)
    np.testing.assert_array_equal(tagger.losses_, small.losses_)
    assert tagger.predict(SMALL.sentences) == small.predict(SMALL.sentences)


def test_threads_change_no_bit_where_batches_are_shared_out():
    wide = TINY | {"hidden_size": 96, "batch_size": 64, "epochs": 2}
    assert_same_weights(*(SlotTagger(**wide, n_jobs=n).fit(*SMALL) for n in (1, 3)))


def test_threads_change_no_bit_of_attention():
    assert_same_weights(
        *(SlotTagger(**TINY | {"encoder": "transformer"}, n_jobs=n).fit(*SMALL) for n in (1, 3))
    )


def test_seeds(small):
    assert_same_weights(SlotTagger(**TINY).fit(*SMALL), small)
    other = SlotTagger(**TINY | {"random_state": 1}).fit(*SMALL)
    assert not np.array_equal(other.losses_, small.losses_)
    sequence = np.random.SeedSequence(5)
    twice = [SlotTagger(**TINY | {"random_state": sequence}).fit(*SMALL) for _ in range(2)]
    assert_same_weights(*twice)
    generator = np.random.default_rng(0)
    first, second = (SlotTagger(**TINY | {"random_state": generator}).fit(*SMALL) for _ in range(2))
    assert not np.array_equal(first.losses_, second.losses_)


# ---- training ----


def test_the_best_epoch_is_kept():
    tagger = SlotTagger(**TINY | {"epochs": 12, "patience": 2, "learning_rate": 0.02}).fit(*SMALL)
    scores = tagger.validation_scores_
    assert scores[tagger.best_epoch_] == scores.max()
    assert len(scores) == len(tagger.losses_)
    generator = np.random.default_rng([np.random.SeedSequence(0).generate_state(1, np.uint64)[0], 1])
    held = np.sort(generator.permutation(160)[:16])
    sentences, tags, intents = ([part[i] for i in held] for part in SMALL)
    right = np.mean(np.array(tagger.predict_intent(sentences)) == intents)
    assert scores.max() == pytest.approx((tagger.score(sentences, tags) + right) / 2)


def test_patience_ends_the_training():
    endless = TINY | {"epochs": 400, "learning_rate": 1e-6, "patience": 3}  # nothing gets better, nor worse
    tagger = SlotTagger(**endless | {"encoder": "none"}).fit(SMALL.sentences, SMALL.tags)
    scores = tagger.validation_scores_
    later = scores[tagger.best_epoch_ + 1 :]
    assert len(scores) == 400 or (len(later) == 3 and (later < scores.max()).all())
    overshooting = SlotTagger(**TINY | {"epochs": 300, "learning_rate": 0.3, "patience": 2}).fit(*SMALL)
    assert len(overshooting.losses_) < 300
    assert len(overshooting.losses_) == overshooting.best_epoch_ + 3


def test_without_a_share_to_validate_all_is_learnt():
    tagger = SlotTagger(**TINY | {"validation_share": 0}).fit(*SMALL)
    assert tagger.validation_scores_.shape == (0,)
    assert (tagger.best_epoch_, len(tagger.losses_)) == (2, 3)
    words = {word for sentence in SMALL.sentences for word in sentence}
    assert len(tagger.words_) == len({"".join("0" if c.isdigit() else c for c in word) for word in words})
    assert len(SlotTagger(**TINY).fit(*parts(SMALL, 3)[0]).validation_scores_) == 0  # 0.1 of 3 is nobody


def test_losses_fall():
    tagger = SlotTagger(**TINY | {"epochs": 8}).fit(*SMALL)
    assert (np.diff(tagger.losses_) < 0).all()


def test_one_sentence_is_learnt_by_heart():
    sentence, tags = [["leave", "taipei"]], [["O", "B-from"]]
    tagger = SlotTagger(**TINY | {"epochs": 60, "dropout": 0.0, "learning_rate": 0.02}).fit(sentence, tags)
    assert tagger.predict(sentence) == tags


def test_sentences_without_slots():
    tagger = SlotTagger(**TINY).fit([["good", "morning"]] * 20, [["O", "O"]] * 20)
    assert tagger.tags_ == ["O"]
    assert tagger.predict_slots([["good"]]) == [{}]


@pytest.mark.parametrize("encoder", ["none", "rnn", "lstm", "transformer"])
@pytest.mark.parametrize("rate", [1e6, 1e10, 1e25, 1e38, 1e39, 1e200])
def test_divergence_is_told(encoder, rate):
    tagger = SlotTagger(**TINY | {"encoder": encoder, "learning_rate": rate})
    with pytest.raises(FloatingPointError, match=r"at a learning rate of [\d.e+]+, .*: lower learning_rate"):
        tagger.fit(*SMALL)


@pytest.mark.parametrize("encoder", ["none", "rnn", "lstm", "transformer"])
def test_steps_that_are_too_long_are_no_divergence(encoder):
    # Of two words, ten times the default makes a loss of up to 25 times log 2, which falls again.
    options = {"encoder": encoder, "learning_rate": 0.05, "random_state": 0}
    losses = SlotTagger(**options).fit([["leave", "taipei"]], [["O", "B-from"]]).losses_
    assert losses[-1] < losses.max()


def test_an_interrupted_fit_leaves_what_was_there(small, monkeypatch):
    tagger = pickle.loads(pickle.dumps(small))

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("diptych.estimators.slot_tagger.train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tagger.fit([["a"]], [["B-b"]])
    assert_same_weights(tagger, small)
    assert tagger.tags_ == small.tags_


def test_progress_is_that_of_all_batches():
    from diptych._progress import reporting

    seen = []
    with reporting(lambda done, total: seen.append((done, total))):
        SlotTagger(**TINY, n_jobs=1).fit(*SMALL)
    assert seen == [(i + 1, 27) for i in range(27)] + [(27, 27)]  # 144 sentences make nine batches


def test_a_bar(capsys):
    SlotTagger(**TINY, verbose=True).fit(*SMALL)
    assert "SlotTagger" in capsys.readouterr().err


# ---- words ----


def test_what_is_done_with_words_that_are_not_known():
    sentences, tags, _ = requests("english", 400)
    tagger = SlotTagger(**GOOD).fit(sentences, tags)
    assert "9" not in tagger.words_
    assert "0" in tagger.words_
    one, digits, large, new, as_new, by_context = tagger.predict(
        [
            ["leave", "rome", "may", "3"],
            ["leave", "rome", "may", "7"],
            ["LEAVE", "Rome", "may", "3"],
            ["leave", "atlantis", "may", "3"],
            ["leave", "eldorado", "may", "3"],
            ["arrive", "in", "atlantis"],
        ]
    )
    assert one == digits == large == ["O", "B-from", "B-date", "I-date"]
    assert new == as_new  # of neither anybody has heard
    assert by_context == ["O", "O", "B-to"]


def test_predictions_do_not_depend_on_the_company(small):
    alone = [small.predict([sentence])[0] for sentence in SMALL.sentences[:40]]
    assert alone == small.predict(SMALL.sentences[:40])


@pytest.mark.parametrize("encoder", ["rnn", "lstm"])
def test_predictions_are_sequences_that_fit_takes(encoder):
    weak = SlotTagger(**TINY | {"epochs": 10, "learning_rate": 0.02, "encoder": encoder}).fit(*SMALL)
    predicted = weak.predict(SMALL.sentences)
    assert sum(tag[0] == "I" for row in predicted for tag in row) > 20
    assert 0.0 < weak.score(SMALL.sentences, SMALL.tags) < 0.9
    assert weak.score(SMALL.sentences, predicted) == 1.0
    SlotTagger(**TINY | {"epochs": 1}).fit(SMALL.sentences, predicted)


def test_score_is_chunk_f1(small):
    predicted = small.predict(SMALL.sentences)
    assert small.score(SMALL.sentences, SMALL.tags) == chunk_scores(SMALL.tags, predicted).f1
    assert small.score([["rome"]], [["B-a-slot-that-was-never-seen"]]) == 0.0


def test_nothing_to_tag(small):
    assert small.predict([]) == small.predict_slots([]) == small.predict_intent([]) == []


def test_a_slot_that_is_filled_twice(small, monkeypatch):
    monkeypatch.setattr(small, "predict", lambda _: [["B-a", "I-a", "O", "B-a", "B-b"]])
    assert small.predict_slots([["new", "york", "or", "rome", "today"]]) == [
        {"a": ["new york", "rome"], "b": ["today"]}
    ]


# ---- files and manners ----


@pytest.mark.parametrize("encoder", ["none", "rnn", "lstm", "transformer"])
@pytest.mark.parametrize("with_intents", [True, False])
def test_round_trip(tmp_path, encoder, with_intents):
    given = SMALL if with_intents else SMALL[:2]
    tagger = SlotTagger(**TINY | {"encoder": encoder, "random_state": np.random.SeedSequence(3)}).fit(*given)
    tagger.save(tmp_path / "tagger.npz")
    again = diptych.load(tmp_path / "tagger.npz")
    assert again.get_params() == tagger.get_params() | {"random_state": None}
    assert_same_weights(again, tagger)
    for name in ("words_", "tags_", "intents_", "best_epoch_"):
        assert getattr(again, name) == getattr(tagger, name)
    np.testing.assert_array_equal(again.losses_, tagger.losses_)
    np.testing.assert_array_equal(again.validation_scores_, tagger.validation_scores_)
    assert again.predict(SMALL.sentences) == tagger.predict(SMALL.sentences)
    if with_intents:
        assert again.predict_intent(SMALL.sentences) == tagger.predict_intent(SMALL.sentences)


def test_parameters_set_after_fitting_are_saved_beside_the_network(small, tmp_path):
    tagger = pickle.loads(pickle.dumps(small)).set_params(hidden_size=99, encoder="rnn")
    tagger.save(tmp_path / "tagger.npz")
    again = diptych.load(tmp_path / "tagger.npz")
    assert again.hidden_size == 99
    assert again.predict(SMALL.sentences[:9]) == small.predict(SMALL.sentences[:9])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header, arrays: header["words"].pop(), "words: weight has shape"),
        (lambda header, arrays: header["words"].append(header["words"][0]), "words is no list of different"),
        (lambda header, arrays: header.update(tags=[1]), "tags is no list"),
        (lambda header, arrays: header.update(tags=["O", "X"]), "a tag is 'O'"),
        (lambda header, arrays: header.update(tags=["I-a"]), "B-a"),
        (lambda header, arrays: header.update(intents=None), "intents.bias is no weight"),
        (lambda header, arrays: header["network"].update(hidden_size=11), "has shape"),
        (lambda header, arrays: header["network"].update(hidden_size=-1), "hidden_size"),
        (lambda header, arrays: header["network"].update(encoder="magic"), "magic"),
        (lambda header, arrays: header["params"].update(gamma=1), "gamma"),
        (lambda header, arrays: header["params"].update(dropout=2), "dropout"),
        (lambda header, arrays: header.update(best_epoch=7), "best_epoch=7 of 3 epochs"),
        (lambda header, arrays: arrays.pop("weight:tags.bias"), "bias is missing"),
        (lambda header, arrays: arrays.pop("losses"), "losses"),
        (lambda header, arrays: arrays.update(losses=np.zeros((3, 1))), "losses is float64 of shape"),
    ],
)
def test_files_that_lie(small, tmp_path, change, message):
    path = tmp_path / "tagger.npz"
    small.save(path)
    header, arrays = read_archive(path)
    change(header, arrays)
    write_archive(path, header, arrays)
    with pytest.raises(ValueError, match=message):
        diptych.load(path)


def test_weights_that_are_nan(small, tmp_path):
    small.save(tmp_path / "t.npz")
    header, arrays = read_archive(tmp_path / "t.npz")
    arrays["weight:tags.bias"] = np.full_like(arrays["weight:tags.bias"], np.nan)
    write_archive(tmp_path / "t.npz", header, arrays)
    with pytest.raises(ValueError, match="finite"):
        diptych.load(tmp_path / "t.npz")


def test_it_is_an_estimator(small):
    copy = clone(small)
    assert copy.get_params() == small.get_params()
    for call in ("predict", "predict_slots", "predict_intent"):
        with pytest.raises(NotFittedError):
            getattr(copy, call)([["a"]])
    with pytest.raises(NotFittedError):
        copy.score([["a"]], [["O"]])
    with pytest.raises(NotFittedError):
        copy.save("nowhere.npz")
    again = pickle.loads(pickle.dumps(small))
    assert again.predict(SMALL.sentences[:5]) == small.predict(SMALL.sentences[:5])
    assert repr(SlotTagger(hidden_size=8)) == "SlotTagger(hidden_size=8)"
    assert "SlotTagger" in sys.modules["diptych"].__all__
