"""At which size a network runs: its own, the one asked for, or one that fits the camera."""

from __future__ import annotations

from dataclasses import replace
import math

from depth_node.errors import ModelError
from depth_node.image.size import Size
from depth_node.model import ModelSpec
from depth_node.model.network import NetworkInfo
from depth_node.model.spec import LARGEST_SIDE


def choose_size(
    spec: ModelSpec, info: NetworkInfo, wanted: str = 'auto', frame: Size | None = None
) -> Size:
    """
    Choose the input size of the network.

    :param spec: the description in the sidecar.
    :param info: the inputs and outputs of the file.
    :param wanted: ``auto``, a nominal side like 308, or WIDTHxHEIGHT, as in
        ``model.input_size``.
    :param frame: size of the camera's frames (pixels), whose aspect ratio ``auto`` keeps if the
        network allows it; None if unknown.
    :returns: the network's size.
    :raises ModelError: file, sidecar and wanted size conflict, or no size is known.
    """
    size = _chosen(spec, info, wanted, frame)
    if max(size) > LARGEST_SIDE:
        raise ModelError(
            f'{spec.name}: the size {size} is too large.',
            f'Choose at most {LARGEST_SIDE} pixels per side.',
        )
    return size


def _chosen(spec: ModelSpec, info: NetworkInfo, wanted: str, frame: Size | None) -> Size:
    if spec.input_size is not None and not _fits(spec.input_size, info):
        raise ModelError(
            f'{info.path}: the network size is {_sides(info)}, but its description says '
            f'{spec.input_size}.', 'Correct input_size in the sidecar, or use the right file.',
        )
    if wanted.isdecimal() and info.size is None:
        side = Size.parse(f'{wanted}x{wanted}')
        size = _from_area(replace(spec, nominal_size=side), info, frame or spec.nominal_size)
    elif wanted.isdecimal() and info.size is not None and _has_side(info.size, spec, int(wanted)):
        return info.size
    elif wanted != 'auto':
        size = Size.parse(f'{wanted}x{wanted}' if wanted.isdecimal() else wanted)
        if not _fits(size, info):
            raise ModelError(
                f'{info.path}: the network size is {_sides(info)}, so it cannot run at {size}.',
                'Set model.input_size to auto, or export the network at that size.',
            )
    elif info.size is not None:
        return info.size
    elif spec.input_size is not None:
        return spec.input_size
    else:
        size = _from_area(spec, info, frame)
    if info.size is None and (size.width % spec.multiple or size.height % spec.multiple):
        raise ModelError(
            f'{spec.name}: the sides of {size} are not multiples of {spec.multiple}.',
            f'Use {_rounded(size.width, spec.multiple)}x{_rounded(size.height, spec.multiple)}.',
        )
    return size


def _from_area(spec: ModelSpec, info: NetworkInfo, frame: Size | None) -> Size:
    """Return the size with the frame's aspect ratio and the nominal area, rounded."""
    if spec.nominal_size is None:
        raise ModelError(
            f'{spec.name}: the network accepts any size, and its description has none.',
            'Set model.input_size, or nominal_size in the sidecar.',
        )
    frame = frame or spec.nominal_size
    factor = math.sqrt(
        spec.nominal_size.width * spec.nominal_size.height / (frame.width * frame.height)
    )
    return Size(
        info.width or _rounded(frame.width * factor, spec.multiple),
        info.height or _rounded(frame.height * factor, spec.multiple),
    )


def _has_side(size: Size, spec: ModelSpec, side: int) -> bool:
    """Return whether a size is that of a nominal side, rounded to the multiple."""
    return abs(math.sqrt(size.width * size.height) - side) <= spec.multiple


def _rounded(side: float, multiple: int) -> int:
    return max(1, round(side / multiple)) * multiple


def _fits(size: Size, info: NetworkInfo) -> bool:
    return info.width in (None, size.width) and info.height in (None, size.height)


def _sides(info: NetworkInfo) -> str:
    return f'{info.width or "any"}x{info.height or "any"}'
