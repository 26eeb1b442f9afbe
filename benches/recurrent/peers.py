"""Who runs beside us: ONNX Runtime, a model of one LSTM node made once, its weights prepacked as it likes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benches.recurrent.rows import Row

Answer = tuple[np.ndarray, np.ndarray, np.ndarray]  # y (T, B, H), h and c (B, H)


@dataclass(frozen=True)
class Inputs:
    """Weights as PyTorch draws them, gates i, f, g, o; normal x; states."""

    w_ih: np.ndarray
    w_hh: np.ndarray
    b_ih: np.ndarray
    b_hh: np.ndarray
    x: np.ndarray
    h: np.ndarray
    c: np.ndarray
    lengths: np.ndarray | None


def draw(row: Row) -> Inputs:
    """Draw the inputs of a row, all in single precision."""
    rng, H = np.random.default_rng(0), row.hidden

    def uniform(*shape: int) -> np.ndarray:
        return rng.uniform(-(H**-0.5), H**-0.5, shape).astype(np.float32)

    weights = uniform(4 * H, row.inputs), uniform(4 * H, H), uniform(4 * H), uniform(4 * H)
    x = rng.standard_normal((max(row.times, 1), row.batch, row.inputs)).astype(np.float32)
    return Inputs(*weights, x, uniform(row.batch, H), uniform(row.batch, H), row.lengths())


def installed() -> bool:
    """Whether onnxruntime and onnx are there."""
    return all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))


def onnxruntime(row: Row, given: Inputs, threads: int) -> Callable[[], Answer]:
    """Return the call of a session, ready."""
    from onnx import TensorProto, helper, numpy_helper
    from onnxruntime import InferenceSession, SessionOptions

    H, (T, B, _) = row.hidden, given.x.shape
    by_unit = [0, 3, 1, 2]  # i, o, f, c

    def reordered(w: np.ndarray) -> np.ndarray:
        return w.reshape(4, H, -1)[by_unit].reshape(w.shape)

    weights = {
        "W": reordered(given.w_ih)[None],
        "R": reordered(given.w_hh)[None],
        "B": np.concatenate([reordered(given.b_ih), reordered(given.b_hh)])[None],
    }
    feed = {"x": given.x, "h": given.h[None], "c": given.c[None]}
    shapes = {"x": list(given.x.shape), "h": [1, B, H], "c": [1, B, H]}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    if given.lengths is not None:
        feed["lengths"] = given.lengths.astype(np.int32)
        inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, [B]))
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in {"y": [T, 1, B, H], "h_n": [1, B, H], "c_n": [1, B, H]}.items()
    ]
    lengths = "" if given.lengths is None else "lengths"
    node = helper.make_node(
        "LSTM", ["x", "W", "R", "B", lengths, "h", "c"], ["y", "h_n", "c_n"], hidden_size=H
    )
    constants = [numpy_helper.from_array(w, name) for name, w in weights.items()]
    graph = helper.make_graph([node], "lstm", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def call() -> Answer:
        y, h, c = session.run(None, feed)
        return y[:, 0], h[0], c[0]

    return call
