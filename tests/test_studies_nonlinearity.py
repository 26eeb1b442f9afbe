"""The study nonlinearity: what it measures is so, and its law can break in each part."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from diptych import studies
from diptych.reference import recurrent as reference

module = import_module("diptych.studies.nonlinearity")  # the package has the function by that name
SMALL = {"hidden_size": 32, "steps": 60, "n_nets": 3}


@pytest.fixture(scope="module")
def result():
    return studies.nonlinearity(**SMALL)


@pytest.fixture(name="right")
def _right(result):
    runs = {(run.start, run.radius, run.nonlinearity, run.strength): run for run in result.display.runs}
    return module._Answer(runs, result.numbers["random_relu_nets_begin_to_grow_at_ρ"])


def changed(answer, *key, **change):
    """Return the answer with one run changed."""
    return replace(answer, runs=answer.runs | {key: replace(answer.runs[key], **change)})


def test_every_kind_of_net_is_run(right):
    assert len(right.runs) == 2 * 3 * 2 * 2
    for run in right.runs.values():
        assert run.lengths.shape == run.arrives.shape == (60,)
        assert run.arrives[-1] == 1


def test_what_is_measured_is_so():
    """One net, by the reference and by small changes of its state."""
    found = module._run("random", 1.5, "tanh", "loud", (32, 60, 1), 0)
    (generator,) = np.random.default_rng(0).spawn(1)
    U, W = generator.normal(size=(32, 32)), generator.normal(size=(32, 8)) / np.sqrt(8)
    x = 1.5 * generator.normal(size=(60, 4, 8))
    U *= 1.5 / np.abs(np.linalg.eigvals(U)).max()
    y, _ = reference.rnn(x, np.zeros((4, 32)), W, U)
    np.testing.assert_allclose(
        found.lengths, np.median(np.sqrt((y**2).mean(axis=2)), axis=1), rtol=1e-12, atol=0
    )
    norms = []
    for sequence in range(4):  # by differences, from the state ten steps before the end
        ends = []
        for shift in (1e-6, -1e-6):
            h = y[-11, [sequence]] + shift * np.eye(32)
            ends.append(reference.rnn(x[-10:, [sequence] * 32], h, W, U)[1])
        norms.append(np.linalg.norm((ends[0] - ends[1]) / 2e-6, 2))
    assert found.arrives_after(10) == pytest.approx(np.median(norms), rel=1e-6)


def test_relu_from_the_identity_is_known_by_hand(right):
    back = np.arange(59, -1, -1.0)
    for strength in module.STRENGTHS:
        for radius in (1.0, 1.5):
            run = right.runs["identity", radius, "relu", strength]
            np.testing.assert_allclose(run.arrives, radius**back, rtol=1e-12)
        assert right.runs["identity", 1.5, "relu", strength].growth == pytest.approx(1.5, abs=1e-5)


def test_random_relu_nets_shrink_between_1_and_about_the_root_of_2():
    """An independent count: normal entries halve ‖U h‖², so that growth begins where σ√H = √2."""
    generator = np.random.default_rng(5)
    H, growth = 200, []
    for _ in range(10):
        h = np.abs(generator.normal(size=H))
        for _ in range(50):  # a new U each step: what a step does on average
            after = np.maximum(generator.normal(size=(H, H)) / np.sqrt(H) @ h, 0)
            growth.append(np.log(np.linalg.norm(after) / np.linalg.norm(h)))
            h = after / np.linalg.norm(after)
    assert np.exp(np.mean(growth)) == pytest.approx(1 / np.sqrt(2), rel=0.02)
    low, high = module.BEGINS
    assert low < np.sqrt(2) < high
    assert low < module._begins_to_grow(64, 3) < high


@pytest.mark.parametrize("rng", [1, 2, 3])
def test_the_law_does_not_hang_on_the_seed(rng):
    assert studies.nonlinearity(**SMALL, rng=rng).holds


def test_the_law_breaks_with_each_of_its_parts(right):
    assert right.bounded
    assert right.below_the_chain_rule
    assert right.bounded_state_is_no_bounded_gradient
    assert right.relu_scales
    assert right.identity_passes_on
    tanh, relu = ("random", 1.5, "tanh", "quiet"), ("identity", 1.5, "relu", "loud")
    assert not changed(right, *tanh, longest=1.01).bounded
    assert not changed(right, *relu, lengths=np.full(60, 2.0)).bounded
    assert not replace(right, begins=1.0).bounded
    assert not changed(right, *tanh, share_of_bound=1.01).below_the_chain_rule
    assert not changed(right, "random", 0.5, "tanh", "loud", arrives=np.ones(60)).below_the_chain_rule
    for run in (tanh, ("random", 1.5, "tanh", "loud")):
        assert not changed(right, *run, arrives=np.ones(60)).bounded_state_is_no_bounded_gradient
    loud = right.runs[relu]
    assert not changed(right, *relu, arrives=1.1 * loud.arrives).relu_scales
    assert not changed(right, *relu, lengths=1.1 * loud.lengths).relu_scales
    assert not changed(right, "identity", 1.0, "relu", "loud", arrives=np.full(60, 0.9)).identity_passes_on
    assert not changed(right, *tanh, arrives=np.ones(60)).identity_passes_on


@pytest.mark.parametrize("part", ["bounded", "below_the_chain_rule", "relu_scales", "identity_passes_on"])
def test_a_broken_part_is_told(part, monkeypatch):
    monkeypatch.setattr(module._Answer, part, property(lambda _self: False))
    broken = studies.nonlinearity(**SMALL | {"n_nets": 1})
    assert not broken.holds
    assert "BROKEN" in str(broken)


def test_the_same_run_gives_the_same_numbers(result):
    assert studies.nonlinearity(**SMALL).numbers == result.numbers
    assert studies.nonlinearity(**SMALL, rng=1).numbers != result.numbers


def test_pictures(result, tmp_path):
    display = result.display.plot()
    assert set(display.axes_) == {(what, ρ) for what in ("length", "gradient") for ρ in (0.5, 1.0, 1.5)}
    for (what, radius), ax in display.axes_.items():
        drawn = {tuple(line.get_ydata()) for line in ax.lines}
        for run in result.display.runs:
            if run.radius == radius:
                values = run.lengths if what == "length" else run.arrives[::-1]
                assert tuple(np.maximum(values, 1e-300)) in drawn
    display.animate(str(tmp_path / "nets.gif"), every=40)
    assert (tmp_path / "nets.gif").read_bytes().startswith(b"GIF89a")


@pytest.mark.parametrize(
    ("name", "value"), [("hidden_size", 31), ("steps", 59), ("n_nets", 0), ("steps", 60.5)]
)
def test_nets_that_cannot_be_run(name, value):
    with pytest.raises(ValueError, match=f"{name}={value}"):
        studies.nonlinearity(**{name: value})
