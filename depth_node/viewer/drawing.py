"""
How each thing that is known of a frame is drawn; the same for files and for a running node.

Entities of one camera, below ``world`` (or ``world/NAME`` if it has a name): ``optical`` is the
optical frame (x right, y down, z forward, m), in it ``camera/image``, ``camera/depth``,
``camera/confidence``, ``points``, ``obstacles`` and ``scan``; below ``plots`` the series. The
parent of ``optical`` is the fixed frame of its poses, or the optical frame itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.camera.rigid import Matrix
from depth_node.errors import ConfigError
from depth_node.image.color import colorize
from depth_node.image.compressed import encode_jpeg

TIMELINE, NUMBER = 'stamp', 'frame'
FARTHEST = 10.0
"""End of the color scale of depth (m)."""
_YEAR_2000 = 946_684_800 * 1_000_000_000
_FLUSH_S = 5.0
_FRUSTUM = 0.3
_JPEG_QUALITY = 85
_POINT, _OBSTACLE, _BEAM = 0.015, 0.02, 0.03
"""Radii (m)."""
_OBSTACLE_COLOR, _BEAM_COLOR = (255, 150, 30), (230, 40, 40)


@dataclass(frozen=True)
class Entities:
    """
    Names of what is drawn of one camera.

    :param name: of the camera, such as its namespace; empty for the only one.
    """

    name: str = ''

    def _under(self, top: str, *parts: str) -> str:
        return '/'.join(part for part in (top, self.name, *parts) if part)

    @property
    def world(self) -> str:
        """The fixed frame."""
        return self._under('world')

    @property
    def optical(self) -> str:
        """The optical frame."""
        return self._under('world', 'optical')

    @property
    def camera(self) -> str:
        """The pinhole; below it everything is pixels."""
        return self._under('world', 'optical/camera')

    @property
    def image(self) -> str:
        """The picture."""
        return f'{self.camera}/image'

    @property
    def depth(self) -> str:
        """Its depth in metres."""
        return f'{self.camera}/depth'

    @property
    def relative(self) -> str:
        """The output of a network without a scale."""
        return f'{self.camera}/relative'

    @property
    def confidence(self) -> str:
        """The confidence of every pixel."""
        return f'{self.camera}/confidence'

    @property
    def points(self) -> str:
        """The cloud."""
        return f'{self.optical}/points'

    @property
    def obstacles(self) -> str:
        """The part of the cloud that stands on the ground."""
        return f'{self.optical}/obstacles'

    @property
    def scan(self) -> str:
        """The ends of the beams."""
        return f'{self.optical}/scan'

    @property
    def note(self) -> str:
        """Lines of text."""
        return self._under('notes')

    def plot(self, series: str) -> str:
        """
        Return the name of a time series.

        :param series: one of the names in :class:`Series`.
        :returns: the entity.
        """
        return self._under('plots', series)


class Series:
    """Names of the time series, with their units."""

    SCALE = 'scale'
    SIGMA = 'scale_sigma_percent'
    LATENCY = 'latency_ms'
    NODE_LATENCY = 'node_latency_ms'
    CONFIDENCE = 'mean_confidence'


def library() -> Any:
    """
    Import the viewer's library.

    :returns: the module `rerun`.
    :raises ConfigError: it is not installed.
    """
    try:
        import rerun
    except ImportError as error:
        raise ConfigError(
            f'The viewer needs Rerun ({error}).', "Install it: pip install 'depth_node[view]'."
        ) from error
    return rerun


class Drawing:
    """
    Draws one camera into a recording.

    :param stream: a ``rerun.RecordingStream`` that is connected to a file or a viewer.
    :param name: of the camera; empty for the only one.
    :param epoch: whether stamps are times since 1970; None: the first one decides.
    """

    def __init__(self, stream: Any, name: str = '', *, epoch: bool | None = None) -> None:
        self._rr = library()
        self._stream = stream
        self._epoch = epoch
        self.entities = Entities(name)
        stream.log(self.entities.optical, self._rr.ViewCoordinates.RDF, static=True)

    def at(self, stamp: int | None, number: int | None = None) -> None:
        """
        Set the time of what is drawn next.

        :param stamp: of the frame (ns); None: it has none.
        :param number: of the frame; None: they are not counted.
        """
        if number is not None:
            self._stream.set_time(NUMBER, sequence=number)
        if stamp is None:
            return
        if self._epoch is None:
            self._epoch = stamp > _YEAR_2000
        if self._epoch:
            self._stream.set_time(TIMELINE, timestamp=np.datetime64(stamp, 'ns'))
        else:
            self._stream.set_time(TIMELINE, duration=np.timedelta64(stamp, 'ns'))

    def world(self, *, body: bool) -> None:
        """
        Say how the axes of the fixed frame point.

        :param body: x forward, y left, z up as in REP-103, otherwise as in an optical frame.
        """
        axes = self._rr.ViewCoordinates.FLU if body else self._rr.ViewCoordinates.RDF
        self._stream.log(self.entities.world, axes, static=True)

    def pose(self, fixed_from_optical: Matrix) -> None:
        """
        Place the camera in the fixed frame.

        :param fixed_from_optical: float64 (4, 4).
        """
        self._stream.log(self.entities.optical, self._transform(fixed_from_optical))

    def camera(self, camera: Camera) -> None:
        """
        Draw where the camera looks: the rays of its pinhole without distortion.

        Again for every frame, because a viewer that joins late, or drops what is old, has only
        the last minutes.

        :param camera: of the pictures.
        """
        matrix = [[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]]
        self._stream.log(self.entities.camera, self._rr.Pinhole(
            image_from_camera=matrix, resolution=list(camera.size),
            image_plane_distance=_FRUSTUM,
        ))

    def picture(self, rgb: NDArray[np.uint8]) -> None:
        """
        Draw the picture of the camera.

        :param rgb: uint8 (H, W, 3).
        """
        jpeg = encode_jpeg(rgb, _JPEG_QUALITY)
        image = self._rr.EncodedImage(contents=jpeg, media_type='image/jpeg')
        self._stream.log(self.entities.image, image)

    def depth(self, metres: NDArray[np.float32]) -> None:
        """
        Draw the depth image.

        :param metres: float32 (H, W), z-depth (m); what is not finite is drawn as 0, because the
            viewer has no infinities.
        """
        known = np.where(np.isfinite(metres), metres, np.float32(0))
        self._stream.log(self.entities.depth, self._rr.DepthImage(
            known, meter=1.0, depth_range=(0.0, FARTHEST), colormap='inferno', draw_order=1.0,
        ))

    def relative(self, values: NDArray[np.float32]) -> None:
        """
        Draw the output of a network without a scale.

        :param values: float32 (H, W), without a unit.
        """
        known = np.where(np.isfinite(values), values, np.float32(0))
        self._stream.log(self.entities.relative, self._rr.DepthImage(known, draw_order=0.0))

    def confidence(self, values: NDArray[np.float32]) -> None:
        """
        Draw the confidence of the pixels, and its mean as a series.

        :param values: float32 (H, W), 0 to 1.
        """
        shown = np.nan_to_num(np.clip(values, 0, 1))
        gray = (255 * shown).astype(np.uint8)
        self._stream.log(self.entities.confidence, self._rr.Image(gray))
        self.series(Series.CONFIDENCE, float(shown.mean()))

    def cloud(
        self, xyz: NDArray[np.float32], packed: NDArray[np.uint32] | None = None,
        optical_from_cloud: Matrix | None = None,
    ) -> None:
        """
        Draw the cloud.

        :param xyz: float32 (N, 3), its points (m); those that are not finite are left out.
        :param packed: uint32 (N,), colors as 0x00RRGGBB; None: it has none, and is colored by
            distance like the depth image.
        :param optical_from_cloud: float64 (4, 4), pose of its frame in the optical frame; None:
            they are the same.
        """
        good = np.isfinite(xyz).all(1)
        xyz = xyz[good]
        if packed is None:
            colors = _by_distance(xyz)
        else:
            packed = packed[good]
            colors = np.stack([packed >> 16, packed >> 8, packed], 1).astype(np.uint8)
        pose = np.eye(4) if optical_from_cloud is None else optical_from_cloud
        self._points(self.entities.points, xyz, colors, _POINT, self._transform(pose))

    def obstacles(self, xyz: NDArray[np.float32]) -> None:
        """
        Draw the obstacles.

        :param xyz: float32 (N, 3), their points in the optical frame (m).
        """
        xyz = xyz[np.isfinite(xyz).all(1)]
        self._points(self.entities.obstacles, xyz, _OBSTACLE_COLOR, _OBSTACLE)

    def scan(self, ends: NDArray[np.float64], optical_from_scan: Matrix) -> None:
        """
        Draw the ends of a scan's beams.

        :param ends: float64 (N, 3), in the frame of the scan (m).
        :param optical_from_scan: float64 (4, 4), pose of that frame in the optical frame.
        """
        moved = ends @ optical_from_scan[:3, :3].T + optical_from_scan[:3, 3]
        self._points(self.entities.scan, moved, _BEAM_COLOR, _BEAM)

    def series(self, name: str, value: float) -> None:
        """
        Add a value to a time series.

        :param name: of :class:`Series`.
        :param value: in the unit of its name; what is not finite is left out.
        """
        if np.isfinite(value):
            self._stream.log(self.entities.plot(name), self._rr.Scalars(value))

    def note(self, text: str) -> None:
        """
        Add a line of text.

        :param text: for people.
        """
        self._stream.log(self.entities.note, self._rr.TextLog(text))

    def flush(self) -> None:
        """Hand everything over to the file or the viewer."""
        self._stream.flush(timeout_sec=_FLUSH_S)

    def _points(self, entity: str, xyz: Any, colors: Any, radius: float, *more: Any) -> None:
        self._stream.log(entity, self._rr.Points3D(xyz, colors=colors, radii=radius), *more)

    def _transform(self, pose: Matrix) -> Any:
        return self._rr.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3])


def _by_distance(xyz: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return rgb colors like those of the depth image."""
    if not len(xyz):
        return np.zeros((0, 3), np.uint8)
    distance = np.linalg.norm(xyz, axis=1).astype(np.float32)
    return np.ascontiguousarray(colorize(distance[None], 0.0, FARTHEST)[0, :, ::-1])
