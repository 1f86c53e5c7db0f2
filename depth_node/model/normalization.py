"""What a graph does to its input, and whether that fits its description."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import ModelError
from depth_node.model.spec import ModelSpec

# nodes that change the shape or type of an image, not its values
_TRANSPARENT = (
    'Cast', 'Identity', 'Reshape', 'Unsqueeze', 'Squeeze', 'Flatten', 'QuantizeLinear',
    'DequantizeLinear',
)
_REORDERING = ('Gather', 'Slice', 'Transpose')
_IMAGENET = np.array([0.485, 0.456, 0.406])
"""Mean of the channels red, green, blue, which most networks were trained with."""
_NEAR = 0.01
# the range of the values that enter the first layer, for pixels from 0 to 1
_SPANS = ((0.1, 10.0), (100.0, 2600.0))
_CENTERS = (-0.5, 1.5)
_REMEDY = (
    'mean and std apply to values from 0 to 1: give those that the graph does not apply itself, '
    '0,0,0 and 1,1,1 if it applies both. A graph for values from 0 to 255 has std 0.00392157.'
)
_UNITS = (
    'mean and std apply to values from 0 to 1: divide those for 0 to 255 by 255 '
    '(0.485,0.456,0.406 and 0.229,0.224,0.225 for ImageNet).'
)
Plane = NDArray[np.float64]


class Affine(NamedTuple):
    """
    What a graph first does to its input: input * gain + offset.

    :param gain: float64 (3,).
    :param offset: float64 (3,).
    :param in_order: whether its channels are those of the input.
    """

    gain: Plane
    offset: Plane
    in_order: bool


def normalized(model: Any, spec: ModelSpec) -> ModelSpec:
    """
    Describe the input of a graph that subtracts a mean itself.

    :param model: the ``onnx.ModelProto``.
    :param spec: the description of the network without that.
    :returns: `spec`, with a mean of 0 and the range of values, 0 to 1 or 0 to 255, that the mean
        of the graph is one of, if it subtracts one.
    """
    graph = first_affine(model)
    if not graph.offset.any():
        return spec
    with np.errstate(divide='ignore', invalid='ignore'):
        mean = np.abs(graph.offset / graph.gain).max()
    largest = 255.0 if mean > 2 else 1.0
    return replace(spec, mean=(0.0, 0.0, 0.0), std=(1 / largest,) * 3)


def first_affine(model: Any) -> Affine:
    """
    Find what a graph does to its input before the first layer.

    :param model: the ``onnx.ModelProto``; weights in other files are not needed.
    :returns: the product of the additions, subtractions, multiplications, divisions and batch
        normalizations with one or three constants that come first.
    """
    constants = _constants(model)
    inputs = [value.name for value in model.graph.input if value.name not in constants]
    wires = set(inputs[:1])
    found = Affine(np.ones(3), np.zeros(3), in_order=True)
    for node in model.graph.node:
        if not wires.intersection(node.input):
            continue
        if node.op_type in _TRANSPARENT + _REORDERING and node.input[0] in wires:
            wires.update(node.output[:1])
            found = found._replace(in_order=found.in_order and node.op_type in _TRANSPARENT)
            continue
        step = _step(node, wires, constants)
        if step is None:
            break
        gain, offset = step
        found = found._replace(gain=found.gain * gain, offset=found.offset * gain + offset)
        wires = set(node.output[:1])
    return found


def check_normalization(model: Any, spec: ModelSpec, path: Path) -> None:
    """
    Check that description and graph together normalize the input once.

    :param model: the ``onnx.ModelProto``.
    :param spec: its description.
    :param path: the file, for the error message.
    :raises ModelError: a mean is subtracted twice, the values are scaled twice or for another
        range, or the order of the channels is not that of the constants.
    """
    graph = first_affine(model)
    mean, std = np.asarray(spec.mean), np.asarray(spec.std)
    if mean.any() and graph.offset.any():
        raise ModelError(
            f'{path}: the network subtracts a mean from its input itself, and its description has '
            f'mean {_written(mean)}: it would be subtracted twice.',
            'Set mean to 0,0,0 and std to 1,1,1.',
        )
    own = bool(np.any(graph.gain != 1) or np.any(graph.offset))
    with np.errstate(all='ignore'):  # what is not finite is refused
        span = graph.gain / std
        center = mean - graph.offset * std / graph.gain
        low, high = 0.0 - center * span, (1 - center) * span
    good = any(bool(np.all((least <= span) & (span <= most))) for least, most in _SPANS)
    if not good or not np.all((_CENTERS[0] <= center) & (center <= _CENTERS[1])):
        doing = 'and the constants of the graph itself ' if own else ''
        raise ModelError(
            f'{path}: mean {_written(mean)} and std {_written(std)} of its description {doing}'
            f'make values from {low.min():.3g} to {high.max():.3g} of an image, which no network '
            'is trained with.', _REMEDY if own else _UNITS,
        )
    _check_order(graph, mean, spec, path)


def _check_order(graph: Affine, mean: Plane, spec: ModelSpec, path: Path) -> None:
    """Refuse ImageNet's constants in the wrong order of channels."""
    if graph.offset.any():
        if not graph.in_order:
            return
        mean = -graph.offset / graph.gain
    mean = mean / (255 if mean.max() > 2 else 1)
    backwards = _IMAGENET if spec.bgr else _IMAGENET[::-1]
    if np.abs(mean - backwards).max() < _NEAR:
        order, other = ('blue, green, red', 'red, green, blue')[::1 if spec.bgr else -1]
        raise ModelError(
            f'{path}: is described to take {order}, but the mean {_written(mean)} is that of '
            f'{other}.', f'Set bgr to {str(not spec.bgr).lower()}, or mend mean and std.',
        )


