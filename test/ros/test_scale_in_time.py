"""A scale that is frozen, and points that odometry carries along, in the whole node."""

from __future__ import annotations

from pathlib import Path
import signal
from typing import Any

from geometry_msgs.msg import Point, Pose, Quaternion
from nav_msgs.msg import Odometry
import numpy as np
import pytest
from rig import FRAME, Rig
import test_scale
from test_scale import CAMERA, IDENTITY, model, picture, Scene, truth  # noqa: F401  a fixture

from depth_node.ros import messages

PARAMETERS = {
    'scale__source': 'points', 'scale__extrinsic': IDENTITY, 'scale__rate': 100.0,
    'filter__edge_threshold': 0.0,
}


class Moving(Scene):
    """The scene, with a lidar whose metres may be wrong, odometry, and a picture that changes."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig)
        self.factor = 1.0
        self.odometry = rig.node.create_publisher(Odometry, 'scale/odometry', 10)
        self._index = 0

    def publish(self, *, lidar: bool, odometry: bool = False) -> None:
        """Publish odometry, a cloud and a frame of the same time."""
        stamp = messages.stamp_of(self.rig._stamp + 33_000_000)
        self._index += 1
        if odometry:
            for ahead in (-0.001, 0.05):  # it has to be there when the frame is
                later = messages.stamp_of(self.rig._stamp + 33_000_000 + int(ahead * 1e9))
                message = Odometry(
                    header=messages.header_of(later, 'odom'), child_frame_id='base_link'
                )
                message.pose.pose = Pose(
                    position=Point(x=0.006 * (self._index + ahead / 0.033)),
                    orientation=Quaternion(w=1.0),
                )
                self.odometry.publish(message)
        if lidar:
            z = (self.factor * truth()).astype(np.float32)[::6, ::2]
            points = np.concatenate([CAMERA.rays()[::6, ::2] * z[..., None], z[..., None]], -1)
            self.clouds.publish(
                messages.cloud_to_msg(points, messages.header_of(stamp, 'lidar'))
            )
        self.rig.settle(0.02)
        rgb = picture()
        # the network looks at red alone; for the node the picture has changed
        rgb[..., 2] = np.random.default_rng(self._index).integers(0, 255)
        self.rig.publish(rgb, CAMERA)
        self.rig.settle(0.02)


def values(rig: Rig) -> dict[str, str]:
    return test_scale._values(rig)


def test_a_frozen_scale_stays_to_the_last_digit(rig: Rig, model: Path) -> None:  # noqa: F811
    """The sensor says 6 % more from then on: depth does not move, diagnostics say by how much."""
    scene = Moving(rig)
    rig.listen('depth/image')
    depths = rig.got['depth/image']
    process = rig.start(model, scale__local='false', **PARAMETERS)
    assert scene.until(lambda: len(depths) > 5, lidar=True)
    assert rig.set('scale.freeze', True)[0]
    for _ in range(5):
        scene.publish(lidar=True)
    depths.clear()
    assert scene.until(lambda: len(depths) > 2, lidar=True)
    before = messages.metres_from_msg(depths[-1]).copy()
    scene.factor = 1.06
    depths.clear()
    assert scene.until(lambda: len(depths) > 30, lidar=True)
    for message in depths:
        np.testing.assert_array_equal(messages.metres_from_msg(message), before)
    assert scene.until(lambda: 'frozen' in values(rig).get('scale note', ''), lidar=True)
    assert rig.set('scale.freeze', False)[0]

    def follows() -> bool:
        depth = messages.metres_from_msg(depths[-1])
        return bool(np.nanmedian(depth / before) == pytest.approx(1.06, abs=0.015))

    assert scene.until(follows, lidar=True)
    assert process.stop(signal.SIGINT) == 0
    assert 'Traceback' not in process.output


def test_odometry_carries_points_along(rig: Rig, model: Path) -> None:  # noqa: F811
    """Without it a picture that changes has only the points of its own time."""
    scene = Moving(rig)
    rig.listen('depth/image')
    process = rig.start(
        model, scale__local='true', scale__odometry_extrinsic=IDENTITY, **PARAMETERS
    )

    def carried() -> int:
        return int(values(rig).get('scale local carried', '-1'))

    assert scene.until(lambda: carried() == 0, lidar=True)
    publish = scene.publish

    def with_odometry(**options: Any) -> None:
        publish(odometry=True, **options)

    scene.publish = with_odometry  # type: ignore[method-assign]
    assert scene.until(lambda: carried() > 0, lidar=True)
    assert process.stop(signal.SIGINT) == 0
    assert 'Traceback' not in process.output
    assert FRAME not in values(rig).get('scale note', '')
