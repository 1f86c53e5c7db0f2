"""
Send the node an hour's worth of every flood, as quickly as it takes it, and watch its memory.

`make floods` writes doc/measurements/floods.md; `--share 0.1` sends a tenth.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
import os
from pathlib import Path
import random
import re
import string
import sys
import tempfile
import time
from typing import Any

import numpy as np

from depth_node.camera import Camera
from depth_node.ros import dds
from depth_node.ros.trial import trio

DOCUMENT = Path(__file__).parents[1] / 'doc' / 'measurements' / 'floods.md'
HOUR_S = 3600
ALLOWED_MB = 60.0
"""
What a flood may add after its first quarter.

By then the buffers have the size of the largest message, and malloc keeps what was free once.
"""
CAMERA = Camera.from_hfov(320, 240, 75.0)
EXTRINSIC = '[0.0,0.0,0.0,0.5,-0.5,0.5,0.5]'
QUARTERS = 4
PAUSE_S = 0.0005
SETTLED, PATIENCE_S = 20, 30.0
"""Depth images before the flood begins, and how long they are waited for."""
TEXT = """# Measurements: floods

Written by `make floods`: the messages of an hour, sent as quickly as the node takes
them, to a node with the embedded network. Resident memory in MB after each quarter of the flood;
it is called flat if it grows by less than {allowed:.0f} MB after the first quarter.

{cores} CPU cores; share of the hour: {share:g}.

| flood | messages | before | 1/4 | 1/2 | 3/4 | end | log (kB) | |
|---|---|---|---|---|---|---|---|---|
{rows}
"""


@dataclass(frozen=True)
class Flood:
    """
    One kind of too much.

    :param name: for the table.
    :param count: messages of an hour.
    :param send: given the tools of :class:`Rig`, yields once for every message sent.
    :param parameters: of the node.
    """

    name: str
    count: int
    send: Callable[[Rig], Iterator[None]]
    parameters: dict[str, object]


class Rig:
    """Publishers of everything that a flood may be made of."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

        rclpy.init()
        self.node = rclpy.create_node('floods')
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.rng = random.Random(0)  # noqa: S311 - nothing secret
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
        kinds = {
            'image': Image, 'camera_info': CameraInfo, 'image/compressed': CompressedImage,
            'scale/points': PointCloud2,
        }
        self.publishers = {
            topic: self.node.create_publisher(kind, topic, qos) for topic, kind in kinds.items()
        }
        self.depths = 0
        self.node.create_subscription(Image, 'depth/image', self._count, qos)
        self.node.create_subscription(PointCloud2, 'depth/points', lambda _: None, qos)

    def _count(self, _: Any) -> None:
        self.depths += 1

    def header(self, stamp: int, frame: str = 'camera') -> Any:
        """Make a header."""
        from depth_node.ros import messages

        return messages.header_of(messages.stamp_of(stamp), frame)

    def spin(self, seconds: float) -> None:
        """Take what has arrived."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.005)

    def name(self, length: int = 5000) -> str:
        """Make up a name."""
        return ''.join(self.rng.choices(string.ascii_letters, k=length))

    def cloud(self, points: int) -> Any:
        """Make a lidar's cloud."""
        from sensor_msgs.msg import PointCloud2, PointField

        xyz = np.random.default_rng(0).normal(3, 1, (points, 3)).astype(np.float32)
        return PointCloud2(
            height=1, width=points, point_step=12, row_step=12 * points, data=xyz.tobytes(),
            is_dense=True,
            fields=[PointField(name=a, offset=4 * i, datatype=7, count=1)
                    for i, a in enumerate('xyz')],
        )


def frames(rig: Rig, change: Callable[[Any, Any, int], None]) -> Iterator[None]:
    """Send images and CameraInfo, each changed."""
    from depth_node.ros import messages

    rgb = np.random.default_rng(0).integers(0, 255, (CAMERA.height, CAMERA.width, 3), np.uint8)
    for number in range(sys.maxsize):
        header = rig.header(10**12 + number * 33_000_000)
        image = messages.image_to_msg(rgb, 'rgb8', header)
        info = messages.camera_info_to_msg(CAMERA, header)
        change(image, info, number)
        rig.publishers['camera_info'].publish(info)
        rig.publishers['image'].publish(image)
        yield


