"""What stands around the LSTM and RNN nodes of an ONNX model: which axes are which, and what is zero.

An axis is followed from node to node by a letter: T of steps, B of sequences, D of directions, H of units,
I of inputs, 1 of an axis that has one entry.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np

Axes = list[str]

_UNCHANGED = {"Identity", "Dropout", "Cast"}
_CONSTANTS = {"value", "value_int", "value_ints", "value_float", "value_floats"}
# What makes a value of the entries of its first input, and of no others.
_MOVES = {"Expand", "Gather", "Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"}
_TURNS = {"Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}  # the same numbers on other axes
_REST = "…"  # any number of axes of inputs


class Node(Protocol):
    """What is asked of a layer."""

    X: str
    Y: str
    batch_first: bool
    directions: int
    hidden: int


class Entrance(NamedTuple):
    """Where the model meets the first layer."""

    value: str
    batch_first: bool | None  # None if its axes are in neither order
    steps: int | None  # if the model says how many


def attributes(node: Any) -> dict[str, Any]:
    """Return the attributes of a node by name."""
    from onnx.helper import get_attribute_value

    return {a.name: get_attribute_value(a) for a in node.attribute}


class Graph:
    """The nodes of a model, by what they make and read."""

    def __init__(self, graph: Any) -> None:
        self.nodes = list(graph.node)
        self.constants = _constants(graph)
        self._inputs = {value.name: value for value in graph.input if value.name not in self.constants}
        self._outputs = {value.name for value in graph.output}
        self._made_by = {output: node for node in self.nodes for output in node.output if output}
        self._read_by: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in node.input[:1]:
                self._read_by.setdefault(name, []).append(node)

    def follows(self, below: Node, above: Node) -> bool:
        """Tell whether a layer reads the output of another as a network here does."""
        chain: list[Any] = []
        value = above.X
        while value != below.Y:
            node = self._made_by.get(value)
            if node is None or not node.input or len(chain) > len(self.nodes):  # a damaged model has circles
                return False
            chain.append(node)
            value = node.input[0]
        axes: Axes | None = _output_axes(below)
        for node in reversed(chain):
            axes = self._after(node, axes, below) if axes else None
        order = ["B", "T"] if above.batch_first else ["T", "B"]
        return axes == [*order, "H" if below.directions == 1 else "DH"]

    def exits(self, last: Node) -> Iterator[tuple[str, bool | None]]:
        """Yield the outputs of the model that hold those of a layer, and whether sequences come first.

        Of an output on axes that no network has, or that are not known, None.
        """
        open_ends: list[tuple[str, Axes | None]] = [(last.Y, _output_axes(last))]
        seen = set()
        while open_ends:
            value, axes = open_ends.pop()
            if value in seen:
                continue
            seen.add(value)
            if value in self._outputs:
                core = [axis for axis in axes or () if axis != "1"]
                yield value, core.index("B") < core.index("T") if core and "H" in core[-1] else None
            for node in self._read_by.get(value, ()):
                after = self._after(node, axes, last) if axes else None
                if node.output and (
                    after or node.op_type in _TURNS or (not axes and self._is_unchanged(node))
                ):
                    open_ends.append((node.output[0], after))

    def entrance(self, X: str, batch_first: bool) -> Entrance:
        """Return what the model gives to a layer, before the axes are exchanged for it."""
        axes = ["B", "T", "I"] if batch_first else ["T", "B", "I"]
        found, value = Entrance(X, batch_first, None), X
        for _ in range(len(self.nodes) + 1):
            ordered = [axis for axis in axes if axis != "1"][:2]
            clean = sorted(ordered) == ["B", "T"]
            if clean:
                found = Entrance(value, ordered == ["B", "T"], self._size(value, axes.index("T")))
            elif value in self._inputs:
                return Entrance(value, None, None)
            node = self._made_by.get(value)
            read = self._before(node, axes) if node is not None and node.input else None
            if node is None or read is None:
                break
            axes, value = read, node.input[0]
        return Entrance(X, None, None) if self._is_turned_input(value) else found

    def _is_turned_input(self, value: str) -> bool:
        """Tell whether a value is an input of the model on other axes."""
        for turns in range(len(self.nodes) + 1):
            if value in self._inputs:
                return turns > 0
            node = self._made_by.get(value)
            if node is None or not (node.op_type in _TURNS or self._is_unchanged(node)):
                return False
            value = node.input[0]
        return False

    def is_zero(self, value: str) -> bool:
        """Tell whether a value is 0 whatever the model is given."""
        open_ends, seen = [value], set()
        while open_ends:
            value = open_ends.pop()
            if value in seen:
                continue
            seen.add(value)
            if value in self.constants:
                if np.any(self.constants[value]):
                    return False
                continue
            node = self._made_by.get(value)
            if node is None:
                return False
            if node.op_type == "ConstantOfShape":
                filled = attributes(node).get("value")
                if filled is not None and np.any(_array(filled)):
                    return False
            elif node.op_type in _MOVES | _UNCHANGED:
                open_ends.append(node.input[0])
            elif node.op_type == "Concat":
                open_ends += node.input
            else:
                return False
        return True

    def is_carried_input(self, value: str) -> bool:
        """Tell whether a value is an input of the model, perhaps of another shape or kind of integer."""
        carriers = {"Identity", "Cast", "Squeeze", "Unsqueeze"}
        for _ in range(len(self.nodes) + 1):
            if value in self._inputs:
                return True
            node = self._made_by.get(value)
            if node is None or node.op_type not in carriers:
                return False
            value = node.input[0]
        return False

    def is_given(self, value: str, number: int | None, directions: int, axis: int) -> bool:
        """Tell whether a state is an input of the model, or its part for the layer of this number."""
        if value in self._inputs:
            return True
        node = self._made_by.get(value)
        if node is None or node.op_type not in ("Slice", "Split") or node.input[0] not in self._inputs:
            return False
        start = None if number is None else number * directions
        found = self._sliced(node) if node.op_type == "Slice" else self._split(node, value)
        if found is None or found[0] != axis or found[2] - found[1] != directions:
            return False
        return start is None or found[1] == start

    # Axes through a node

    def _after(self, node: Any, axes: Axes, layer: Node) -> Axes | None:
        """Return the axes of what a node makes; None where it computes, or does what is not followed."""
        if self._is_unchanged(node):
            return axes
        if node.op_type == "Transpose":
            perm = attributes(node).get("perm") or range(len(axes))[::-1]
            return [axes[k] for k in perm] if sorted(perm) == list(range(len(axes))) else None
        if node.op_type == "Reshape":
            shape, core = self._shape(node), [axis for axis in axes if axis != "1"]
            last, rest = layer.directions * layer.hidden, "".join(core[2:])
            known = [0, 0, -1], [0, 0, last], [0, -1, last], [-1, 0, last]
            if shape is None or shape not in known or rest != ("H" if layer.directions == 1 else "DH"):
                return None
            kept = all(axes[k] == core[k] for k in (0, 1) if shape[k] == 0)  # 0 copies an axis
            return [*core[:2], rest] if kept else None
        listed = self._listed(node)
        if node.op_type == "Squeeze":
            chosen = _places(listed, len(axes)) if listed else [k for k, a in enumerate(axes) if a == "1"]
            if not chosen or any(axes[k] != "1" for k in chosen):
                return None
            return [a for k, a in enumerate(axes) if k not in chosen]
        if node.op_type == "Unsqueeze" and listed:
            return _with_ones(axes, listed)
        return None

    def _before(self, node: Any, axes: Axes) -> Axes | None:
        """Return the axes of what a node reads, from those of what it makes."""
        if self._is_unchanged(node):
            return axes
        if node.op_type == "Transpose":
            perm = attributes(node).get("perm") or range(len(axes))[::-1]
            if axes[-1] == _REST:
                axes = axes[:-1] + ["I"] * (len(perm) - len(axes) + 1)
            if sorted(perm) != list(range(len(axes))):
                return None
            return [axes[list(perm).index(k)] for k in range(len(axes))]
        if node.op_type == "Reshape" and self._shape(node) == [0, 0, -1] and axes[2:] == ["I"]:
            return [*axes[:2], _REST]
        listed = self._listed(node)
        if not listed or axes[-1] == _REST:
            return None
        if node.op_type == "Squeeze":
            return _with_ones(axes, listed)
        if node.op_type == "Unsqueeze":
            chosen = _places(listed, len(axes))
            if chosen is None or any(axes[k] in "TB" for k in chosen):
                return None
            return [a for k, a in enumerate(axes) if k not in chosen]
        return None

    def _is_unchanged(self, node: Any) -> bool:
        if node.op_type == "Dropout":  # one that drops in use as well is no network here
            mode = node.input[2] if len(node.input) > 2 else ""
            return not mode or (mode in self.constants and not np.any(self.constants[mode]))
        if node.op_type == "Cast":
            return attributes(node).get("to") in (1, 11)  # float32, float64
        return bool(node.op_type == "Identity")

    def _shape(self, node: Any) -> list[int] | None:
        """Return the shape a Reshape asks for, if it is stored."""
        asked = self.constants.get(node.input[1]) if len(node.input) > 1 else None
        options = attributes(node)
        if asked is None:
            asked = options.get("shape")  # of old models
        return None if asked is None or options.get("allowzero") else np.ravel(asked).tolist()

    def _listed(self, node: Any) -> list[int] | None:
        """Return the axes a Squeeze or Unsqueeze names, if it does."""
        stored = self.constants.get(node.input[1]) if len(node.input) > 1 else None
        named = attributes(node).get("axes") if stored is None else np.ravel(stored).tolist()
        return list(named) if named else None

    def _size(self, value: str, axis: int) -> int | None:
        if value not in self._inputs:
            return None
        dims = self._inputs[value].type.tensor_type.shape.dim
        return int(dims[axis].dim_value) or None if axis < len(dims) else None

    # Parts of an input

    def _sliced(self, node: Any) -> tuple[int, int, int] | None:
        """Return axis, begin and end of a slice of one axis."""
        options = attributes(node)
        stored = {
            name: self.constants.get(value)
            for name, value in zip(("starts", "ends", "axes", "steps"), node.input[1:], strict=False)
            if value
        }
        if any(part is None for part in stored.values()):
            return None
        parts = options | stored
        if any(np.size(parts.get(name, 0)) != 1 for name in ("starts", "ends", "axes", "steps")):
            return None
        begin, end, axis, step = (
            int(np.ravel(parts.get(name, usual))[0])
            for name, usual in (("starts", -1), ("ends", -1), ("axes", 0), ("steps", 1))
        )
        size = self._size(node.input[0], axis) if axis >= 0 else None
        end = end if size is None else min(end, size)
        return (axis, begin, end) if step == 1 and 0 <= begin < end else None

    def _split(self, node: Any, value: str) -> tuple[int, int, int] | None:
        """Return axis, begin and end of one part of several."""
        options = attributes(node)
        sizes = self.constants.get(node.input[1]) if len(node.input) > 1 else options.get("split")
        axis = int(options.get("axis", 0))
        if sizes is None:
            whole = self._size(node.input[0], axis) if axis >= 0 else None
            if whole is None or whole % len(node.output):
                return None
            sizes = [whole // len(node.output)] * len(node.output)
        place = list(node.output).index(value)
        ends = np.cumsum(sizes).tolist()
        return axis, ends[place] - int(sizes[place]), ends[place]


def _constants(graph: Any) -> dict[str, Any]:
    from onnx import numpy_helper

    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name in _CONSTANTS:
            found[node.output[0]] = _array(next(iter(attributes(node).values())))
        elif node.op_type == "Identity" and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return found


def _array(stored: Any) -> Any:
    """Return a tensor, or plain numbers, as an array."""
    from onnx import TensorProto, numpy_helper

    return numpy_helper.to_array(stored) if isinstance(stored, TensorProto) else np.asarray(stored)


def _output_axes(layer: Node) -> Axes:
    way = "1" if layer.directions == 1 else "D"
    return ["B", "T", way, "H"] if layer.batch_first else ["T", way, "B", "H"]


def _places(listed: list[int], rank: int) -> list[int] | None:
    """Return axes counted from the front; None where one is not there."""
    found = [k + rank if k < 0 else k for k in listed]
    fits = all(0 <= k < rank for k in found) and len(set(found)) == len(found)
    return found if fits else None


def _with_ones(axes: Axes, listed: list[int]) -> Axes | None:
    places = _places(listed, len(axes) + len(listed))
    if places is None:
        return None
    rest = iter(axes)
    return ["1" if k in places else next(rest) for k in range(len(axes) + len(listed))]
