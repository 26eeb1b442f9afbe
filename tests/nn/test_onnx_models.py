"""What stands around the nodes of an ONNX model: read, or refused, never passed over where it computes."""

import numpy as np
import pytest
from networks import onnx_model, random_weights

from diptych import nn

onnx = pytest.importorskip("onnx", reason="the package onnx, of the extra `nn`, is not installed")
make_node = onnx.helper.make_node

T, B, I, H = 6, 3, 5, 4  # noqa: E741
FIRST = ["x", "W0", "R0", "B0"]
SECOND = ["x1", "W1", "R1", "B1"]
KINDS = pytest.mark.parametrize("op", ["RNN", "LSTM"])


def constants_of(op="LSTM", directions=1, **more):
    first, second = random_weights(op, directions, I, H), random_weights(op, directions, directions * H, H, 1)
    found = {f"{name}0": w for name, w in first.items()} | {f"{name}1": w for name, w in second.items()}
    return found | {name: np.asarray(array) for name, array in more.items()}


def layer(inputs, outputs, op="LSTM", directions=1, **options):
    direction = "bidirectional" if directions == 2 else "forward"
    return make_node(op, inputs, outputs, hidden_size=H, direction=direction, **options)


def run(model, **given):
    """What the model gives, by ONNX Runtime where it is installed, else by ONNX's own reference."""
    try:
        from onnxruntime import InferenceSession
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        return ReferenceEvaluator(model).run(None, given)[0]
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, given)[0]


def inputs(*shape):
    return np.random.default_rng(5).normal(size=shape or (T, B, I)).astype(np.float32)


def check_equal(model, net, x, **given):
    np.testing.assert_allclose(net(x)[0], run(model, x=x, **given), rtol=0, atol=1e-5)


# Which axis is which ------------------------------------------------------------------------------

SQUEEZED = {"one": [1]}
MERGED = {"merged": [0, 0, -1]}


def joined(y, to, directions):
    """The nodes PyTorch writes to join the axes of directions and units."""
    if directions == 1:
        return [make_node("Squeeze", [y, "one"], [to])]
    turned = make_node("Transpose", [y], [f"{to}t"], perm=[0, 2, 1, 3])
    return [turned, make_node("Reshape", [f"{to}t", "merged"], [to])]


@KINDS
@pytest.mark.parametrize("directions", [1, 2])
def test_batch_first_of_pytorch_is_read(op, directions):
    nodes = [
        make_node("Transpose", ["x"], ["x0"], perm=[1, 0, 2]),
        layer(["x0", *FIRST[1:]], ["y0"], op, directions),
        *joined("y0", "x1", directions),
        layer(SECOND, ["y1"], op, directions),
        *joined("y1", "z", directions),
        make_node("Transpose", ["z"], ["y"], perm=[1, 0, 2]),
    ]
    model = onnx_model(nodes, constants_of(op, directions, **SQUEEZED, **MERGED), ["x"])
    net = getattr(nn, op).from_onnx(model)
    assert (net.batch_first, net.num_layers) == (True, 2)
    check_equal(model, net, inputs(B, T, I))
    other = getattr(nn, op).from_onnx(model, batch_first=False)
    np.testing.assert_array_equal(
        other(inputs(T, B, I))[0], net(inputs(T, B, I).swapaxes(0, 1))[0].swapaxes(0, 1)
    )


def test_transposes_that_undo_each_other():
    """Each layer between two Transposes, as Keras's batch-first layers are converted."""
    nodes = [
        make_node("Transpose", ["x"], ["x0"], perm=[1, 0, 2]),
        layer(["x0", *FIRST[1:]], ["y0"]),
        make_node("Squeeze", ["y0", "one"], ["s0"]),
        make_node("Transpose", ["s0"], ["t0"], perm=[1, 0, 2]),
        make_node("Identity", ["t0"], ["i0"]),
        make_node("Transpose", ["i0"], ["x1"], perm=[1, 0, 2]),
        layer(SECOND, ["y1"]),
        make_node("Squeeze", ["y1", "one"], ["s1"]),
        make_node("Transpose", ["s1"], ["y"], perm=[1, 0, 2]),
    ]
    model = onnx_model(nodes, constants_of(**SQUEEZED), ["x"])
    net = nn.LSTM.from_onnx(model)
    assert net.batch_first
    check_equal(model, net, inputs(B, T, I))


