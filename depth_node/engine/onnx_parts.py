"""Helpers for writing ONNX graphs, with resizing as in OpenCV."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from typing_extensions import assert_never

from depth_node.engine.lanczos import LOBES
from depth_node.image.size import Size
from depth_node.model import Interpolation

_HALF_PIXEL = {'coordinate_transformation_mode': 'half_pixel'}
LINEAR: dict[str, Any] = {'mode': 'linear', **_HALF_PIXEL}
"""Attributes of a Resize that is equivalent to OpenCV's INTER_LINEAR."""
_CUBIC: dict[str, Any] = {'mode': 'cubic', 'cubic_coeff_a': -0.75, **_HALF_PIXEL}


@dataclass
class Parts:
    """
    Nodes and constants of a graph under construction; all names start with ``camera/``.

    :param nodes: ``onnx.NodeProto`` in order.
    :param constants: ``onnx.TensorProto``.
    """

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def constant(self, value: Any, dtype: type = np.int64) -> str:
        """
        Add a constant.

        :param value: a value that NumPy can convert to an array.
        :param dtype: its type.
        :returns: its name.
        """
        from onnx import numpy_helper

        name = f'camera/constant_{len(self.constants)}'
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def number(self, value: float) -> str:
        """Add a float32 scalar, and return its name."""
        return self.constant(value, np.float32)

    def add(self, operator: str, *inputs: str, into: str = '', **attributes: Any) -> str:
        """
        Add a node.

        :param operator: operator of the default operator set.
        :param inputs: names; empty for omitted ones.
        :param into: name of its output; empty: generated.
        :param attributes: attributes of the operator.
        :returns: the name of its output.
        """
        from onnx import helper

        name = f'camera/{operator.lower()}_{len(self.nodes)}'
        output = into or name
        self.nodes.append(helper.make_node(operator, inputs, [output], name, **attributes))
        return output


def add_resize(
    parts: Parts, image: str, sides: str, size: Size, interpolation: Interpolation
) -> str:
    """
    Resize an image of any size to a fixed one, with the results of OpenCV for bytes.

    :param parts: the graph.
    :param image: float32 [1, 3, H, W], values 0 to 255.
    :param sides: int64 [2], H and W.
    :param size: target size (pixels).
    :param interpolation: the way. AREA is OpenCV's when both sides shrink or both grow; LANCZOS
        is Pillow's.
    :returns: float32 [1, 3, h, w], whole numbers.
    """
    match interpolation:
        case Interpolation.NEAREST:
            return _nearest(parts, image, sides, size)
        case Interpolation.LINEAR | Interpolation.CUBIC:
            attributes = LINEAR if interpolation is Interpolation.LINEAR else _CUBIC
            wanted = parts.constant([1, 3, size.height, size.width])
            image = parts.add('Resize', image, '', '', wanted, **attributes)
        case Interpolation.AREA | Interpolation.LANCZOS:
            # no operator does these; but every way of resizing is a product with one matrix of
            # weights for the rows and one for the columns
            weights = _area if interpolation is Interpolation.AREA else _lanczos
            rows = weights(parts, _source(parts, sides, 0), size.height)
            columns = weights(parts, _source(parts, sides, 1), size.width)
            columns = parts.add('Transpose', columns, perm=[1, 0])
            if interpolation is Interpolation.AREA:
                image = parts.add('MatMul', parts.add('MatMul', rows, image), columns)
            else:  # in Pillow's order, which rounds in between
                image = _to_levels(parts, parts.add('MatMul', image, columns))
                image = parts.add('MatMul', rows, image)
        case _ as unreachable:
            assert_never(unreachable)
    if interpolation in (Interpolation.CUBIC, Interpolation.LANCZOS):
        return _to_levels(parts, image)
    return parts.add('Floor', parts.add('Add', image, parts.number(0.5)))


def _to_levels(parts: Parts, image: str) -> str:
    """From bytes to bytes: rounded, half up, and saturated where cubic and lanczos overshoot."""
    image = parts.add('Floor', parts.add('Add', image, parts.number(0.5)))
    return parts.add('Clip', image, parts.number(0), parts.number(255))


def _nearest(parts: Parts, image: str, sides: str, size: Size) -> str:
    for axis, count in ((0, size.height), (1, size.width)):
        side = parts.add('Gather', sides, parts.constant(axis), axis=0)
        product = parts.add('Mul', parts.constant(np.arange(count)), side)
        index = parts.add('Div', product, parts.constant(count))
        image = parts.add('Gather', image, index, axis=axis + 2)
    return image


def _source(parts: Parts, sides: str, axis: int) -> tuple[str, str]:
    """Return a side of the source, and its pixels 0, 1, 2 ... as [1, n], both float32."""
    from onnx import TensorProto

    side = parts.add('Gather', sides, parts.constant(axis), axis=0)
    pixels = parts.add('Range', parts.constant(0), side, parts.constant(1))
    pixels = parts.add('Cast', pixels, to=TensorProto.FLOAT)
    return (
        parts.add('Cast', side, to=TensorProto.FLOAT),
        parts.add('Unsqueeze', pixels, parts.constant([0])),
    )


def _area(parts: Parts, source: tuple[str, str], count: int) -> str:
    """Return weights [count, n]: the share of each target pixel that a source pixel covers."""
    side, pixels = source
    scale = parts.add('Div', side, parts.number(count))
    targets = np.arange(count)[:, None]
    low = parts.add('Mul', parts.constant(targets, np.float32), scale)
    high = parts.add('Mul', parts.constant(targets + 1, np.float32), scale)
    end = parts.add('Min', high, parts.add('Add', pixels, parts.number(1)))
    overlap = parts.add('Sub', end, parts.add('Max', low, pixels))
    return parts.add('Div', parts.add('Max', overlap, parts.number(0)), scale)


def _lanczos(parts: Parts, source: tuple[str, str], count: int) -> str:
    """Weights [count, n] as :func:`depth_node.engine.lanczos.weights` has them."""
    side, pixels = source
    scale = parts.add('Div', side, parts.number(count))
    centers = parts.constant(np.arange(count)[:, None] + 0.5, np.float32)
    centers = parts.add('Sub', parts.add('Mul', centers, scale), parts.number(0.5))
    # a little aside of zero, where sin(x) / x is 1 all the same
    distance = parts.add('Abs', parts.add('Sub', pixels, centers))
    distance = parts.add('Div', distance, parts.add('Max', scale, parts.number(1)))
    distance = parts.add('Max', distance, parts.number(1e-4))
    product = ''
    for stretch in (np.pi, np.pi / LOBES):
        angle = parts.add('Mul', distance, parts.number(stretch))
        sinc = parts.add('Div', parts.add('Sin', angle), angle)
        product = parts.add('Mul', product, sinc) if product else sinc
    near = parts.add('Less', distance, parts.number(LOBES))
    weights = parts.add('Where', near, product, parts.number(0))
    total = parts.add('ReduceSum', weights, parts.constant([1]), keepdims=1)
    return parts.add('Div', weights, total)
