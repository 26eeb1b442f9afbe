"""Recurrent nets: the laws, three steps by hand, long and short ends of the scale, on both panels."""

import nets
import numpy as np
import pytest

from diptych import testing

NAMES = [name.partition(".")[2] for name in testing.names() if name.startswith("recurrent.")]
BOTH = pytest.mark.parametrize("name", ["rnn", "lstm"])


@pytest.mark.parametrize("name", NAMES)
def test_laws(panel, name):
    function = getattr(panel.recurrent, name)
    report = testing.check(function, f"recurrent.{name}", seed=1, strict=True, timeout=60)
    assert report.passed, str(report)
    assert {law.status for law in report.laws} == {"holds"}, str(report)


def test_three_steps_by_hand(panel):
    # h_t = 0.3 x_t + 0.5 h_{t−1}; h_3 = w (1 + u + u²) with w = 0.3 and u = 0.5.
    y, h, tape = panel.recurrent.rnn(
        np.ones((3, 1, 1)), [[0.0]], [[0.3]], [[0.5]], nonlinearity="identity", return_tape=True
    )
    np.testing.assert_allclose(y.ravel(), [0.3, 0.45, 0.525], rtol=1e-15)
    np.testing.assert_allclose(h, [[0.525]], rtol=1e-15)
    by = panel.recurrent.rnn_backward(tape, np.zeros((3, 1, 1)), [[1.0]])
    np.testing.assert_allclose([by.w_ih.item(), by.w_hh.item()], [1.75, 0.6], rtol=1e-15)
    np.testing.assert_allclose(by.x.ravel(), [0.075, 0.15, 0.3], rtol=1e-15)
    terms = panel.recurrent.rnn_memory_terms(tape)
    np.testing.assert_allclose(terms.ravel(), [0, 0.075, 0.15, 0.3], rtol=1e-15)
    np.testing.assert_allclose(panel.recurrent.state_jacobian_norms(tape).ravel(), [0.25, 0.5, 1])


@BOTH
def test_results_are_owned_arrays(panel, name):
    for dtype in (np.float32, np.float64):
        given = nets.net(name, 4, 3, 2, 5, dtype=dtype)
        y, *last, tape = nets.read(panel, name, given, lengths=[4, 1, 2])
        dy, by_last = nets.signals(name, given)
        by = nets.gradients(panel, name, tape, dy, by_last)
        arrays = [y, *last, *by]
        shapes = [(4, 3, 5), *[(3, 5)] * len(last), *(given[key].shape for key in by._fields)]
        assert [a.shape for a in arrays] == shapes
        assert {a.dtype for a in arrays} == {np.dtype(dtype)}
        assert all(a.flags.c_contiguous and a.flags.writeable for a in arrays)
        addresses = {a.__array_interface__["data"][0] for a in arrays}
        assert len(addresses) == len(arrays)  # none is another
        assert type(tape).__name__ == {"rnn": "RNNTape", "lstm": "LSTMTape"}[name]
        assert tape.h is y
        for state in nets.step(panel, name, given, 0, nets.states(given)):
            assert state.dtype == dtype
            assert state.flags.c_contiguous


def test_the_tape_of_an_lstm_is_what_it_says(panel):
    given = nets.net("lstm", 5, 3, 2, 4)
    y, h, c, tape = panel.recurrent.lstm(**given, lengths=[5, 2, 3], return_tape=True)
    assert all(part.shape == (5, 3, 4) for part in (tape.i, tape.f, tape.g, tape.o, tape.c, tape.h))
    there = (np.arange(5)[:, None] < [5, 2, 3])[:, :, None]
    before = np.concatenate([given["c0"][None], tape.c[:-1]])
    np.testing.assert_allclose(tape.c, there * (tape.f * before + tape.i * tape.g), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(y, tape.o * np.tanh(tape.c), rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(c[1], tape.c[1, 1])
    np.testing.assert_array_equal(h[2], y[2, 2])
    assert not tape.gates[4, 1].any()


@BOTH
def test_lists_and_integers_follow_the_weights(panel, name):
    given = nets.net(name, 3, 2, 2, 3)
    whole = given | {"x": np.round(given["x"])}
    expected = getattr(panel.recurrent, name)(**whole)
    for x in (whole["x"].astype(int), whole["x"].tolist(), whole["x"].astype(np.float32)):
        found = getattr(panel.recurrent, name)(**(whole | {"x": x}))
        for a, b in zip(found, expected, strict=True):
            assert a.dtype == np.float64
            np.testing.assert_array_equal(a, b)
    narrow = {key: value.astype(np.float32) for key, value in whole.items()}
    for x in (whole["x"].astype(int), whole["x"].tolist()):
        found = getattr(panel.recurrent, name)(**(narrow | {"x": x}))
        assert {a.dtype for a in found} == {np.dtype(np.float32)}


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_strange_layouts_are_read_right(panel, name, dtype):
    given = nets.net(name, 3, 2, 4, 3, dtype=dtype)
    expected = getattr(panel.recurrent, name)(**given)
    layouts = {
        "Fortran order": np.asfortranarray,
        "a view": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
        "backwards": lambda a: a[::-1].copy()[::-1],
        "other bytes": lambda a: a.astype(a.dtype.newbyteorder(">")),
        "read only": lambda a: np.broadcast_to(a, a.shape),
    }
    for layout, change in layouts.items():
        strange = {key: change(value) for key, value in given.items()}
        for a, b in zip(getattr(panel.recurrent, name)(**strange), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, err_msg=layout)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e3, 1e30])
