"""Tiny ONNX networks of every shape the contract allows, and of some that it does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from onnx import checker, helper, numpy_helper, save, TensorProto


def write_network(
    path: Path,
    *,
    width: int | None = 32,
    height: int | None = 24,
    channels: int = 3,
    extras: tuple[str, ...] = (),
    rank: int = 4,
    opset: int = 17,
    dtype: int = TensorProto.FLOAT,
    depth: str = 'depth',
    input_name: str = 'image',
    external: str = '',
) -> Path:
    """
    Write a network whose depth is ``sigmoid(conv3x3(image))``, and whose extras are the image's
    mean (``confidence``) and its brightest channel (``sky``).

    :param path: where to.
    :param width: fixed width, or None for a dynamic one.
    :param height: fixed height, or None for a dynamic one.
    :param channels: of the input.
    :param extras: names among confidence and sky (or any other, which gives the mean).
    :param rank: 3 or 4, of the outputs.
    :param opset: version of the operator set.
    :param dtype: element type of input and outputs.
    :param depth: name of the depth output.
    :param input_name: name of the input.
    :param external: file name for the weights, inside the file when empty.
    :returns: `path`.
    """
    sides = (height or 'height', width or 'width')
    numpy_type = helper.tensor_dtype_to_np_dtype(dtype)
    kernel = np.random.default_rng(5).normal(0, 0.15, (1, channels, 3, 3)).astype(numpy_type)
    weights = [numpy_helper.from_array(kernel, 'kernel')]
    nodes = [
        helper.make_node('Conv', [input_name, 'kernel'], ['conv'], pads=[1, 1, 1, 1]),
        helper.make_node('Sigmoid', ['conv'], [f'{depth}_4']),
    ]
    for name in extras:
        reduce = 'ReduceMax' if name == 'sky' else 'ReduceMean'
        if opset >= 18:
            nodes.append(helper.make_node(reduce, [input_name, 'channel'], [f'{name}_4']))
        else:
            nodes.append(helper.make_node(reduce, [input_name], [f'{name}_4'], axes=[1]))
    weights.append(numpy_helper.from_array(np.array([1], np.int64), 'channel'))
    names = (depth, *extras)
    for name in names:
        end = ('Squeeze', [f'{name}_4', 'channel']) if rank == 3 else ('Identity', [f'{name}_4'])
        nodes += [helper.make_node(*end, [name])]
    shape = [1, *sides] if rank == 3 else [1, 1, *sides]
    graph = helper.make_graph(
        nodes, 'tiny',
        [helper.make_tensor_value_info(input_name, dtype, [1, channels, *sides])],
        [helper.make_tensor_value_info(name, dtype, shape) for name in names],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)])
    model.ir_version = 8
    checker.check_model(model)
    save(
        model, path, save_as_external_data=bool(external), location=external or None,
        size_threshold=0,
    )
    return path


def write_red_network(path: Path, kernel: float = 1.0) -> Path:
    """
    Write a network that says the red of each pixel, 0 to 1, is its inverse depth.

    So a test can paint the depth it wants. It is a relative disparity; its sidecar says so.

    :param path: where to.
    :param kernel: factor on the red.
    :returns: `path`.
    """
    weights = np.float32([kernel, 0, 0]).reshape(1, 3, 1, 1)
    graph = helper.make_graph(
        [helper.make_node('Conv', ['image', 'kernel'], ['depth'])], 'red',
        [helper.make_tensor_value_info('image', TensorProto.FLOAT, [1, 3, 48, 64])],
        [helper.make_tensor_value_info('depth', TensorProto.FLOAT, [1, 1, 48, 64])],
        [numpy_helper.from_array(weights, 'kernel')],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])
    model.ir_version = 8
    save(model, path)
    path.with_suffix('.json').write_text(json.dumps({
        'format': 1, 'kind': 'relative_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1],
    }))
    return path
