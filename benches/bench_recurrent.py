"""pytest-benchmark groups of the recurrent kernels, ONNX Runtime beside us where it is installed.

Run ``python -m pytest benches/bench_recurrent.py``. Both are called from Python with the same arrays, two
threads each; results are compared before anything is timed. Ours packs and checks the weights in every call,
ONNX Runtime has done so before.
"""

import os
from functools import partial

import numpy as np
import pytest

from benches import machine
from diptych.kernels import recurrent

THREADS = 2
STEPS = [(1, 8, 20), (1, 128, 128), (32, 128, 128)]  # B, I, H
# T, B, I, H
SEQUENCES = [
    *((100, 1, H, H) for H in (20, 64, 128, 256)),
    (32, 128, 32, 64),
    *((100, 32, H, H) for H in (128, 256, 512)),
]
TRAINING = [(50, 32, 128, 128)]
ONNX = [0, 3, 1, 2]  # our i, f, g, o in ONNX's order i, o, f, c


@pytest.fixture(scope="session", autouse=True)
def _release_build():
    machine.refuse_debug_build()


def arrays(T, B, I, H):  # noqa: E741
    """Return x, h0, c0 and weights of an LSTM, in float32."""
    rng = np.random.default_rng(0)
    shapes = [(T, B, I), (B, H), (B, H), (4 * H, I), (4 * H, H), (4 * H,), (4 * H,)]
    scales = [1, 1, 1, I**-0.5, H**-0.5, 0.1, 0.1]
    return [
        rng.normal(scale=scale, size=shape).astype(np.float32)
        for shape, scale in zip(shapes, scales, strict=True)
    ]


def lengths_of(T, B):
    return np.random.default_rng(1).integers(1, T + 1, B)


def onnxruntime(given, lengths=None):
    """Return a call of ONNX Runtime that computes the same y."""
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    helper = pytest.importorskip("onnx", reason="onnx is not installed").helper

    def reordered(weights):
        blocks = weights.reshape(4, -1, *weights.shape[1:])[ONNX]
        return blocks.reshape(1, *weights.shape)

    x, h0, c0, w_ih, w_hh, b_ih, b_hh = given
    bias = np.concatenate([reordered(b_ih), reordered(b_hh)], axis=1)
    constants = {"W": reordered(w_ih), "R": reordered(w_hh), "B": bias}
    feed = {"X": x, "h": h0[None], "c": c0[None]}
    if lengths is not None:
        feed["lengths"] = lengths.astype(np.int32)
    names = ["X", "W", "R", "B", "lengths" if lengths is not None else "", "h", "c"]
    node = helper.make_node("LSTM", names, ["Y", "Y_h", "Y_c"], hidden_size=h0.shape[1])
    kinds = {np.dtype(np.float32): 1, np.dtype(np.int32): 6}
    inputs = [helper.make_tensor_value_info(k, kinds[v.dtype], v.shape) for k, v in feed.items()]
    outputs = [helper.make_tensor_value_info(name, 1, None) for name in node.output]
    kept = [
        helper.make_tensor(name, 1, value.shape, value.tobytes(), raw=True)
        for name, value in constants.items()
    ]
    graph = helper.make_graph([node], "lstm", inputs, outputs, kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return partial(session.run, None, feed)


def measured(benchmark, group, call):
    benchmark.group = group
    benchmark.extra_info.update(machine.facts(THREADS), load=os.getloadavg()[0])
    benchmark(call)


@pytest.mark.parametrize("who", ["diptych", "onnxruntime"])
@pytest.mark.parametrize("shape", STEPS, ids=str)
def test_step(benchmark, shape, who):
    x, *rest = arrays(1, *shape)
    ours = partial(recurrent.lstm_step, x[0], *rest)
    call = ours if who == "diptych" else onnxruntime([x, *rest])
    np.testing.assert_allclose(ours()[0], call()[0].reshape(ours()[0].shape), atol=1e-5)
    measured(benchmark, f"step, B, I, H = {shape}", call)


@pytest.mark.parametrize("who", ["diptych", "onnxruntime"])
@pytest.mark.parametrize("shape", SEQUENCES, ids=str)
def test_sequence(benchmark, shape, who):
    given = arrays(*shape)
    ours = partial(recurrent.lstm, *given, n_jobs=THREADS)
    call = ours if who == "diptych" else onnxruntime(given)
    np.testing.assert_allclose(ours()[0], call()[0].reshape(ours()[0].shape), atol=1e-5)
    measured(benchmark, f"sequence, T, B, I, H = {shape}", call)


@pytest.mark.parametrize("who", ["diptych", "onnxruntime"])
def test_lengths(benchmark, who):
    given, lengths = arrays(100, 64, 128, 128), lengths_of(100, 64)
    ours = partial(recurrent.lstm, *given, lengths=lengths, n_jobs=THREADS)
    call = ours if who == "diptych" else onnxruntime(given, lengths)
    np.testing.assert_allclose(ours()[0], call()[0].reshape(ours()[0].shape), atol=1e-5)
    measured(benchmark, "lengths from 1 to 100, B = 64, H = 128", call)


@pytest.mark.parametrize("shape", TRAINING, ids=str)
def test_there_and_back(benchmark, shape):
    given = arrays(*shape)

    def both():
        *_, tape = recurrent.lstm(*given, return_tape=True, n_jobs=THREADS)
        return recurrent.lstm_backward(tape, tape.h, n_jobs=THREADS)

    measured(benchmark, f"there and back, T, B, I, H = {shape}", both)
