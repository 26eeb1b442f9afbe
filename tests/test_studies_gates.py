"""The study gates: its cell is an LSTM, its switches switch what they say, its law can break in each part."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from diptych import nn, studies
from diptych.kernels import recurrent
from diptych.studies import _gates_runs as runs
from diptych.studies import _switched_lstm as cell
from study_answers import answer

module = import_module("diptych.studies.gates")  # the package has the function by that name
T, B, I, H = 7, 4, 3, 5  # noqa: E741
QUICK = {"batches": 3, "epochs": 1, "n_seeds": 2}


@pytest.fixture(scope="module")
def result():
    return answer("gates")


@pytest.fixture(name="right")
def _right(result):
    return module._Answer(*result.display.tasks)


def case(seed=0):
    """Return x (1, T, B, I), W, U, b and derivatives by h, of one net in double precision."""
    generator = np.random.default_rng(seed)
    shapes = [(1, T, B, I), (1, 4 * H, I), (1, 4 * H, H), (1, 4 * H), (T, 1, B, H)]
    return [generator.normal(size=shape) for shape in shapes]


# ---- the cell ----


def test_the_full_cell_is_an_lstm_there_and_back():
    x, W, U, b, dh = case()
    off = runs.switches(["full"])
    tape = cell.forward(x, W, U, b, off)
    start = np.zeros((B, H))
    inputs = np.ascontiguousarray(x[0])
    y, _, c, known = recurrent.lstm(inputs, start, start, W[0], U[0], b[0], return_tape=True)
    np.testing.assert_allclose(tape.h[1:, 0], y, rtol=0, atol=1e-14)
    np.testing.assert_allclose(tape.c[-1, 0], c, rtol=0, atol=1e-14)
    by = recurrent.lstm_backward(known, np.ascontiguousarray(dh[:, 0]))
    found = cell.backward(tape, dh, W, U, off)
    for ours, theirs in zip(found, (by.x, by.w_ih, by.w_hh, by.b_ih), strict=True):
        np.testing.assert_allclose(ours[0], theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("variant", "gate"), [("i = 1", 0), ("f = 1", 1), ("o = 1", 3)])
def test_a_gate_that_is_off_is_a_gate_that_is_wide_open(variant, gate):
    """σ(1000) is 1: the kernel does the same with a large bias and without weights."""
    x, W, U, b, dh = case()
    off = runs.switches([variant])
    tape = cell.forward(x, W, U, b, off)
    rows = slice(gate * H, (gate + 1) * H)
    open_W, open_U, open_b = W[0].copy(), U[0].copy(), b[0].copy()
    open_W[rows] = open_U[rows] = 0
    open_b[rows] = 1000
    start = np.zeros((B, H))
    x0 = np.ascontiguousarray(x[0])
    y, *_, known = recurrent.lstm(x0, start, start, open_W, open_U, open_b, return_tape=True)
    np.testing.assert_allclose(tape.h[1:, 0], y, rtol=0, atol=1e-14)
    by = recurrent.lstm_backward(known, np.ascontiguousarray(dh[:, 0]))
    dx, dW, dU, db = cell.backward(tape, dh, W, U, off)
    np.testing.assert_allclose(dx[0], by.x, rtol=0, atol=1e-12)
    assert not any(d[0, rows].any() for d in (dW, dU, db))


def test_coupled_gates_and_no_squashing_by_hand():
    x, W, U, b, _ = case()
    a = (x[0, 0] @ W[0].T + b[0]).reshape(B, 4, H)
    σ = 1 / (1 + np.exp(-a))
    g = np.tanh(a[:, 2])
    coupled = cell.forward(x, W, U, b, runs.switches(["i = 1 − f"]))
    np.testing.assert_allclose(coupled.c[1, 0], (1 - σ[:, 1]) * g, rtol=1e-12)
    plain = cell.forward(x, W, U, b, runs.switches(["no tanh(c)"]))
    np.testing.assert_allclose(plain.h[1, 0], σ[:, 3] * (σ[:, 0] * g), rtol=1e-12)


@pytest.mark.parametrize("variant", runs.VARIANTS)
def test_gradients_against_differences(variant):
    x, *weights, dh = case(1)
    off = runs.switches([variant])
    gradients = cell.backward(cell.forward(x, *weights, off), dh, *weights[:2], off)
    arrays, generator = [x, *weights], np.random.default_rng(2)
    for array, by in zip(arrays, gradients, strict=True):
        direction = generator.normal(size=array.shape)
        losses = []
        for shift in (1e-6, -1e-6):
            moved = [a + shift * direction if a is array else a for a in arrays]
            losses.append((cell.forward(*moved, off).h[1:] * dh).sum())
        slope = (losses[0] - losses[1]) / 2e-6
        assert (by * direction).sum() == pytest.approx(slope, rel=1e-7, abs=1e-7)


def test_nets_side_by_side_are_nets_alone():
    cases = [case(seed) for seed in range(len(runs.VARIANTS))]
    x, W, U, b = (np.concatenate(parts) for parts in list(zip(*cases, strict=True))[:4])
    dh = np.concatenate([one[4] for one in cases], axis=1)
    off = runs.switches(runs.VARIANTS)
    tape = cell.forward(x, W, U, b, off)
    together = cell.backward(tape, dh, W, U, off)
    for r, (variant, (*arguments, by_h)) in enumerate(zip(runs.VARIANTS, cases, strict=True)):
        alone = runs.switches([variant])
        own = cell.forward(*arguments, alone)
        np.testing.assert_allclose(tape.h[:, r], own.h[:, 0], rtol=0, atol=1e-13)
        for ours, theirs in zip(together, cell.backward(own, by_h, *arguments[1:3], alone), strict=True):
            np.testing.assert_allclose(ours[r], theirs[0], rtol=0, atol=1e-11)


def test_each_net_descends_as_by_adam():
    generator = np.random.default_rng(0)
    layers = [nn.Linear(2, 3, dtype=np.float64, rng=r) for r in range(2)]
    adams = [nn.Adam({"layer": layer}, runs.RATE, clip_norm=runs.CLIP) for layer in layers]
    weights = [np.stack([layer.state_dict()[name] for layer in layers]) for name in ("weight", "bias")]
    descent = runs.Descent([w.copy() for w in weights])
    for size in (10.0, 0.1, 0.1, 3.0):  # clipped and not
        by = [size * generator.normal(size=w.shape) for w in weights]
        by[0][1] *= 0.01  # the nets are clipped apart
        descent.step(by)
        for r, adam in enumerate(adams):
            adam.step({"layer": {"weight": by[0][r], "bias": by[1][r]}})
    for name, found in zip(("weight", "bias"), descent.weights, strict=True):
        expected = np.stack([layer.state_dict()[name] for layer in layers])
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


# ---- the study ----


def test_either_task_misses_one_gate(result, right):
    assert result.holds
    for task in right.adding, right.grammar:
        assert task.errors.shape == (6, 3, 10)
        assert task.final("full") < 0.2  # there is something to lose
        assert task.finals()["full"] == np.median(task.errors[0, :, -1])
    assert right.adding.batches[-1] == 500
    assert right.grammar.batches[-1] == 30 * 18


def test_the_law_breaks_with_each_of_its_parts(right):
    def changed(task, variant, error):
        learnt = getattr(right, task)
        errors = learnt.errors.copy()
        errors[runs.VARIANTS.index(variant)] = error
        return replace(right, **{task: replace(learnt, errors=errors)})

    assert right.adding_misses_the_input_gate
    assert right.grammar_misses_the_forget_gate
    assert right.three_parts_are_not_missed
    full = right.adding.final("full")
    assert not changed("adding", "i = 1", 2 * full).adding_misses_the_input_gate
    assert not changed("grammar", "f = 1", 0.0).grammar_misses_the_forget_gate
    assert not changed("grammar", "i = 1", 0.9).grammar_misses_the_forget_gate
    for task in ("adding", "grammar"):
        for variant in ("o = 1", "no tanh(c)", "i = 1 − f"):
            assert not changed(task, variant, 0.2).three_parts_are_not_missed


def test_the_same_run_gives_the_same_numbers():
    first = studies.gates(**QUICK)
    assert not first.holds  # nothing is learnt from three batches
    assert studies.gates(**QUICK).numbers == first.numbers
    assert studies.gates(**QUICK, rng=1).numbers != first.numbers


def test_pictures(result, tmp_path):
    display = result.display.plot()
    assert set(display.axes_) == {(t, what) for t in ("adding", "grammar") for what in ("curves", "ends")}
    for task in display.tasks:
        lines = display.axes_[task.task, "curves"].lines
        assert [line.get_label() for line in lines] == list(runs.VARIANTS)
        for line, errors in zip(lines, task.errors, strict=True):
            np.testing.assert_allclose(line.get_ydata(), np.median(np.maximum(errors, 1e-4), axis=0))
    display.animate(str(tmp_path / "learning.gif"))
    assert (tmp_path / "learning.gif").read_bytes().startswith(b"GIF89a")


@pytest.mark.parametrize(("name", "value"), [("batches", 0), ("epochs", 0), ("n_seeds", 1.5)])
def test_runs_that_cannot_be(name, value):
    with pytest.raises(ValueError, match=f"{name}={value}"):
        studies.gates(**{name: value})
