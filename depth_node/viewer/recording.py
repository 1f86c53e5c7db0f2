"""
What a viewer is shown of each frame, and how it is laid out.

World: the optical frame of the camera, or the fixed frame of the poses of a source (x right,
y down, z forward, m). Entities: ``world/optical`` with ``camera/image``, ``camera/depth``,
``points`` and ``scan``; ``plots`` with the scale, its uncertainty and the time a frame takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.camera.ground import camera_over_ground
from depth_node.cloud.pipeline import Planned, PointsPipeline
from depth_node.config import Config
from depth_node.errors import ConfigError
from depth_node.estimator import Estimate
from depth_node.sources.frame import Frame

OPTICAL = 'world/optical'
CAMERA = f'{OPTICAL}/camera'
IMAGE, DEPTH = f'{CAMERA}/image', f'{CAMERA}/depth'
# below a pinhole everything is pixels: points stand next to it
POINTS, SCAN = f'{OPTICAL}/points', f'{OPTICAL}/scan'
SCALE, SIGMA, TIME = 'plots/scale', 'plots/scale_sigma_percent', 'plots/frame_ms'
RELATIVE = f'{CAMERA}/relative'
TIMELINE, NUMBER = 'stamp', 'frame'
FARTHEST = 10.0
"""End of the color scale of the depth image (m)."""
_FRUSTUM = 0.3


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


class Recorder:
    """
    Writes frames and what was estimated of them to a recording.

    :param stream: a ``rerun.RecordingStream`` that is connected to a file or a viewer.
    :param config: shapes the cloud and the scan, as in the node.
    """

    def __init__(self, stream: Any, config: Config) -> None:
        self._rr = library()
        self._stream = stream
        self._config = config
        self._points: PointsPipeline | None = None
        self._camera: Camera | None = None
        self._count = 0
        stream.send_blueprint(blueprint())
        stream.log('world', self._rr.ViewCoordinates.RDF, static=True)

    def add(self, frame: Frame, estimate: Estimate, milliseconds: float) -> Planned | None:
        """
        Add one frame.

        :param frame: the frame, with a camera where there is one.
        :param estimate: what is known of its depth.
        :param milliseconds: the time it took (ms).
        :returns: the cloud that is shown; None where there are no metres.
        """
        rr, log = self._rr, self._stream.log
        self._stream.set_time(NUMBER, sequence=self._count)
        if frame.stamp is not None:
            self._stream.set_time(TIMELINE, duration=np.timedelta64(frame.stamp, 'ns'))
        self._count += 1
        if frame.camera is not None and frame.camera != self._camera:
            self._set_camera(frame.camera)
        if frame.pose is not None:
            log(OPTICAL, rr.Transform3D(translation=frame.pose[:3, 3], mat3x3=frame.pose[:3, :3]))
        log(IMAGE, rr.Image(frame.rgb).compress(jpeg_quality=85))
        log(TIME, rr.Scalars(milliseconds))
        depth = estimate.depth
        if depth is None or frame.camera is None:
            values = estimate.prediction.values
            log(RELATIVE, rr.DepthImage(np.nan_to_num(values)))
            log('notes', rr.TextLog(estimate.note))
            return None
        # the viewer has no infinities: what is not known, too near or too far is 0
        known = np.where(np.isfinite(depth), depth, np.float32(0))
        log(DEPTH, rr.DepthImage(known, meter=1.0, depth_range=(0.0, FARTHEST),
                                 colormap='inferno'))
        log(SCALE, rr.Scalars(estimate.state.value))
        log(SIGMA, rr.Scalars(100 * estimate.state.sigma))
        return self._plan(frame.camera, frame, depth)

    def _set_camera(self, camera: Camera) -> None:
        """Show where the camera looks; its rays are those of a pinhole without distortion."""
        self._camera = camera
        self._stream.log(
            CAMERA,
            self._rr.Pinhole(
                image_from_camera=[
                    [camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]
                ],
                resolution=list(camera.size), image_plane_distance=_FRUSTUM,
            ),
            static=True,
        )

    def _plan(self, camera: Camera, frame: Frame, depth: NDArray[np.float32]) -> Planned:
        """Log cloud and scan as the node publishes them."""
        made = self._points
        if made is None or not made.suits(camera, self._config):
            made = self._points = PointsPipeline(camera, self._config)
        scan = self._config.ground.camera_height > 0
        planned = made.process(depth, frame.rgb, scan=scan)
        if planned.points is not None:
            points = planned.points.reshape(-1, planned.points.shape[-1])
            points = points[np.isfinite(points[:, 2])]
            colors = None
            if points.shape[1] == 4:
                packed = np.ascontiguousarray(points[:, 3]).view(np.uint32)
                colors = np.stack([packed >> 16, packed >> 8, packed], 1).astype(np.uint8)
            self._stream.log(POINTS, self._rr.Points3D(points[:, :3], colors=colors, radii=0.01))
        if planned.scan is not None:
            self._log_scan(planned)
        return planned

    def _log_scan(self, planned: Planned) -> None:
        """Log the ends of the beams, brought from the ground below the camera to its frame."""
        assert planned.scan is not None
        ranges, geometry = planned.scan.ranges, planned.scan.geometry
        angles = geometry.angle_min + geometry.angle_increment * np.arange(len(ranges))
        hit = np.isfinite(ranges)
        flat = np.stack([np.cos(angles), np.sin(angles)], 1)[hit] * ranges[hit, None]
        ground = self._config.ground
        optical_from_base = np.linalg.inv(camera_over_ground(
            ground.camera_height, ground.camera_pitch_deg, ground.camera_roll_deg
        ))
        ends = np.column_stack([flat, np.full(len(flat), 0.1), np.ones(len(flat))])
        ends = (ends @ optical_from_base.T)[:, :3]
        self._stream.log(SCAN, self._rr.Points3D(ends, colors=[230, 40, 40], radii=0.03))


def blueprint() -> Any:
    """
    Lay the viewer out: the cloud under the camera's frustum, pictures, plots.

    :returns: a ``rerun.blueprint.Blueprint``.
    """
    library()
    from rerun import blueprint as rrb

    def plots(name: str, entities: Sequence[str]) -> Any:
        return rrb.TimeSeriesView(name=name, origin='plots', contents=[f'/{e}' for e in entities])

    return rrb.Blueprint(
        rrb.Horizontal(
            rrb.Spatial3DView(name='cloud', origin='world', contents=[
                f'/{CAMERA}', f'/{IMAGE}', f'/{POINTS}', f'/{SCAN}'
            ]),
            rrb.Vertical(
                rrb.Spatial2DView(name='camera', origin=IMAGE),
                rrb.Spatial2DView(name='depth', origin=DEPTH),
                rrb.Horizontal(plots('scale', [SCALE, SIGMA]), plots('time', [TIME])),
                row_shares=[2, 2, 1],
            ),
            column_shares=[3, 2],
        ),
        collapse_panels=True,
    )