def plain(rig: Rig) -> Iterator[None]:
    """Send good frames: the flood to compare with."""
    return frames(rig, lambda _image, _info, _number: None)


def names(rig: Rig) -> Iterator[None]:
    """Give every frame a frame_id and an encoding of its own."""
    def change(image: Any, _info: Any, number: int) -> None:
        image.header.frame_id = rig.name()
        if number % 2:
            image.encoding = rig.name(200)

    return frames(rig, change)


def sizes(rig: Rig) -> Iterator[None]:
    """Give every frame a size of its own."""
    from depth_node.ros import messages

    def change(image: Any, _info: Any, _number: int) -> None:
        width, height = rig.rng.randrange(16, 640), rig.rng.randrange(16, 480)
        new = messages.image_to_msg(np.zeros((height, width, 3), np.uint8), 'rgb8', image.header)
        image.width, image.height, image.step, image.data = width, height, new.step, new.data

    return frames(rig, change)


def infos(rig: Rig) -> Iterator[None]:
    """Send CameraInfo of 4 MB, each with its own stamp."""
    from depth_node.ros import messages

    info = messages.camera_info_to_msg(CAMERA, rig.header(0))
    info.d = [0.0] * 500_000
    for number in range(sys.maxsize):
        info.header.stamp = messages.stamp_of(10**12 + number)
        rig.publishers['camera_info'].publish(info)
        yield


def clouds(rig: Rig, *, still: bool) -> Iterator[None]:
    """Send a lidar's clouds, whose stamp may stand still, and a frame for every third."""
    frame, cloud = plain(rig), rig.cloud(20_000)
    for number in range(sys.maxsize):
        cloud.header = rig.header(10**12 + (0 if still else number * 33_000_000), 'lidar')
        rig.publishers['scale/points'].publish(cloud)
        if number % 3 == 0:
            next(frame)
        yield


def jpegs(rig: Rig) -> Iterator[None]:
    """Send compressed images, every other one cut."""
    from depth_node.ros import messages

    rgb = np.random.default_rng(0).integers(0, 255, (CAMERA.height, CAMERA.width, 3), np.uint8)
    good = bytes(messages.jpeg_to_msg(rgb, rig.header(0), 90).data)
    for number in range(sys.maxsize):
        message = messages.jpeg_to_msg(rgb[:1, :1], rig.header(10**12 + number * 33_000_000), 90)
        message.data = good if number % 2 else good[:rig.rng.randrange(len(good))]
        rig.publishers['image/compressed'].publish(message)
        yield


def requests(rig: Rig) -> Iterator[None]:
    """Change parameters, half of the times to something that is refused."""
    from rcl_interfaces.srv import SetParameters
    from rclpy.parameter import Parameter

    client = rig.node.create_client(SetParameters, 'depth_node/set_parameters')
    client.wait_for_service(20)
    frame = plain(rig)
    for number in range(sys.maxsize):
        value = rig.name(3000) if number % 2 else float(rig.rng.randrange(2, 9))
        parameter = Parameter('scan.range_max', value=value).to_parameter_msg()
        future = client.call_async(SetParameters.Request(parameters=[parameter]))
        end = time.monotonic() + 5
        while not future.done() and time.monotonic() < end:
            rig.executor.spin_once(timeout_sec=0.01)
        if number % 10 == 0:
            next(frame)
        yield


def subscribers(rig: Rig) -> Iterator[None]:
    """Let subscribers come and go."""
    from sensor_msgs.msg import Image

    frame = plain(rig)
    while True:
        subscription = rig.node.create_subscription(
            Image, 'depth/image_color', lambda _: None, 1
        )
        next(frame)
        rig.spin(0.02)
        rig.node.destroy_subscription(subscription)
        yield


