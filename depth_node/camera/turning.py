"""The camera of an image that was turned, as photos and videos of phones are."""

from __future__ import annotations

import dataclasses

from depth_node.camera.camera import Camera
from depth_node.camera.distortion import Distortion
from depth_node.errors import DataError
from depth_node.image.orientation import Turn

# places of the coefficients that are vectors in the image, x before y: tangential (p2, p1) and
# thin prism (s1, s3), (s2, s4)
_VECTORS = ((3, 2), (8, 10), (9, 11))
_TILT = 12


def turned_camera(camera: Camera, turn: Turn) -> Camera:
    """
    Return the camera of a turned image.

    The radial part of a lens does not change, its tangential and thin prism parts turn along.

    :param camera: of the stored image.
    :param turn: how the image was turned.
    :returns: the camera of the turned image.
    :raises DataError: its model has a tilted sensor, which cannot be turned.
    """
    if any(camera.coefficients[_TILT:]) and turn != (False, 0):
        raise DataError(
            'A lens model with a tilted sensor cannot be turned with its images.',
            'Turn the images, and calibrate the camera with turned ones.',
        )
    if turn.mirrored:
        camera = dataclasses.replace(
            camera, cx=camera.width - 1 - camera.cx, coefficients=_lens(camera, (-1, 0, 0, 1))
        )
    for _ in range(turn.quarters % 4):  # clockwise: column, row become height - 1 - row, column
        camera = dataclasses.replace(
            camera, width=camera.height, height=camera.width, fx=camera.fy, fy=camera.fx,
            cx=camera.height - 1 - camera.cy, cy=camera.cx,
            coefficients=_lens(camera, (0, -1, 1, 0)),
        )
    return camera


def _lens(camera: Camera, matrix: tuple[int, int, int, int]) -> tuple[float, ...]:
    """Apply a matrix to the vectors among the coefficients of a lens."""
    changed = list(camera.coefficients)
    if camera.distortion in {Distortion.NONE, Distortion.EQUIDISTANT}:
        return tuple(changed)
    a, b, c, d = matrix
    for x, y in _VECTORS:
        if y < len(changed) and x < len(changed):
            changed[x], changed[y] = (
                a * changed[x] + b * changed[y] + 0.0, c * changed[x] + d * changed[y] + 0.0
            )
    return tuple(changed)
