"""Image files: which there are, and reading one upright."""

from __future__ import annotations

from pathlib import Path
import re

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError
from depth_node.files import read_regular
from depth_node.image import jpeg, png
from depth_node.image.compressed import decode_rgb, decoded
from depth_node.image.encodings import MAX_PIXELS, to_8_bits
from depth_node.image.orientation import orientation_of, Turn, turned

IMAGES = (
    '.png', '.jpg', '.jpeg', '.jpe', '.bmp', '.dib', '.tif', '.tiff', '.webp', '.pgm', '.ppm',
    '.pbm', '.pnm', '.jp2', '.avif',
)
"""Suffixes of image files; whether OpenCV reads the last two depends on how it was built."""
_UNREADABLE = (
    '.heic', '.heif', '.jxl', '.dng', '.cr2', '.cr3', '.nef', '.arw', '.psd', '.svg', '.gif',
)
_LARGEST_FILE = 2**29
"""Bytes: 64 megapixels of 16-bit color and no compression."""


def is_picture(path: Path) -> bool:
    """
    Return whether a file is an image by its name, readable or not.

    :param path: the file.
    :returns: whether it is; hidden files are not: macOS leaves ``._NAME.png`` next to NAME.png.
    """
    return not path.name.startswith('.') and path.suffix.lower() in IMAGES + _UNREADABLE


def images_in(folder: Path) -> list[Path]:
    """
    List the images of a folder (not of its subfolders), ordered by the numbers in their names.

    :param folder: that holds them.
    :returns: the files; folders and hidden files are left out.
    :raises DataError: there is none, or the folder cannot be read.
    """
    try:
        paths = [path for path in folder.iterdir() if is_picture(path) and not path.is_dir()]
    except OSError as error:
        raise DataError(f'{folder}: cannot be read ({error.strerror}).') from error
    if not paths:
        raise DataError(f'{folder}: contains no image ({", ".join(IMAGES)}).')
    return sorted(paths, key=_natural)


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """
    Read an image upright; see :func:`read_picture`.

    :param path: any format that OpenCV reads; 16-bit and gray images become 8-bit rgb.
    :returns: uint8 (H, W, 3).
    :raises DataError: it cannot be read.
    """
    return read_picture(path)[0]


def read_picture(path: Path) -> tuple[NDArray[np.uint8], Turn]:
    """
    Read an image and apply its EXIF orientation, as players do with videos.

    :param path: any format that OpenCV reads; 16-bit and gray images become 8-bit rgb.
    :returns: uint8 (H, W, 3), upright, and how it was turned.
    :raises DataError: it cannot be read, is damaged or truncated, or has a single pixel.
    """
    raw = read_regular(path, _LARGEST_FILE)
    try:
        rgb = _decoded(raw)
    except DataError as error:
        if path.suffix.lower() in _UNREADABLE + IMAGES[-2:]:
            raise DataError(
                f'{path}: images of this format ({path.suffix}) are not read here.',
                'Convert it to PNG or JPEG.',
            ) from error
        raise DataError(f'{path}: {error}') from error
    turn = orientation_of(raw)
    return (rgb, turn) if turn == (False, 0) else (turned(rgb, turn), turn)


def _decoded(raw: bytes) -> NDArray[np.uint8]:
    if raw.startswith((jpeg.START, png.START)):
        return decode_rgb(raw)
    if not raw:
        raise DataError('is empty, not a decodable image.')
    image = _any_format(raw)
    if image.shape[0] * image.shape[1] > MAX_PIXELS or image.size <= 3:
        raise DataError(
            f'image size is {image.shape[1]}x{image.shape[0]}, expected 2 to {MAX_PIXELS} pixels.'
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def _any_format(raw: bytes) -> NDArray[np.uint8]:
    """Decode TIFF, WebP, BMP and the rest, which hold 8 or 16 bits or floats."""
    try:
        image = decoded(raw, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        if image.dtype == np.uint16:
            return to_8_bits(image)
        return image if image.dtype == np.uint8 else decoded(raw, cv2.IMREAD_COLOR)
    except DataError as error:
        raise DataError('not a decodable image.') from error


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a key that orders 2 before 10."""
    parts = re.split(r'(\d+)', path.name)
    return [(int(part), '') if part.isdecimal() else (-1, part) for part in parts]
