"""The parameters of the node ``camera_publisher``."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from dataclasses import dataclass
from typing import Any

from depth_node.config.fields import checked, param, specs
from depth_node.errors import ConfigError


@dataclass(frozen=True)
class CameraPublisherConfig:
    """What is published, how fast, and as what; none may change while running."""

    source: str = param(
        'world',
        'A folder of images, a video, a camera device (/dev/video0 or its number), a rosbag, or '
        'world (world:SEED): the synthetic room.',
        live=False,
    )
    topic: str = param('', 'Image topic of a rosbag; empty: its first.', live=False)
    rate: float = param(
        0.0,
        'Frames per second; 0: as recorded, as the device gives them, 30 for folders and the '
        'world.',
        unit='Hz', low=0.0, high=1000.0,
        live=False,
    )
    loop: bool = param(
        True, 'Begin again at the end; false: exit with 0 after the last frame.', live=False
    )
    preload: int = param(
        0,
        'Frames to take from the source before the first is published, and to go through to and '
        'fro from then on without reading more; 0: read as we go.',
        low=0, high=1000,
        live=False,
    )
    wait: bool = param(
        False, 'Begin when somebody has subscribed to the images.', live=False
    )
    width: int = param(
        0, 'Resize to (the world is rendered at) this width; 0: as it is.', unit='px',
        low=0, high=16384,
        live=False,
    )
    height: int = param(
        0, 'Resize to this height; 0: as it is.', unit='px', low=0, high=16384, live=False
    )
    frame_id: str = param(
        'camera_optical_frame', 'Frame of images and CameraInfo (x right, y down, z forward).',
        live=False,
    )
    parent_frame: str = param(
        '',
        'Publish a static transform from this frame (x forward, z up) at the same place; '
        'empty: none.',
        live=False,
    )
    calibration_file: str = param(
        '', 'camera_calibration YAML; bags bring their own.', live=False
    )
    hfov_deg: float = param(
        0.0,
        'Horizontal field of view, where there is no calibration; 0: CameraInfo says that the '
        'camera is not calibrated (the world has 75 deg).',
        unit='deg', low=0.0, high=179.0,
        live=False,
    )
    encoding: str = param(
        'rgb8', 'Encoding of the images.', choices=('rgb8', 'bgr8', 'mono8'), live=False
    )
    jpeg_quality: int = param(
        90, 'Quality of the compressed images.', low=1, high=100, live=False
    )
    reliability: str = param(
        'reliable', 'Reliability offered for images and CameraInfo.',
        choices=('reliable', 'best_effort'),
        live=False,
    )
    stamps: str = param(
        'now', 'Stamp frames with the time of publishing (now) or as recorded (source).',
        choices=('now', 'source'),
        live=False,
    )

    @classmethod
    def of(cls, values: Mapping[str, object]) -> CameraPublisherConfig:
        """
        Check parameters.

        :param values: name to value.
        :returns: the configuration; what is not given has its default.
        :raises ConfigError: a wrong type, a value out of bounds, or a contradiction.
        """
        default = cls()
        known = specs(cls)
        found: dict[str, Any] = {
            name: checked(name, value, getattr(default, name), known[name])
            for name, value in values.items()
        }
        config = dataclasses.replace(default, **found)
        if not config.source:
            raise ConfigError('source is empty.', known['source'].doc)
        if bool(config.width) != bool(config.height):
            raise ConfigError(
                f'width is {config.width} and height {config.height}: give both, or neither.'
            )
        if config.calibration_file and config.hfov_deg:
            raise ConfigError('calibration_file and hfov_deg are both given: one is enough.')
        return config
