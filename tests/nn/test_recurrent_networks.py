"""RNN and LSTM as networks: gradients against finite differences and autograd, panels, steps, weights."""

import copy
import pickle

import networks
import numpy as np
import pytest

from diptych import nn

KINDS = pytest.mark.parametrize("kind", ["RNN", "LSTM"])
BACKENDS = pytest.mark.parametrize("backend", ["rust", "reference"])
DEEP = {"num_layers": 2, "bidirectional": True}


def differences(function, array, step=1e-5):
    """Central differences: off by about step², and by 1e-16 / step."""
    found = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        ends = []
        for sign in (1, -1):
            moved = array.copy()
            moved[place] += sign * step
            ends.append(function(moved))
        found[place] = (ends[0] - ends[1]) / (2 * step)
    return found


@KINDS
@BACKENDS
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_gradients_are_finite_differences(kind, backend, batch_first, bias):
    net = networks.make(kind, backend=backend, batch_first=batch_first, bias=bias, **DEEP)
    x = networks.inputs()
    x = np.ascontiguousarray(x.swapaxes(0, 1)) if batch_first else x
    state, d_state = networks.state_of(net, 3), networks.state_of(net, 3, seed=1)
    output, _ = net(x, state, networks.LENGTHS, training=True)
    d_output = np.random.default_rng(2).normal(size=output.shape)
    by = net.backward(d_output, d_state)

    def loss(x=x, state=state):
        return networks.weighted(net, x, state, networks.LENGTHS, d_output, d_state)

    close = {"rtol": 1e-7, "atol": 2e-8}
    np.testing.assert_allclose(by.x, differences(lambda moved: loss(x=moved), x), **close)
    weights = net.state_dict()
    assert list(by.weights) == list(weights)
    assert len(weights) == 4 * (2 + 2 * bias)
    for name, array in weights.items():

        def with_weight(moved, name=name):
            net.load_state_dict(weights | {name: moved})
            return loss()

        found = differences(with_weight, array)
        net.load_state_dict(weights)
        np.testing.assert_allclose(by.weights[name], found, **close, err_msg=name)
    for number, part in enumerate(networks.parts(state)):

        def with_state(moved, number=number):
            states = [*networks.parts(state)]
            states[number] = moved
            return loss(state=tuple(states) if len(states) > 1 else states[0])

        found = differences(with_state, part)
        np.testing.assert_allclose(networks.parts(by.state)[number], found, **close)


def autograd_loss(autograd, weights, x, lengths, d_output, H, layers):
    """A stacked bidirectional LSTM from zero states in autograd's NumPy, written from the equations."""
    np_ = autograd.numpy

    def sigma(a):
        return 0.5 * (np_.tanh(a / 2) + 1)

    def direction(rows, suffix, backwards):
        h = c = np.zeros(H)
        found = [None] * len(rows)
        for t in reversed(range(len(rows))) if backwards else range(len(rows)):
            a = np_.dot(weights["weight_ih" + suffix], rows[t]) + np_.dot(weights["weight_hh" + suffix], h)
            a = a + weights["bias_ih" + suffix] + weights["bias_hh" + suffix]
            c = sigma(a[H : 2 * H]) * c + sigma(a[:H]) * np_.tanh(a[2 * H : 3 * H])
            h = sigma(a[3 * H :]) * np_.tanh(c)
            found[t] = h
        return found

    total = 0.0
    for b, n in enumerate(lengths):
        rows = [x[t, b] for t in range(n)]
        for layer in range(layers):
            ways = [direction(rows, f"_l{layer}{way}", bool(way)) for way in ("", "_reverse")]
            rows = [np_.concatenate(pair) for pair in zip(*ways, strict=True)]
        total = total + sum(np_.sum(d_output[t, b] * row) for t, row in enumerate(rows))
    return total


@BACKENDS
def test_gradients_are_those_of_autograd(backend):
    pytest.importorskip("autograd", reason="the package autograd, of the extra `test`, is not installed")
    import autograd
    import autograd.numpy

    net, x, lengths = (
        networks.make("LSTM", 5, 6, backend=backend, **DEEP),
        networks.inputs(4, 3, 5),
        [4, 1, 3],
    )
    output, _ = net(x, None, lengths, training=True)
    d_output = np.random.default_rng(3).normal(size=output.shape)
    by = net.backward(d_output)

    def loss(weights, x):
        return autograd_loss(autograd, weights, x, lengths, d_output, 6, 2)

    d_weights, d_x = autograd.grad(loss, (0, 1))(net.state_dict(), x)
    np.testing.assert_allclose(by.x, d_x, rtol=1e-10, atol=1e-12)
    for name, theirs in d_weights.items():
        np.testing.assert_allclose(by.weights[name], theirs, rtol=1e-10, atol=1e-12, err_msg=name)


