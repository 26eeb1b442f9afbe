"""Weights of the LSTM and RNN nodes of an ONNX model, under PyTorch's names.

ONNX stacks directions on a first axis, joins both biases in one row, and orders the gates of an LSTM i, o, f,
c. Layers are nodes in a row, with nothing between them that computes.
"""

import os
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diptych.nn._onnx_graph import Graph, attributes

_IFCO = (0, 2, 3, 1)  # i, f, g, o among i, o, f, c
_INPUTS = {
    "LSTM": ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"),
    "RNN": ("X", "W", "R", "B", "sequence_lens", "initial_h"),
}
_ACTIVATIONS: dict[str, dict[tuple[str, ...], str]] = {
    "LSTM": {("Sigmoid", "Tanh", "Tanh"): ""},
    "RNN": {("Tanh",): "tanh", ("Relu",): "relu"},
}
_ORDERS = {False: "steps first", True: "sequences first"}
_WITHOUT = "take this input off the node, and pass"  # what to do about what a network is given at each call


class Imported(NamedTuple):
    """What a network is made of."""

    state_dict: dict[str, Any]
    batch_first: bool
    nonlinearity: str  # of an RNN


def weights_of(model: Any, op: str, node: str | None, batch_first: bool | None) -> Imported:
    """Return what the nodes of a model say; ValueError where they are something else than a network here."""
    read = _model(model)
    try:
        return _imported(read, op, node, batch_first)
    except (AttributeError, LookupError, OverflowError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"the model does not fit together, it may be damaged: {error!r}") from error


def _imported(model: Any, op: str, node: str | None, batch_first: bool | None) -> Imported:
    graph = Graph(model.graph)
    layers = [_Layer(found, op, graph) for found in _nodes(graph, op, node)]
    first = layers[0]
    for layer in layers[1:]:
        if (layer.how, layer.hidden) != (first.how, first.hidden):
            raise ValueError(
                f"{layer.where} differs from {first.where} in direction, layout, activation or hidden_size: "
                "pass node= to take one of them."
            )
    for below, above in pairwise(layers):
        if not graph.follows(below, above):
            names = ", ".join(repr(layer.node.name) for layer in layers)
            raise ValueError(
                f"the {op} nodes {names} do not follow upon each other directly: pass node= to take one."
            )
    found: dict[str, Any] = {}
    for number, layer in enumerate(layers):
        layer.check_states(None if node is not None else number, graph)
        found |= layer.weights(number)
    order = _order(first, layers[-1], graph) if batch_first is None else batch_first
    return Imported(found, order, first.how[2])


def _order(first: "_Layer", last: "_Layer", graph: Graph) -> bool:
    """Return whether the model has sequences on its first axis where it meets the network."""
    entered = graph.entrance(first.X, first.batch_first)
    if entered.batch_first is None:
        raise ValueError(
            f"{first.where}: its input {entered.value!r} has other axes than a network here "
            "takes; pass batch_first=, and give the network what enters the node."
        )
    for name, order in graph.exits(last):
        if order is None:
            raise ValueError(
                f"{last.where}: the output {name!r} of the model has other axes than a network here gives; "
                "pass batch_first= to take the nodes alone."
            )
        if order != entered.batch_first:
            raise ValueError(
                f"{last.where}: the model takes {_ORDERS[entered.batch_first]} and its output {name!r} has "
                f"{_ORDERS[order]}: pass batch_first= to choose one order for both."
            )
    return entered.batch_first


