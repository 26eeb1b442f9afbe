"""Networks for tests, and the loss that their gradients are gradients of."""

import numpy as np

from diptych import nn

LENGTHS = [5, 1, 3]


def make(kind, inputs=3, units=4, *, seed=1, **options):
    options = {"dtype": np.float64} | options
    return getattr(nn, kind)(inputs, units, rng=seed, **options)


def inputs(T=5, B=3, I=3, *, seed=0, dtype=np.float64):  # noqa: E741
    return np.random.default_rng([seed, T, B, I]).normal(size=(T, B, I)).astype(dtype)


def state_of(net, B, *, seed=0):
    """A state, or derivatives by one."""
    shape = net.num_layers * (1 + net.bidirectional), B, net.hidden_size
    h, c = np.random.default_rng([seed, *shape]).normal(size=(2, *shape)).astype(net.dtype)
    return (h, c) if type(net).__name__ == "LSTM" else h


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def weighted(net, x, state, lengths, d_output, d_state):
    """The loss whose derivatives by output and state are given, summed over what is there."""
    output, last = net(x, state, lengths)
    steps = np.arange(x.shape[1 if net.batch_first else 0])
    there = steps[:, None] < (len(steps) if lengths is None else np.array(lengths))
    there = np.broadcast_to(there, (len(steps), x.shape[0 if net.batch_first else 1]))
    there = (there.T if net.batch_first else there)[:, :, None]
    found = (np.where(there, output * d_output, 0)).sum()
    return found + sum((a * b).sum() for a, b in zip(parts(last), parts(d_state), strict=True))


# Models in ONNX


def onnx_model(nodes, constants, inputs, outputs=None, opset=22):
    """A model with inputs of any or these shapes, and the outputs of its last node or these."""
    from onnx import TensorProto, helper, numpy_helper

    shapes = inputs if isinstance(inputs, dict) else {}

    def kind_of(name):
        return (TensorProto.INT64 if name == "lengths" else TensorProto.FLOAT), shapes.get(name)

    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(name, *kind_of(name)) for name in inputs],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            for name in outputs or filter(None, nodes[-1].output)
        ],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def random_weights(op, directions, inputs, units, seed=0):
    rng, rows = np.random.default_rng([seed, directions, inputs, units]), (4 if op == "LSTM" else 1) * units
    shapes = {"W": (directions, rows, inputs), "R": (directions, rows, units), "B": (directions, 2 * rows)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