POINTS: dict[str, object] = {'scale.source': 'points', 'scale.extrinsic': EXTRINSIC}
FLOODS = (
    Flood('good frames at 30 Hz', 30 * HOUR_S, plain, {}),
    Flood('frames, each with a frame_id of 5000 letters and an encoding', 30 * HOUR_S, names, {}),
    Flood('frames, each of a size of its own', 30 * HOUR_S, sizes, {}),
    Flood('CameraInfo of 4 MB, at 1 Hz', HOUR_S, infos, {}),
    Flood('clouds of a lidar at 10 Hz', 10 * HOUR_S, lambda r: clouds(r, still=False), POINTS),
    Flood('the same, its stamp standing still', 10 * HOUR_S, lambda r: clouds(r, still=True),
          POINTS),
    Flood('JPEG at 30 Hz, every other one cut', 30 * HOUR_S, jpegs,
          {'input.transport': 'compressed', 'input.hfov_deg': 75.0}),
    Flood('changes of a parameter at 1 Hz, half of them refused', HOUR_S, requests, {}),
    Flood('subscribers that come and go, one a second', HOUR_S, subscribers, {}),
)


def memory_of(pid: int) -> float:
    """
    Read the resident memory of a process.

    :param pid: process id.
    :returns: MB.
    """
    text = Path(f'/proc/{pid}/status').read_text(encoding='utf-8')
    found = re.search(r'VmRSS:\s+(\d+)', text)
    return int(found[1]) / 1000 if found else float('nan')


def run(flood: Flood, share: float, logs: Path) -> tuple[str, bool]:
    """
    Send one flood to a node of its own.

    :param flood: what to send.
    :param share: of an hour.
    :param logs: folder for what the node says.
    :returns: a row of the table, and whether memory was flat and the node alive.
    """
    processes = trio.Processes(dict(os.environ), logs)
    parameters = {'model.name': 'embedded', 'engine.name': 'onnxruntime', **flood.parameters}
    rig = RIGS[0]
    node = processes.start(
        'node', 'depth_node.ros.node', '--ros-args', *trio.as_words(parameters)
    )
    try:
        start, good = plain(rig), jpegs(rig) if 'input.transport' in flood.parameters else None
        rig.depths, end = 0, time.monotonic() + PATIENCE_S
        # a source of scale that is still silent gives no metres
        while rig.depths < SETTLED and time.monotonic() < end:
            next(good or start)
            rig.spin(0.1)
        seen = [memory_of(node.pid)]
        count, sending = max(int(flood.count * share), QUARTERS), flood.send(rig)
        for number in range(count):
            next(sending)
            time.sleep(PAUSE_S)
            if number % 20 == 0:
                rig.executor.spin_once(timeout_sec=0)
            if (number + 1) % (count // QUARTERS) == 0 and len(seen) <= QUARTERS:
                rig.spin(0.5)
                seen.append(memory_of(node.pid))
        alive = node.poll() is None
    finally:
        code = processes.end()['node']
    flat = alive and code == 0 and max(seen[2:]) - seen[1] < ALLOWED_MB
    size = (logs / 'node.log').stat().st_size / 1000
    cells = ' | '.join(f'{value:.0f}' for value in seen)
    verdict = 'flat' if flat else f'**grows, or ended with {code}**'
    return f'| {flood.name} | {count} | {cells} | {size:.0f} | {verdict} |', flat


RIGS: list[Rig] = []


def main() -> int:
    """
    Send every flood, print the table and write the document.

    :returns: 0 if memory was flat in all of them, 1 otherwise.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--share', type=float, default=1.0, help='of an hour (default 1)')
    args = parser.parse_args()
    os.environ.update({
        'ROS_DOMAIN_ID': str(1 + os.getpid() % 100),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        **dds.transport().environment,
    })
    RIGS.append(Rig())
    rows, flat = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number, flood in enumerate(FLOODS):
            logs = Path(folder, str(number))
            logs.mkdir()
            row, good = run(flood, args.share, logs)
            print(row, flush=True)
            rows.append(row)
            flat.append(good)
    DOCUMENT.write_text(TEXT.format(
        allowed=ALLOWED_MB, cores=len(os.sched_getaffinity(0)), share=args.share,
        rows='\n'.join(rows),
    ), encoding='utf-8')
    return 0 if all(flat) else 1


if __name__ == '__main__':
    sys.exit(main())
