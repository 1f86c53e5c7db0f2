"""What the sources of scale subscribe to, decoded, over real DDS."""

from __future__ import annotations

import array
from collections.abc import Callable
import math
from typing import Any

from geometry_msgs.msg import Point, Pose, Quaternion
from hypothesis import given, settings
from hypothesis import strategies as st
from nav_msgs.msg import Odometry
import numpy as np
import pytest
from rclpy.logging import get_logger
from sensor_msgs.msg import CameraInfo, Image, LaserScan, PointCloud2, PointField, Range
from std_msgs.msg import Header
from stereo_msgs.msg import DisparityImage

from depth_node.camera import Camera
from depth_node.camera.rigid import matrix_of
from depth_node.config import Config
from depth_node.errors import DataError
from depth_node.ros import messages
from depth_node.ros.health import Health
from depth_node.ros.log import Log
from depth_node.ros.notices import Notices
from depth_node.ros.scale_inputs import ScaleInputs
from depth_node.ros.transforms import Transforms
from depth_node.scale import PointsReading, PoseReading, RangeReading
from depth_node.scale.decoding import range_of, stereo_of, xyz_of

EXTRINSIC = [0.1, -0.2, 0.3, 0.5, -0.5, 0.5, -0.5]
CAMERA = Camera.from_hfov(32, 24, 80)
STAMP = 12_500_000_000


def header(frame: str = 'sensor') -> Header:
    """A header 12.5 s after the beginning of time."""
    return messages.header_of(messages.stamp_of(STAMP), frame)


class Listener:
    """A ScaleInputs with a publisher for it on the same node."""

    def __init__(
        self, node: Any, spin: Callable[..., bool], source: str,
        extrinsic: list[float] | None = None, **changes: object,
    ) -> None:
        changes = {'scale.source': source} | {
            name.replace('__', '.'): value for name, value in changes.items()
        }
        if extrinsic is None or extrinsic:
            changes['scale.extrinsic'] = extrinsic or EXTRINSIC
        config = Config().replaced(changes)
        self.health = Health()
        self.got: list[tuple[float, Any]] = []
        self._node, self._spin = node, spin
        self.inputs = ScaleInputs(
            node, config.scale, Transforms(node), Notices(self.health, Log(get_logger('test'))),
            lambda stamp, sample: self.got.append((stamp, sample)),
        )
        self.inputs.see_from('optical')

    def hears(self, topic: str, message: Any, until: Callable[[], object] | None = None) -> None:
        """Publish until it was taken."""
        publisher = self._node.create_publisher(type(message), topic, 5)
        for _ in range(100):
            publisher.publish(message)
            if self._spin(until or (lambda: self.got), 0.1):
                return
        raise AssertionError(f'{topic} was not taken: {self.health.problems()}')


def test_points(ros_node: Any, spin_until: Any) -> None:
    """A cloud as we make them ourselves."""
    points = np.random.default_rng(0).uniform(-3, 3, (20, 3)).astype(np.float32)
    listener = Listener(ros_node, spin_until, 'points')
    listener.hears('scale/points', messages.cloud_to_msg(points, header()))
    stamp, sample = listener.got[0]
    assert stamp == STAMP / 1e9
    assert isinstance(sample, PointsReading)
    np.testing.assert_allclose(sample.points, points)
    np.testing.assert_allclose(sample.optical_from_sensor, matrix_of(EXTRINSIC))


def test_scan(ros_node: Any, spin_until: Any) -> None:
    """Ranges beyond the limits are left out."""
    scan = LaserScan(
        header=header(), angle_min=0.0, angle_increment=math.pi / 2, range_min=0.1,
        range_max=10.0, ranges=array.array('f', [1.0, 2.0, math.inf, 0.01]),
    )
    listener = Listener(ros_node, spin_until, 'scan')
    listener.hears('scale/scan', scan)
    np.testing.assert_allclose(listener.got[0][1].points, [[1, 0, 0], [0, 2, 0]], atol=1e-6)


def test_range(ros_node: Any, spin_until: Any) -> None:
    """A distance within the limits."""
    message = Range(
        header=header(), field_of_view=0.2, min_range=0.1, max_range=5.0, range=2.5
    )
    listener = Listener(ros_node, spin_until, 'range')
    listener.hears('scale/range', message)
    sample = listener.got[0][1]
    assert isinstance(sample, RangeReading)
    assert sample.distance == 2.5
    for nothing in (math.inf, -math.inf, math.nan, 5.0, 0.05):
        message.range = nothing
        assert range_of(message, np.eye(4)) is None