@KINDS
@pytest.mark.parametrize("options", [{}, DEEP, DEEP | {"batch_first": True}, DEEP | {"bias": False}], ids=str)
@pytest.mark.parametrize("lengths", [None, networks.LENGTHS])
def test_backends_are_equal(kind, options, lengths):
    # Both add chains of at most 2 H + I + 2 = 25 products in float64, in other orders; 1e-13 is hundreds of
    # units of the last place of numbers of the order of 1; a wrong gate is off by 1e12 times as much.
    nets = [networks.make(kind, 9, 7, backend=backend, **options) for backend in ("rust", "reference")]
    x = networks.inputs(5, 3, 9)
    x = x.swapaxes(0, 1) if options.get("batch_first") else x
    state, answers = networks.state_of(nets[0], 3), []
    for net in nets:
        output, last = net(x, state, lengths, training=True)
        by = net.backward(np.cos(np.arange(output.size)).reshape(output.shape), state)
        answers.append([output, *networks.parts(last), by.x, *networks.parts(by.state), *by.weights.values()])
    for rust, reference in zip(*answers, strict=True):
        assert rust.shape == reference.shape
        np.testing.assert_allclose(rust, reference, rtol=0, atol=1e-13 * max(1, np.abs(reference).max()))


@KINDS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("layers", "batch", "units"), [(1, 1, 20), (1, 3, 33), (3, 1, 17), (2, 4, 8)])
def test_a_sequence_is_its_steps(kind, dtype, layers, batch, units):
    net, x = (
        networks.make(kind, 9, units, num_layers=layers, dtype=dtype),
        networks.inputs(7, batch, 9, dtype=dtype),
    )
    output, last = net(x)
    state, found = None, []
    for x_t in x:
        y, state = net.step(x_t, state)
        assert y.shape == (batch, units)
        found.append(y)
    np.testing.assert_array_equal(np.stack(found), output)
    half, middle = net(x[:3])
    rest, end = net(x[3:], middle)
    np.testing.assert_array_equal(np.concatenate([half, rest]), output)
    for a, b, c in zip(networks.parts(state), networks.parts(last), networks.parts(end), strict=True):
        assert a.shape == (layers, batch, units)
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


@KINDS
def test_a_step_of_the_reference_is_its_sequence(kind):
    net, x = networks.make(kind, backend="reference", num_layers=2), networks.inputs()
    output, state = net(x)[0], None
    for t, x_t in enumerate(x):
        y, state = net.step(x_t, state)
        np.testing.assert_allclose(y, output[t], rtol=0, atol=1e-15)


@KINDS
@BACKENDS
def test_padding_is_neither_read_nor_written(kind, backend):
    net, x = networks.make(kind, backend=backend, **DEEP), networks.inputs()
    output, state = net(x, None, networks.LENGTHS)
    spoilt = x.copy()
    for b, n in enumerate(networks.LENGTHS):
        spoilt[n:, b] = np.nan
    again, _ = net(spoilt, None, networks.LENGTHS)
    np.testing.assert_array_equal(again, output)
    for b, n in enumerate(networks.LENGTHS):
        alone, last = net(x[:n, b : b + 1])
        np.testing.assert_allclose(output[:n, b], alone[:, 0], rtol=0, atol=1e-15)
        assert not output[n:, b].any()
        for mine, all_of in zip(networks.parts(last), networks.parts(state), strict=True):
            np.testing.assert_allclose(all_of[:, b], mine[:, 0], rtol=0, atol=1e-15)


@KINDS
def test_states_stand_in_the_order_of_pytorch(kind):
    # Layer 0, layer 0 backwards, layer 1, layer 1 backwards; the output has those of the last at its ends.
    net, x = networks.make(kind, **DEEP), networks.inputs()
    output, state = net(x)
    h = networks.parts(state)[0]
    np.testing.assert_array_equal(h[2], output[-1, :, :4])
    np.testing.assert_array_equal(h[3], output[0, :, 4:])
    one = networks.make(kind, bidirectional=True)
    one.load_state_dict({name: w for name, w in net.state_dict().items() if "_l0" in name})
    np.testing.assert_array_equal(networks.parts(one(x)[1])[0], h[:2])