def test_an_input_and_an_output_in_different_orders_are_refused():
    nodes = [
        make_node("Transpose", ["x"], ["x0"], perm=[1, 0, 2]),
        layer(["x0", *FIRST[1:]], ["y0"]),
        make_node("Squeeze", ["y0", "one"], ["y"]),
    ]
    model = onnx_model(nodes, constants_of(**SQUEEZED), ["x"])
    with pytest.raises(
        ValueError, match=r"takes sequences first and its output 'y' has steps first: pass batch_first="
    ):
        nn.LSTM.from_onnx(model)
    x = inputs(B, T, I)
    found = nn.LSTM.from_onnx(model, batch_first=True)(x)[0]
    np.testing.assert_allclose(found.swapaxes(0, 1), run(model, x=x), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "turn",
    [
        make_node("Transpose", ["x"], ["x0"], perm=[2, 0, 1]),
        make_node("Reshape", ["x", "shape"], ["x0"]),
    ],
    ids=["transposed", "reshaped"],
)
def test_an_input_with_other_axes_is_refused(turn):
    model = onnx_model([turn, layer(["x0", *FIRST[1:]], ["y"])], constants_of(shape=[-1, 0, 0]), ["x"])
    with pytest.raises(ValueError, match=r"its input '\w+' has other axes .*pass batch_first="):
        nn.LSTM.from_onnx(model)
    assert not nn.LSTM.from_onnx(model, batch_first=False).batch_first


@pytest.mark.parametrize(
    "turn",
    [
        make_node("Transpose", ["y0"], ["y"], perm=[0, 1, 3, 2]),
        make_node("Reshape", ["y0", "shape"], ["y"]),  # directions and sequences mixed
    ],
    ids=["transposed", "reshaped"],
)
def test_an_output_with_other_axes_is_refused(turn):
    model = onnx_model(
        [layer(FIRST, ["y0"], directions=2), turn], constants_of("LSTM", 2, shape=[0, -1, 2 * H]), ["x"]
    )
    with pytest.raises(ValueError, match=r"the output 'y' of the model has other axes .*pass batch_first="):
        nn.LSTM.from_onnx(model)
    assert not nn.LSTM.from_onnx(model, batch_first=False).batch_first


def test_what_else_a_model_computes_is_passed_over():
    """Words to vectors before, a linear layer on the last step after."""
    more = {"vectors": inputs(7, 1, I)[:, 0], "last": -1, "weight": inputs(H, 2, 1)[:, :, 0]}
    nodes = [
        make_node("Cast", ["x"], ["words"], to=7),
        make_node("Gather", ["vectors", "words"], ["found"]),
        make_node("Transpose", ["found"], ["x0"], perm=[1, 0, 2]),
        layer(["x0", *FIRST[1:]], ["y0"]),
        make_node("Squeeze", ["y0", "one"], ["s"]),
        make_node("Gather", ["s", "last"], ["end"], axis=0),
        make_node("MatMul", ["end", "weight"], ["y"]),
    ]
    model = onnx_model(nodes, constants_of(**SQUEEZED, **more), ["x"])
    net = nn.LSTM.from_onnx(model)
    words = np.array([[0, 3, 6, 1], [2, 2, 5, 0]])
    output, _ = net(more["vectors"][words])
    theirs = run(model, x=words.astype(np.float32))
    np.testing.assert_allclose(output[:, -1] @ more["weight"], theirs, rtol=0, atol=1e-5)


BETWEEN = {
    "time and sequences exchanged": [
        make_node("Squeeze", ["y0", "one"], ["s"]),
        make_node("Transpose", ["s"], ["x1"], perm=[1, 0, 2]),
    ],
    "units before sequences": [
        make_node("Squeeze", ["y0", "one"], ["s"]),
        make_node("Transpose", ["s"], ["x1"], perm=[0, 2, 1]),
    ],
    "sequences become steps": [make_node("Reshape", ["y0", "to_rows"], ["x1"])],
    "the last state alone": [make_node("Identity", ["h0"], ["x1"])],
    "whole numbers": [
        make_node("Squeeze", ["y0", "one"], ["s"]),
        make_node("Cast", ["s"], ["i"], to=7),
        make_node("Cast", ["i"], ["x1"], to=1),
    ],
    "dropped in use as well": [
        make_node("Squeeze", ["y0", "one"], ["s"]),
        make_node("Dropout", ["s", "", "truth"], ["x1"]),
    ],
    "a circle": [make_node("Identity", ["s"], ["x1"]), make_node("Identity", ["x1"], ["s"])],
}


