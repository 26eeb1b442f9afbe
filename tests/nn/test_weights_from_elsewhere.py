"""Weights that come from elsewhere: state dicts, safetensors, ONNX; vectors of PyTorch and ONNX Runtime."""

import json
import struct

import networks
import numpy as np
import pytest
from networks import onnx_model, random_weights

from diptych import io, nn

KINDS = pytest.mark.parametrize("kind", ["RNN", "LSTM"])
BACKENDS = pytest.mark.parametrize("backend", ["rust", "reference"])
OPTIONS = [
    {},
    {"num_layers": 3},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "bias": False},
]


@KINDS
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sizes_are_read_off_the_weights(kind, options, dtype):
    net = networks.make(kind, 3, 5, dtype=dtype, **options)
    again = getattr(nn, kind).from_state_dict(net.state_dict())
    assert repr(again) == repr(net)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], array)
    inside = {f"net.{name}": array for name, array in net.state_dict().items()} | {"head.weight": np.ones(3)}
    assert repr(getattr(nn, kind).from_state_dict(inside, prefix="net.")) == repr(net)


@KINDS
def test_names_and_shapes_are_those_of_pytorch(kind):
    gates = {"RNN": 1, "LSTM": 4}[kind]
    net = networks.make(kind, 3, 5, num_layers=2, bidirectional=True)
    shapes = {name: array.shape for name, array in net.state_dict().items()}
    expected = {}
    for layer, inputs in ((0, 3), (1, 10)):
        for way in ("", "_reverse"):
            expected[f"weight_ih_l{layer}{way}"] = (gates * 5, inputs)
            expected[f"weight_hh_l{layer}{way}"] = (gates * 5, 5)
            expected[f"bias_ih_l{layer}{way}"] = expected[f"bias_hh_l{layer}{way}"] = (gates * 5,)
    assert shapes == expected
    assert list(shapes) == list(expected)


