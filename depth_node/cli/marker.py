"""`depth-node marker`: print a marker at its true size."""

from __future__ import annotations

import argparse
from pathlib import Path
import struct
from typing import Any
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.cli.results import output_file
from depth_node.config.scale import DICTIONARIES
from depth_node.errors import ConfigError
from depth_node.files import replacing
from depth_node.scale.marker_finding import dictionary_of

_POINT = 0.0254 / 72
"""The unit of PDF (m)."""
_MARGIN = 0.012
"""Of the page around the quiet zone (m)."""
_RULER = 0.1
"""Length of the line by which a print is checked (m)."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument('--size', metavar='M', type=float, required=True,
                        help='side of the black square (m); the same as marker.size')
    parser.add_argument('--out', metavar='FILE', type=output_file, required=True,
                        help='marker.pdf (vector graphics) or marker.png (with its resolution)')
    parser.add_argument('--dictionary', choices=DICTIONARIES, default=DICTIONARIES[0],
                        metavar='FAMILY', help=f'one of {", ".join(DICTIONARIES)}')
    parser.add_argument('--id', type=int, default=0, help='number of the marker in its family')
    parser.add_argument('--dpi', type=float, default=300.0,
                        help='resolution of a PNG (dots per inch)')


def run(args: argparse.Namespace) -> None:
    """
    Write the marker.

    :param args: of :func:`configure`.
    :raises ConfigError: an option that is not possible.
    """
    if not 0.01 <= args.size <= 2:
        raise ConfigError(f'--size is {args.size:g} m, expected 0.01 to 2.')
    if not 30 <= args.dpi <= 2400:
        raise ConfigError(f'--dpi is {args.dpi:g}, expected 30 to 2400.')
    modules = picture(args.dictionary, args.id, 1)
    suffix = args.out.suffix.lower()
    if suffix == '.pdf':
        data = _pdf(modules, args.size, f'{args.dictionary} {args.id}')
    elif suffix == '.png':
        data = _png(modules, args.size, args.dpi)
    else:
        raise ConfigError(f'--out is {args.out}, expected a name that ends in .pdf or .png.')
    with replacing(args.out) as temporary:
        Path(temporary).write_bytes(data)
    print(f'written to {args.out}: print it at 100 % ("actual size"), measure the side of the '
          'black square, and set marker.size to that')


def picture(dictionary: str, number: int, pixels: int) -> NDArray[np.uint8]:
    """
    Draw a marker with a quiet zone of one module.

    :param dictionary: a value of ``marker.dictionary``.
    :param number: of the marker.
    :param pixels: along each side of a module.
    :returns: uint8 (N, N), 0 black, 255 white.
    :raises ConfigError: no such number.
    """
    family = dictionary_of(dictionary)
    count = len(family.bytesList)
    if not 0 <= number < count:
        raise ConfigError(f'--id is {number}, but {dictionary} has markers 0 to {count - 1}.')
    side = int(family.markerSize) + 2
    aruco: Any = cv2.aruco
    draw = getattr(aruco, 'generateImageMarker', None) or aruco.drawMarker
    small = np.asarray(draw(family, number, side * 4), np.uint8)[2::4, 2::4]
    whole = np.pad(small, 1, constant_values=255)
    return np.repeat(np.repeat(whole, pixels, axis=0), pixels, axis=1)


def _pdf(modules: NDArray[np.uint8], size: float, name: str) -> bytes:
    """Write a page just large enough, with a ruler to check the print by."""
    count = modules.shape[0]
    module = size / (count - 2) / _POINT
    margin, ruler = _MARGIN / _POINT, _RULER / _POINT
    width = max(count * module, ruler) + 2 * margin
    height = count * module + 2 * margin + 40
    left, top = (width - count * module) / 2, height - margin
    lines = ['0 g']
    for row in range(count):
        dark = np.flatnonzero(modules[row] < 128)
        # neighbours as one rectangle, so that no hair line shows between them
        lines += [
            (f'{left + run[0] * module:.4f} {top - (row + 1) * module:.4f} '
             f'{run.size * module:.4f} {module:.4f} re f')
            for run in np.split(dark, np.flatnonzero(np.diff(dark) > 1) + 1) if run.size
        ]
    start = (width - ruler) / 2
    lines += [
        f'0.5 w {start:.3f} {margin + 22:.3f} m {start + ruler:.3f} {margin + 22:.3f} l S',
        *(f'{x:.3f} {margin + 18:.3f} m {x:.3f} {margin + 26:.3f} l S'
          for x in (start, start + ruler)),
        (f'BT /F1 9 Tf {start:.3f} {margin:.3f} Td ({name}: black square '
         f'{1000 * size:g} mm; this line 100 mm) Tj ET'),
    ]
    content = '\n'.join(lines).encode('ascii')
    objects = [
        b'<< /Type /Catalog /Pages 2 0 R >>',
        b'<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
        f'<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width:.3f} {height:.3f}] /Contents 4 0 R '
        '/Resources << /Font << /F1 5 0 R >> >> >>'.encode('ascii'),
        b'<< /Length %d >>\nstream\n%s\nendstream' % (len(content), content),
        b'<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
    ]
    out, places = bytearray(b'%PDF-1.4\n'), []
    for index, body in enumerate(objects, 1):
        places.append(len(out))
        out += b'%d 0 obj\n%s\nendobj\n' % (index, body)
    begin = len(out)
    out += b'xref\n0 %d\n0000000000 65535 f \n' % (len(objects) + 1)
    out += b''.join(b'%010d 00000 n \n' % place for place in places)
    out += b'trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n' % (
        len(objects) + 1, begin
    )
    return bytes(out)


def _png(modules: NDArray[np.uint8], size: float, dpi: float) -> bytes:
    """Write a PNG whose pHYs chunk says how large it is: the nearest whole pixels per module."""
    count = modules.shape[0]
    pixels = max(1, round(size / (count - 2) / 0.0254 * dpi))
    image = np.repeat(np.repeat(modules, pixels, axis=0), pixels, axis=1)
    if image.shape[0] > 20000:
        raise ConfigError(f'--dpi {dpi:g} makes an image of {image.shape[0]} pixels; use a PDF.')
    good, data = cv2.imencode('.png', image)
    assert good
    raw = data.tobytes()
    # with whole pixels the resolution is what makes the size true
    per_metre = round(pixels * (count - 2) / size)
    body = b'pHYs' + struct.pack('>IIB', per_metre, per_metre, 1)
    chunk = struct.pack('>I', 9) + body + struct.pack('>I', zlib.crc32(body))
    return raw[:33] + chunk + raw[33:]
