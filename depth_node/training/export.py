"""Export of trained weights to an ONNX file and its sidecar."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from depth_node.errors import ModelError
from depth_node.image.size import Size
from depth_node.model import ModelSpec, OutputKind
from depth_node.model.hashes import hash_of
from depth_node.training.checkpoint import read_checkpoint
from depth_node.training.networks import DepthNetwork, FinestOutput, load_monodepth2
from depth_node.training.onnx_file import write_onnx

MULTIPLE = 32
"""Width and height of the networks are multiples of this, because they halve them five times."""
STEREO_SCALE = 5.4
"""Metres of a Monodepth2 unit: KITTI's baseline of 0.54 m, trained as 0.1."""
_SMALLEST_HALVED = 256  # scalars; smaller constants are not worth a node


def export_network(
    network: DepthNetwork, spec: ModelSpec, path: Path, *, half: bool = False
) -> float:
    """
    Write a network and its sidecar, after comparing the file with torch.

    :param network: with its weights.
    :param spec: its description; it is exported at `input_size`, and `sha256` is filled in.
    :param path: ``NAME.onnx``; ``NAME.json`` is written next to it.
    :param half: whether weights are stored in half precision; arithmetic, input and output stay
        in single precision.
    :returns: the largest difference from torch before halving, relative to the largest output.
    :raises ModelError: no size, an impossible size, or an export that differs from torch.
    """
    size = spec.input_size
    if size is None or size.width % MULTIPLE or size.height % MULTIPLE:
        raise ModelError(
            f'{path.name}: cannot be exported at {size}.',
            f'Use multiples of {MULTIPLE} for width and height.',
        )
    difference = write_onnx(FinestOutput(network), size, path)
    if half:
        halve_weights(path)
    sidecar = path.with_suffix('.json')
    text = dataclasses.replace(spec, sha256=hash_of(path)).to_json()
    part = sidecar.with_name(f'{sidecar.name}.part')
    part.write_text(text, encoding='utf-8')
    part.replace(sidecar)
    return difference


def halve_weights(path: Path) -> None:
    """
    Store the weights of a network in half precision, with casts where they are used.

    Engines fold the casts when they load the file: half the size at the same speed.

    :param path: the ONNX file; replaced.
    """
    import onnx
    from onnx import helper, numpy_helper, TensorProto

    model = onnx.load(path)
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < _SMALLEST_HALVED or np.abs(values).max() > np.finfo(np.float16).max:
            continue
        full, stored = tensor.name, f'{tensor.name}.half'
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(helper.make_node('Cast', [stored], [full], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    # shapes inferred at export name tensors that are now something else
    del graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    part = path.with_name(f'{path.name}.part')
    onnx.save(model, part)
    part.replace(path)


def export_checkpoint(path: Path, out: Path, *, size: str = '', half: bool = False) -> ModelSpec:
    """
    Export a checkpoint of `depth-node train`.

    :param path: the checkpoint.
    :param out: ``NAME.onnx``.
    :param size: WIDTHxHEIGHT (pixels); empty: the size of training.
    :param half: whether weights are stored in half precision.
    :returns: the description in the sidecar.
    :raises ModelError: not such a checkpoint, or it cannot be exported.
    """
    checkpoint = read_checkpoint(path)
    config = checkpoint.config
    trained = config.network_size
    chosen = Size.parse(size) if size else trained
    kind = OutputKind(config.kind)
    # the vertical focal length grows with the height of the network's input
    focal = checkpoint.focal * chosen.height / trained.height
    spec = ModelSpec(
        out.stem,
        kind,
        input_size=chosen,
        multiple=MULTIPLE,
        min_depth=config.min_depth,
        max_depth=config.max_depth,
        scale=1.0 if checkpoint.metric and not kind.is_metric and not kind.has_shift else None,
        # a canonical depth holds at every focal length
        train_focal=focal if kind is not OutputKind.CANONICAL_DEPTH and focal > 0 else None,
        licence='of your data',
    )
    export_network(checkpoint.network(), spec, out, half=half)
    return spec


def export_monodepth2(
    folder: Path, out: Path, *, size: str = '', focal: float = 0.0, half: bool = False
) -> ModelSpec:
    """
    Export a released Monodepth2 network, or one trained with the authors' code.

    :param folder: folder with ``encoder.pth`` and ``depth.pth``.
    :param out: ``NAME.onnx``.
    :param size: WIDTHxHEIGHT (pixels); empty: the size of training.
    :param focal: vertical focal length of the training data at network size (pixels), about
        370 for KITTI at 640x192; 0: unknown.
    :param half: whether weights are stored in half precision.
    :returns: the description in the sidecar.
    :raises ModelError: other weights, or they cannot be exported.
    """
    released = load_monodepth2(folder)
    spec = ModelSpec(
        out.stem,
        OutputKind.SIGMOID_DISPARITY,
        input_size=Size.parse(size) if size else released.size,
        multiple=MULTIPLE,
        scale=STEREO_SCALE if released.stereo else None,
        train_focal=focal or None,
        licence='Monodepth2, non-commercial',
        commercial=False,
    )
    export_network(released.network, spec, out, half=half)
    return spec
