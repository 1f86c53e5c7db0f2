"""Pixels with known distances."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale.fit import ALIKE, Floats
from depth_node.scale.shape import patches_of
from depth_node.scale.unscaled import unscaled
from depth_node.sources.frame import Frame

GRID = (24, 32)
"""Rows and columns of pixels that represent the whole frame."""


@dataclass(frozen=True)
class ScaleFrame:
    """
    A frame for measuring the scale.

    :param frame: the frame, with a camera; its stamp is used for matching, and its image, which
        may be gray, for odometry.
    :param values: float32 (H, W), output of the network.
    :param spec: the network.
    :param rays: float32 (H, W, 2), X/Z and Y/Z of every pixel (``Camera.rays``).
    :param focal: the factor of ``depth.metres.focal_correction``.
    """

    frame: Frame
    values: NDArray[np.float32]
    spec: ModelSpec
    rays: NDArray[np.float32]
    focal: float = 1.0

    @property
    def camera(self) -> Camera:
        """The camera of the frame."""
        assert self.frame.camera is not None
        return self.frame.camera

    @property
    def stamp(self) -> float:
        """Its time (s); 0 if the frame has no stamp."""
        return self.frame.seconds or 0.0

    def copied(self, *, image: bool) -> ScaleFrame:
        """
        Copy what the next frame overwrites.

        :param image: whether the picture is needed, too.
        :returns: the copy.
        """
        rgb = self.frame.rgb
        picture = rgb.copy() if image else np.empty((0, 0, 3), np.uint8)
        frame = dataclasses.replace(self.frame, rgb=picture)
        return dataclasses.replace(self, frame=frame, values=self.values.copy())


@dataclass(frozen=True)
class Pixels:
    """
    Pixels with known distances.

    :param x: float64 (N,), outputs of the network, unscaled.
    :param z: float64 (N,), z-depth (m).
    :param patch: int64 (N,), the patch of the image of each.
    :param kept: bool (M,), which of the requested pixels these are.
    :param inverse_sigma: float64 (N,), standard deviations of 1/z (1/m), or None: the errors of
        z are relative.
    :param everywhere: outputs of the network all over the frame, float64 (M,), and their
        patches, int64 (M,); used for kinds with a shift.
    :param resolution: float64 (N,), relative errors of z that are no reason to doubt a pixel, or
        None: ``fit.ALIKE``.
    """

    x: Floats
    z: Floats
    patch: NDArray[np.int64]
    kept: NDArray[np.bool_]
    inverse_sigma: Floats | None = None
    everywhere: tuple[Floats, NDArray[np.int64]] | None = None
    resolution: Floats | None = None

    @property
    def alike(self) -> Floats | float:
        """Relative errors of z that are no reason to doubt a pixel: float64 (N,), or one."""
        return ALIKE if self.resolution is None else np.maximum(self.resolution, ALIKE)


def pixels_at(
    frame: ScaleFrame,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    z: Floats,
    inverse_sigma: Floats | None = None,
    *, resolution: Floats | None = None,
) -> Pixels:
    """
    Return the outputs of the network at pixels with known distances.

    :param frame: the frame.
    :param rows: int64 (N,).
    :param columns: int64 (N,).
    :param z: float64 (N,), z-depth (m).
    :param inverse_sigma: see :class:`Pixels`.
    :param resolution: see :class:`Pixels`.
    :returns: the pixels where both values are usable.
    """
    height, width = frame.values.shape
    x = unscaled(frame.values[rows, columns], frame.spec, frame.focal)
    good = np.isfinite(x) & np.isfinite(z) & (z > 0)
    if not frame.spec.kind.has_shift:
        good &= x > 0
    patch = patches_of(rows, columns, height, width)
    sigma = None if inverse_sigma is None else inverse_sigma[good]
    least = None if resolution is None else resolution[good]
    return Pixels(x[good], z[good], patch[good], good, sigma, _everywhere(frame), least)


def _everywhere(frame: ScaleFrame) -> tuple[Floats, NDArray[np.int64]] | None:
    """Return the outputs of the network on a coarse grid."""
    if not frame.spec.kind.has_shift:
        return None
    height, width = frame.values.shape
    rows = ((np.arange(GRID[0]) + 0.5) * height / GRID[0]).astype(np.int64)
    columns = ((np.arange(GRID[1]) + 0.5) * width / GRID[1]).astype(np.int64)
    x = np.asarray(frame.values[np.ix_(rows, columns)], np.float64).ravel()
    down, across = np.meshgrid(rows, columns, indexing='ij')
    patch = patches_of(down.ravel(), across.ravel(), height, width)
    good = np.isfinite(x)
    return x[good], patch[good]


def together(parts: Sequence[Pixels]) -> Pixels:
    """
    Return the pixels of several frames combined.

    :param parts: one for each frame, without individual errors.
    :returns: all of them.
    """
    everywhere = [part.everywhere for part in parts if part.everywhere is not None]
    resolved = any(part.resolution is not None for part in parts)
    return Pixels(
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.z for part in parts]),
        np.concatenate([part.patch for part in parts]),
        np.concatenate([part.kept for part in parts]),
        everywhere=None if not everywhere else (
            np.concatenate([x for x, _ in everywhere]),
            np.concatenate([patch for _, patch in everywhere]),
        ),
        resolution=np.concatenate([
            np.broadcast_to(part.alike, part.x.shape) for part in parts
        ]) if resolved else None,
    )


def target(kind: OutputKind, z: Floats) -> tuple[Floats, Floats]:
    """
    Return the target of the fit of scale and shift, and the size of its errors.

    Errors are relative, but for inverse depth at least those at 3 times the median distance:
    beyond, the errors of a network stop decreasing, and far pixels must not dominate.

    :param kind: kind of the network.
    :param z: float64 (N,), z-depth (m).
    :returns: y float64 (N,) (m or 1/m), and the relative size of its errors (N,).
    """
    if kind is OutputKind.RELATIVE_DISPARITY:
        y = 1 / z
        return y, np.maximum(y, float(np.median(y)) / 3)
    return z, z