@np.errstate(all="ignore")
def test_huge_activations_saturate(panel, dtype, size):
    given = nets.net("lstm", 20, 3, 4, 5, dtype=dtype)
    given["x"] *= dtype(size)
    y, h, c, tape = panel.recurrent.lstm(**given, return_tape=True)
    for part in (y, h, c, tape.gates):
        assert np.isfinite(part).all()
    assert np.abs(y).max() <= 1
    assert tape.i.min() >= 0
    assert tape.i.max() <= 1
    assert np.isin(tape.i[np.abs(given["x"]).min(axis=2) > 900], [0.0, 1.0]).all()
    by = panel.recurrent.lstm_backward(tape, np.ones_like(y))
    assert all(np.isfinite(part).all() for part in by)
    assert np.isfinite(
        panel.recurrent.rnn(given["x"], given["h0"], given["w_ih"][:5], given["w_hh"][:5])[0]
    ).all()


@BOTH
def test_nan_in_activations_goes_where_sums_take_it(panel, name):
    given = nets.net(name, 4, 3, 2, 5)
    given["x"][2, 1, 0] = np.nan
    y, *last = getattr(panel.recurrent, name)(**given)
    assert np.isnan(y[2:, 1]).all()
    assert np.isnan(last[0][1]).all()
    assert np.isfinite(np.delete(y, 1, axis=1)).all()
    assert np.isfinite(y[:2]).all()


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu", "identity"])
def test_nan_passes_every_nonlinearity(panel, nonlinearity):
    found = panel.recurrent.rnn_step(
        [[np.nan, 1.0]], [[0.0]], [[1.0, 1.0]], [[1.0]], nonlinearity=nonlinearity
    )
    assert np.isnan(found).all()


@BOTH
def test_a_hundred_thousand_steps(panel, name):
    # A student's net may be that long; nothing recurses. Where the state forgets, the beginning is no matter.
    given = nets.net(name, 100_000, 1, 1, 2, biases="none")
    y, *last, tape = nets.read(panel, name, given)
    assert np.isfinite(y).all()
    late = given | {"x": given["x"][-2000:]}
    other = getattr(panel.recurrent, name)(**late)
    np.testing.assert_allclose(last[0], other[1], rtol=1e-9)
    by = nets.gradients(panel, name, tape, np.ones_like(y), [])
    assert all(part is None or np.isfinite(part).all() for part in by)


@BOTH
def test_arguments_are_not_changed(panel, name):
    given = nets.net(name, 4, 3, 2, 5)
    copies = {key: value.copy() for key, value in given.items()}
    *_, tape = nets.read(panel, name, given, lengths=[4, 2, 1], reverse=True)
    gates = [part.copy() for part in tape if isinstance(part, np.ndarray)]
    dy, last = nets.signals(name, given)
    before = dy.copy()
    nets.gradients(panel, name, tape, dy, last)
    panel.recurrent.state_jacobian_norms(tape)
    for key, value in copies.items():
        np.testing.assert_array_equal(given[key], value)
    np.testing.assert_array_equal(dy, before)
    for part, copy in zip([p for p in tape if isinstance(p, np.ndarray)], gates, strict=True):
        np.testing.assert_array_equal(part, copy)


def test_the_code_of_a_failure_can_be_pasted(panel):
    def forgetful(tape, dy, dh=None, dc=None):
        return panel.recurrent.lstm_backward(tape, dy)

    failure = testing.check(forgetful, "recurrent.lstm_backward", examples=3).first_failure
    assert failure.law == "the last state has its share"
    names = {"forgetful": forgetful}
    exec(failure.code, names)
    assert names["tape"].gates.shape[2:] == (4, failure.case["tape"].h.shape[2])