def _step(
    node: Any, wires: set[str], constants: dict[str, NDArray[Any]]
) -> tuple[Plane, Plane] | None:
    """Return gain and offset of a node with one or three constants, None for any other node."""
    if node.op_type == 'BatchNormalization' and node.input[0] in wires:
        values = [constants.get(name) for name in node.input[1:5]]
        scale, shift, mean, variance = (
            np.full(3, np.nan) if v is None or v.size not in {1, 3} else v.astype(np.float64)
            for v in values
        ) if len(values) == 4 else [np.full(3, np.nan)] * 4
        epsilon = next((a.f for a in node.attribute if a.name == 'epsilon'), 1e-5)
        gain = scale / np.sqrt(variance + epsilon)
        return (gain, shift - mean * gain) if np.isfinite(gain + shift + mean).all() else None
    if node.op_type not in {'Sub', 'Add', 'Mul', 'Div'} or len(node.input) != 2:
        return None
    first = node.input[0] in wires
    value = constants.get(node.input[1 if first else 0])
    if value is None or value.size not in {1, 3} or not np.isfinite(value).all():
        return None
    constant = np.broadcast_to(value.astype(np.float64).ravel(), 3)
    ones, zeros = np.ones(3), np.zeros(3)
    match node.op_type:
        case 'Add':
            return ones, constant
        case 'Sub':
            return (ones, -constant) if first else (-ones, constant)
        case 'Mul' if constant.all():
            return constant, zeros
        case 'Div' if first and constant.all():
            return 1 / constant, zeros
    return None


def _written(values: Plane) -> str:
    return ','.join(f'{value:.4g}' for value in values)


def _constants(model: Any) -> dict[str, NDArray[Any]]:
    """Return the small constants of a graph; large ones are weights."""
    from onnx import numpy_helper, TensorProto

    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == 'Constant' and node.attribute[0].name == 'value':
            tensors[node.output[0]] = node.attribute[0].t
    return {
        name: numpy_helper.to_array(tensor)
        for name, tensor in tensors.items()
        if tensor.data_location != TensorProto.EXTERNAL and np.prod(tensor.dims or [1]) <= 64
    }
