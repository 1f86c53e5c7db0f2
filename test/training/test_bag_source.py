"""A bag with images, their calibration and the robot's odometry, as a source."""

from pathlib import Path

import numpy as np
import pytest
from tiny import noise

from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.training.data.prepare import RecordingOptions
from depth_node.training.data.sources import read_source, Source

pytest.importorskip('rosbags')

SECOND = 10**9
HOW = RecordingOptions(Size(64, 32), least_motion=0.0)


def write_bag(path: Path) -> None:
    """Write four images half a second apart; the robot drives 0.4 m/s, seen every 0.2 s."""
    from rosbags.rosbag2 import Writer
    from rosbags.typesys import get_typestore, Stores

    store = get_typestore(Stores.ROS2_HUMBLE)
    kinds = store.types
    region = kinds['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
    k = np.array([60, 0, 47.5, 0, 60, 23.5, 0, 0, 1], float)
    p = np.array([60, 0, 47.5, 0, 0, 60, 23.5, 0, 0, 0, 1, 0], float)
    quiet = np.zeros(36)
    geometry = {n: kinds[f'geometry_msgs/msg/{n}'] for n in (
        'Point', 'Quaternion', 'Pose', 'PoseWithCovariance', 'Vector3', 'Twist',
        'TwistWithCovariance',
    )}
    still = geometry['Twist'](geometry['Vector3'](0, 0, 0), geometry['Vector3'](0, 0, 0))

    def odometry(stamp: int) -> list[object]:
        place = geometry['Point'](0.4 * stamp / SECOND, 0.0, 0.0)
        pose = geometry['Pose'](place, geometry['Quaternion'](0, 0, 0, 1))
        return ['base', geometry['PoseWithCovariance'](pose, quiet),
                geometry['TwistWithCovariance'](still, quiet)]

    with Writer(path, version=9) as writer:
        def send(topic: str, kind: str, stamps: range, fields: object) -> None:
            connection = writer.add_connection(topic, kind, typestore=store)
            for stamp in stamps:
                time = kinds['builtin_interfaces/msg/Time'](*divmod(stamp, SECOND))
                header = kinds['std_msgs/msg/Header'](time, 'odom')
                message = kinds[kind](header, *fields(stamp))
                writer.write(connection, stamp, store.serialize_cdr(message, kind))

        half = range(0, 2 * SECOND, SECOND // 2)
        send('/odom', 'nav_msgs/msg/Odometry', range(0, 7 * SECOND // 5, SECOND // 5), odometry)
        send('/camera/camera_info', 'sensor_msgs/msg/CameraInfo', half, lambda _: [
            48, 96, 'plumb_bob', np.zeros(5), k, np.eye(3).ravel(), p, 0, 0, region,
        ])
        send('/camera/image_raw', 'sensor_msgs/msg/Image', half, lambda stamp: [
            48, 96, 'rgb8', 0, 288, noise(48, 96, 3, seed=stamp % 97).ravel(),
        ])


def test_images_calibration_and_odometry(tmp_path: Path) -> None:
    write_bag(tmp_path / 'bag')
    source = Source.parse(f'bag:{tmp_path / "bag"},odometry=/odom')
    made = read_source(source, tmp_path / 'cache', HOW)
    assert made.counts.kept == 4
    np.testing.assert_allclose(made.cameras[0], [40, 40, 95 / 3, 47 / 3])
    # odometry ends at 1.2 s
    assert made.counts.poses == 3
    np.testing.assert_allclose(made.poses[:3, 0, 3], [0, 0.2, 0.4], atol=1e-9)
    assert np.isnan(made.poses[3]).all()


def test_a_topic_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_bag(tmp_path / 'bag')
    source = Source.parse(f'bag:{tmp_path / "bag"},odometry=/wheel')
    with pytest.raises(DataError, match='It has /odom'):
        read_source(source, tmp_path / 'cache', HOW)
