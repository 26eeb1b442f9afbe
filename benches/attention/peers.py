"""Who runs beside us: ONNX Runtime in each way it offers, and NumPy for the way back.

ONNX Runtime has two operators: Attention of ONNX itself, which takes heads as we do, and its own
MultiHeadAttention, which takes them side by side, (B, L, H · d), and is given them so. Both are made once as
models, and the quicker one counts.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import numpy as np

from benches.attention.rows import Row

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
Call = Callable[[], np.ndarray]


def draw(row: Row) -> Arrays:
    """Draw query, key and value in single precision."""
    rng, head = np.random.default_rng(0), (row.batch, row.heads)

    def normal(length: int) -> np.ndarray:
        return rng.standard_normal((*head, length, row.features)).astype(np.float32)

    return normal(row.queries), normal(row.keys), normal(row.keys)


def installed() -> bool:
    """Whether onnxruntime and onnx are there."""
    return all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))


def _session(node, feed: dict[str, np.ndarray], shape: tuple[int, ...], threads: int) -> Call:
    from onnx import TensorProto, helper
    from onnxruntime import InferenceSession, SessionOptions

    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, list(array.shape))
        for name, array in feed.items()
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, list(shape))]
    graph = helper.make_graph([node], "attention", inputs, outputs)
    versions = [helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=versions)
    model.ir_version = 10
    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, feed)[0]


def onnx_attention(row: Row, given: Arrays, threads: int) -> Call:
    """Return a call of the operator of ONNX."""
    from onnx import helper

    node = helper.make_node("Attention", ["q", "k", "v"], ["y"], is_causal=int(row.causal))
    return _session(node, dict(zip("qkv", given, strict=True)), given[0].shape, threads)


def multi_head_attention(row: Row, given: Arrays, threads: int) -> Call:
    """Return a call of ONNX Runtime's own operator."""
    from onnx import helper

    def beside(x: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(x.swapaxes(1, 2)).reshape(row.batch, x.shape[2], -1)

    q, k, v = map(beside, given)
    node = helper.make_node(
        "MultiHeadAttention",
        ["q", "k", "v"],
        ["y"],
        domain="com.microsoft",
        num_heads=row.heads,
        unidirectional=int(row.causal),
    )
    run = _session(node, {"q": q, "k": k, "v": v}, q.shape, threads)
    return lambda: run().reshape(row.batch, row.queries, row.heads, -1).swapaxes(1, 2)


ONNX = {"Attention": onnx_attention, "MultiHeadAttention": multi_head_attention}


def numpy_there_and_back(given: Arrays, d_output: np.ndarray) -> Callable[[], tuple[np.ndarray, ...]]:
    """Return a call of attention and its way back as products of NumPy's BLAS, all scores at once."""
    q, k, v = given
    scale = np.float32(q.shape[-1] ** -0.5)

    def call() -> tuple[np.ndarray, ...]:
        w = (q * scale) @ k.mT
        w -= w.max(axis=-1, keepdims=True)
        np.exp(w, out=w)
        w /= w.sum(axis=-1, keepdims=True)
        output = w @ v
        dw = d_output @ v.mT
        dw -= (d_output * output).sum(axis=-1, keepdims=True)
        dw *= w
        return output, scale * (dw @ k), scale * (dw.mT @ q), w.mT @ d_output

    return call
