"""What is added to a recording: the table of topics, with the fields of the node's messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.cloud.pipeline import Planned
from depth_node.config import Config
from depth_node.errors import ConfigError
from depth_node.estimator import Estimate
from depth_node.image.compressed_depth import encode_depth, format_of
from depth_node.output.message_fields import (
    camera_info_fields,
    cloud_fields,
    depth_values,
    Fields,
    image_fields,
    scan_fields,
)
from depth_node.sources.frame import Frame

PLANNED = frozenset({'points', 'scan'})
"""Outputs that need the geometry of the robot."""


@dataclass(frozen=True)
class Scene:
    """
    What is known of one frame.

    :param frame: with its camera, if that is known.
    :param estimate: its depth.
    :param config: the parameters.
    :param planned: cloud and scan, as far as they are wanted and known.
    """

    frame: Frame
    estimate: Estimate
    config: Config
    planned: Planned

    @property
    def depth(self) -> NDArray[np.float32]:
        """The metres; only where there are some."""
        assert self.estimate.depth is not None
        return self.estimate.depth

    @property
    def camera(self) -> Camera:
        """The camera; only where it is known."""
        assert self.frame.camera is not None
        return self.frame.camera


@dataclass(frozen=True)
class Output:
    """
    One topic.

    :param topic: relative name, as the node has it.
    :param kind: message type.
    :param make: returns the fields of a scene, or None where there is no message.
    :param frame_id: returns the frame of the message.
    :param metric: whether it needs metres and a camera.
    """

    topic: str
    kind: str
    make: Callable[[Scene], Fields | None]
    frame_id: Callable[[Scene], str] = lambda scene: scene.frame.frame_id
    metric: bool = True


def _depth(scene: Scene) -> Fields:
    encoding = scene.config.output.encoding
    return image_fields(depth_values(scene.depth, encoding), encoding)


def _compressed(scene: Scene) -> Fields:
    output = scene.config.output
    data = encode_depth(
        scene.depth, output.encoding, output.compressed_max, output.compressed_quantization
    )
    return {'format': format_of(output.encoding), 'data': np.frombuffer(data, np.uint8)}


def _points(scene: Scene) -> Fields | None:
    planned = scene.planned
    if planned.points is None:
        return None
    return cloud_fields(planned.points, confidence=planned.confidence)


def _scan(scene: Scene) -> Fields | None:
    scan = scene.planned.scan
    return None if scan is None else scan_fields(scan.ranges, scan.geometry)


def _confidence(scene: Scene) -> Fields | None:
    values = scene.estimate.confidence
    return None if values is None else image_fields(values, '32FC1')


OUTPUTS = {
    'depth': Output('depth/image', 'sensor_msgs/msg/Image', _depth),
    'compressed': Output(
        'depth/image/compressedDepth', 'sensor_msgs/msg/CompressedImage', _compressed
    ),
    'camera_info': Output(
        'depth/camera_info', 'sensor_msgs/msg/CameraInfo',
        lambda scene: camera_info_fields(scene.camera),
    ),
    'points': Output(
        'depth/points', 'sensor_msgs/msg/PointCloud2', _points,
        lambda scene: scene.config.points.frame or scene.frame.frame_id,
    ),
    'scan': Output(
        'depth/scan', 'sensor_msgs/msg/LaserScan', _scan,
        lambda scene: scene.config.scan.output_frame,
    ),
    'confidence': Output('depth/confidence', 'sensor_msgs/msg/Image', _confidence),
    'relative': Output(
        'depth/image_relative', 'sensor_msgs/msg/Image',
        lambda scene: image_fields(scene.estimate.prediction.values, '32FC1'), metric=False,
    ),
}
"""All outputs by the names of `--topics`; names, types and contents are the node's."""
DEFAULT = ('depth', 'camera_info', 'points')


def chosen(text: str) -> tuple[str, ...]:
    """
    Return the outputs of a list.

    :param text: names of :data:`OUTPUTS`, separated by commas.
    :returns: the names, each once, in the order of the table.
    :raises ConfigError: another name, or none.
    """
    names = {name.strip() for name in text.split(',')} - {''}
    if not names or not names <= OUTPUTS.keys():
        raise ConfigError(f'--topics is {text!r}, expected some of {", ".join(OUTPUTS)}.')
    return tuple(name for name in OUTPUTS if name in names)


def topic_name(namespace: str, output: Output) -> str:
    """
    Return the absolute name of an output's topic.

    :param namespace: for example ``/robot/front``; '' for none.
    :param output: the output.
    :returns: for example ``/robot/front/depth/image``.
    """
    return '/'.join(['', *filter(None, namespace.split('/')), output.topic])