@pytest.mark.parametrize('encoding', ['32FC1', '16UC1'])
def test_depth(ros_node: Any, spin_until: Any, encoding: str) -> None:
    """Both encodings, with the camera of the other sensor."""
    depth = np.random.default_rng(1).uniform(1, 3, (24, 32)).astype(np.float32)
    depth[3] = np.nan
    listener = Listener(ros_node, spin_until, 'depth')
    message = messages.depth_to_msg(depth, encoding, header())
    publisher = ros_node.create_publisher(Image, 'scale/depth', 5)

    def publish() -> bool:
        publisher.publish(message)
        return bool(listener.got)

    listener.hears('scale/camera_info', messages.camera_info_to_msg(CAMERA, header()), publish)
    points = listener.got[0][1].points
    assert len(points) == 23 * 32
    pixels = np.rint(CAMERA.project(points)).astype(int)
    np.testing.assert_allclose(points[:, 2], depth[pixels[:, 1], pixels[:, 0]], atol=6e-4)


def test_disparity(ros_node: Any, spin_until: Any) -> None:
    """Z = f T / d."""
    message = DisparityImage(
        header=header(), f=300.0, t=0.1, min_disparity=1.0, max_disparity=64.0,
        image=messages.image_to_msg(np.full((24, 32), 15, np.float32), '32FC1', header()),
    )
    listener = Listener(ros_node, spin_until, 'disparity')
    listener.hears('scale/disparity', message)
    np.testing.assert_allclose(listener.got[0][1].points[:, 2], 2.0)


@pytest.mark.parametrize(('encoding', 'values', 'largest', 'says'), [
    ('16UC1', np.full((24, 32), 240, np.uint16), 64.0, 'expected 32FC1'),
    ('32FC1', np.full((24, 32), 240, np.float32), 64.0, 'at most 64'),
    ('32FC1', np.full((24, 32), 240, np.float32), 0.0, 'at most 32'),
], ids=['fixed point', 'fixed point as float', 'wider than the image'])
def test_disparities_in_another_unit_are_refused(
    encoding: str, values: Any, largest: float, says: str
) -> None:
    message = DisparityImage(
        header=header(), f=300.0, t=0.1, min_disparity=1.0, max_disparity=largest,
        image=messages.image_to_msg(values, encoding, header()),
    )
    with pytest.raises(DataError, match=says):
        stereo_of(message, np.eye(4), None)


def test_odometry_gives_the_cameras_pose(ros_node: Any, spin_until: Any) -> None:
    """World from optical = world from base times base from optical."""
    message = Odometry(header=header('odom'), child_frame_id='base_link')
    message.pose.pose = Pose(
        position=Point(x=1.0, y=2.0, z=0.0), orientation=Quaternion(x=0.0, y=0.0, z=0.6, w=0.8)
    )
    listener = Listener(ros_node, spin_until, 'odometry')
    listener.hears('scale/odometry', message)
    sample = listener.got[0][1]
    assert isinstance(sample, PoseReading)
    expected = matrix_of((1, 2, 0, 0, 0, 0.6, 0.8)) @ np.linalg.inv(matrix_of(EXTRINSIC))
    np.testing.assert_allclose(sample.world_from_optical, expected, atol=1e-12)


def test_odometry_beside_another_source(ros_node: Any, spin_until: Any) -> None:
    """It has an extrinsic of its own, and its problems do not touch those of the source."""
    message = Odometry(header=header('odom'), child_frame_id='base_link')
    message.pose.pose = Pose(
        position=Point(x=1.0), orientation=Quaternion(x=0.0, y=0.0, z=0.6, w=0.8)
    )
    other = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    listener = Listener(ros_node, spin_until, 'points', scale__odometry_extrinsic=other)
    listener.hears('scale/odometry', message)
    sample = listener.got[0][1]
    assert isinstance(sample, PoseReading)
    expected = matrix_of((1, 0, 0, 0, 0, 0.6, 0.8)) @ np.linalg.inv(matrix_of(other))
    np.testing.assert_allclose(sample.world_from_optical, expected, atol=1e-12)
    unplaced = Listener(ros_node, spin_until, 'points')
    problems = unplaced.health.problems
    unplaced.hears('scale/odometry', message, lambda: 'scale odometry' in problems())
    assert 'scale.odometry_extrinsic' in problems()['scale odometry'].text
    assert 'scale input' not in problems()
    unplaced.inputs.destroy()
    assert not problems()


@pytest.mark.parametrize('source', ['ground', 'range', 'model', 'fixed'])
def test_sources_that_correct_nothing_do_not_listen_to_odometry(
    ros_node: Any, spin_until: Any, source: str
) -> None:
    topics = Listener(ros_node, spin_until, source).inputs.topics
    assert not any(topic.endswith('odometry') for topic in topics)


