"""
Monodepth2 (Godard, Mac Aodha, Firman and Brostow, ICCV 2019).

Section 4 and the table of the network in the supplementary material: a ResNet, and a decoder of
five stages with nearest-neighbour upsampling, ELU and reflected borders, of whose four outputs
the finest is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from depth_node.catalogue.checkpoints.tensor import StoredTensor, Weights
from depth_node.catalogue.graphs.builder import Builder, Section
from depth_node.catalogue.graphs.residual_network import Features, write_encoder
from depth_node.errors import ModelError
from depth_node.image.size import Size

WIDTHS = (16, 32, 64, 128, 256)
"""Channels of the decoder, from full resolution down."""
MULTIPLE = 32
"""Multiple of the sides, because of five halvings (pixels)."""
_FINEST = 10
"""Number of the output head that is used."""
_MEAN, _STD = 0.45, 0.225
"""Mean and standard deviation of every channel (0 to 1); part of the network."""


def release_weights(
    encoder: Mapping[str, Any], decoder: Mapping[str, Any], source: str
) -> tuple[Weights, Size]:
    """
    Combine the two checkpoints of a release.

    :param encoder: content of ``encoder.pth``.
    :param decoder: content of ``depth.pth``.
    :param source: their file, for error messages.
    :returns: the weights, and their training size (pixels).
    :raises ModelError: it is not a release.
    """
    sides = encoder.get('width'), encoder.get('height')
    if not all(type(side) is int and side > 0 for side in sides):
        raise ModelError(
            f'{source}: width is {sides[0]!r:.40} and height is {sides[1]!r:.40}, expected '
            'integers.', 'Use the encoder.pth of a Monodepth2 release.',
        )
    tensors = {
        name: value
        for part in (encoder, decoder) for name, value in part.items()
        if isinstance(value, StoredTensor)
    }
    return Weights(tensors, source), Size(*sides)  # type: ignore[arg-type]


def write_monodepth2(
    weights: Weights, size: Size, path: Path, *, facts: Mapping[str, str] | None = None
) -> None:
    """
    Write the network at one size.

    :param weights: weights of a release, with their original names.
    :param size: size of its input (pixels), multiples of 32.
    :param path: the ONNX file.
    :param facts: metadata of the file.
    :raises ModelError: other weights, or a size that cannot be halved five times.
    """
    if size.width % MULTIPLE or size.height % MULTIPLE:
        raise ModelError(
            f'{path.stem}: {size} cannot be halved five times.', f'Use multiples of {MULTIPLE}.'
        )
    network = Section(Builder(), weights)
    image = network.op('Sub', 'image', network.number(_MEAN))
    image = network.op('Div', image, network.number(_STD))
    # only the deeper ResNets have three convolutions in a block
    layers = 50 if 'encoder.layer1.0.conv3.weight' in weights else 18
    features = write_encoder(network.at('encoder'), layers, image)
    depth = network.op('Sigmoid', _decoder(network.at('decoder'), features, size))
    weights.finish()
    flat = network.op('Reshape', depth, network.shape(1, size.height, size.width))
    network.builder.write(path, size, flat, facts or {})


def _decoder(section: Section, features: Features, size: Size) -> str:
    path, inputs = features.names[-1], features.channels[-1]
    for index, level in enumerate(range(4, -1, -1)):
        width = WIDTHS[level]
        before, after = section.at(f'{2 * index}'), section.at(f'{2 * index + 1}')
        path = before.op('Elu', _reflected(before.at('conv.conv'), path, width, inputs))
        path = before.op(
            'Resize', path, '', '',
            section.shape(1, width, size.height >> level, size.width >> level), mode='nearest',
            coordinate_transformation_mode='asymmetric', nearest_mode='floor',
        )
        inputs = width
        if level:
            path = before.op('Concat', path, features.names[level - 1], axis=1)
            inputs += features.channels[level - 1]
        path = after.op('Elu', _reflected(after.at('conv.conv'), path, width, inputs))
        inputs = width
    # the outputs of lower resolution are for training
    section.ignore(*(
        f'{_FINEST + scale}.conv.{kind}' for scale in (1, 2, 3) for kind in ('weight', 'bias')
    ))
    return _reflected(section.at(f'{_FINEST}.conv'), path, 1, inputs)


def _reflected(section: Section, source: str, outputs: int, inputs: int) -> str:
    """Write a 3x3 convolution with reflected borders."""
    padded = section.op('Pad', source, section.shape(0, 0, 1, 1, 0, 0, 1, 1), mode='reflect')
    return section.op(
        'Conv', padded, section.weight('weight', outputs, inputs, 3, 3),
        section.weight('bias', outputs), kernel_shape=[3, 3],
    )
