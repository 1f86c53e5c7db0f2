"""
The networks of the run: the embedded one, and Depth Anything V2 Small and Base.

Times depend on shapes and not on weights, so that the weights of Depth Anything are random, from a
fixed seed, and are made where they are needed instead of being carried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
import math
from pathlib import Path
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.catalogue import find
from depth_node.catalogue.graphs.depth_anything import NETWORKS as SHAPES
from depth_node.catalogue.graphs.depth_anything import write_depth_anything
from depth_node.catalogue.opening import open_model
from depth_node.engine import graph
from depth_node.engine.precision import converted, Precision
from depth_node.files import replacing
from depth_node.image.size import Size
from depth_node.model import Model, network
from depth_node.model.hashes import hash_of
from depth_node.model.sizes import choose_size
from depth_node.world import World

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'test'))
from random_weights import random_weights

EMBEDDED = 'embedded'
NETWORKS = {
    EMBEDDED: '',
    'depth_anything_v2_metric_indoor_small': 'v2_vits',
    'depth_anything_v2_metric_indoor_base': 'v2_vitb',
}
"""Names in the catalogue, and the shapes of those whose weights are random."""
SHORT = {
    EMBEDDED: 'embedded',
    'depth_anything_v2_metric_indoor_small': 'Depth Anything V2 Small',
    'depth_anything_v2_metric_indoor_base': 'Depth Anything V2 Base',
}
"""Their names in tables."""
CAMERAS = (Size(640, 480), Size(1280, 720))
PRECISIONS = {'fp32': Precision.FP32, 'fp16': Precision.FP16}
HFOV_DEG = 75.0
_SHAPE_BYTES = 1024


@dataclass(frozen=True)
class Work:
    """
    The least that a network has to do.

    :param operations: floating-point operations of convolutions and matrix products; a
        multiplication and an addition are two.
    :param parameters: number of weights.
    """

    operations: int
    parameters: int


def made(name: str, camera: Size, folder: Path, *, nominal: int = 0) -> Model:
    """
    Return a network at the size that the node would choose for a camera.

    :param name: a key of :data:`NETWORKS`.
    :param camera: size of the camera's frames (pixels).
    :param folder: where the file and its sidecar are kept between calls.
    :param nominal: side of a square with the area of the network's input (pixels), for a machine
        on which the real size takes too long; 0: the real size.
    :returns: the network.
    """
    if not NETWORKS[name]:
        return open_model(name)
    spec = find(name).spec
    if nominal:
        spec = replace(spec, nominal_size=Size(nominal, nominal))
    anyhow = network.NetworkInfo(Path(name), 'image', None, None, 'depth', None, None, 17)
    spec = replace(spec, input_size=choose_size(spec, anyhow, frame=camera))
    assert spec.input_size is not None
    path = folder / f'{name}-{spec.input_size}.onnx'
    if not path.with_suffix('.json').exists():
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            write_depth_anything(
                random_weights('pretrained.cls_token'), SHAPES[NETWORKS[name]],
                spec.input_size, temporary, max_depth=spec.max_depth,
            )
        with replacing(path.with_suffix('.json')) as temporary:
            described = replace(spec, sha256=hash_of(path))
            temporary.write_text(described.to_json(), encoding='utf-8')
    return open_model(str(path))


def size_of(model: Model) -> Size:
    """Return the size that a network of :func:`made` runs at."""
    return choose_size(model.spec, network.inspect(model.path, model.spec))


def fixed(model: Model, precision: Precision) -> Any:
    """Return the network alone in a precision, with its size fixed: an ``onnx.ModelProto``."""
    info = network.inspect(model.path, model.spec)
    return converted(graph.with_size(network.load(model.path), info, size_of(model)), precision)


def whole(bare: Any, model: Model) -> bytes:
    """
    Return the merged graph around a network of :func:`fixed`.

    :param bare: the network, which is modified.
    :param model: what it was read from.
    :returns: the graph, serialized.
    """
    info = network.inspect(model.path, model.spec)
    return bytes(graph.merged(bare, info, model.spec, size_of(model)).SerializeToString())


def view(camera: Size, seed: int = 1) -> tuple[Camera, NDArray[np.uint8]]:
    """Return a camera of a size, and a frame of the synthetic world: uint8 (H, W, 3) rgb."""
    world = World(seed)
    eye = Camera.from_hfov(camera.width, camera.height, HFOV_DEG)
    return eye, world.render(eye, world.pose(2.0))[0]


def work_of(model: Model) -> Work:
    """
    Count the operations of a network.

    :param model: the network.
    :returns: the work of its Conv, ConvTranspose, MatMul and Gemm nodes, and its weights.
    """
    from onnx import shape_inference

    proto = fixed(model, Precision.FP32)
    for tensor in proto.graph.initializer:
        if len(tensor.raw_data) > _SHAPE_BYTES:  # a weight, whose values decide no shape
            tensor.ClearField('raw_data')
    found = shape_inference.infer_shapes(proto).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
              for v in (*found.value_info, *found.input, *found.output)}
    shapes |= {t.name: list(t.dims) for t in found.initializer}
    floats = [t for t in found.initializer if t.data_type in {1, 10}]
    return Work(
        sum(_operations(found.node, shapes)), sum(math.prod(t.dims) for t in floats)
    )


def _operations(nodes: Any, shapes: dict[str, list[int]]) -> Iterator[int]:
    for node in nodes:
        match node.op_type:
            case 'Conv':
                yield 2 * math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
            case 'ConvTranspose':
                yield 2 * math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])
            case 'MatMul' | 'Gemm':
                across = next((a.i for a in node.attribute if a.name == 'transA'), 0)
                inner = shapes[node.input[0]][-2 if across else -1]
                yield 2 * math.prod(shapes[node.output[0]]) * inner
