"""The study contribution: its measures are what they are said to be, and its law can break in each part."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from diptych import nn, studies
from diptych.studies import _adding as task
from diptych.studies import _contribution_runs as runs
from study_answers import answer

module = import_module("diptych.studies.contribution")  # the package has the function by that name
QUICK = {"steps": 8, "short": 4, "batches": 3, "n_sequences": 40}
NETS = ["LSTM", "tanh RNN", "linear RNN"]


@pytest.fixture(scope="module")
def result():
    return answer("contribution")


@pytest.fixture(name="right")
def _right(result):
    return module._Answer(result.display.short, result.display.long)


# ---- the task ----


def test_the_sum_is_that_of_the_marked_numbers():
    x, y = task.marked_numbers(np.random.default_rng(0), 30, 500)
    assert set(np.unique(x[:, :, 1])) == {0, 1}
    assert x[:, :, 1].sum(axis=0).mean() == pytest.approx(task.MARKS, abs=0.2)
    for sequence in range(5):
        marked = x[:, sequence, 1] == 1
        assert y[sequence] == pytest.approx(x[marked, sequence, 0].sum(), rel=1e-6)


def test_the_error_of_the_mean():
    _, y = task.marked_numbers(np.random.default_rng(1), 20, 200_000)
    assert y.var() == pytest.approx(task.error_of_the_mean(20), rel=0.01)


# ---- the measures, of nets that nobody trained ----


def untrained(net, T=7, B=5):
    layer, out = runs.train(net, T, 1, 3)  # one batch: nearly as it began
    x, _ = task.marked_numbers(np.random.default_rng(2), T, B)
    return layer, out, x, runs.measure(net, layer, out, x)


def says(layer, out, x):
    """Say what a net says, in double precision, without the code of the study."""
    options = {"nonlinearity": layer.nonlinearity} if isinstance(layer, nn.RNN) else {}
    double = type(layer)(2, runs.HIDDEN, dtype=np.float64, **options)
    double.load_state_dict(layer.state_dict())
    states, _ = double(np.asarray(x, np.float64))
    weights = {name: array.astype(np.float64) for name, array in out.state_dict().items()}
    return states[-1] @ weights["weight"][0] + weights["bias"][0]


@pytest.mark.parametrize("net", NETS)
def test_removal_is_what_is_said_without_a_step(net):
    layer, out, x, found = untrained(net)
    np.testing.assert_allclose(found.said, says(layer, out, x), rtol=1e-12)
    for t in range(7):
        without = np.concatenate([x[:t], x[t + 1 :]])
        np.testing.assert_allclose(found.removed[t], found.said - says(layer, out, without), atol=1e-13)


@pytest.mark.parametrize("net", NETS)
def test_gradients_are_those_of_what_is_said(net):
    layer, out, x, found = untrained(net)
    for t in (0, 3, 6):
        slopes = []
        for feature in range(2):
            ends = []
            for shift in (1e-5, -1e-5):
                moved = x.astype(np.float64)
                moved[t, :, feature] += shift
                ends.append(says(layer, out, moved))
            slopes.append((ends[0] - ends[1]) / 2e-5)
        np.testing.assert_allclose(found.gradients[t], np.hypot(*slopes), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("net", NETS)
def test_terms_sum_to_what_is_said(net):
    found = untrained(net)[-1]
    if net == "tanh RNN":
        assert found.terms is None
        assert np.isnan(found.does_not_add_up)
    else:
        assert found.does_not_add_up < 1e-12
        assert found.terms.shape == (8, 5)
        assert not found.terms[0].any()  # the state at the beginning is 0


def test_figures_by_hand():
    x = np.zeros((6, 2, 2))
    x[:, :, 0] = [[0.1, 0.9]] * 6
    x[[0, 5], :, 1] = 1
    truth = x[:, :, 0] * x[:, :, 1]
    found = runs.Contributions("tanh RNN", x, truth.sum(axis=0) + 0.5, 2 * truth, 3 + x[:, :, 0], None, 0.0)
    assert found.steps == 6
    np.testing.assert_array_equal(found.truth, truth)
    assert np.argwhere(found.far).tolist() == [[0, 0], [0, 1]]
    assert np.argwhere(found.near).tolist() == [[5, 0], [5, 1]]
    assert found.error == pytest.approx(0.25 / task.error_of_the_mean(6))
    assert found.miss(found.marked) == pytest.approx(0.5)
    assert found.miss(~found.marked) == 0
    assert found.correlation(found.removed) == pytest.approx(1)
    assert found.gradient_of_small_and_large() == pytest.approx((3.1, 3.9))
    np.testing.assert_allclose(found.credit(3), [2, 0, 2])


# ---- the study ----


def test_one_memory_is_short_and_the_other_long(result, right):
    assert result.holds
    assert right.long["LSTM"].error < 0.1 < right.long["tanh RNN"].error
    lstm, rnn = (np.abs(right.long[net].credit(6) - 1).max() for net in ("LSTM", "tanh RNN"))
    assert lstm < 0.2 < rnn


def test_a_linear_net_can_count_marks_but_not_read_them(right):
    """The best it can do is to say the mean of a number, 1/2, for each mark."""
    linear = right.long["linear RNN"]
    best = task.MARKS / 12 / task.error_of_the_mean(60)
    assert best * 0.5 < linear.error < 0.4
    assert linear.removed[linear.marked].mean() == pytest.approx(0.5, abs=0.1)


def test_the_law_does_not_hang_on_the_seed():
    assert studies.contribution(rng=1).holds


def test_the_law_breaks_with_each_of_its_parts(right):
    def changed(net, **change):
        return replace(right, long=right.long | {net: replace(right.long[net], **change)})

    lstm, linear = right.long["LSTM"], right.long["linear RNN"]
    for part in (
        "one_memory_is_long",
        "removal_is_right",
        "terms_are_exact",
        "gradients_are_something_else",
    ):
        assert getattr(right, part)
    assert not changed("tanh RNN", said=right.long["tanh RNN"].truth.sum(axis=0)).one_memory_is_long
    assert not changed("LSTM", said=lstm.said + 1).one_memory_is_long
    for where in (lstm.far, lstm.near, ~lstm.marked):
        assert not changed("LSTM", removed=lstm.removed + 0.2 * where).removal_is_right
    for net in (lstm, linear):
        assert not changed(net.net, terms=net.terms + 1e-9).terms_are_exact
    assert not changed("LSTM", removed=np.roll(lstm.removed, 1, axis=0)).terms_are_exact
    assert not changed("LSTM", gradients=np.abs(lstm.removed)).gradients_are_something_else
    assert not changed("linear RNN", gradients=lstm.gradients).gradients_are_something_else


def test_the_same_run_gives_the_same_numbers():
    first = studies.contribution(**QUICK)
    assert not first.holds  # nothing is learnt from three batches
    assert "BROKEN" in str(first)
    assert str(studies.contribution(**QUICK).numbers) == str(first.numbers)
    assert str(studies.contribution(**QUICK, rng=1).numbers) != str(first.numbers)


def test_pictures(result, tmp_path):
    display = result.display.plot()
    assert set(display.axes_) == {*NETS, "credit", "gradient"}
    for name, net in result.display.long.items():
        which = display._shown()
        assert net.marked[:, which].sum() >= 3
        (line,) = (line for line in display.axes_[name].lines if len(line.get_xdata()) == 60)
        np.testing.assert_array_equal(line.get_ydata(), net.gradients[:, which])
        assert len(display.axes_[name].patches) == (0 if net.terms is None else 60)
    display.animate(str(tmp_path / "steps.gif"), every=30)
    assert (tmp_path / "steps.gif").read_bytes().startswith(b"GIF89a")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"short": 2}, "short=2: must be 3 or more"),
        ({"steps": 15}, "steps=15: must be more than short=15"),
        ({"batches": 0}, "batches=0"),
        ({"n_sequences": 1.5}, "n_sequences=1.5"),
    ],
)
def test_runs_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        studies.contribution(**arguments)
