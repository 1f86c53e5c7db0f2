"""
Graphs that predict points, brought to the contract: MoGe-2 (Wang et al., 2025).

Its points (x, y, z) are right up to a shift along z, and a metric scale comes with them. With the
focal length f (pixels at network size) and v the row of a pixel from the centre of the image,

    f y = v (z + shift),

and the shift that fits all rows best, weighted by the mask m of pixels that have a depth, is

    shift = f sum(m v y) / sum(m v^2) - sum(m v^2 z) / sum(m v^2).

It is linear in f, which the graph does not know. So the graph gives the depth without the first
term, and as ``slope`` what each pixel of f adds. Rows and not columns, because the vertical focal
length is the one used everywhere here. The principal point is taken to be in the centre.
"""

from __future__ import annotations

from typing import Any

import numpy as np

INPUTS = ('image', 'num_tokens')
OUTPUTS = ('points', 'mask', 'metric_scale')
_PATCH = 14
"""Pixels of a token's side, at the resolution that the authors recommend for speed."""
_SMALL = 1e-6


def is_point_map(model: Any) -> bool:
    """
    Return whether a graph has the inputs and outputs of MoGe-2.

    :param model: the ``onnx.ModelProto``.
    :returns: whether it has.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name for value in model.graph.input} - weights
    outputs = {value.name for value in model.graph.output}
    return inputs in ({INPUTS[0]}, set(INPUTS)) and outputs >= set(OUTPUTS)


def adapt_points(model: Any) -> None:
    """
    Change a graph of points in place: one image in; ``depth``, ``sky`` and ``slope`` out.

    :param model: the ``onnx.ModelProto``, for which :func:`is_point_map` holds.
    """
    from onnx import helper, TensorProto

    graph = model.graph
    image = next(value for value in graph.input if value.name == INPUTS[0])
    sides = image.type.tensor_type.shape.dim[2:]
    tail = _Tail()
    height, width = (tail.op('Gather', tail.op('Shape', INPUTS[0]), tail.whole(n)) for n in (2, 3))
    if any(value.name == INPUTS[1] for value in graph.input):
        # one token for every patch of the input
        pixels = tail.op('Mul', height, width)
        tail.op('Div', pixels, tail.whole(_PATCH * _PATCH), output=INPUTS[1])
        graph.input.remove(next(v for v in graph.input if v.name == INPUTS[1]))
    first, tail.nodes = tail.nodes, []
    points, mask, scale = OUTPUTS
    y, z = (tail.op('Gather', points, tail.whole(n), axis=3) for n in (1, 2))
    half = tail.op('Div', tail.op('Cast', height, to=TensorProto.FLOAT), tail.number(2.0))
    row = tail.op('Range', tail.whole(0), height, tail.whole(1))
    row = tail.op('Add', tail.op('Cast', row, to=TensorProto.FLOAT), tail.number(0.5))
    # from -1 to 1, so that half precision has no large numbers
    row = tail.op('Sub', tail.op('Div', row, half), tail.number(1.0))
    row = tail.op('Reshape', row, tail.shape(1, -1, 1))
    weighted = tail.op('Mul', mask, row)
    squared = tail.op('Mul', weighted, row)
    whole = tail.op('Add', tail.total(squared), tail.number(_SMALL))
    per_focal = tail.op('Div', tail.total(tail.op('Mul', weighted, y)), whole)
    per_focal = tail.op('Div', per_focal, half)
    offset = tail.op('Div', tail.total(tail.op('Mul', squared, z)), whole)
    scale = tail.op('Reshape', scale, tail.shape(1, 1, 1))
    tail.op('Mul', tail.op('Sub', z, offset), scale, output='depth')
    slope = tail.op('Mul', per_focal, scale)
    tail.op('Expand', slope, tail.op('Shape', z), output='slope')
    tail.op('Sub', tail.number(1.0), mask, output='sky')
    graph.initializer.extend(tail.constants)
    nodes = [*first, *graph.node, *tail.nodes]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.output[:]
    for name in ('depth', 'sky', 'slope'):
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 'height', 'width'])
        for dim, side in zip(value.type.tensor_type.shape.dim[1:], sides, strict=True):
            dim.CopyFrom(side)
        graph.output.append(value)


class _Tail:
    """Nodes and constants that are added to a graph."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._count = 0

    def op(self, kind: str, *inputs: str, output: str = '', **attributes: Any) -> str:
        from onnx import helper

        name = output or self._name()
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def total(self, source: str) -> str:
        return self.op('ReduceSum', source, self.shape(1, 2), keepdims=1)

    def whole(self, value: int) -> str:
        return self._constant(np.array(value, np.int64))

    def shape(self, *axes: int) -> str:
        return self._constant(np.array(axes, np.int64))

    def number(self, value: float) -> str:
        return self._constant(np.array(value, np.float32))

    def _constant(self, values: Any) -> str:
        from onnx import numpy_helper

        name = self._name()
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def _name(self) -> str:
        self._count += 1
        return f'depth_node/points_{self._count}'
