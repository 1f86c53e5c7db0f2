"""Detection of graphs that normalize their input, so that it is not normalized twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import ModelError
from depth_node.model.spec import ModelSpec

# nodes that change the shape or type of an image, not its values
_TRANSPARENT = ('Cast', 'Identity', 'Reshape', 'Unsqueeze', 'Squeeze', 'Flatten', 'Gather')


def has_normalization(path: Path) -> bool:
    """
    Return whether a graph first subtracts a mean from its input.

    :param path: the ONNX file.
    :returns: whether it does; see :func:`subtracts_mean`.
    :raises ModelError: the file cannot be read.
    """
    from depth_node.model.network import load

    return subtracts_mean(load(path, weights=False))


def subtracts_mean(model: Any) -> bool:
    """
    Return the same as :func:`has_normalization`, for a loaded model.

    :param model: the ``onnx.ModelProto``; weights in other files are not needed.
    :returns: whether an addition or subtraction of one or three constants comes first, before
        or after a multiplication or division by such constants.
    """
    graph = model.graph
    constants = _constants(model)
    inputs = [value.name for value in graph.input if value.name not in constants]
    wires = set(inputs[:1])
    for node in graph.node:
        used = [wire for wire in node.input if wire in wires]
        if not used:
            continue
        if node.op_type in _TRANSPARENT and node.input[0] in wires:
            wires.update(node.output)
            continue
        if node.op_type not in ('Sub', 'Add', 'Mul', 'Div'):
            return False
        other = next((constants.get(wire) for wire in node.input if wire not in wires), None)
        if other is None or other.size not in (1, 3):
            return False
        if node.op_type in ('Sub', 'Add'):
            return bool(np.any(other != 0))
        wires = set(node.output)
    return False


def check_normalization(model: Any, spec: ModelSpec, path: Path) -> None:
    """
    Check that the input is not normalized twice.

    :param model: the ``onnx.ModelProto``.
    :param spec: its description.
    :param path: the file, for the error message.
    :raises ModelError: graph and description both subtract a mean.
    """
    if any(spec.mean) and subtracts_mean(model):
        mean = ','.join(f'{value:g}' for value in spec.mean)
        raise ModelError(
            f'{path}: the network subtracts a mean from its input itself, and its description has '
            f'mean {mean}: it would be subtracted twice.',
            'Set mean to 0,0,0 and std to 1,1,1.',
        )


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
