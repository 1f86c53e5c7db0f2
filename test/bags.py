"""Write small rosbags with the rosbags library."""

from __future__ import annotations

import numpy as np

RGB = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
K = (10.0, 0.0, 3.5, 0.0, 11.0, 2.5, 0.0, 0.0, 1.0)


def write(path, topics, storage='sqlite3'):
    """
    Write a bag.

    :param topics: topic to (message type, list of (nanoseconds, fields)).
    """
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import get_typestore, Stores

    store = get_typestore(Stores.ROS2_HUMBLE)
    types = store.types
    plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        entries = []
        for topic, (kind, messages) in topics.items():
            connection = writer.add_connection(topic, kind, typestore=store)
            entries += [(stamp, connection, kind, fields) for stamp, fields in messages]
        for stamp, connection, kind, fields in sorted(entries, key=lambda entry: entry[0]):
            time = types['builtin_interfaces/msg/Time'](*divmod(stamp, 10**9))
            header = types['std_msgs/msg/Header'](time, 'camera')
            message = types[kind](header, **fields)
            writer.write(connection, stamp, store.serialize_cdr(message, kind))


def image(rgb, encoding='rgb8'):
    """Return the fields of an Image."""
    height, width = rgb.shape[:2]
    return {
        'height': height, 'width': width, 'encoding': encoding, 'is_bigendian': 0,
        'step': width * rgb[0, 0].nbytes, 'data': np.frombuffer(rgb.tobytes(), np.uint8),
    }


def info(k=K):
    """Return the fields of a CameraInfo."""
    from rosbags.typesys import get_typestore, Stores

    roi = get_typestore(Stores.ROS2_HUMBLE).types['sensor_msgs/msg/RegionOfInterest']
    p = np.zeros(12)
    p[[0, 2, 5, 6, 10]] = k[0], k[2], k[4], k[5], 1
    return {
        'height': 6, 'width': 8, 'distortion_model': 'plumb_bob', 'd': np.zeros(5),
        'k': np.array(k, float), 'r': np.eye(3).reshape(-1), 'p': p, 'binning_x': 0,
        'binning_y': 0, 'roi': roi(0, 0, 0, 0, False),
    }


IMAGE, COMPRESSED, INFO = (
    f'sensor_msgs/msg/{name}' for name in ('Image', 'CompressedImage', 'CameraInfo')
)
