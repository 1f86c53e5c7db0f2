"""Readers for depth and disparity images of other programs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError

Depth = NDArray[np.float32]


def read_depth(path: Path, depth_scale: float = 1000.0) -> Depth:
    """
    Read a depth image.

    :param path: 16-bit PNG, PGM or TIFF in units of 1 / `depth_scale` m; float TIFF, PFM or
        .npy in metres.
    :param depth_scale: units per metre, for integer files.
    :returns: float32 (H, W) (m), NaN where the file has 0 or a value that is not finite.
    :raises DataError: it cannot be read, or is not an image of one channel.
    """
    values = read_plane(path)
    depth = values.astype(np.float32)
    if values.dtype.kind in 'ui':
        depth /= np.float32(depth_scale)
    depth[~(np.isfinite(depth) & (depth > 0))] = np.nan
    return depth


def read_plane(path: Path) -> NDArray[np.generic]:
    """
    Read an image of one channel without conversion.

    :param path: a .npy file, or any format OpenCV reads (16-bit PNG, PGM, TIFF, PFM).
    :returns: (H, W).
    :raises DataError: it cannot be read, or is not an image of one channel.
    """
    try:
        if path.suffix == '.npy':
            values = np.load(path, allow_pickle=False)
        else:
            raw = np.fromfile(path, np.uint8)
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


def read_disparity(path: Path) -> Depth:
    """
    Read a stereo disparity.

    :param path: .npy, .pfm or float TIFF in pixels; 16-bit PNG in 1/256 pixels, as in KITTI's
        stereo benchmark (Menze and Geiger 2015).
    :returns: float32 (H, W) (pixels), NaN where unknown: 0, negative or not finite.
    :raises DataError: it cannot be read, or is not an image of one channel.
    """
    return read_depth(path, 256.0)
