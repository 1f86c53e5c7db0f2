"""A bag of a robot that drives through the synthetic world: images, calibration, odometry, TF."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bags
import numpy as np
from scipy.spatial.transform import Rotation

from depth_node.camera import Camera
from depth_node.sources.frame import SECOND
from depth_node.world import World

OPTICAL = 'camera_optical'
AHEAD = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0.6], [0, 0, 0, 1.0]])
"""The camera on the robot: optical frame to base_link, 0.6 m above the ground."""


def straight(seconds: float) -> np.ndarray:
    """Return the pose of the base: 0.4 m/s ahead."""
    pose = np.eye(4)
    pose[0, 3] = 0.4 * seconds
    return pose


def write_posed_bag(
    path: Path, *, world: World | None = None, camera: Camera | None = None, frames: int = 3,
    rate: float = 5.0, base: Callable[[float], np.ndarray] = straight, tf: bool = True,
) -> None:
    """
    Write a bag.

    :param base: from seconds to the pose of base_link in odom; at 10 Hz from 0 to 2 s, or as
        long as there are frames.
    :param tf: whether TF is recorded, too.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import get_typestore, Stores

    store = get_typestore(Stores.ROS2_HUMBLE)
    kinds = store.types

    def make(name: str, *values: Any) -> Any:
        return kinds[name](*values)

    def header(seconds: float, frame: str) -> Any:
        stamp = make('builtin_interfaces/msg/Time', *divmod(round(seconds * SECOND), SECOND))
        return make('std_msgs/msg/Header', stamp, frame)

    def parts(pose: np.ndarray, place: str) -> tuple[Any, Any]:
        quaternion = Rotation.from_matrix(pose[:3, :3]).as_quat()
        return (make(f'geometry_msgs/msg/{place}', *map(float, pose[:3, 3])),
                make('geometry_msgs/msg/Quaternion', *map(float, quaternion)))

    def odometry(seconds: float) -> Any:
        pose = make('geometry_msgs/msg/Pose', *parts(base(seconds), 'Point'))
        zero = make('geometry_msgs/msg/Vector3', 0.0, 0.0, 0.0)
        twist = make('geometry_msgs/msg/Twist', zero, zero)
        return make(
            'nav_msgs/msg/Odometry', header(seconds, 'odom'), 'base_link',
            make('geometry_msgs/msg/PoseWithCovariance', pose, np.zeros(36)),
            make('geometry_msgs/msg/TwistWithCovariance', twist, np.zeros(36)),
        )

    def transform(seconds: float, parent: str, child: str, pose: np.ndarray) -> Any:
        moved = make('geometry_msgs/msg/Transform', *parts(pose, 'Vector3'))
        one = make('geometry_msgs/msg/TransformStamped', header(seconds, parent), child, moved)
        return make('tf2_msgs/msg/TFMessage', [one])

    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics: dict[str, Any] = {}

        def send(topic: str, seconds: float, message: Any) -> None:
            kind = message.__msgtype__
            if topic not in topics:
                topics[topic] = writer.add_connection(topic, kind, typestore=store)
            raw = store.serialize_cdr(message, kind)
            writer.write(topics[topic], round(seconds * SECOND), raw)

        if tf:
            send('/tf_static', 0.0, transform(0.0, 'base_link', OPTICAL, AHEAD))
        for step in range(max(20, int(10 * frames / rate)) + 1):
            send('/odom', step / 10, odometry(step / 10))
            if tf:
                send('/tf', step / 10, transform(step / 10, 'odom', 'base_link', base(step / 10)))
        for number in range(frames):
            seconds = number / rate
            rgb, _ = world.render(camera, base(seconds) @ AHEAD, time=seconds)
            fields = bags.image(rgb)
            numbers = camera.numbers()
            send('/camera/camera_info', seconds, make(
                bags.INFO, header(seconds, OPTICAL), camera.height, camera.width,
                numbers.distortion_model, np.array(numbers.d), np.array(numbers.k),
                np.array(numbers.r), np.array(numbers.p), 0, 0, bags.info()['roi'],
            ))
            send('/camera/image_raw', seconds,
                 kinds[bags.IMAGE](header(seconds, OPTICAL), **fields))
