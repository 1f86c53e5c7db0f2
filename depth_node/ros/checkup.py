"""Check the ROS side of this machine: middleware, shared memory, cameras of the domain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
import os
import shutil
import time
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depth_node.evaluation.checkup import Finding
from depth_node.ros import dds
from depth_node.ros.matching import offered_reliability
from depth_node.sources.topics import info_topic
from depth_node.text import printable

TYPES = {'sensor_msgs/msg/Image': Image, 'sensor_msgs/msg/CompressedImage': CompressedImage}
MOST_TOPICS = 16
"""Topics that are measured: each costs its bandwidth while it is."""


@dataclass
class Heard:
    """
    What was received from one camera.

    :param images: number of images.
    :param size: of the last one (pixels); None for compressed ones.
    :param infos: number of CameraInfo messages.
    :param info: the last one.
    """

    images: int = 0
    size: tuple[int, int] | None = None
    infos: int = 0
    info: Any = field(default=None)


def middleware() -> Iterator[Finding]:
    """
    Look at the distribution, the middleware and its shared memory.

    :returns: the findings.
    """
    yield Finding('ros', 'distribution', os.environ.get('ROS_DISTRO', 'unknown (wheels?)'))
    yield Finding('ros', 'middleware', get_rmw_implementation_identifier())
    yield Finding('ros', 'domain', os.environ.get('ROS_DOMAIN_ID', '0'))
    chosen = dds.transport()
    profile = next((os.environ[n] for n in dds.PROFILE_VARIABLES if n in os.environ), '')
    text = profile or f'none in this shell; the node would use: {chosen.reason}'
    if 'fastrtps' not in get_rmw_implementation_identifier():
        yield Finding('ros', 'DDS profile', 'not Fast DDS: no profile of ours')
    elif profile:
        yield Finding('ros', 'DDS profile', text)
    else:
        yield Finding(
            'ros', 'DDS profile', text,
            'A camera driver started from this shell uses the default transport of Fast DDS, '
            'which loses most large images.',
            'Start the driver with FASTRTPS_DEFAULT_PROFILES_FILE set to '
            'config/fastdds_shm.xml of this package (doc/dds.md).',
        )
    if dds.SHARED_MEMORY.is_dir():
        usage = shutil.disk_usage(dds.SHARED_MEMORY)
        value = f'{usage.free / 2**20:.0f} of {usage.total / 2**20:.0f} MiB free'
        short = usage.free < dds.SEGMENTS_BYTES
        yield Finding(
            'ros', str(dds.SHARED_MEMORY), value,
            f'The shared-memory profile needs {dds.SEGMENTS_BYTES / 2**20:.0f} MiB.'
            if short else '',
            'Start the container with --ipc=host or --shm-size=1g, or end what fills it.'
            if short else '',
        )


def cameras(seconds: float = 3.0) -> Iterator[Finding]:
    """
    Find the cameras of this domain, and measure them.

    :param seconds: how long to listen (s).
    :returns: one finding per image topic.
    """
    with _node() as (node, executor):
        _spin(executor, min(1.0, seconds))  # discovery
        topics = {
            topic: kind for topic, kinds in node.get_topic_names_and_types()
            for kind in kinds if kind in TYPES and not _is_ours(node, topic)
        }
        heard = {topic: Heard() for topic in sorted(topics)[:MOST_TOPICS]}
        for topic, found in heard.items():
            _listen(node, topic, TYPES[topics[topic]], found)
        begin = time.monotonic()
        _spin(executor, seconds)
        took = time.monotonic() - begin
        if not heard:
            yield Finding(
                'cameras', 'image topics', 'none', 'No image topic is published in this domain.',
                'Start the camera driver; ROS_DOMAIN_ID and the middleware must be the same.',
            )
        for topic, found in heard.items():
            yield _judged(node, topic, found, took)


def _is_ours(node: Node, topic: str) -> bool:
    """Whether a topic comes from a depth_node, which is no camera."""
    offers = node.get_publishers_info_by_topic(topic)
    return not offers or any('depth_node' in offer.node_name for offer in offers)


def _judged(node: Node, topic: str, heard: Heard, took: float) -> Finding:
    """Say what one camera does, and the first thing that is wrong with it."""
    offers = node.get_publishers_info_by_topic(topic)
    reliable = _reliable(node, topic)
    size = '' if heard.size is None else f', {heard.size[0]}x{heard.size[1]}'
    value = (
        f'{heard.images / took:.1f} per second{size}, '
        f'{"reliable" if reliable else "best effort"}, {len(offers)} publisher(s), '
        f'CameraInfo {heard.infos / took:.1f} per second'
    )
    info, name = heard.info, printable(topic, 200)
    if not heard.images:
        wrong = 'It has a publisher, but no image arrives.', 'Check the driver and its QoS.'
    elif info is None:
        wrong = (
            f'No CameraInfo on {info_topic(topic)}.',
            'Remap camera_info, or set input.calibration_file.',
        )
    elif not info.k[0]:
        wrong = 'CameraInfo is uncalibrated (K is all zero).', 'Calibrate the camera.'
    elif heard.size is not None and not _fits(info, heard.size):
        width, height = heard.size
        wrong = (
            f'CameraInfo is for {info.width}x{info.height}, the images are {width}x{height}.',
            'Calibrate at the size of the images, or let the driver resize both.',
        )
    elif not reliable:
        wrong = (
            'Its publisher offers best effort: of large images, some are lost.',
            'Set its QoS to reliable, or start it with the shared-memory profile (doc/dds.md).',
        )
    else:
        wrong = '', ''
    return Finding('cameras', name, value, *wrong)


def _fits(info: Any, size: tuple[int, int]) -> bool:
    """Whether a CameraInfo can be that of images of a size, with its binning and ROI."""
    wide, high = info.roi.width or info.width, info.roi.height or info.height
    return size in (
        (info.width, info.height),
        (wide // (info.binning_x or 1), high // (info.binning_y or 1)),
    )


def _reliability(node: Node, topic: str) -> ReliabilityPolicy:
    offers = node.get_publishers_info_by_topic(topic)
    return offered_reliability(offers, ReliabilityPolicy.RELIABLE)


def _reliable(node: Node, topic: str) -> bool:
    return _reliability(node, topic) == ReliabilityPolicy.RELIABLE


def _listen(node: Node, topic: str, kind: Any, heard: Heard) -> None:
    def on_image(message: Any) -> None:
        heard.images += 1
        if kind is Image:
            heard.size = message.width, message.height

    def on_info(message: CameraInfo) -> None:
        heard.infos += 1
        heard.info = message

    for name, type_, callback in (
        (topic, kind, on_image), (info_topic(topic), CameraInfo, on_info)
    ):
        qos = QoSProfile(
            depth=1, history=HistoryPolicy.KEEP_LAST, reliability=_reliability(node, name)
        )
        node.create_subscription(type_, name, callback, qos)


@contextmanager
def _node() -> Iterator[tuple[Node, SingleThreadedExecutor]]:
    """Give a node in a context of its own."""
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node(
        'depth_node_doctor', context=context, enable_rosout=False, start_parameter_services=False
    )
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        yield node, executor
    finally:
        executor.shutdown(timeout_sec=0)
        node.destroy_node()
        rclpy.shutdown(context=context)


def _spin(executor: SingleThreadedExecutor, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.1)