@pytest.mark.parametrize("case", BETWEEN)
def test_what_stands_between_layers_and_computes_is_refused(case):
    nodes = [layer(FIRST, ["y0", "h0"], name="below"), *BETWEEN[case], layer(SECOND, ["y"], name="above")]
    constants = constants_of(one=[1], to_rows=[-1, 1, H], truth=np.array(True))
    with pytest.raises(ValueError, match="'below', 'above' do not follow upon each other directly"):
        nn.LSTM.from_onnx(onnx_model(nodes, constants, ["x"]))
    assert nn.LSTM.from_onnx(onnx_model(nodes, constants, ["x"]), node="below").num_layers == 1


@pytest.mark.parametrize("shape", [[0, 0, -1], [0, -1, H], [T, B, H]], ids=str)
def test_what_stands_between_layers_and_computes_nothing_is_read(shape):
    nodes = [
        layer(FIRST, ["y0"]),
        make_node("Transpose", ["y0"], ["t"], perm=[0, 2, 1, 3]),
        make_node("Dropout", ["t"], ["d"]),
        make_node("Cast", ["d"], ["c"], to=1),
        make_node("Reshape", ["c", "shape"], ["x1"]),
        layer(SECOND, ["y1"]),
        make_node("Squeeze", ["y1", "one"], ["y"]),
    ]
    model = onnx_model(nodes, constants_of(shape=shape, **SQUEEZED), ["x"])
    if shape[0]:  # how many there are of each is not known
        with pytest.raises(ValueError, match="do not follow upon each other"):
            nn.LSTM.from_onnx(model)
    else:
        check_equal(model, nn.LSTM.from_onnx(model), inputs())


# What a network begins with -----------------------------------------------------------------------

# Nodes that make "h" or its shape, as PyTorch and TensorFlow write them.
STATE_SHAPE = [
    make_node("Shape", ["x"], ["sizes"]),
    make_node("Gather", ["sizes", "second"], ["n"]),
    make_node("Concat", ["one", "n", "units"], ["shape"], axis=0),
]
ONE = onnx.numpy_helper.from_array(np.ones(1, np.float32))
STATES = {
    "zeros, expanded": ([make_node("Expand", ["zeros", "shape"], ["h"])], True),
    "zeros, by default": ([make_node("ConstantOfShape", ["shape"], ["h"])], True),
    "zeros, one above the other": (
        [make_node("Concat", ["zeros"] * 3, ["z"], axis=1), make_node("Identity", ["z"], ["h"])],
        True,
    ),
    "learnt, expanded": ([make_node("Expand", ["learnt", "shape"], ["h"])], False),
    "learnt, in part": ([make_node("Concat", ["zeros", "learnt", "zeros"], ["h"], axis=1)], False),
    "of ones": (
        [
            make_node("ConstantOfShape", ["shape"], ["o"], value=ONE),
            make_node("Identity", ["o"], ["h"]),
        ],
        False,
    ),
    "computed of the input": (
        [make_node("ReduceMean", ["x"], ["m"]), make_node("Expand", ["m", "shape"], ["h"])],
        False,
    ),
}


@KINDS
@pytest.mark.parametrize("case", STATES)
def test_states_are_zero_or_refused(op, case):
    nodes, zero = STATES[case]
    nodes = [
        *STATE_SHAPE,
        *nodes,
        layer([*FIRST, "", "h"], ["y0"], op),
        make_node("Squeeze", ["y0", "one"], ["y"]),
    ]
    more = {
        "zeros": np.zeros((1, 1, H), np.float32),
        "learnt": inputs(1, 1, H),
        "second": [1],
        "one": [1],
        "units": [H],
    }
    model = onnx_model(nodes, constants_of(op, **more), ["x"])
    if zero:
        check_equal(model, getattr(nn, op).from_onnx(model), inputs())
    else:
        with pytest.raises(ValueError, match=r"has an initial_h of its own: .*take this input off the node"):
            getattr(nn, op).from_onnx(model)


