"""Reading of results with rosbags, which did not write our arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

DTYPES = {'32FC1': np.float32, '16UC1': np.uint16, 'rgb8': np.uint8}


class Stored(NamedTuple):
    """A message of a bag."""

    when: int
    raw: bytes
    message: Any

    @property
    def stamp(self) -> int:
        """Of its header (ns)."""
        stamp = self.message.header.stamp
        return stamp.sec * 10**9 + stamp.nanosec

    @property
    def image(self) -> np.ndarray:
        """The pixels."""
        shape = self.message.height, self.message.width
        return self.message.data.view(DTYPES[self.message.encoding]).reshape(*shape, -1).squeeze()

    @property
    def points(self) -> np.ndarray:
        """The points of a cloud, x y z and more."""
        return self.message.data.view(np.float32).reshape(-1, self.message.point_step // 4)


def contents(path: Path) -> dict[str, list[Stored]]:
    """Read a whole bag: topic to messages."""
    from rosbags.highlevel import AnyReader
    from rosbags.typesys import get_typestore, Stores

    files = sorted(path.glob('*.bag')) if path.is_dir() else []
    found: dict[str, list[Stored]] = {}
    with AnyReader(files or [path], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as bag:
        for connection, when, raw in bag.messages():
            message = bag.deserialize(raw, connection.msgtype)
            found.setdefault(connection.topic, []).append(Stored(when, bytes(raw), message))
    return found