def test_a_place_nobody_knows_is_said_with_the_remedy(ros_node: Any, spin_until: Any) -> None:
    """Without TF and without the parameter there is no sample, but a reason."""
    listener = Listener(ros_node, spin_until, 'points', extrinsic=[])
    cloud = messages.cloud_to_msg(np.ones((3, 3), np.float32), header())
    listener.hears('scale/points', cloud, lambda: 'scale input' in listener.health.problems())
    assert not listener.got
    assert 'scale.extrinsic' in listener.health.problems()['scale input'].text


def test_depth_without_its_camera_says_so(ros_node: Any, spin_until: Any) -> None:
    """And one of another size is no less wrong."""
    listener = Listener(ros_node, spin_until, 'depth')
    message = messages.depth_to_msg(np.ones((24, 32), np.float32), '32FC1', header())

    def said(text: str) -> Callable[[], bool]:
        return lambda: any(text in p.text for p in listener.health.problems().values())

    listener.hears('scale/depth', message, said('scale/camera_info'))
    other = messages.camera_info_to_msg(Camera.from_hfov(64, 48, 80), header())
    infos = ros_node.create_publisher(CameraInfo, 'scale/camera_info', 5)
    for _ in range(100):
        infos.publish(other)
        if said('32x24')():
            break
        listener.hears('scale/depth', message, lambda: True)
    assert said('32x24')()


@settings(max_examples=60, deadline=None)
@given(
    st.permutations(['x', 'y', 'z', 'intensity', 'ring']), st.booleans(), st.booleans(),
    st.integers(0, 9), st.integers(0, 17), st.integers(0, 3), st.integers(0, 2**32 - 1),
)
def test_any_layout_of_a_cloud_is_read(
    order: list[str], big: bool, double: bool, points: int, pad: int, rows: int, seed: int
) -> None:
    """Fields in any order, either byte order, floats or doubles, padded points and rows."""
    kind, code = ('f8', PointField.FLOAT64) if double else ('f4', PointField.FLOAT32)
    layout, fields, offset = [], [], 0
    for name in order:
        size, datatype, form = (2, PointField.UINT16, 'u2') if name == 'ring' else (
            8 if double else 4, code, kind
        )
        fields.append(PointField(name=name, offset=offset, datatype=datatype, count=1))
        layout.append((name, form, offset))
        offset += size
    step = offset + pad
    dtype = np.dtype({
        'names': [n for n, _, _ in layout], 'formats': [f for _, f, _ in layout],
        'offsets': [o for _, _, o in layout], 'itemsize': step,
    }).newbyteorder('>' if big else '<')
    xyz = np.random.default_rng(seed).uniform(-9, 9, (rows, points, 3)).astype(kind)
    cloud = np.zeros((rows, points), dtype)
    for index, axis in enumerate('xyz'):
        cloud[axis] = xyz[..., index]
    data = b''.join(row.tobytes() + b'\xff' * pad for row in cloud)
    message = PointCloud2(
        height=rows, width=points, fields=fields, is_bigendian=big, point_step=step,
        row_step=points * step + pad, data=array.array('B', data),
    )
    np.testing.assert_array_equal(xyz_of(message), xyz.reshape(-1, 3).astype(np.float64))


@pytest.mark.parametrize('change', [
    {'point_step': 8}, {'row_step': 3}, {'width': 1000}, {'fields': []}, {'point_step': 0},
])
def test_clouds_that_lie_are_refused(change: dict[str, Any]) -> None:
    """Sizes that do not fit, and fields that are not there."""
    cloud = messages.cloud_to_msg(np.ones((5, 3), np.float32), header())
    for name, value in change.items():
        setattr(cloud, name, value)
    with pytest.raises(DataError, match='The cloud'):
        xyz_of(cloud)


COUNTS = st.sampled_from([0, 1, 5, 12, 13, 2**31 - 1, 2**31, 2**32 - 1])


@given(
    width=COUNTS, height=COUNTS, step=COUNTS, row=COUNTS, offset=COUNTS, size=st.integers(0, 99)
)
def test_whatever_a_cloud_declares_it_is_read_or_refused(
    width: int, height: int, step: int, row: int, offset: int, size: int
) -> None:
    """An exception of another kind would end the executor: all numbers are the sender's."""
    fields = [
        PointField(name=axis, offset=min(offset + 4 * index, 2**32 - 1), datatype=7, count=1)
        for index, axis in enumerate('xyz')
    ]
    cloud = PointCloud2(
        width=width, height=height, point_step=step, row_step=row, fields=fields,
        data=array.array('B', bytes(size)),
    )
    try:
        points = xyz_of(cloud)
    except DataError:
        return
    assert points.shape[1] == 3
    assert len(points) <= size


def test_no_points_of_a_size_that_cannot_be() -> None:
    cloud = messages.cloud_to_msg(np.ones((0, 3), np.float32), header())
    cloud.point_step = 2**32 - 1
    with pytest.raises(DataError, match='points of 4294967295 bytes'):
        xyz_of(cloud)
