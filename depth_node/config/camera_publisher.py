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
    """What is published, how fast, and as what; nothing can change while running."""

    source: str = param(
        'world',
        'What to publish: a folder of images, a video, a camera device (/dev/video0 or its '
        'number), a rosbag, or world (world:SEED), the synthetic room, or home (home:SEED), a '
        'lived-in one.',
        live=False,
    )
    topic: str = param(
        '',
        'Image topic of a rosbag. Empty: the first one.',
        live=False,
    )
    rate: float = param(
        0.0,
        'Frame rate. 0: as recorded or as the device delivers; 30 for folders and the world.',
        unit='Hz', low=0.0, high=1000.0,
        live=False,
    )
    loop: bool = param(
        True,
        'Start again at the end. false: exit with code 0 after the last frame.',
        live=False,
    )
    preload: int = param(
        0,
        'Number of frames to read before publishing starts; they are then played back and forth. '
        '0: read while publishing.',
        low=0, high=1000,
        live=False,
    )
    wait: bool = param(
        False,
        'Wait for a subscriber to the images before publishing.',
        live=False,
    )
    width: int = param(
        0,
        'Resize to this width (the world is rendered at this width). 0: unchanged.',
        unit='px', low=0, high=16384,
        live=False,
    )
    height: int = param(
        0,
        'Resize to this height (the world is rendered at this height). 0: unchanged.',
        unit='px', low=0, high=16384,
        live=False,
    )
    frame_id: str = param(
        'camera_optical_frame',
        'Frame of images and CameraInfo (x right, y down, z forward).',
        live=False,
    )
    parent_frame: str = param(
        '',
        'Publish a static transform from this frame (x forward, z up) at the same position. '
        'Empty: none.',
        live=False,
    )
    calibration_file: str = param(
        '',
        'YAML file of camera_calibration. Bags contain their own calibration.',
        live=False,
    )
    hfov_deg: float = param(
        0.0,
        'Horizontal field of view, if there is no calibration. 0: CameraInfo is published as '
        'uncalibrated (for the world: 75 deg).',
        unit='deg', low=0.0, high=179.0,
        live=False,
    )
    encoding: str = param(
        'rgb8',
        'Encoding of the images.',
        choices=('rgb8', 'bgr8', 'mono8'),
        live=False,
    )
    jpeg_quality: int = param(
        90,
        'JPEG quality of the compressed images.',
        low=1, high=100,
        live=False,
    )
    reliability: str = param(
        'reliable',
        'Reliability that the publishers of images and CameraInfo offer.',
        choices=('reliable', 'best_effort'),
        live=False,
    )
    stamps: str = param(
        'now',
        'Stamp of the frames: the time of publishing (now) or the recorded time (source).',
        choices=('now', 'source'),
        live=False,
    )

    @classmethod
    def of(cls, values: Mapping[str, object]) -> CameraPublisherConfig:
        """
        Return the configuration with some parameters, checked.

        :param values: name to value.
        :returns: the configuration; missing names have their defaults.
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
            raise ConfigError('source is empty.', f'Set it to: {known["source"].doc}')
        if bool(config.width) != bool(config.height):
            raise ConfigError(
                f'width is {config.width} and height is {config.height}. Set both, or neither.'
            )
        if config.calibration_file and config.hfov_deg:
            raise ConfigError('calibration_file and hfov_deg are both set. Set only one of them.')
        return config
