"""
The merged graph: camera bytes in, depth at the camera's size out, in one ONNX file.

GPU engines run it, so that a frame is transferred as one byte per channel and the result as four
bytes per pixel. The network size is fixed; height and width of the camera are dynamic, so one
compiled engine serves every camera.

Cast to float32, transpose, crop (only with ``Aspect.CROP``), resize, channel order, normalize,
network, resize back, pad the cropped parts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from typing_extensions import assert_never

from depth_node.engine.onnx_parts import add_resize, LINEAR, Parts
from depth_node.engine.prepare import affine
from depth_node.errors import ModelError
from depth_node.image.size import Size
from depth_node.model import Aspect, ModelSpec
from depth_node.model.network import NetworkInfo

FRAME = 'frame'
"""Input of the merged graph: uint8 [H, W, 3] rgb."""
DEPTH = 'depth'
"""First output: float32 [H, W]; followed by ``confidence`` and ``sky`` if present."""

MINIMUM_OPSET = 13
"""Networks with a lower opset are converted, because Squeeze and Unsqueeze differ."""
_PREFERRED_OPSET = 17


def with_size(model: Any, info: NetworkInfo, size: Size) -> Any:
    """
    Fix the size of a network, in place.

    :param model: the ``onnx.ModelProto``.
    :param info: its inputs and outputs.
    :param size: the size to run at (pixels).
    :returns: `model`.
    """
    for value in model.graph.input:
        if value.name == info.input:
            dims = value.type.tensor_type.shape.dim
            for dim, side in zip(dims, (1, 3, size.height, size.width), strict=True):
                dim.dim_value = side
    if info.size is None:
        # what exporters wrote about shapes names the sides that are numbers now
        del model.graph.value_info[:]
        for value in model.graph.output:
            value.type.tensor_type.ClearField('shape')
    return model


def merged(model: Any, info: NetworkInfo, spec: ModelSpec, size: Size) -> Any:
    """
    Return a network with preprocessing and postprocessing.

    :param model: the ``onnx.ModelProto`` with its weights; it is modified.
    :param info: its inputs and outputs.
    :param spec: the description of the network.
    :param size: network size (pixels).
    :returns: a new ``onnx.ModelProto``: ``frame`` uint8 [height, width, 3] to ``depth`` (and
        ``confidence``, ``sky``) float32 [height, width].
    :raises ModelError: the network's operators are too old and cannot be converted.
    """
    from onnx import compose, helper, TensorProto

    model = with_size(_modern(model, info), info, size)
    # the prefix keeps the network's names away from ours, whatever they are
    model = compose.add_prefix(model, 'network/')
    parts = Parts()
    _prepare(parts, spec, size, f'network/{info.input}')
    parts.nodes.extend(model.graph.node)
    outputs = {name: f'network/{inner}' for name, inner in info.planes.items()}
    for name, inner in outputs.items():
        _bring_back(parts, inner, name, spec.aspect, size)
    graph = helper.make_graph(
        parts.nodes,
        'depth_node',
        [helper.make_tensor_value_info(FRAME, TensorProto.UINT8, ['height', 'width', 3])],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, ['height', 'width'])
         for o in outputs],
        [*parts.constants, *model.graph.initializer],
    )
    graph.sparse_initializer.extend(model.graph.sparse_initializer)
    whole = helper.make_model(
        graph, opset_imports=model.opset_import, functions=model.functions,
        producer_name='depth_node',
    )
    whole.ir_version = model.ir_version
    return whole


def operators(graph: bytes) -> set[str]:
    """
    Return the operators of a graph.

    :param graph: serialized.
    :returns: types of its nodes, including functions.
    """
    import onnx

    model = onnx.load_from_string(graph)
    functions = [node for function in model.functions for node in function.node]
    return {node.op_type for node in (*model.graph.node, *functions)}


def _prepare(parts: Parts, spec: ModelSpec, size: Size, target: str) -> None:
    """Add the preprocessing; `target` is the input of the network."""
    from onnx import TensorProto

    # TensorRT takes bytes only where a Cast is their first and only reader
    pixels = parts.add('Cast', FRAME, into='camera/pixels', to=TensorProto.FLOAT)
    _camera_size(parts, spec.aspect, size)
    planes = parts.add('Transpose', pixels, perm=[2, 0, 1])
    batch = parts.add('Unsqueeze', planes, parts.constant([0]))
    match spec.aspect:
        case Aspect.SQUASH:
            pass
        case Aspect.CROP:
            ends = parts.add('Add', 'camera/corner', 'camera/seen')
            batch = parts.add('Slice', batch, 'camera/corner', ends, parts.constant([2, 3]))
        case _ as unreachable:
            assert_never(unreachable)
    sides = 'camera/whole' if spec.aspect is Aspect.SQUASH else 'camera/seen'
    image = add_resize(parts, batch, sides, size, spec.interpolation)
    if spec.bgr:
        image = parts.add('Gather', image, parts.constant([2, 1, 0]), axis=1)
    gain, offset = (parts.constant(v.reshape(1, 3, 1, 1), np.float32) for v in affine(spec))
    parts.add('Add', parts.add('Mul', image, gain), offset, into=target)


def _camera_size(parts: Parts, aspect: Aspect, size: Size) -> None:
    """Compute camera/whole, camera/seen and camera/corner, int64 [2], rows before columns."""
    shape = parts.add('Shape', 'camera/pixels')
    whole = parts.add(
        'Slice', shape, parts.constant([0]), parts.constant([2]), into='camera/whole'
    )
    match aspect:
        case Aspect.SQUASH:
            return
        case Aspect.CROP:
            # the same whole numbers as prepare.seen: height * w / h and width * h / w, rounded
            turned = parts.add('Gather', whole, parts.constant([1, 0]), axis=0)
            network = [size.height, size.width]
            doubled = parts.add('Mul', turned, parts.constant([2 * side for side in network]))
            numerator = parts.add('Add', doubled, parts.constant(network[::-1]))
            rounded = parts.add(
                'Div', numerator, parts.constant([2 * side for side in network[::-1]])
            )
            at_least = parts.add('Max', rounded, parts.constant([1, 1]))
            seen = parts.add('Min', at_least, whole, into='camera/seen')
            rest = parts.add('Sub', whole, seen)
            parts.add('Div', rest, parts.constant([2, 2]), into='camera/corner')
        case _ as unreachable:
            assert_never(unreachable)


def _bring_back(parts: Parts, inner: str, name: str, aspect: Aspect, size: Size) -> None:
    """Add the postprocessing of one output of the network."""
    # whether it has 3 or 4 dimensions; any other count of numbers fails when the graph is built
    plane = parts.add('Reshape', inner, parts.constant([1, 1, size.height, size.width]))
    seen = 'camera/whole' if aspect is Aspect.SQUASH else 'camera/seen'
    sizes = parts.add('Concat', parts.constant([1, 1]), seen, axis=0)
    plane = parts.add('Resize', plane, '', '', sizes, **LINEAR)
    if aspect is Aspect.SQUASH:
        parts.add('Reshape', plane, 'camera/whole', into=name)
        return
    flat = parts.add('Reshape', plane, 'camera/seen')
    after = parts.add('Sub', parts.add('Sub', 'camera/whole', 'camera/seen'), 'camera/corner')
    pads = parts.add('Concat', 'camera/corner', after, axis=0)
    unseen = parts.constant(np.nan if name == DEPTH else 0.0, np.float32)
    parts.add('Pad', flat, pads, unseen, into=name, mode='constant')


def _modern(model: Any, info: NetworkInfo) -> Any:
    """Convert a network with an older opset than the merged graph needs."""
    if info.opset >= MINIMUM_OPSET:
        return model
    from onnx import version_converter

    try:
        return version_converter.convert_version(model, _PREFERRED_OPSET)
    except Exception as error:
        raise ModelError(
            f'{info.path}: has opset {info.opset} and cannot be converted to {_PREFERRED_OPSET} '
            f'({error}).', f'Export it again with opset {_PREFERRED_OPSET}.',
        ) from error
