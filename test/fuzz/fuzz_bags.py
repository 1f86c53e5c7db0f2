"""A small bag to start fuzzing from."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_bag(folder: Path) -> Path:
    """
    Write two frames of a camera as an mcap bag.

    :param folder: that does not exist yet.
    :returns: the mcap file in it.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import get_typestore, Stores

    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        kind = 'sensor_msgs/msg/Image'
        connection = writer.add_connection('/camera/image_raw', kind, typestore=store)
        for n in range(2):
            stamp = types['builtin_interfaces/msg/Time'](sec=n, nanosec=0)
            header = types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera')
            message = types[kind](
                header=header, height=4, width=6, encoding='rgb8', is_bigendian=0, step=18,
                data=np.arange(72, dtype=np.uint8),
            )
            writer.write(connection, n * 10**9, store.serialize_cdr(message, kind))
    return next(folder.glob('*.mcap'))
