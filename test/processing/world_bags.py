"""Rosbags of the synthetic world: a camera, TF and a lidar, as a robot records them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from depth_node.camera import Camera
from depth_node.world import World

CAMERA = Camera.from_hfov(64, 48, 75)
FRAME = 'camera_optical'
RATE = 10.0
START = 1_700_000_000_000_000_000
NEAREST = 0.3
"""Depth of full red (m)."""
IMAGE, INFO, CLOUD, TF, TEXT = (
    'sensor_msgs/msg/Image', 'sensor_msgs/msg/CameraInfo', 'sensor_msgs/msg/PointCloud2',
    'tf2_msgs/msg/TFMessage', 'std_msgs/msg/String',
)


class Recorder:
    """
    Writes a bag with rosbags.

    :param path: of the bag; a file .bag of ROS 1, or a folder of ROS 2.
    :param storage: of ROS 2.
    :param compression: 'file', 'message', 'storage' or ''.
    """

    def __init__(self, path: Path, storage: str = 'mcap', compression: str = '') -> None:
        from rosbags.typesys import get_types_from_msg, get_typestore, Stores

        self.ros1 = path.suffix == '.bag'
        self.store = get_typestore(Stores.ROS1_NOETIC if self.ros1 else Stores.ROS2_HUMBLE)
        if self.ros1:
            self.store.register(
                get_types_from_msg('geometry_msgs/TransformStamped[] transforms', TF)
            )
        if self.ros1:
            from rosbags.rosbag1 import Writer

            self.writer = Writer(path)
        else:
            from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

            self.writer = Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
            if compression:
                self.writer.set_compression(
                    CompressionMode[compression.upper()], CompressionFormat.ZSTD
                )
        self.connections: dict[str, object] = {}

    def __enter__(self) -> Recorder:
        self.writer.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.writer.__exit__(*error)

    def made(self, kind: str, **fields: object) -> object:
        """Make a message."""
        return self.store.types[kind](**fields)

    def header(self, stamp: int, frame_id: str) -> object:
        """Make a header."""
        time = self.made('builtin_interfaces/msg/Time', sec=stamp // 10**9, nanosec=stamp % 10**9)
        more = {'seq': 0} if self.ros1 else {}
        return self.made('std_msgs/msg/Header', stamp=time, frame_id=frame_id, **more)

    def write(self, topic: str, kind: str, when: int, message: object) -> None:
        """Write a message."""
        if topic not in self.connections:
            self.connections[topic] = self.writer.add_connection(
                topic, kind, typestore=self.store
            )
        pack = self.store.serialize_ros1 if self.ros1 else self.store.serialize_cdr
        self.writer.write(self.connections[topic], when, pack(message, kind))

    def image(self, topic: str, when: int, rgb: np.ndarray, stamp: int) -> None:
        """Write an rgb8 Image."""
        height, width = rgb.shape[:2]
        self.write(topic, IMAGE, when, self.made(
            IMAGE, header=self.header(stamp, FRAME), height=height, width=width,
            encoding='rgb8', is_bigendian=0, step=3 * width, data=rgb.reshape(-1),
        ))

    def info(self, topic: str, when: int, camera: Camera, stamp: int) -> None:
        """Write its CameraInfo."""
        numbers = camera.numbers()
        matrices = {
            name: np.array(getattr(numbers, name), np.float64) for name in ('d', 'k', 'r', 'p')
        }
        if self.ros1:
            matrices = {name.upper(): value for name, value in matrices.items()}
        roi = self.made(
            'sensor_msgs/msg/RegionOfInterest', x_offset=0, y_offset=0, height=0, width=0,
            do_rectify=False,
        )
        self.write(topic, INFO, when, self.made(
            INFO, header=self.header(stamp, FRAME), height=numbers.height, width=numbers.width,
            distortion_model=numbers.distortion_model, binning_x=0, binning_y=0, roi=roi,
            **matrices,
        ))

    def cloud(self, topic: str, when: int, points: np.ndarray, stamp: int, frame: str) -> None:
        """Write a PointCloud2 of x, y, z."""
        fields = [
            self.made('sensor_msgs/msg/PointField', name=n, offset=4 * i, datatype=7, count=1)
            for i, n in enumerate('xyz')
        ]
        data = np.ascontiguousarray(points, np.float32)
        self.write(topic, CLOUD, when, self.made(
            CLOUD, header=self.header(stamp, frame), height=1, width=len(data), fields=fields,
            is_bigendian=False, point_step=12, row_step=12 * len(data),
            data=data.reshape(-1).view(np.uint8), is_dense=True,
        ))

    def transform(
        self, topic: str, when: int, stamp: int, parent: str, child: str,
        numbers: tuple[float, ...],
    ) -> None:
        """Write a transform: x y z and a quaternion x y z w."""
        move = self.made('geometry_msgs/msg/Vector3', **dict(zip('xyz', numbers, strict=False)))
        turn = self.made(
            'geometry_msgs/msg/Quaternion', **dict(zip('xyzw', numbers[3:], strict=True))
        )
        found = self.made(
            'geometry_msgs/msg/TransformStamped', header=self.header(stamp, parent),
            child_frame_id=child,
            transform=self.made('geometry_msgs/msg/Transform', translation=move, rotation=turn),
        )
        self.write(topic, TF, when, self.made(TF, transforms=[found]))


def record(
    path: Path, frames: int = 4, *, storage: str = 'mcap', compression: str = '',
    lidar: bool = False, seed: int = 0, camera: Camera = CAMERA, late_ns: int = 0,
    painted: bool = False, distinct: int = 0, posed: bool = True,
) -> Path:
    """
    Record a drive through the synthetic world.

    :param path: of the bag.
    :param frames: number of images.
    :param storage: see :class:`Recorder`.
    :param compression: see :class:`Recorder`.
    :param lidar: whether there is a cloud with every image, in a frame of its own.
    :param seed: of the world.
    :param camera: that is recorded.
    :param late_ns: how much later than images TF and clouds were recorded (ns).
    :param distinct: number of different images, which are repeated; 0: all are.
    :param posed: whether TF holds the pose of the camera.
    :param painted: whether red is the inverse depth, for ``write_red_network``.
    :returns: the path.
    """
    world, rays = World(seed), camera.rays()
    seen: dict[float, tuple[np.ndarray, np.ndarray]] = {}
    with Recorder(path, storage, compression) as bag:
        still = '/tf_static'
        pose = world.pose(0.0)
        turn = tuple(Rotation.from_matrix(pose[:3, :3]).as_quat())
        up = float(pose[2, 3])
        if posed:
            bag.transform(still, START, START, 'base_footprint', FRAME, (0, 0, up, *turn))
        bag.transform(still, START, START, 'base_link', 'base_footprint', (0, 0, 0, 0, 0, 0, 1))
        for number in range(frames):
            seconds = number / RATE
            stamp = START + round(seconds * 1e9)
            when = stamp + 5_000_000
            at = (number % distinct if distinct else number) / RATE
            if at not in seen:
                seen[at] = world.render(camera, world.pose(at), time=at)
            rgb, depth = seen[at]
            if painted:
                rgb = np.zeros_like(rgb)
                rgb[..., 0] = np.clip(np.rint(255 * NEAREST / depth), 0, 255)
            bag.image('/camera/image_raw', when, rgb, stamp)
            bag.info('/camera/camera_info', when + 1000, camera, stamp)
            if not bag.ros1:
                bag.write('/note', TEXT, when + 2000, bag.made(TEXT, data=f'frame {number}'))
            if lidar:
                found = np.concatenate([rays * depth[..., None], depth[..., None]], -1)
                points = found.reshape(-1, 3)[::7]
                points = points[np.isfinite(points).all(-1)] - np.array([0.1, 0.0, 0.0])
                later = when + 3000 + late_ns
                bag.cloud('/lidar', later, points, stamp, 'lidar')
                bag.transform(
                    '/tf', later + 1000, stamp, FRAME, 'lidar', (0.1, 0, 0, 0, 0, 0, 1)
                )
    return path