@pytest.mark.parametrize("begins", [(0, 1), (1, 0)])
@pytest.mark.parametrize("how", ["Slice", "Split"])
def test_states_that_the_model_is_given(begins, how):
    cut = (
        [make_node("Slice", ["h", f"from{k}", f"to{k}", "axis"], [f"h{k}"]) for k in (0, 1)]
        if how == "Slice"
        else [make_node("Split", ["h", "each"], ["h0", "h1"], axis=0)]
    )
    first, second = (f"h{k}" for k in begins)
    nodes = [
        *cut,
        layer([*FIRST, "", first], ["y0"], "RNN", name="below"),
        make_node("Squeeze", ["y0", "one"], ["x1"]),
        layer([*SECOND, "", second], ["y1"], "RNN", name="above"),
        make_node("Squeeze", ["y1", "one"], ["y"]),
    ]
    more = {"from0": [0], "to0": [1], "from1": [1], "to1": [2], "axis": [0], "each": [1, 1], "one": [1]}
    model = onnx_model(nodes, constants_of("RNN", **more), ["x", "h"])
    if begins == (0, 1):
        x, h = inputs(), inputs(2, B, H)
        found = nn.RNN.from_onnx(model)(x, h)[0]
        np.testing.assert_allclose(found, run(model, x=x, h=h), rtol=0, atol=1e-5)
    else:
        with pytest.raises(ValueError, match="has an initial_h of its own"):
            nn.RNN.from_onnx(model)
    assert nn.RNN.from_onnx(model, node="above").num_layers == 1


# Lengths ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "lengths", "taken"),
    [
        ({"x": [T, B, I]}, [T, T, T], True),
        ({"x": [T, B, I]}, [T, T, 2], False),
        ({"x": [None, B, I]}, [T, T, T], False),
        (["x"], [T, T, T], False),
    ],
)
def test_lengths_that_are_stored(given, lengths, taken):
    nodes = [layer([*FIRST, "ends"], ["y0"]), make_node("Squeeze", ["y0", "one"], ["y"])]
    model = onnx_model(nodes, constants_of(ends=np.array(lengths, np.int32), **SQUEEZED), given)
    if taken:
        check_equal(model, nn.LSTM.from_onnx(model), inputs())
    else:
        with pytest.raises(ValueError, match=r"lengths \(sequence_lens\) that are stored in the model"):
            nn.LSTM.from_onnx(model)


def test_lengths_that_the_model_is_given_or_computes():
    nodes = [
        make_node("Cast", ["lengths"], ["ends"], to=6),
        layer([*FIRST, "ends"], ["y0"]),
        make_node("Squeeze", ["y0", "one"], ["y"]),
    ]

    def model_of(t, b):
        return onnx_model(nodes, constants_of(**SQUEEZED), {"x": [t, b, I], "lengths": [b]})

    x, lengths = inputs(), np.array([T, 1, 3])
    found = nn.LSTM.from_onnx(model_of(T, B))(x, lengths=lengths)[0]
    for b, n in enumerate(lengths.tolist()):  # each alone and cut: ONNX's reference does not look at lengths
        alone = run(model_of(n, 1), x=x[:n, b : b + 1], lengths=lengths[b : b + 1])
        np.testing.assert_allclose(found[:n, b : b + 1], alone, rtol=0, atol=1e-5)
        assert not found[n:, b].any()
    nodes.insert(0, make_node("ReduceMin", ["given"], ["lengths"]))
    with pytest.raises(ValueError, match=r"lengths \(sequence_lens\) that are computed by the model"):
        nn.LSTM.from_onnx(onnx_model(nodes, constants_of(**SQUEEZED), ["x", "given"]))


def test_a_damaged_model_ends_in_a_value_error():
    node = layer(FIRST, ["y"])
    model = onnx_model([node], constants_of(), ["x"])
    for attribute in model.graph.node[0].attribute:
        if attribute.name == "direction":
            attribute.s = b"\x8e"
    with pytest.raises(ValueError, match="the model does not fit together, it may be damaged: Unicode"):
        nn.LSTM.from_onnx(model)
