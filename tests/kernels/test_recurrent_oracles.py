"""Recurrent nets against what this project did not write.

Numbers made by PyTorch and ONNX Runtime, ONNX's own tests and reference, finite differences, and autograd.
"""

import json

import nets
import numpy as np
import pytest

IOFC = [0, 2, 3, 1]  # i, f, g, o among ONNX's i, o, f, c


def reordered(weights):
    """Rows of ONNX's order in ours; one array of blocks, or a row of biases."""
    blocks = np.reshape(weights, (4, -1, *np.shape(weights)[1:]))
    return np.concatenate([blocks[k] for k in IOFC])


# Numbers of PyTorch and ONNX Runtime --------------------------------------------------------------


@pytest.fixture(scope="module")
def pytorch(data_dir):
    return json.loads((data_dir / "sequences" / "vectors" / "rten_rnn.json").read_text())


@pytest.fixture(scope="module")
def runtime(data_dir):
    return json.loads((data_dir / "sequences" / "vectors" / "ort_lstm.json").read_text())


def array(entry, dtype):
    shape, values = entry
    return np.array(values, dtype).reshape(shape)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", ["lstm_forwards", "lstm_bidirectional", "lstm_initial"])
def test_pytorch(panel, pytorch, case, dtype):
    given = pytorch[case]
    x, expected = (array(given[key], dtype) for key in ("input", "output"))
    zero = np.zeros((1, 5), dtype)
    h0, c0 = (
        array(given[key], dtype) if key in given else zero for key in ("initial_hidden", "initial_cell")
    )
    found = []
    for suffix in ("", "_reverse"):
        names = [f"{name}_l0{suffix}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        if names[0] in given["params"]:
            weights = [array(given["params"][name], dtype) for name in names]
            found.append(panel.recurrent.lstm(x[:, None], h0, c0, *weights, reverse=suffix != "")[0][:, 0])
    assert len(found) == 1 + (case == "lstm_bidirectional")
    np.testing.assert_allclose(np.concatenate(found, axis=1), expected, rtol=0, atol=1e-5)


PEEPHOLES = {
    "ForwardPeepHole",
    "BidirectionalBasic",
    "ForwardNoBiasUsePeepholes",
    "ForwardInputForget",
    "Backward",
}
CONTEXT = ["Backward_gpu_noPeep", "ForwardHiddenState", "ForwardCellState"]
SIMPLE = [
    "ForwardSimple",
    "ReverseSimple",
    "MixedLens12",
    "MixedLens21",
    "MixedLensReverse12",
    "MixedLensReverse21",
]


def test_what_of_onnx_runtime_is_left_out_has_peepholes(runtime):
    with_peepholes = {case["name"] for case in runtime["context_cases"] if case["peephole"]}
    assert with_peepholes == PEEPHOLES
    assert {case["name"] for case in runtime["context_cases"]} == PEEPHOLES | set(CONTEXT)
    assert [case["name"] for case in runtime["simple_cases"]] == SIMPLE


def compare_with_runtime(panel, case, weights, dtype):
    T, B, I, H = (case[key] for key in "TBIH")  # noqa: E741
    x = np.array(case["X"], dtype).reshape(T, B, I)
    zeros = np.zeros((B, H), dtype)
    h0, c0 = (
        zeros if case.get(key) is None else np.reshape(case[key], (B, H)).astype(dtype)
        for key in ("h0", "c0")
    )
    weights = [np.array(w, dtype) for w in weights]
    reverse = {"forward": False, "reverse": True}[case["direction"]]
    y, h, c = panel.recurrent.lstm(x, h0, c0, *weights, lengths=case.get("seq_lens"), reverse=reverse)
    for found, key in ((y, "Y"), (h, "Y_h"), (c, "Y_c")):
        expected = np.reshape(case[key], found.shape)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CONTEXT)
def test_onnx_runtime_with_context(panel, runtime, name, dtype):
    case = next(case for case in runtime["context_cases"] if case["name"] == name)
    shared = runtime["context"]
    biases = [reordered(shared["Wb"]), reordered(shared["Rb"])] if case["bias"] else []
    weights = [reordered(shared["W"]), reordered(shared["R"]), *biases]
    compare_with_runtime(panel, case, weights, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SIMPLE)
def test_onnx_runtime_with_lengths(panel, runtime, name, dtype):
    case = next(case for case in runtime["simple_cases"] if case["name"] == name)
    H, inputs = case["H"], case["I"]
    weights = [reordered(np.reshape(case["W"], (4 * H, inputs))), np.full((4 * H, H), case["R_const"])]
    compare_with_runtime(panel, case, weights, dtype)


