"""
The decoder of Depth Anything: DPT's (Ranftl, Bochkovskiy and Koltun, ICCV 2021, section 3).

Features of four blocks are resampled to four resolutions, then fused from the coarsest to the
finest.
"""

from __future__ import annotations

from dataclasses import dataclass

from depth_node.catalogue.graphs.builder import Section

_ENLARGED = {0: 4, 1: 2}
"""Upsampling of a stage relative to the grid of patches; the last is half as fine."""


@dataclass(frozen=True)
class Head:
    """
    The sizes of a decoder.

    :param features: channels of the transformer's output.
    :param stages: channels of the four resolutions, finest first.
    :param fused: channels during fusion.
    :param last: channels before the output.
    """

    features: int
    stages: tuple[int, int, int, int]
    fused: int
    last: int = 32


def write_head(
    section: Section, sizes: Head, features: list[str], grid: tuple[int, int],
    size: tuple[int, int],
) -> str:
    """
    Write the decoder up to its last convolution.

    :param section: section with its weights.
    :param sizes: sizes of the decoder.
    :param features: four names of (1, channels, rows, columns), from the first block used to the
        last.
    :param grid: rows and columns of `features`.
    :param size: rows and columns of the output (pixels).
    :returns: the name of the output (1, 1, height, width), before its activation.
    """
    scales, layers = [], []
    for stage in range(4):
        grown, layer = _stage(section, sizes, stage, features[stage], grid)
        scales.append(grown)
        layers.append(layer)
    scratch, path = section.at('scratch'), ''
    for stage in (3, 2, 1, 0):
        rows, columns = scales[stage]
        wanted = scales[stage - 1] if stage else (2 * rows, 2 * columns)
        refined = scratch.at(f'refinenet{stage + 1}')
        layer = layers[stage]
        if path:
            other = _residual(refined.at('resConfUnit1'), layer, sizes.fused)
            layer = refined.op('Add', path, other)
        path = _residual(refined.at('resConfUnit2'), layer, sizes.fused)
        path = _enlarged(refined, path, sizes.fused, wanted)
        path = _convolution(refined.at('out_conv'), path, sizes.fused, sizes.fused, 1)
    # the coarsest has nothing to be added to
    scratch.at('refinenet4.resConfUnit1').ignore(
        *(f'conv{number}.{kind}' for number in (1, 2) for kind in ('weight', 'bias'))
    )
    half = sizes.fused // 2
    path = _convolution(scratch.at('output_conv1'), path, half, sizes.fused, 3)
    path = _enlarged(scratch, path, half, size)
    last = scratch.at('output_conv2')
    path = last.op('Relu', _convolution(last.at('0'), path, sizes.last, half, 3))
    return _convolution(last.at('2'), path, 1, sizes.last, 1)


def _stage(
    section: Section, sizes: Head, stage: int, source: str, grid: tuple[int, int]
) -> tuple[tuple[int, int], str]:
    """Resample features to their resolution; return it, and the name of the result."""
    channels, (rows, columns) = sizes.stages[stage], grid
    layer = _convolution(section.at(f'projects.{stage}'), source, channels, sizes.features, 1)
    resize = section.at(f'resize_layers.{stage}')
    if stage in _ENLARGED:
        times = _ENLARGED[stage]
        layer = resize.op(
            'ConvTranspose', layer, resize.weight('weight', channels, channels, times, times),
            resize.weight('bias', channels), kernel_shape=[times, times], strides=[times, times],
        )
        rows, columns = rows * times, columns * times
    elif stage == 3:
        layer = _convolution(resize, layer, channels, channels, 3, stride=2)
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
    last = section.at(f'scratch.layer{stage + 1}_rn')
    return (rows, columns), _convolution(last, layer, sizes.fused, channels, 3, bias=False)


def _residual(section: Section, source: str, channels: int) -> str:
    path = source
    for number in (1, 2):
        path = section.op('Relu', path)
        path = _convolution(section.at(f'conv{number}'), path, channels, channels, 3)
    return section.op('Add', path, source)


def _convolution(
    section: Section, source: str, outputs: int, inputs: int, side: int, *, stride: int = 1,
    bias: bool = True,
) -> str:
    """Write a convolution that keeps the size, or divides it by the stride."""
    parts = [section.weight('weight', outputs, inputs, side, side)]
    parts += [section.weight('bias', outputs)] if bias else []
    return section.op(
        'Conv', source, *parts, kernel_shape=[side, side], pads=[side // 2] * 4,
        strides=[stride, stride],
    )


def _enlarged(section: Section, source: str, channels: int, wanted: tuple[int, int]) -> str:
    """Write bilinear interpolation with aligned corners."""
    return section.op(
        'Resize', source, '', '', section.shape(1, channels, *wanted), mode='linear',
        coordinate_transformation_mode='align_corners',
    )
