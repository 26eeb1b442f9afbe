"""Calls that fit go a quick way through the extension, from the second on: nobody may be able to tell."""

import networks
import numpy as np
import pytest

from diptych import _progress, nn

KINDS = pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM])
T, B, INPUTS, UNITS = 7, 3, 4, 20


def packed(kind, **options):
    net = kind(INPUTS, UNITS, rng=0, **options)
    net(np.zeros((1, 1, INPUTS), net.dtype))
    return net


def drawn(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def same(one, other):
    (y, last), (of_other, last_of_other) = one, other
    for a, b in zip([y, *networks.parts(last)], [of_other, *networks.parts(last_of_other)], strict=True):
        assert type(a) is np.ndarray
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert a.flags.c_contiguous
        assert a.flags.writeable
        np.testing.assert_array_equal(a.view(np.uint8), b.view(np.uint8))


@KINDS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("steps", "batch"), [(1, 1), (T, 1), (T, B), (60, 40)])
@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_quick_way_leads_to_the_same(kind, dtype, steps, batch, with_state, n_jobs):
    net, x = packed(kind, dtype=dtype, n_jobs=n_jobs), drawn((steps, batch, INPUTS), dtype)
    state = networks.state_of(net, batch) if with_state else None
    for array in (x, *networks.parts(state)):
        if array is not None:
            array.flags.writeable = False
    same(net(x, state), net(x, state, np.full(batch, steps)))  # with lengths there is none
    same(net._sequences(x, state, n_jobs), net(x, state))  # it is this one


@KINDS
@pytest.mark.parametrize(
    "x",
    [
        drawn((T, B, INPUTS)).tolist(),
        np.asfortranarray(drawn((T, B, INPUTS))),
        drawn((2 * T, B, INPUTS))[::2],
        np.ma.masked_array(drawn((T, B, INPUTS))),
        drawn((T, B, INPUTS)).astype(np.float16),
        np.ones((T, B, INPUTS), np.int8),
        drawn((T, B, INPUTS)).astype(">f4"),
        np.frombuffer(b"." + drawn((T, B, INPUTS)).tobytes(), np.float32, offset=1).reshape(T, B, INPUTS),
    ],
    ids=["list", "Fortran", "strided", "masked", "half", "integers", "big-endian", "misaligned"],
)
def test_what_only_nearly_fits_goes_the_slow_way(kind, x):
    net = packed(kind)
    assert net._sequences(x, None, 1) is None
    same(net(x), net(np.asarray(x, np.float32, order="C")))


@KINDS
@pytest.mark.parametrize(
    ("x", "state", "n_jobs"),
    [
        (drawn((T, INPUTS)), None, None),
        (drawn((T, B, INPUTS + 1)), None, None),
        (drawn((0, B, INPUTS)), None, None),
        (drawn((T, 0, INPUTS)), None, None),
        (drawn((T, B, INPUTS), np.float64), None, None),
        (drawn((T, B, INPUTS)).astype(complex), None, None),
        ([[[1.0] * INPUTS], [[1.0]]], None, None),
        ("words", None, None),
        (drawn((T, B, INPUTS)), (drawn((B, UNITS)), drawn((B, UNITS))), None),
        (drawn((T, B, INPUTS)), (drawn((1, B, UNITS)),), None),
        (drawn((T, B, INPUTS)), (drawn((1, B, UNITS)),) * 3, None),
        (drawn((T, B, INPUTS)), drawn((1, B + 1, UNITS)), None),
        (drawn((T, B, INPUTS)), "state", None),
        (drawn((T, B, INPUTS)), None, 0),
        (drawn((T, B, INPUTS)), None, 1.5),
    ],
)
def test_what_does_not_fit_is_told_in_the_same_words(kind, x, state, n_jobs):
    said = []
    for net in (packed(kind), kind(INPUTS, UNITS, rng=0)):
        net.n_jobs = n_jobs
        with pytest.raises((TypeError, ValueError)) as told:
            net(x, state)
        said.append((type(told.value), str(told.value)))
    assert said[0] == said[1]


LONG, WIDE = (600, 64, INPUTS), 512  # some multiples of the 50 ms after which a listener is told


def wide(kind):
    net = kind(INPUTS, WIDE, rng=0, n_jobs=1)
    net(np.zeros((1, 1, INPUTS), np.float32))
    return net


@KINDS
def test_a_listener_is_told_of_progress(kind):
    net, told = wide(kind), []
    with _progress.reporting(lambda done, total: told.append((done, total))):
        output = net(drawn(LONG))
    assert told
    assert {total for _, total in told} == {LONG[0] * LONG[1]}
    same(output, net(drawn(LONG)))


@KINDS
def test_what_a_listener_raises_comes_through_once(kind):
    net, calls = wide(kind), []

    def refuse(done, total):
        calls.append(done)
        raise ValueError("enough")

    with _progress.reporting(refuse), pytest.raises(ValueError, match=r"^enough$"):
        net(drawn(LONG))
    assert len(calls) == 1


@KINDS
def test_a_call_in_between_leaves_the_way_back_open(kind):
    net, x = packed(kind), drawn((T, B, INPUTS))
    output, _ = net(x, training=True)
    net(drawn((T, B, INPUTS), seed=1))
    found = net.backward(np.ones_like(output)).x
    net(x, training=True)
    np.testing.assert_array_equal(net.backward(np.ones_like(output)).x, found)


@KINDS
def test_batch_first_may_be_set_later(kind):
    net, x = packed(kind), drawn((T, B, INPUTS))
    output, _ = net(x)
    net.batch_first = True
    np.testing.assert_array_equal(net(x.swapaxes(0, 1))[0], output.swapaxes(0, 1))
