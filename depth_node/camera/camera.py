"""
The camera model: the ray of every pixel, from the numbers of a CameraInfo.

Optical frame (REP-103): x right, y down, z forward. An integer pixel coordinate is the centre
of a pixel, so an image extends from -0.5 to width - 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
from dataclasses import dataclass
import math
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from depth_node.camera.calibration_file import read_calibration, write_calibration
from depth_node.camera.distortion import Distortion, lens, POLYNOMIAL_COUNTS
from depth_node.camera.info import (
    CameraNumbers,
    is_calibrated,
    LARGEST_SIDE,
    UncalibratedError,
    with_translation,
)
from depth_node.camera.intrinsics import check_plausible, intrinsics
from depth_node.camera.rays import rays_of
from depth_node.camera.rectified import choose
from depth_node.errors import DataError
from depth_node.image.size import Size

__all__ = ['Camera', 'CameraNumbers', 'Distortion', 'UncalibratedError', 'is_calibrated']

_LEAST_FOCAL, _LARGEST = 1e-3, 1e9


@dataclass(frozen=True)
class Camera:
    """
    A pinhole or fisheye camera with lens distortion.

    :param width: columns (pixels).
    :param height: rows (pixels).
    :param fx: horizontal focal length (pixels).
    :param fy: vertical focal length (pixels).
    :param cx: column of the principal point (pixels).
    :param cy: row of the principal point (pixels).
    :param distortion: the lens model.
    :param coefficients: its coefficients, in OpenCV's and CameraInfo's order.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: Distortion = Distortion.NONE
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Check that the numbers are possible, before memory is allocated for the image."""
        if not all(0 < side <= LARGEST_SIDE for side in (self.width, self.height)):
            raise DataError(
                f'The camera is {self.width}x{self.height}, expected 1 to {LARGEST_SIDE} pixels '
                'per side.'
            )
        numbers = (self.fx, self.fy, self.cx, self.cy, *self.coefficients)
        if not all(map(math.isfinite, numbers)):
            raise DataError(f'The calibration contains a number that is not finite: {numbers}.')
        if self.fx < _LEAST_FOCAL or self.fy < _LEAST_FOCAL or max(map(abs, numbers)) > _LARGEST:
            raise DataError(
                f'The focal length is {self.fx:g} and {self.fy:g} px and the principal point '
                f'{self.cx:g}, {self.cy:g}, expected positive focal lengths and plausible numbers.'
            )
        counts = {Distortion.NONE: (0,), Distortion.EQUIDISTANT: (4,)}.get(
            self.distortion, POLYNOMIAL_COUNTS
        )
        if len(self.coefficients) not in counts:
            expected = ' or '.join(map(str, counts))
            raise DataError(
                f'The lens model {self.distortion.value} has {len(self.coefficients)} '
                f'coefficients, expected {expected}.'
            )

    @classmethod
    def from_hfov(cls, width: int, height: int, degrees: float) -> Camera:
        """
        Return an ideal camera: square pixels, centred principal point, no distortion.

        :param width: columns (pixels).
        :param height: rows (pixels).
        :param degrees: angle between the left and the right edge of the image (deg).
        :returns: the camera.
        :raises DataError: an angle outside 0 to 180, or an impossible size.
        """
        if not 0 < degrees < 180:
            raise DataError(f'The field of view is {degrees:g} deg, expected 0 to 180.')
        focal = width / 2 / math.tan(math.radians(degrees) / 2)
        return cls(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)

    @classmethod
    def from_info(  # noqa: PLR0917  (CameraInfo has that many)
        cls,
        width: int,
        height: int,
        distortion_model: str,
        d: Sequence[float],
        k: Sequence[float],
        p: Sequence[float],
        *,
        binning_x: int = 0,
        binning_y: int = 0,
        roi: tuple[int, int, int, int] | None = None,
        rectified: bool = False,
    ) -> Camera:
        """
        Return the camera that the numbers of a CameraInfo message describe.

        A rectified image is described by P; if P is empty and there is no distortion, K is used.
        A raw image is described by K and D. All refer to the full resolution: first the region
        of interest is subtracted, then the binning divides, as in image_geometry.

        :param width: full resolution (pixels).
        :param height: full resolution (pixels).
        :param distortion_model: ``plumb_bob``, ``rational_polynomial``, ``equidistant``.
        :param d: distortion coefficients.
        :param k: 3x3, row by row.
        :param p: 3x4, row by row.
        :param binning_x: 0 and 1 mean none.
        :param binning_y: 0 and 1 mean none.
        :param roi: x offset, y offset, width, height (full-resolution pixels); width or height
            of 0 means the full sensor.
        :param rectified: whether the image is rectified.
        :returns: the camera of the published image.
        :raises UncalibratedError: K[0] is 0.
        :raises DataError: numbers that are not finite, impossible or contradict each other.
        """
        seen = intrinsics(distortion_model, d, k, p, rectified)
        full = cls(int(width), int(height), *seen)
        check_plausible(*seen[:4], full.size)
        return _binned(_window(full, roi), binning_x, binning_y)

    @classmethod
    def from_numbers(cls, numbers: CameraNumbers, *, rectified: bool = False) -> Camera:
        """
        Return the camera of a calibration; see :meth:`from_info`.

        :param numbers: for example from ``camera.calibration_file.read_calibration``.
        :param rectified: whether the image is.
        :returns: the camera.
        :raises DataError: as :meth:`from_info`.
        """
        return cls.from_info(
            numbers.width, numbers.height, numbers.distortion_model, numbers.d, numbers.k,
            numbers.p, rectified=rectified,
        )

    @classmethod
    def from_yaml(cls, path: Path | str, *, rectified: bool | None = None) -> Camera:
        """
        Read a calibration file.

        :param path: YAML of camera_calibration, OpenCV or Kalibr.
        :param rectified: whether the images are; None: decided by ``camera.rectified.choose``.
        :returns: the camera.
        :raises DataError: the file cannot be read, or is not a calibration.
        """
        numbers = read_calibration(path)
        if rectified is None:
            rectified = choose(numbers).rectified
        return cls.from_numbers(numbers, rectified=rectified)

    def to_yaml(self, path: Path | str, name: str = 'camera') -> None:
        """
        Write a file in the format of camera_calibration.

        :param path: the YAML file; replaced if it exists.
        :param name: the camera's name in it.
        :raises DataError: the folder cannot be written.
        """
        write_calibration(path, self.numbers(), name)

    def numbers(self) -> CameraNumbers:
        """
        Return the numbers of a CameraInfo, without binning and ROI.

        :returns: K, D, R (identity) and P ([K | 0]) of this camera.
        """
        k = (self.fx, 0.0, self.cx, 0.0, self.fy, self.cy, 0.0, 0.0, 1.0)
        plain = self.distortion is Distortion.NONE
        model = Distortion.PLUMB_BOB if plain else self.distortion
        d = (0.0, 0.0, 0.0, 0.0, 0.0) if plain else self.coefficients
        identity = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
        return CameraNumbers(
            self.width, self.height, model.value, d, k, identity, with_translation(k)
        )

    @property
    def size(self) -> Size:
        """Width and height (pixels)."""
        return Size(self.width, self.height)

    @property
    def hfov(self) -> float:
        """
        Return the angle between the left and the right edge on the principal row (deg).

        If the lens model ends inside the image, this is the angle of the part that it covers; 0
        if it covers nothing.
        """
        edges = np.array([(-0.5 - self.cx) / self.fx, (self.width - 0.5 - self.cx) / self.fx])
        model = lens(self.distortion, self.coefficients)
        if model is not None:
            inside = np.linspace(edges[0], edges[1], 513)
            edges = model.undistort(inside, np.zeros_like(inside))[0]
            edges = edges[np.isfinite(edges)]
        if not edges.size:
            return 0.0
        angles = np.arctan(edges)
        return math.degrees(float(angles.max() - angles.min()))

    def scaled(self, size: Size) -> Camera:
        """
        Return the camera of the resized image, as in image_proc: no half-pixel shift.

        :param size: the new size (pixels).
        :returns: the camera, with the same distortion, which does not depend on the size.
        """
        sx, sy = size[0] / self.width, size[1] / self.height
        return dataclasses.replace(
            self, width=size[0], height=size[1],
            fx=self.fx * sx, fy=self.fy * sy, cx=self.cx * sx, cy=self.cy * sy,
        )

    def cropped(self, x: int, y: int, width: int, height: int) -> Camera:
        """
        Return the camera of a window of the image.

        :param x: left column of the window (pixels).
        :param y: top row of the window (pixels).
        :param width: columns of the window (pixels).
        :param height: rows of the window (pixels).
        :returns: the camera.
        """
        return dataclasses.replace(
            self, width=width, height=height, cx=self.cx - x, cy=self.cy - y
        )

    def for_image(self, size: Size, *, resized: bool = False) -> Camera:
        """
        Return the camera at the size of an image, after checking that it belongs to it.

        :param size: of the image (pixels).
        :param resized: whether an image of the same aspect ratio but another size is accepted
            as a resized one (within a pixel of rounding).
        :returns: the camera at the image's size.
        :raises DataError: the sizes do not match.
        """
        if tuple(size) == (self.width, self.height):
            return self
        expected_height = size[0] * self.height / self.width
        if resized and min(size) > 0 and abs(expected_height - size[1]) <= 1:
            return self.scaled(size)
        raise DataError(
            f'The image is {size[0]}x{size[1]} but its calibration (CameraInfo with ROI and '
            f'binning) is for {self.width}x{self.height}.',
            'Use the calibration of this resolution.',
        )

    def rays(self) -> NDArray[np.float32]:
        """
        Return the ray of every pixel; compute it once per camera.

        :returns: float32 (H, W, 2), X/Z and Y/Z in the optical frame, NaN where the lens model
            cannot be inverted or the ray is 90 degrees or more off the axis.
        """
        x = (np.arange(self.width, dtype=np.float64) - self.cx) / self.fx
        y = (np.arange(self.height, dtype=np.float64) - self.cy) / self.fy
        return rays_of(lens(self.distortion, self.coefficients), x, y)

    def project(self, points: ArrayLike) -> NDArray[np.float64]:
        """
        Project points to pixels, in closed form.

        :param points: (..., 3), optical frame (m).
        :returns: float64 (..., 2), column and row (pixels), also outside the image; NaN for
            points that are not in front of the camera or not covered by the lens model.
        """
        points = np.asarray(points, np.float64)
        z = points[..., 2]
        with np.errstate(all='ignore'):
            depth = np.where(z > 0, z, np.nan)
            x, y = points[..., 0] / depth, points[..., 1] / depth
        model = lens(self.distortion, self.coefficients)
        if model is not None:
            x, y = model.distort(x, y)
        return np.stack([self.fx * x + self.cx, self.fy * y + self.cy], axis=-1)


def _window(camera: Camera, roi: tuple[int, int, int, int] | None) -> Camera:
    """Apply the region of interest of CameraInfo."""
    x, y, width, height = (int(v) for v in roi or (0, 0, 0, 0))
    width, height = width or camera.width - x, height or camera.height - y
    inside = x >= 0 and y >= 0 and width > 0 and height > 0
    if not inside or x + width > camera.width or y + height > camera.height:
        raise DataError(
            f'The region of interest {width}x{height} at {x}, {y} does not lie inside the '
            f'{camera.width}x{camera.height} sensor.'
        )
    return camera.cropped(x, y, width, height)


def _binned(camera: Camera, binning_x: int, binning_y: int) -> Camera:
    """Apply the binning of CameraInfo."""
    bx, by = max(int(binning_x), 1), max(int(binning_y), 1)
    if bx > camera.width or by > camera.height:
        raise DataError(
            f'Binning of {bx} x {by} leaves no pixel of {camera.width}x{camera.height}.'
        )
    return dataclasses.replace(
        camera, width=camera.width // bx, height=camera.height // by,
        fx=camera.fx / bx, fy=camera.fy / by, cx=camera.cx / bx, cy=camera.cy / by,
    )