@KINDS
def test_first_weights_are_those_of_pytorch_and_of_the_seed(kind):
    net = networks.make(kind, 30, 64, num_layers=2)
    for name, array in net.state_dict().items():
        assert np.abs(array).max() <= 1 / 8
        assert np.abs(array).max() > 0.12 or array.ndim == 1, name
        assert abs(array.mean()) < 5 * (1 / 8 / 3**0.5) / array.size**0.5, name
    again, other = networks.make(kind, 30, 64, num_layers=2), networks.make(kind, 30, 64, seed=2)
    for name, array in again.state_dict().items():
        np.testing.assert_array_equal(array, net.state_dict()[name])
        if name in other.state_dict():
            assert (array != other.state_dict()[name]).any()


@KINDS
def test_new_weights_are_used_at_once(kind):
    net, x = networks.make(kind), networks.inputs()
    first, _ = net(x)
    step, _ = net.step(x[0], networks.state_of(net, 3))
    net.load_state_dict({name: -w for name, w in net.state_dict().items()})
    fresh = networks.make(kind)
    fresh.load_state_dict(net.state_dict())
    np.testing.assert_array_equal(net(x)[0], fresh(x)[0])
    assert (net(x)[0] != first).any()
    assert (net.step(x[0], networks.state_of(net, 3))[0] != step).any()


def test_weights_are_read_only_and_copies():
    net, given = nn.LSTM(2, 3, rng=0), {}
    for name, array in net.state_dict().items():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
        given[name] = np.zeros_like(array)
    net.load_state_dict(given)
    given["bias_ih_l0"][:] = 5
    assert not net.state_dict()["bias_ih_l0"].any()
    given["bias_ih_l0"][:] = 0  # and the caller's array is still the caller's to write to


@KINDS
@BACKENDS
def test_pickles(kind, backend):
    net, x = networks.make(kind, backend=backend, **DEEP), networks.inputs()
    output, _ = net(x, training=True)
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again(x)[0], output)
    assert repr(again) == repr(net)
    with pytest.raises(ValueError, match="read-only"):
        again.state_dict()["weight_ih_l0"][0] = 1
    with pytest.raises(RuntimeError, match="training=True"):
        again.backward(output)


@KINDS
@BACKENDS
@pytest.mark.parametrize(
    "how", [lambda net: net, copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))]
)
def test_what_cells_are_made_by_stays(kind, backend, how):
    """Before and after they are packed; what is asked at each call may be set."""
    net, x = networks.make(kind, backend=backend), networks.inputs()
    net = how(net)
    wanted = {
        "input_size": 7, "hidden_size": 7, "num_layers": 2, "bias": False, "bidirectional": True,
        "dropout": 0.5, "dtype": np.float32, "backend": "rust" if backend == "reference" else "reference",
    } | ({"nonlinearity": "relu"} if kind == "RNN" else {})  # fmt: skip
    for _ in range(2):
        before = {name: getattr(net, name) for name in wanted}
        output, state = net(x)
        for name, value in wanted.items():
            with pytest.raises(AttributeError, match=f"^{name} is .* for the life of this network"):
                setattr(net, name, value)
        assert {name: getattr(net, name) for name in wanted} == before
        net.step(x[0], state)
    net.batch_first, net.n_jobs = True, 1
    np.testing.assert_array_equal(net(x.swapaxes(0, 1))[0].swapaxes(0, 1), output)


@KINDS
def test_inputs_may_be_read_only_and_of_any_layout(kind):
    net, x = networks.make(kind), networks.inputs()
    expected, state = net(x)
    y, _ = net.step(x[0], state)
    for other in (np.asfortranarray(x), x[::-1].copy()[::-1], x.astype(">f8"), x.tolist()):
        np.testing.assert_array_equal(net(other)[0], expected)
        np.testing.assert_array_equal(net.step(other[0], state)[0], y)
    x.flags.writeable = False
    np.testing.assert_array_equal(net(x)[0], expected)
    np.testing.assert_array_equal(net.step(x[0], state)[0], y)
    single = networks.make(kind, dtype=np.float32)
    assert single(x.astype(np.float32))[0].dtype == np.float32


