"""
ResNet encoders (He, Zhang, Ren and Sun, CVPR 2016, Table 1 and Figure 5).

Names are torchvision's. As there, the stride of a bottleneck is on its 3x3 convolution. Batch
normalization, which is constant, is merged into the convolution before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_node.catalogue.graphs.builder import Section

BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}
_EPSILON = 1e-5
"""Epsilon of torch's batch normalization."""
_FIRST = 64


@dataclass(frozen=True)
class Features:
    """
    The features of an encoder.

    :param names: five tensors, each half the size of the previous; the first is half the input.
    :param channels: their channels.
    """

    names: tuple[str, ...]
    channels: tuple[int, ...]


def write_encoder(section: Section, layers: int, image: str) -> Features:
    """
    Write a ResNet without its classifier.

    :param section: section with its weights.
    :param layers: 18 or 50.
    :param image: name of the normalized image (1, 3, h, w).
    :returns: its features.
    """
    path = _convolution(section, image, ('conv1', 'bn1'), (_FIRST, 3, 7), stride=2)
    names, channels = [section.op('Relu', path)], [_FIRST]
    path = section.op(
        'MaxPool', names[0], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]
    )
    block = _basic if layers == 18 else _bottleneck
    for stage, count in enumerate(BLOCKS[layers]):
        inputs = channels[-1] if stage else _FIRST
        for index in range(count):
            stride = 2 if stage and not index else 1
            path, inputs = block(
                section.at(f'layer{stage + 1}.{index}'), path, inputs, _FIRST << stage, stride
            )
        names.append(path)
        channels.append(inputs)
    section.ignore('fc.weight', 'fc.bias')
    counters = [name for name in section.weights if name.endswith('.num_batches_tracked')]
    section.weights.ignore(*counters)
    return Features(tuple(names), tuple(channels))


def _basic(
    section: Section, source: str, inputs: int, planes: int, stride: int
) -> tuple[str, int]:
    """Write two 3x3 convolutions with a shortcut (Figure 5, left)."""
    path = _convolution(section, source, ('conv1', 'bn1'), (planes, inputs, 3), stride=stride)
    path = section.op('Relu', path)
    path = _convolution(section, path, ('conv2', 'bn2'), (planes, planes, 3))
    source = _shortcut(section, source, inputs, planes, stride)
    return section.op('Relu', section.op('Add', path, source)), planes


def _bottleneck(
    section: Section, source: str, inputs: int, planes: int, stride: int
) -> tuple[str, int]:
    """Write 1x1, 3x3 and 1x1 convolutions with a shortcut (Figure 5, right)."""
    outputs = 4 * planes
    path = _convolution(section, source, ('conv1', 'bn1'), (planes, inputs, 1))
    path = section.op('Relu', path)
    path = _convolution(section, path, ('conv2', 'bn2'), (planes, planes, 3), stride=stride)
    path = section.op('Relu', path)
    path = _convolution(section, path, ('conv3', 'bn3'), (outputs, planes, 1))
    source = _shortcut(section, source, inputs, outputs, stride)
    return section.op('Relu', section.op('Add', path, source)), outputs


def _shortcut(section: Section, source: str, inputs: int, outputs: int, stride: int) -> str:
    if stride == 1 and inputs == outputs:
        return source
    names = 'downsample.0', 'downsample.1'
    return _convolution(section, source, names, (outputs, inputs, 1), stride=stride)


def _convolution(
    section: Section, source: str, names: tuple[str, str], sizes: tuple[int, int, int], *,
    stride: int = 1,
) -> str:
    """Write a convolution without bias and its normalization, as one convolution."""
    outputs, inputs, side = sizes
    kernel = section.take(f'{names[0]}.weight', outputs, inputs, side, side).array()
    weight, bias, mean, variance = (
        section.take(f'{names[1]}.{kind}', outputs).array().astype(np.float64)
        for kind in ('weight', 'bias', 'running_mean', 'running_var')
    )
    factor = weight / np.sqrt(variance + _EPSILON)
    kernel = (kernel * factor[:, None, None, None]).astype(np.float32)
    own = section.at(names[0])
    return own.op(
        'Conv', source, own.constant(kernel, 'weight'),
        own.constant((bias - mean * factor).astype(np.float32), 'bias'),
        kernel_shape=[side, side], pads=[side // 2] * 4, strides=[stride, stride],
    )
