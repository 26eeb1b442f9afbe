"""The study lstm_or_transformer: its task and measures are what they are said to be, its law can break."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from diptych import nn, studies
from diptych.studies import _recall as runs
from study_answers import answer

module = import_module("diptych.studies.lstm_or_transformer")  # the package has the function by that name
NETS = ["RNN", "LSTM", "Transformer"]
SMALL = {"n_sentences": 20, "n_fresh": 10, "hidden_size": 4, "batches": 2}


@pytest.fixture(scope="module")
def result():
    return answer("lstm_or_transformer")


@pytest.fixture(name="right")
def _right(result):
    d = result.display
    return module._Answer(d.taggers, d.taught, d.near_alone, d.at_once, d.costs)


@pytest.fixture(name="short")
def _short(monkeypatch):
    """Leave out what takes long; the law cannot hold then."""
    for name, value in (("DISTANCES", (2, 4, 8)), ("AT_ONCE", (2,)), ("LENGTHS", (2, 32)), ("EPOCHS", 1)):
        monkeypatch.setattr(module, name, value)


# ---- the task ----


def test_the_symbol_stands_as_far_from_the_question_as_is_said():
    x, y = runs.sequences(np.random.default_rng(0), 30, 400)
    assert x.shape == (31, 400)
    np.testing.assert_array_equal(x[0], y)
    assert (x[-1] == runs.SYMBOLS + runs.NOISE).all()
    between = x[1:-1]
    assert set(np.unique(y)) == set(range(runs.SYMBOLS))
    assert set(np.unique(between)) == set(range(runs.SYMBOLS, runs.SYMBOLS + runs.NOISE))
    x[0] += 1
    assert (y != x[0]).all()  # y is no view of x


def test_who_knows_nothing_guesses():
    for kind in NETS:
        shares = [runs.Net(kind, rng).right(8, rng) for rng in range(6)]
        assert np.mean(shares) == pytest.approx(1 / runs.SYMBOLS, abs=0.06)


@pytest.mark.parametrize("kind", NETS)
def test_a_step_of_teaching_goes_down_the_gradient(kind):
    x, y = runs.sequences(np.random.default_rng(3), 6, 5)
    net = runs.Net(kind, 2)
    steps = []
    net.adam.step = steps.append
    loss = net.learn(x, y)
    by = {f"{layer}.{name}": array for layer, own in steps[0].items() for name, array in own.items()}
    known = {layer: own.state_dict() for layer, own in net.layers.items()}
    assert set(by) == {f"{layer}.{name}" for layer, own in known.items() for name in own}
    generator = np.random.default_rng(4)
    for layer, own in known.items():
        for name, array in own.items():
            direction = generator.normal(size=array.shape).astype(np.float32)
            direction /= np.linalg.norm(direction)
            losses = []
            for step in (1e-2, -1e-2):
                net.layers[layer].load_state_dict(own | {name: array + np.float32(step) * direction})
                losses.append(float(nn.softmax_cross_entropy(net.forward(x)[0], y)[0]))
            net.layers[layer].load_state_dict(own)
            slope = (losses[0] - losses[1]) / 2e-2
            assert float((by[f"{layer}.{name}"] * direction).sum()) == pytest.approx(
                slope, rel=0.01, abs=2e-4
            )
    assert loss == pytest.approx(float(nn.softmax_cross_entropy(net.forward(x)[0], y)[0]), rel=1e-6)


def test_teaching_ends_when_there_is_nothing_more_to_learn():
    net = runs.Net("LSTM", 0)
    taught = runs.teach(net, 2, 400, 0)
    assert runs.IN_A_ROW < taught < 200
    assert net.right(2, 0) == 1
    assert runs.teach(net, 2, 400, 0) == runs.IN_A_ROW
    assert runs.teach(runs.Net("LSTM", 0), 2, 7, 0) == 7


def test_who_fails_is_not_taught_further():
    first, *later = runs.from_short_to_long("LSTM", (8, 16, 32), 3, 0, enough=0.95)
    assert first.batches == 3
    assert first.after < 0.95
    assert [(one.batches, one.after) for one in later] == [(0, one.before) for one in later]


def test_who_is_taught_near_alone_is_taught_nowhere_else():
    first, *later = runs.near_alone("LSTM", (2, 4, 8), 400, 0)
    net = runs.Net("LSTM", 0)
    assert first.before == net.right(2, 0)
    assert first.batches == runs.teach(net, 2, 400, 0)
    assert first.after == net.right(2, 0)
    assert later == [runs.Recall("LSTM", d, net.right(d, 0), net.right(d, 0), 0) for d in (4, 8)]


@pytest.mark.parametrize("kind", ["LSTM", "Transformer"])
@pytest.mark.parametrize("rng", [1, 2, 3])
def test_what_is_learnt_near_carries_far_whatever_the_seed(kind, rng):
    *near, far = (one.after for one in runs.near_alone(kind, (8, 32, 1024), 300, rng))
    assert min(near) >= module.RECALLED
    assert far > module.GUESSED


# ---- what it costs ----


def test_arrays_are_counted_once():
    array = np.zeros(10)
    net = nn.Linear(2, 3)
    weights = 4 * (2 * 3 + 3)
    assert runs.bytes_held([array, array[2:], {"a": (array.reshape(2, 5),)}, "text", None]) == 80
    assert runs.bytes_held(net) == weights
    net(np.zeros((7, 2), np.float32), training=True)
    assert runs.bytes_held(net) == weights + 4 * 7 * 2  # the input, for the way back


def test_what_an_lstm_keeps():
    """Vectors, and of each step h, c and four gates; no less, and not much more."""
    T = 40
    state = 4 * runs.BATCH * runs.WIDTH * T
    kept = runs.cost("LSTM", T).kept
    assert 7 * state <= kept <= 9 * state


def test_the_quickest_step_counts():
    times = iter(
        [0, 9, *(t for start in range(10, 10 + 10 * runs.REPEATS, 10) for t in (start, start + 3)), 99]
    )
    assert runs.cost("RNN", 3, clock=lambda: next(times)).seconds == 3


def test_the_transformer_keeps_no_weights():
    kept = {T: runs.cost("Transformer", T).kept for T in (128, 512)}
    assert kept[512] == pytest.approx(4 * kept[128], rel=0.01)
    assert kept[512] < module.all_weights(512)
    assert module.all_weights(512) == np.zeros((runs.BATCH, runs.HEADS, 512, 512), np.float32).nbytes


# ---- the answer ----


def test_the_table(result):
    numbers = result.numbers
    assert numbers["distance_or_length"].split() == ["8", "16", "32", "64", "128", "256", "512", "1024"]
    for net in NETS:
        assert f"travel requests,_{net}" in numbers
        shown = numbers[f"{net},_recalls,_taught_from_short_to_long"].split()
        assert shown == [f"{one.after:.2f}" for one in result.display.taught[net]]
        alone = numbers[f"{net},_recalls,_taught_at_8_alone"].split()
        assert alone == [f"{one.after:.2f}" for one in result.display.near_alone[net]]
        assert len(numbers[f"{net},_recalls,_taught_there_at_once"].split()) == 4
        assert len(numbers[f"{net},_ms_for_a_step_of_teaching"].split()) == 8


def test_the_law_breaks_with_each_of_its_parts(right):
    assert right.all_tag
    assert right.both_recall_from_short_to_long
    assert right.what_is_learnt_near_carries_far
    assert right.one_learns_from_far
    assert right.length_has_its_price
    for at, tagger in enumerate(right.taggers):
        worse = (*right.taggers[:at], replace(tagger, f1=0.9), *right.taggers[at + 1 :])
        assert not replace(right, taggers=worse).all_tag
    for net in NETS:

        def changed(what, at, net=net, **change):
            found = list(getattr(right, what)[net])
            found[at] = replace(found[at], **change)
            return replace(right, **{what: getattr(right, what) | {net: tuple(found)}})

        if net != "RNN":  # which may recall or not
            for at in (0, 4, 7):
                assert not changed("taught", at, after=0.9).both_recall_from_short_to_long
            assert not changed("near_alone", 2, after=0.9).what_is_learnt_near_carries_far
            assert changed("near_alone", 3, after=0.9).what_is_learnt_near_carries_far
            assert not changed("near_alone", -1, after=0.4).what_is_learnt_near_carries_far
        assert not changed("at_once", -1, after=0.9).one_learns_from_far  # too little, or too much
        kept = right.costs[net][-1].kept
        assert not changed("costs", -1, kept=4 * kept).length_has_its_price
    slow = right.costs["LSTM"][-1].seconds * 1e6
    lstm = (*right.costs["LSTM"][:-1], replace(right.costs["LSTM"][-1], seconds=slow))
    assert not replace(
        right, costs=right.costs | {"LSTM": lstm}
    ).length_has_its_price  # slower than the other


@pytest.mark.usefixtures("short")
def test_all_but_seconds_depends_on_the_seed_alone():
    def told(rng):
        found = studies.lstm_or_transformer(**SMALL, rng=rng)
        assert not found.holds  # nothing is learnt from so few
        display = found.display
        f1 = [tagger.f1 for tagger in display.taggers]
        learnt = display.taught, display.near_alone, display.at_once
        return f1, learnt, [one.kept for by in display.costs.values() for one in by]

    assert told(0) == told(0)
    assert told(0) != told(1)


@pytest.mark.usefixtures("short")
def test_atis_is_tagged_where_it_is_given(tmp_path):
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "seq.in").write_text("from rome\nto paris\n" * 10)
        (tmp_path / part / "seq.out").write_text("O B-from\nO B-to\n" * 10)
    found = studies.lstm_or_transformer(**SMALL, atis=tmp_path)
    assert [(t.data, t.net) for t in found.display.taggers] == [
        (data, net) for data in ("travel requests", "ATIS") for net in NETS
    ]
    assert "ATIS,_Transformer" in found.numbers
    with pytest.raises(OSError, match=r"seq\.in"):
        studies.lstm_or_transformer(**SMALL, atis=tmp_path / "nowhere")


def test_pictures(result, tmp_path):
    display = result.display.plot()
    assert set(display.axes_) == {"tags", "recall", "time", "memory"}
    assert [bar.get_height() for bar in display.axes_["tags"].patches] == [t.f1 for t in display.taggers]
    lines = display.axes_["recall"].lines
    for k, net in enumerate(NETS):
        for line, how in enumerate((display.taught, display.near_alone, display.at_once)):
            drawn = lines[3 * k + line].get_ydata()
            np.testing.assert_array_equal(drawn, [one.after for one in how[net]])
        drawn = display.axes_["memory"].lines[k].get_ydata()
        np.testing.assert_array_equal(drawn, [one.kept / 2**20 for one in display.costs[net]])
    display.animate(str(tmp_path / "growing.gif"))
    assert (tmp_path / "growing.gif").read_bytes().startswith(b"GIF89a")


@pytest.mark.parametrize("name", ["n_sentences", "n_fresh", "batches", "hidden_size"])
def test_runs_that_cannot_be(name):
    with pytest.raises(ValueError, match=f"{name}.*0"):
        studies.lstm_or_transformer(**{name: 0})