# ONNX's own node tests and reference --------------------------------------------------------------


@pytest.fixture(scope="module")
def onnx():
    return pytest.importorskip("onnx", reason="the package onnx, of the extra `test`, is not installed")


@pytest.fixture(scope="module")
def node_tests(onnx):
    """The tests of LSTM and RNN, by name; onnx 1.23 ships them as code only."""
    from onnx.backend.test.case import node
    from onnx.backend.test.case.node import lstm, rnn  # noqa: F401 (their import fills the list)

    found = {case.name: case for case in node._NodeTestCases}
    return {
        name: case
        for name, case in found.items()
        if name.startswith(("test_lstm", "test_simple_rnn", "test_rnn"))
    }


NODES = [
    "test_lstm_defaults",
    "test_lstm_with_initial_bias",
    "test_lstm_batchwise",
    "test_simple_rnn_defaults",
    "test_simple_rnn_with_initial_bias",
    "test_simple_rnn_batchwise",
    "test_rnn_seq_length",
]
LATER_NODES = [f"test_{net}_{way}" for net in ("lstm", "simple_rnn") for way in ("reverse", "bidirectional")]


def attributes(node):
    from onnx.helper import get_attribute_value

    return {a.name: get_attribute_value(a) for a in node.attribute}


def run_node(panel, node, values, dtype):
    """Compute the outputs of an LSTM or RNN node by our functions, direction by direction."""
    given = dict(zip(node.input, values, strict=False))
    X, W, R, B, lengths, h0, c0, P = (
        given.get(name) if name else None for name in (*node.input, *[""] * (8 - len(node.input)))
    )
    assert P is None
    options, lstm = attributes(node), node.op_type == "LSTM"
    batch_first = options.get("layout", 0) == 1
    x = X.swapaxes(0, 1) if batch_first else X
    order = reordered if lstm else np.asarray
    outputs = []
    for d, reverse in enumerate({b"reverse": [True], b"bidirectional": [False, True]}.get(
        options.get("direction"), [False]
    )):  # fmt: skip
        H = R.shape[2]
        first = [np.zeros((x.shape[1], H)) if s is None else s[d] for s in ((h0, c0) if lstm else (h0,))]
        biases = [] if B is None else [order(part) for part in np.split(B[d], 2)]
        arrays = [np.asarray(a, dtype) for a in (x, *first, order(W[d]), order(R[d]), *biases)]
        function = panel.recurrent.lstm if lstm else panel.recurrent.rnn
        outputs.append(function(*arrays, lengths=lengths, reverse=reverse))
    y = np.stack([found[0] for found in outputs], axis=1)
    last = [np.stack(part) for part in list(zip(*outputs, strict=True))[1:]]
    if batch_first:
        return [y.transpose(2, 0, 1, 3), *(part.swapaxes(0, 1) for part in last)]
    return [y, *last]


@pytest.mark.parametrize("name", NODES + LATER_NODES)
def test_onnx_node(panel, onnx, node_tests, name):
    # Necessary, though weak: equal weights everywhere, so that exchanged gates go unseen.
    if name in LATER_NODES and name not in node_tests:
        pytest.skip(f"onnx {onnx.__version__} has no {name}: it came with 1.23")
    case = node_tests[name]
    (node,) = case.model.graph.node
    for inputs, expected in case.data_sets:
        found = run_node(panel, node, inputs, np.float32)
        wanted = [k for k, output in enumerate(node.output) if output]
        assert len(wanted) == len(expected)
        for k, theirs in zip(wanted, expected, strict=True):
            np.testing.assert_allclose(found[k], theirs, rtol=1e-3, atol=1e-7)


def test_the_node_tests_left_out_have_peepholes(node_tests):
    assert set(node_tests) - set(NODES) - set(LATER_NODES) == {"test_lstm_with_peepholes"}