class _Layer:
    """One node."""

    def __init__(self, node: Any, op: str, graph: Graph) -> None:
        self.op, self.where = op, f"the {op} node {(node.name or next(filter(None, node.output), ''))!r}"
        self.node, constants = node, graph.constants
        self._given = given = {name: of for name, of in zip(_INPUTS[op], node.input, strict=False) if of}
        options = attributes(node)
        if "P" in given:
            raise ValueError(f"{self.where} has peepholes (input P), which no network here has.")
        if options.get("input_forget"):
            raise ValueError(
                f"{self.where} has input_forget, its gates are coupled: no network here has that."
            )
        if options.get("clip"):
            raise ValueError(f"{self.where} has clip={options['clip']}: no network here has that.")
        direction = options.get("direction", b"forward").decode()
        if direction not in ("forward", "bidirectional"):
            raise ValueError(f"{self.where} reads in {direction} alone: forward or bidirectional are taken.")
        self.directions = 1 + (direction == "bidirectional")
        nonlinearity = self._activation(options.get("activations"))
        self.batch_first = options.get("layout", 0) == 1
        self.how = self.directions, self.batch_first, nonlinearity
        parts = {name: self._constant(name, given, constants) for name in ("W", "R")}
        self.W, self.R = parts["W"], parts["R"]
        self.B = self._constant("B", given, constants) if "B" in given else None
        self.hidden = self.R.shape[-1] if self.R.ndim else 0
        self.X = given.get("X", "")
        self.Y = node.output[0] if node.output else ""
        self._check_shapes()
        self._check_lengths(graph)

    def check_states(self, number: int | None, graph: Graph) -> None:
        """Refuse states that a network would not begin with; `number` is the place of the layer."""
        for name in ("initial_h", "initial_c"):
            value = self._given.get(name)
            if value is None or graph.is_zero(value):
                continue
            if not graph.is_given(value, number, self.directions, int(self.batch_first)):
                raise ValueError(
                    f"{self.where} has an {name} of its own: a network here begins with what it is given; "
                    f"{_WITHOUT} the state to the network."
                )

    def _check_lengths(self, graph: Graph) -> None:
        value = self._given.get("sequence_lens")
        if value is None or graph.is_carried_input(value):
            return
        steps = graph.entrance(self.X, self.batch_first).steps
        if value in graph.constants and steps is not None and (graph.constants[value] == steps).all():
            return
        how = "stored in the model" if value in graph.constants else "computed by the model"
        raise ValueError(
            f"{self.where} has lengths (sequence_lens) that are {how}: a network here reads whole sequences "
            f"unless it is told otherwise; {_WITHOUT} lengths= to the network."
        )

    def weights(self, number: int) -> dict[str, Any]:
        """Return the weights of a layer, by name."""
        found: dict[str, Any] = {}
        for way in range(self.directions):
            suffix = f"_l{number}{'_reverse' if way else ''}"
            found["weight_ih" + suffix] = self._ordered(self.W[way])
            found["weight_hh" + suffix] = self._ordered(self.R[way])
            for name, part in zip(("bias_ih", "bias_hh"), self._biases(way), strict=False):
                found[name + suffix] = self._ordered(part)
        return found

    def _biases(self, way: int) -> list[Any]:
        return [] if self.B is None else np.split(self.B[way], 2)

    def _ordered(self, rows: Any) -> Any:
        """Return blocks of rows in the order of PyTorch."""
        if self.op == "RNN":
            return rows
        blocks = rows.reshape(4, self.hidden, *rows.shape[1:])
        return np.concatenate([blocks[k] for k in _IFCO])

    def _activation(self, named: Any) -> str:
        known = _ACTIVATIONS[self.op]
        if not named:
            return next(iter(known.values()))
        words = [word.decode().capitalize() for word in named]
        each = len(words) // self.directions
        ways = {tuple(words[k : k + each]) for k in range(0, len(words), each or 1)}
        if len(ways) != 1 or not ways <= set(known):
            ours = " or ".join(", ".join(words) for words in known)
            raise ValueError(f"{self.where} has the activations {', '.join(words)}: {ours} are taken.")
        return known[ways.pop()]

    def _constant(self, name: str, given: dict[str, str], constants: dict[str, Any]) -> Any:
        if given.get(name) not in constants:
            raise ValueError(
                f"{self.where}: its input {name} is computed by the model, not stored in it; fold constants "
                "first, as onnxsim or ONNX Runtime's offline optimisation do."
            )
        return constants[given[name]]

    def _check_shapes(self) -> None:
        rows = (4 if self.op == "LSTM" else 1) * self.hidden
        fits = {
            "W": self.W.ndim == 3 and self.W.shape[:2] == (self.directions, rows),
            "R": self.R.shape == (self.directions, rows, self.hidden),
            "B": self.B is None or self.B.shape == (self.directions, 2 * rows),
        }
        for name, fit in fits.items():
            if not fit:
                shape = getattr(self, name).shape
                raise ValueError(f"{self.where}: {name} has shape {shape}, which does not fit the node.")


def _model(model: Any) -> Any:
    try:
        import onnx
    except ImportError:
        raise ImportError("reading ONNX models needs onnx: pip install 'diptych[nn]'") from None
    if isinstance(model, onnx.ModelProto):
        return model
    data = bytes(model) if isinstance(model, bytes | bytearray | memoryview) else None
    try:
        return onnx.load(os.fspath(model)) if data is None else onnx.load_from_string(data)
    except OSError:
        raise
    except Exception as error:  # protobuf's own kinds of error differ from version to version
        where = "the bytes given" if data is not None else repr(str(Path(model)))
        raise ValueError(f"{where}: not an ONNX model, or damaged: {error}") from error


def _nodes(graph: Graph, op: str, wanted: str | None) -> list[Any]:
    """Return the nodes that are layers of one network, first to last."""
    there = [node for node in graph.nodes if node.op_type == op and node.domain in ("", "ai.onnx")]
    if wanted is not None:
        names = ", ".join(repr(node.name) for node in there)
        there = [node for node in there if node.name == wanted]
        if len(there) != 1:
            raise ValueError(
                f"node={wanted!r}: the model has {len(there)} {op} nodes of this name; it has {names}."
            )
    if not there:
        others = sorted({node.op_type for node in graph.nodes})
        raise ValueError(f"the model has no {op} node; its nodes are {', '.join(others) or 'none'}.")
    return there  # nodes stand in the order in which they run
