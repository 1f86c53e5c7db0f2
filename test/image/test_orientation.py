"""Photos are stored as the sensor saw them, and say how to turn them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps
import pytest

from depth_node.image.orientation import orientation_of, Turn, turned, UPRIGHT

STORED = np.random.default_rng(0).integers(0, 255, (6, 9, 3), np.uint8)


def photo(tag: int, form: str) -> bytes:
    """Write a file with Pillow."""
    exif = Image.Exif()
    exif[0x0112] = tag
    file = io.BytesIO()
    Image.fromarray(STORED).save(file, form, exif=exif, lossless=True)
    return file.getvalue()


@pytest.mark.parametrize('form', ['JPEG', 'PNG', 'WEBP'])
@pytest.mark.parametrize('tag', range(1, 9))
def test_as_pillow_turns_it(tag: int, form: str) -> None:
    data = photo(tag, form)
    image = Image.fromarray(STORED)
    image.getexif()[0x0112] = tag
    expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(turned(STORED, orientation_of(data)), expected)


@pytest.mark.parametrize('data', [
    b'', b'\xff\xd8', b'\x89PNG\r\n\x1a\n', b'RIFF\0\0\0\0WEBPEXIF\xff\xff\xff\xff', b'II*\0',
    b'\xff\xd8\xff\xe1\x00\x10Exif\0\0MM\0*\xff\xff\xff\xff', photo(9, 'JPEG'), photo(0, 'PNG'),
])
def test_nothing_said_is_upright(data: bytes) -> None:
    assert orientation_of(data) == UPRIGHT == Turn(mirrored=False, quarters=0)
