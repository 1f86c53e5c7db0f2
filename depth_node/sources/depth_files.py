"""Readers for depth and disparity images of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError
from depth_node.files import read_regular
from depth_node.sources.arrays import npy_array

Depth = NDArray[np.float32]
_LARGEST_FILE = 2**30
_SMALL = 1024
"""Magnitude of OpenCV's numbers for unknown, and disparities (pixels) that no image has."""
_LARGEST_WHOLE = 64
"""Whole numbers above this may be pixels times 16 or 256: matchers search 64 and more."""
_UNIT = (
    'Give the stored values per pixel: --disparity-unit 256 for PNG files of KITTI, 16 for '
    "OpenCV's fixed point, 1 for pixels."
)


def read_depth(path: Path, depth_scale: float = 1000.0) -> Depth:
    """
    Read a depth image.

    :param path: 16-bit PNG, PGM or TIFF in units of 1 / `depth_scale` m; float TIFF, PFM or
        .npy in metres.
    :param depth_scale: units per metre, for integer files.
    :returns: float32 (H, W) (m), NaN where the file has 0, a value that is not finite, or the
        largest that 16 bits hold (no return in 7-Scenes, too far for others).
    :raises DataError: it cannot be read, or is not an image of one channel.
    """
    values = read_plane(path)
    depth = values.astype(np.float32)
    if values.dtype.kind in 'ui':
        depth /= np.float32(depth_scale)
    if values.dtype == np.uint16:
        depth[values == np.iinfo(np.uint16).max] = np.nan
    depth[~(np.isfinite(depth) & (depth > 0))] = np.nan
    return depth


def file_of(path: Path, name: str) -> Path:
    """
    Choose the file that belongs to a frame.

    :param path: a file for every frame, or a folder with a file of the name of each.
    :param name: of the frame.
    :returns: the file.
    :raises DataError: the folder has no file of this name, whatever its ending.
    """
    if not path.is_dir():
        return path
    files = (p for p in sorted(path.iterdir()) if p.stem == name and p.name[0] != '.')
    found = next(files, None)
    if found is None:
        raise DataError(f'{path}: has no file named {name}.')
    return found


def read_plane(path: Path) -> NDArray[np.generic]:
    """
    Read an image of one channel without conversion.

    :param path: a .npy file, or any format OpenCV reads (16-bit PNG, PGM, TIFF, PFM).
    :returns: (H, W).
    :raises DataError: it cannot be read, or is not an image of one channel.
    """
    values: NDArray[Any] | None
    try:
        if path.suffix == '.npy':
            values = npy_array(read_regular(path, _LARGEST_FILE))
            if values.ndim == 3 and values.shape[2] == 1:
                values = values[..., 0]  # as DIODE stores depth
        else:
            raw = np.frombuffer(read_regular(path, _LARGEST_FILE), np.uint8)
            values = cv2.imdecode(raw, cv2.IMREAD_UNCHANGED) if raw.size else None
    except (OSError, ValueError, EOFError, MemoryError, cv2.error) as error:
        raise DataError(f'{path}: cannot be read ({" ".join(str(error).split())}).') from error
    if values is None:
        raise DataError(f'{path}: is not a decodable image.')
    if values.ndim != 2 or not values.size or values.dtype.kind not in 'uif':
        raise DataError(
            f'{path}: contains {values.dtype} of shape {values.shape}, expected one channel.'
        )
    plane: NDArray[np.generic] = values
    return plane


def read_disparity(path: Path, unit: float = 0.0) -> Depth:
    """
    Read a stereo disparity.

    :param path: .npy, .pfm or float TIFF in pixels (whole numbers above 64 need `unit`);
        16-bit PNG in 1/256 pixels, as KITTI's stereo benchmark has it (Menze and Geiger 2015);
        int16 .npy in 1/16 pixels, as OpenCV's matchers return it.
    :param unit: stored values per pixel of disparity; 0: by the type, as above.
    :returns: float32 (H, W) (pixels), NaN where unknown: 0, negative or not finite.
    :raises DataError: it cannot be read, is no image of one channel, or its unit is not clear.
    """
    values = read_plane(path)
    if values.dtype == np.uint16 and not unit and _was_signed(values):
        values = values.view(np.int16)
    per_pixel = unit or _unit_of(values, path)
    disparity = values.astype(np.float32) / np.float32(per_pixel)
    disparity[~(np.isfinite(disparity) & (disparity > 0))] = np.nan
    largest = float(np.nanmax(disparity)) if np.isfinite(disparity).any() else 0.0
    if largest > values.shape[1] or 0 < largest <= 1:
        raise DataError(
            f'{path}: the largest disparity is {largest:.4g} pixels in an image of '
            f'{values.shape[1]}, which no stereo camera gives.', _UNIT,
        )
    return disparity


def _was_signed(values: NDArray[Any]) -> bool:
    """Return whether these are OpenCV's sixteenths, whose -16 for unknown has become 65520."""
    negative = values >= 2**16 - _SMALL
    rest = values[~negative]
    return bool(negative.any() and (not rest.size or rest.max() < _SMALL * 16))


def _unit_of(values: NDArray[np.generic], path: Path) -> float:
    """Return the stored values per pixel of disparity."""
    if values.dtype.kind == 'f':
        pixels = values.astype(np.float64)
        known = pixels[np.isfinite(pixels) & (pixels > 0)]
        if known.size and known.max() > _LARGEST_WHOLE and (known == np.round(known)).all():
            raise DataError(
                f'{path}: holds whole numbers up to {known.max():.6g} as floats, which may be '
                'pixels or a fixed point.', _UNIT,
            )
        return 1.0
    if values.dtype == np.int16:
        return 16.0
    largest = int(values.max())
    if values.dtype == np.uint16 and largest >= 16 * 256:
        return 256.0
    if values.dtype == np.uint16:
        raise DataError(
            f'{path}: the largest value is {largest}, which is {largest / 256:.3g} pixels in the '
            f'unit of KITTI (1/256), and {largest / 16:.3g} in that of OpenCV (1/16).', _UNIT,
        )
    raise DataError(
        f'{path}: holds {values.dtype}, which has no usual unit of disparity; 8-bit images are '
        'mostly scaled for display.', _UNIT,
    )