# PyTorch and ONNX Runtime -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pytorch(data_dir):
    return json.loads((data_dir / "sequences" / "vectors" / "rten_rnn.json").read_text())


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", ["lstm_forwards", "lstm_bidirectional", "lstm_initial"])
def test_vectors_of_pytorch(pytorch, case, dtype, backend):
    given = pytorch[case]

    def array(entry):
        shape, values = entry
        return np.array(values, dtype).reshape(shape)

    weights = {name: array(entry) for name, entry in given["params"].items()}
    net = nn.LSTM.from_state_dict(weights, backend=backend)
    assert net.bidirectional == (case == "lstm_bidirectional")
    state = None
    if "initial_hidden" in given:
        state = tuple(array(given[name]).reshape(1, 1, -1) for name in ("initial_hidden", "initial_cell"))
    output, _ = net(array(given["input"])[:, None], state)
    np.testing.assert_allclose(output[:, 0], array(given["output"]), rtol=0, atol=1e-5)
    if not net.bidirectional:
        for x_t, expected in zip(array(given["input"]), array(given["output"]), strict=True):
            y, state = net.step(x_t[None], state)
            np.testing.assert_allclose(y[0], expected, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def onnx():
    return pytest.importorskip("onnx", reason="the package onnx, of the extra `nn`, is not installed")


def runtime_case(case, context):
    """A case of ONNX Runtime's own tests as a model, its weights in ONNX's order."""
    from onnx import helper

    H, inputs = case["H"], case["I"]
    if context is not None:
        constants = {
            "W": np.reshape(context["W"], (1, 4 * H, inputs)),
            "R": np.reshape(context["R"], (1, 4 * H, H)),
        }
        if case["bias"]:
            constants["B"] = np.concatenate([np.ravel(context["Wb"]), np.ravel(context["Rb"])])[None]
    else:
        constants = {
            "W": np.reshape(case["W"], (1, 4 * H, inputs)),
            "R": np.full((1, 4 * H, H), case["R_const"]),
        }
    constants = {name: np.asarray(array, np.float32) for name, array in constants.items()}
    node = helper.make_node("LSTM", ["x", *constants], ["y"], hidden_size=H, direction=case["direction"])
    return onnx_model([node], constants, ["x"])


@pytest.fixture(scope="module")
def runtime(data_dir):
    return json.loads((data_dir / "sequences" / "vectors" / "ort_lstm.json").read_text())


FORWARD = ["ForwardHiddenState", "ForwardCellState", "ForwardSimple", "MixedLens12", "MixedLens21"]
BACKWARDS = ["Backward_gpu_noPeep", "ReverseSimple", "MixedLensReverse12", "MixedLensReverse21"]


def cases(runtime):
    with_context = [case for case in runtime["context_cases"] if not case["peephole"]]
    return {case["name"]: (case, runtime["context"]) for case in with_context} | {
        case["name"]: (case, None) for case in runtime["simple_cases"]
    }


@BACKENDS
@pytest.mark.parametrize("name", FORWARD)
def test_vectors_of_onnx_runtime(onnx, runtime, name, backend):
    case, context = cases(runtime)[name]
    net = nn.LSTM.from_onnx(runtime_case(case, context), backend=backend)
    T, B, I, H = (case[key] for key in "TBIH")  # noqa: E741
    x = np.array(case["X"], np.float32).reshape(T, B, I)
    h, c = (
        np.reshape(case.get(key) or np.zeros(B * H), (1, B, H)).astype(np.float32) for key in ("h0", "c0")
    )
    y, last = net(x, (h, c), case.get("seq_lens"))
    for found, key in ((y, "Y"), (last[0], "Y_h"), (last[1], "Y_c")):
        np.testing.assert_allclose(found, np.reshape(case[key], found.shape), rtol=0, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("name", BACKWARDS)
def test_backwards_alone_is_refused(onnx, runtime, name):
    case, context = cases(runtime)[name]
    with pytest.raises(ValueError, match=r"the LSTM node 'y' reads in reverse alone: forward or"):
        nn.LSTM.from_onnx(runtime_case(case, context))


def test_no_case_of_onnx_runtime_is_forgotten(runtime):
    assert set(cases(runtime)) == set(FORWARD) | set(BACKWARDS)


# ONNX ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def node_tests(onnx):
    """The tests of LSTM and RNN, by name; onnx 1.23 ships them as code only."""
    from onnx.backend.test.case import node
    from onnx.backend.test.case.node import lstm, rnn  # noqa: F401 (their import fills the list)

    chosen = ("test_lstm", "test_simple_rnn", "test_rnn")
    return {case.name: case for case in node._NodeTestCases if case.name.startswith(chosen)}


def stored(case):
    """The model of a test with its weights inside it, and what is left to be given."""
    model = type(case.model)()
    model.CopyFrom(case.model)
    (node,), (inputs, outputs) = model.graph.node, case.data_sets[0]
    from onnx import numpy_helper

    given = dict(zip([name for name in node.input if name], inputs, strict=True))
    for name in ("W", "R", "B", "P"):
        if name in given:
            model.graph.initializer.append(numpy_helper.from_array(given.pop(name), name))
    return model, node, given, outputs


@BACKENDS
def test_onnx_node_tests(node_tests, backend):
    # Necessary, though weak: equal weights everywhere, so that exchanged gates go unseen.
    done = []
    for name, case in node_tests.items():
        if "reverse" in name or "peepholes" in name:
            continue
        model, node, given, expected = stored(case)
        kind = getattr(nn, node.op_type)
        net = kind.from_onnx(model, backend=backend)
        output, state = net(given["X"], lengths=given.get("sequence_lens"))
        both = np.stack(np.split(output, 1 + net.bidirectional, axis=2))  # (D, T, B, H) or (D, B, T, H)
        y = both.transpose(1, 2, 0, 3) if net.batch_first else both.transpose(1, 0, 2, 3)
        found = [y, *(s.swapaxes(0, 1) if net.batch_first else s for s in networks.parts(state))]
        wanted = [answer for answer, output in zip(found, node.output, strict=False) if output]
        for mine, theirs in zip(wanted, expected, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-7, err_msg=name)
        done.append(name)
    assert len(done) >= 7


def test_what_a_network_cannot_be_is_refused(onnx, node_tests):
    for name, says in {"test_lstm_with_peepholes": r"the LSTM node 'Y_h' has peepholes \(input P\)"}.items():
        with pytest.raises(ValueError, match=says):
            nn.LSTM.from_onnx(stored(node_tests[name])[0])
    from onnx import helper

    constants = random_weights("LSTM", 1, 2, 3)
    refused = {
        "has input_forget, its gates are coupled": {"input_forget": 1},
        r"has clip=0\.5": {"clip": 0.5},
        "has the activations Sigmoid, Tanh, Relu: Sigmoid, Tanh, Tanh are taken": {
            "activations": ["Sigmoid", "Tanh", "Relu"]
        },
        "reads in reverse alone": {"direction": "reverse"},
    }
    for says, options in refused.items():
        node = helper.make_node("LSTM", ["x", "W", "R", "B"], ["y"], name="net", hidden_size=3, **options)
        with pytest.raises(ValueError, match=f"the LSTM node 'net' {says}"):
            nn.LSTM.from_onnx(onnx_model([node], constants, ["x"]))
    node = helper.make_node("LSTM", ["x", "W", "R", "B", "", "h"], ["y"], hidden_size=3)
    with pytest.raises(ValueError, match="has an initial_h of its own"):
        nn.LSTM.from_onnx(onnx_model([node], constants | {"h": np.ones((1, 1, 3), np.float32)}, ["x"]))
    net = nn.LSTM.from_onnx(onnx_model([node], constants | {"h": np.zeros((1, 1, 3), np.float32)}, ["x"]))
    assert repr(net) == "LSTM(2, 3)"
    with pytest.raises(ValueError, match="input W is computed by the model, not stored"):
        nn.LSTM.from_onnx(onnx_model([node], {"R": constants["R"]}, ["x", "W"]))
    with pytest.raises(ValueError, match=r"the model has no RNN node; its nodes are LSTM"):
        nn.RNN.from_onnx(onnx_model([node], constants, ["x"]))
    with pytest.raises(ValueError, match=r"W has shape \(1, 11, 2\), which does not fit"):
        nn.LSTM.from_onnx(onnx_model([node], constants | {"W": constants["W"][:, 1:]}, ["x"]))
    for bad in (b"not a model", b""):
        with pytest.raises(ValueError, match=r"not an ONNX model|no LSTM node"):
            nn.LSTM.from_onnx(bad)


@BACKENDS
@pytest.mark.parametrize("op", ["RNN", "LSTM"])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_stacked_layers_of_onnx(onnx, op, direction, backend, tmp_path):
    """Two layers as PyTorch exports them, against ONNX's own reference with random weights."""
    from onnx.helper import make_node
    from onnx.reference import ReferenceEvaluator

    D, T, B, I, H = 1 + (direction == "bidirectional"), 6, 3, 5, 4  # noqa: E741
    first, second = random_weights(op, D, I, H), random_weights(op, D, D * H, H, seed=1)
    constants = {f"{name}0": w for name, w in first.items()} | {f"{name}1": w for name, w in second.items()}
    constants["shape"] = np.array([0, 0, -1])
    options = {"hidden_size": H, "direction": direction}
    nodes = [
        make_node(op, ["x", "W0", "R0", "B0"], ["y0"], name="below", **options),
        make_node("Transpose", ["y0"], ["t0"], perm=[0, 2, 1, 3]),
        make_node("Reshape", ["t0", "shape"], ["x1"]),
        make_node(op, ["x1", "W1", "R1", "B1"], ["y"], name="above", **options),
    ]
    model, kind = onnx_model(nodes, constants, ["x"]), getattr(nn, op)
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    for form in (model, path, str(path), path.read_bytes()):
        net = kind.from_onnx(form, backend=backend)
        assert (net.num_layers, net.bidirectional) == (2, D == 2)
    x = np.random.default_rng(5).normal(size=(T, B, I)).astype(np.float32)
    (theirs,) = ReferenceEvaluator(model).run(None, {"x": x})
    output, _ = net(x)
    np.testing.assert_allclose(output, theirs.transpose(0, 2, 1, 3).reshape(T, B, -1), rtol=0, atol=1e-5)
    above = kind.from_onnx(model, node="above")
    assert (above.num_layers, above.input_size) == (1, D * H)
    with pytest.raises(ValueError, match=r"node='roof': the model has 0 .* it has 'below', 'above'"):
        kind.from_onnx(model, node="roof")
    nodes.insert(3, make_node("Relu", ["x1"], ["z1"]))
    nodes[-1] = make_node(op, ["z1", "W1", "R1", "B1"], ["y"], name="above", **options)
    with pytest.raises(
        ValueError, match=r"'below', 'above' do not follow upon each other directly: pass node="
    ):
        kind.from_onnx(onnx_model(nodes, constants, ["x"]))


def test_weights_may_stand_in_constant_nodes(onnx):
    from onnx import helper, numpy_helper

    weights = random_weights("LSTM", 1, 2, 3)
    nodes = [
        helper.make_node("Constant", [], ["kept"], value=numpy_helper.from_array(weights["W"])),
        helper.make_node("Identity", ["kept"], ["W"]),
        helper.make_node("LSTM", ["x", "W", "R", "B"], ["y"], hidden_size=3),
    ]
    rest = {name: weights[name] for name in ("R", "B")}
    found = nn.LSTM.from_onnx(onnx_model(nodes, rest, ["x"])).state_dict()
    expected = nn.LSTM.from_onnx(onnx_model(nodes[2:], weights, ["x"])).state_dict()
    i, o, f, c = np.split(weights["W"][0], 4)
    np.testing.assert_array_equal(found["weight_ih_l0"], np.concatenate([i, f, c, o]))
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_relu_of_onnx(onnx):
    from onnx import helper

    node = helper.make_node("RNN", ["x", "W", "R", "B"], ["y"], hidden_size=3, activations=["Relu"])
    net = nn.RNN.from_onnx(onnx_model([node], random_weights("RNN", 1, 2, 3), ["x"]))
    assert net.nonlinearity == "relu"


# safetensors --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def safetensors():
    return pytest.importorskip(
        "safetensors", reason="the package safetensors, of the extra `nn`, is not installed"
    )


def file_of(arrays, kinds=None):
    """The bytes of a file, written by hand from the description of the format."""
    header, body = {}, b""
    for name, array in arrays.items():
        data = array.tobytes()
        kind = (kinds or {}).get(name, {"float32": "F32", "float64": "F64"}.get(array.dtype.name))
        header[name] = {
            "dtype": kind,
            "shape": array.shape,
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def test_safetensors_written_by_hand(safetensors, tmp_path):
    net = networks.make("LSTM", num_layers=2, bidirectional=True, dtype=np.float32)
    data, path = file_of(net.state_dict()), tmp_path / "net.safetensors"
    path.write_bytes(data)
    x = networks.inputs(dtype=np.float32)
    for form in (data, path, str(path)):
        again = nn.LSTM.from_state_dict(io.read_safetensors(form))
        np.testing.assert_array_equal(again(x)[0], net(x)[0])


def test_safetensors_round_trip(safetensors, tmp_path):
    path = tmp_path / "net.safetensors"
    arrays = {
        "b": np.arange(6.0).reshape(2, 3).T,  # of another layout, which the format has not
        "a": np.arange(3, dtype=">i4"),
        "empty": np.zeros((0, 4), np.float32),
        "truth": np.array([True, False]),
        "half": np.array([0.5, -2.0], np.float16),
    }
    io.write_safetensors(path, arrays)
    found = io.read_safetensors(path)
    assert list(found) == sorted(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype.newbyteorder("=")
        assert found[name].flags.writeable
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.safetensors"]
    from safetensors.numpy import load_file

    np.testing.assert_array_equal(load_file(path)["b"], arrays["b"])  # as others read it


def test_bfloat16_is_read_exactly(safetensors):
    upper = np.array([0x3F80, 0xC000, 0x3EAB, 0x7F80], "<u2")  # 1, −2, 0.333984375, infinity
    found = io.read_safetensors(file_of({"w": upper}, {"w": "BF16"}))["w"]
    assert found.dtype == np.float32
    assert found.tolist() == [1.0, -2.0, 0.333984375, float("inf")]


def test_files_that_are_no_safetensors(safetensors, tmp_path):
    good = file_of({"w": np.ones(3, np.float32)})
    for data in (b"", good[:-1], good[:12], b"\xff" * 40, good + b"x"):
        with pytest.raises(ValueError, match="the bytes given: not in the safetensors format, or damaged"):
            io.read_safetensors(data)
    path = tmp_path / "net.pt"
    path.write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(ValueError, match=r"net\.pt'.*a file of torch\.save is a pickle, write it with"):
        io.read_safetensors(path)
    with pytest.raises(ValueError, match="w has dtype F8_E4M3, which NumPy has not"):
        io.read_safetensors(file_of({"w": np.ones(3, np.uint8)}, {"w": "F8_E4M3"}))
    empty = {"w": {"dtype": "F32", "shape": [0, 2**62, 2**62], "data_offsets": [0, 0]}}
    text = json.dumps(empty).encode()
    with pytest.raises(ValueError, match=r"the bytes given: w has shape \(0, .*\), beyond all arrays"):
        io.read_safetensors(struct.pack("<Q", len(text)) + text)
    with pytest.raises(TypeError, match=r"arrays\['w'\] has dtype complex128"):
        io.write_safetensors(tmp_path / "x", {"w": np.ones(2, complex)})
    with pytest.raises(FileNotFoundError):
        io.read_safetensors(tmp_path / "none.safetensors")


def test_without_the_packages(run_python):
    code = (
        "from diptych import io, nn\n"
        "for call in (lambda: io.read_safetensors(b''), lambda: nn.LSTM.from_onnx(b'')):\n"
        "    try:\n        call()\n    except ImportError as error:\n        print(error)\n"
    )
    printed = run_python(code, block=["onnx", "safetensors"]).splitlines()
    assert [line.endswith("pip install 'diptych[nn]'") for line in printed] == [True, True]