@KINDS
def test_outputs_are_the_callers_own(kind):
    net, x = networks.make(kind), networks.inputs()
    state = net(x)[1]
    y, after = net.step(x[0], state)
    kept = networks.parts(after)[0].copy()
    y[...] = 7
    np.testing.assert_array_equal(networks.parts(after)[0], kept)
    assert y.flags.c_contiguous
    assert y.flags.writeable


@KINDS
def test_only_training_keeps_a_tape(kind):
    net, x = networks.make(kind), networks.inputs()
    net(x)
    with pytest.raises(RuntimeError, match=r"nothing to go back through.*training=True"):
        net.backward(np.zeros((5, 3, 4)))
    net(x, training=True)
    net(x[:2])  # an inference in between leaves the tape alone
    by = net.backward(np.ones((5, 3, 4)))
    assert by.x.shape == x.shape
    with pytest.raises(RuntimeError, match="once for each time back"):
        net.backward(np.ones((5, 3, 4)))


def test_threads_change_nothing():
    x = networks.inputs(20, 37, 16, dtype=np.float32)
    answers = []
    for n_jobs in (1, 2, 3):
        net = networks.make("LSTM", 16, 48, dtype=np.float32, n_jobs=n_jobs, **DEEP)
        output, _ = net(x, training=True)
        by = net.backward(output.copy())
        answers.append([output, by.x, *by.weights.values()])
    for other in answers[1:]:
        for a, b in zip(answers[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_dropout_between_layers_is_for_training_alone():
    x = networks.inputs()
    net, dry = networks.make("LSTM", num_layers=2, dropout=0.5), networks.make("LSTM", num_layers=2)
    np.testing.assert_array_equal(net(x)[0], dry(x)[0])
    wet, _ = net(x, training=True)
    assert (wet != dry(x)[0]).any()
    again = networks.make("LSTM", num_layers=2, dropout=0.5)
    np.testing.assert_array_equal(again(x, training=True)[0], wet)
    assert (again(x, training=True)[0] != wet).any()  # the next call drops others

    # What was dropped is dropped on the way back: the derivative along a direction, with the same drops.
    d_output, direction = np.ones_like(wet), networks.inputs(seed=4)
    slope = (net.backward(d_output).x * direction).sum()
    ends = []
    for sign in (1, -1):
        fresh = networks.make("LSTM", num_layers=2, dropout=0.5)
        ends.append(fresh(x + sign * 1e-6 * direction, training=True)[0].sum())
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6)


def test_a_long_sequence():
    net = nn.LSTM(1, 2, rng=0)
    output, _ = net(np.zeros((100_000, 1, 1), np.float32), training=True)
    by = net.backward(np.ones_like(output))
    assert np.isfinite(by.weights["weight_hh_l0"]).all()


def test_huge_inputs_give_no_nan():
    for backend in ("rust", "reference"):
        net = networks.make("LSTM", backend=backend)
        output, _ = net(1e30 * networks.inputs())
        assert np.isfinite(output).all()


def test_the_reference_runs_without_the_extension(run_python):
    code = (
        "import numpy as np\n"
        "from diptych import nn\n"
        "for kind in (nn.RNN, nn.LSTM):\n"
        "    net = kind(2, 3, 2, bidirectional=True, backend='reference', rng=0)\n"
        "    adam = nn.Adam({'net': net}, clip_norm=1.0)\n"
        "    y, state = net(np.ones((4, 2, 2), np.float32), lengths=[4, 2], training=True)\n"
        "    adam.step({'net': net.backward(y).weights})\n"
        "    print(y.shape)\n"
        "    step = kind(2, 3, backend='reference', rng=0).step(np.ones((1, 2), np.float32))\n"
        "print(nn.softmax_cross_entropy(nn.Linear(6, 5)(y), np.zeros((4, 2), int))[0] > 0)\n"
    )
    printed = run_python(code, block=["diptych._rust", "scipy", "sklearn", "onnx", "safetensors"])
    assert printed.split("\n")[:3] == ["(4, 2, 6)", "(4, 2, 6)", "True"]


def test_networks_need_numpy_alone(run_python):
    code = (
        "import numpy as np\n"
        "from diptych import nn\n"
        "y, state = nn.LSTM(2, 3, rng=0)(np.ones((4, 1, 2), np.float32))\n"
        "print(y.shape)\n"
    )
    blocked = ["scipy", "scipy.sparse", "sklearn", "matplotlib", "pandas", "onnx", "safetensors"]
    assert run_python(code, block=blocked).strip() == "(4, 1, 3)"