@pytest.mark.parametrize("op", ["RNN", "LSTM"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_onnx_reference_with_random_weights(panel, onnx, op, direction):
    from onnx.helper import make_node
    from onnx.reference import ReferenceEvaluator

    rng, n, gates = (
        np.random.default_rng(3),
        2 if direction == "bidirectional" else 1,
        4 if op == "LSTM" else 1,
    )
    T, B, I, H = 6, 3, 5, 4  # noqa: E741
    shapes = {"X": (T, B, I), "W": (n, gates * H, I), "R": (n, gates * H, H), "B": (n, 2 * gates * H)}
    shapes |= {"h": (n, B, H)} | ({"c": (n, B, H)} if op == "LSTM" else {})
    values = {key: rng.normal(size=shape).astype(np.float32) for key, shape in shapes.items()}
    names, outputs = ["X", "W", "R", "B", "", "h"], ["Y", "Y_h"]
    if op == "LSTM":
        names.append("c")
        outputs.append("Y_c")
    node = make_node(op, names, outputs, hidden_size=H, direction=direction)
    theirs = ReferenceEvaluator(node).run(None, values)
    ours = run_node(panel, node, [values.get(name) for name in names], np.float32)
    for found, expected in zip(ours, theirs, strict=False):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


# Gradients ----------------------------------------------------------------------------------------

WAYS = [{}, {"reverse": True}, {"lengths": [4, 1, 3]}, {"lengths": [4, 1, 3], "reverse": True}]
NETS = [("rnn", "tanh"), ("rnn", "relu"), ("rnn", "identity"), ("lstm", None)]


def every_way(test):
    test = pytest.mark.parametrize("way", WAYS, ids=lambda way: " ".join(way) or "plain")(test)
    return pytest.mark.parametrize(("name", "nonlinearity"), NETS)(test)


def backward(panel, name, given, options):
    *_, tape = nets.read(panel, name, given, **options)
    dy, last = nets.signals(name, given)
    by = nets.gradients(panel, name, tape, dy, last)
    return {key: getattr(by, key) for key in given}, dy, last


def loss(outputs, dy, last, there):
    y, *states = outputs
    return (there * dy * y).sum() + sum((d * s).sum() for d, s in zip(last, states, strict=True))


@every_way
def test_gradients_are_finite_differences(panel, name, nonlinearity, way):
    options = way | ({"nonlinearity": nonlinearity} if nonlinearity else {})
    given = nets.net(name, 4, 3, 2, 3, seed=5)
    found, dy, last = backward(panel, name, given, options)
    there = (np.arange(4)[:, None] < way.get("lengths", [4, 4, 4]))[:, :, None]
    step = 1e-5  # central differences are off by about step², and by 1e-16 / step
    for key, array in given.items():
        differences = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            ends = []
            for sign in (1, -1):
                moved = array.copy()
                moved[place] += sign * step
                function = getattr(panel.recurrent, name)
                ends.append(loss(function(**(given | {key: moved}), **options), dy, last, there))
            differences[place] = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(found[key], differences, rtol=1e-7, atol=2e-8, err_msg=key)


@pytest.fixture(scope="module")
def autograd():
    return pytest.importorskip(
        "autograd", reason="the package autograd, of the extra `test`, is not installed"
    )


def by_autograd(autograd, name, given, dy, last, nonlinearity, lengths=None, reverse=False):
    """The same net in autograd's NumPy, sequence by sequence, and its gradients."""
    np_ = autograd.numpy
    keys = list(given)

    def sigma(a):
        return 0.5 * (np_.tanh(a / 2) + 1)

    def total(*arrays):
        part, result = dict(zip(keys, arrays, strict=True)), 0.0
        for b in range(given["h0"].shape[0]):
            n = len(given["x"]) if lengths is None else lengths[b]
            h, c = part["h0"][b], part["c0"][b] if name == "lstm" else None
            for t in range(n)[::-1] if reverse else range(n):
                a = (
                    np_.dot(part["w_ih"], part["x"][t, b])
                    + np_.dot(part["w_hh"], h)
                    + part["b_ih"]
                    + part["b_hh"]
                )
                if name == "lstm":
                    H = len(h)
                    c = sigma(a[H : 2 * H]) * c + sigma(a[:H]) * np_.tanh(a[2 * H : 3 * H])
                    h = sigma(a[3 * H :]) * np_.tanh(c)
                else:
                    h = {
                        "tanh": np_.tanh,
                        "relu": lambda a: np_.where(a > 0, a, 0.0),
                        "identity": lambda a: a,
                    }[nonlinearity](a)
                result = result + np_.sum(dy[t, b] * h)
            result = result + np_.sum(last[0][b] * h) + (np_.sum(last[1][b] * c) if name == "lstm" else 0.0)
        return result

    gradients = autograd.grad(total, tuple(range(len(keys))))(*given.values())
    return dict(zip(keys, gradients, strict=True))


@every_way
def test_gradients_are_those_of_autograd(panel, autograd, name, nonlinearity, way):
    import autograd.numpy

    given = nets.net(name, 4, 3, 5, 6, seed=9)
    options = way | ({"nonlinearity": nonlinearity} if nonlinearity else {})
    found, dy, last = backward(panel, name, given, options)
    expected = by_autograd(autograd, name, given, dy, last, nonlinearity, **way)
    for key, theirs in expected.items():
        np.testing.assert_allclose(found[key], theirs, rtol=1e-10, atol=1e-12, err_msg=key)
