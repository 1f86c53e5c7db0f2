"""Depth Anything 1 and 2 (Yang et al., CVPR 2024 and NeurIPS 2024): DINOv2 and DPT's decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from depth_node.catalogue.checkpoints.tensor import Weights
from depth_node.catalogue.graphs.builder import Builder, Section
from depth_node.catalogue.graphs.dense_head import Head, write_head
from depth_node.catalogue.graphs.names import authors_names
from depth_node.catalogue.graphs.vision_transformer import (
    PATCH,
    Transformer,
    write_transformer,
)
from depth_node.errors import ModelError
from depth_node.image.size import Size


@dataclass(frozen=True)
class DepthAnything:
    """
    The sizes of a network.

    :param transformer: sizes of the encoder.
    :param taken: numbers of the blocks used by the decoder, from 1.
    :param stages: channels of the decoder's four resolutions.
    :param fused: channels during fusion.
    :param last: channels before the output.
    """

    transformer: Transformer
    taken: tuple[int, int, int, int]
    stages: tuple[int, int, int, int]
    fused: int
    last: int = 32


_SMALL = Transformer(384, 12, 6)
_BASE = Transformer(768, 12, 12)
_LARGE = Transformer(1024, 24, 16)
_GIANT = Transformer(1536, 40, 24, gated=True)

NETWORKS = {
    # version 1 takes the last four blocks, version 2 takes four that are spread out
    'v1_vits': DepthAnything(_SMALL, (9, 10, 11, 12), (48, 96, 192, 384), 64),
    'v1_vitb': DepthAnything(_BASE, (9, 10, 11, 12), (96, 192, 384, 768), 128),
    'v1_vitl': DepthAnything(_LARGE, (21, 22, 23, 24), (256, 512, 1024, 1024), 256),
    'v2_vits': DepthAnything(_SMALL, (3, 6, 9, 12), (48, 96, 192, 384), 64),
    'v2_vitb': DepthAnything(_BASE, (3, 6, 9, 12), (96, 192, 384, 768), 128),
    'v2_vitl': DepthAnything(_LARGE, (5, 12, 18, 24), (256, 512, 1024, 1024), 256),
    'v2_vitg': DepthAnything(_GIANT, (10, 20, 30, 40), (1536, 1536, 1536, 1536), 384),
}
"""The networks by version and encoder, with the names of the authors."""


def write_depth_anything(
    weights: Weights, sizes: DepthAnything, size: Size, path: Path, *,
    max_depth: float | None = None, checkpoint: Path | None = None,
    facts: Mapping[str, str] | None = None,
) -> None:
    """
    Write the network at one size.

    :param weights: weights in the naming of the authors or of transformers.
    :param sizes: sizes of the network.
    :param size: size of its input (pixels), multiples of 14.
    :param path: the ONNX file.
    :param max_depth: range of a metric network (m), which scales its output; None: inverse
        depth up to scale and shift.
    :param checkpoint: the file of the weights, if the graph may refer to it.
    :param facts: metadata of the file.
    :raises ModelError: other weights, or a size that is not a multiple of the patches.
    """
    if size.width % PATCH or size.height % PATCH:
        raise ModelError(
            f'{path.stem}: the sides of {size} are not multiples of {PATCH}.',
            f'Use multiples of {PATCH}.',
        )
    weights = authors_names(weights)
    network = Section(Builder(checkpoint), weights)
    grid = size.height // PATCH, size.width // PATCH
    features = write_transformer(
        network.at('pretrained'), sizes.transformer, grid, sizes.taken
    )
    head = Head(sizes.transformer.channels, sizes.stages, sizes.fused, sizes.last)
    depth = write_head(
        network.at('depth_head'), head, features, grid, (size.height, size.width)
    )
    if max_depth is None:
        depth = network.op('Relu', depth)
    else:
        depth = network.op('Mul', network.op('Sigmoid', depth), network.number(max_depth))
    weights.finish()
    flat = network.op('Reshape', depth, network.shape(1, size.height, size.width))
    network.builder.write(path, size, flat, facts or {})
