"""The frames that the camera publisher sends: opened, resized, calibrated, repeated."""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses
import itertools

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.config.camera_publisher import CameraPublisherConfig
from depth_node.image.size import Size
from depth_node.sources.frame import Frame
from depth_node.sources.frames import FrameSource, open_source, WorldSource
from depth_node.sources.skipping import warn
from depth_node.sources.video import RATE

WORLD_SIZE = Size(320, 240)
WORLD_HFOV_DEG = 75.0



def open_frames(config: CameraPublisherConfig) -> FrameSource:
    """
    Open the source of the parameters, with the camera of the parameters.

    :param config: the parameters.
    :returns: the source.
    :raises DepthNodeError: there is no such source, or it cannot be read.
    """
    camera = Camera.from_yaml(config.calibration_file) if config.calibration_file else None
    source = open_source(config.source, camera, rate=config.rate or RATE, topic=config.topic,
                         on_skip=warn)
    if not isinstance(source, WorldSource):
        return source
    size = Size(config.width, config.height) if config.width else WORLD_SIZE
    if camera is None:
        camera = Camera.from_hfov(*size, config.hfov_deg or WORLD_HFOV_DEG)
    elif config.width:
        camera = camera.scaled(size)
    return dataclasses.replace(source, camera=camera)


def prepared(source: FrameSource, config: CameraPublisherConfig) -> Iterator[Frame]:
    """
    Iterate over frames with their final size and camera, repeatedly if looping.

    :param source: the source.
    :param config: the parameters.
    :returns: the frames; their stamps keep increasing when the source starts again.
    :raises DepthNodeError: the source cannot be read.
    """
    size = Size(config.width, config.height) if config.width else None
    begin = 0
    while True:
        last, step, first = 0, int(1e9 / (config.rate or RATE)), None
        for frame in source:
            stamp = frame.stamp or 0
            first = stamp if first is None else first
            step = stamp - last if stamp > last > 0 else step
            last = stamp
            shifted = dataclasses.replace(frame, stamp=begin + stamp)
            yield _fitted(shifted, size, config.hfov_deg)
        if not config.loop or first is None:
            return
        begin += last - first + step


def _fitted(frame: Frame, size: Size | None, hfov_deg: float) -> Frame:
    rgb, depth, camera = frame.rgb, frame.depth, frame.camera
    if camera is None and hfov_deg:
        camera = Camera.from_hfov(rgb.shape[1], rgb.shape[0], hfov_deg)
    if size is not None and (rgb.shape[1], rgb.shape[0]) != tuple(size):
        rgb = _resized(rgb, size)
        camera = camera.scaled(size) if camera is not None else None
        depth = None  # interpolated depth is not the truth
    return dataclasses.replace(frame, rgb=rgb, camera=camera, depth=depth)


def _resized(rgb: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    shrinks = size.width < rgb.shape[1]
    return np.asarray(
        cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    )


def to_and_fro(frames: list[Frame], loop: bool) -> Iterator[Frame]:
    """
    Iterate over frames forwards and backwards, with increasing stamps.

    :param frames: the frames.
    :param loop: whether to go on for ever.
    :returns: the frames.
    """
    if not frames:
        return
    first = frames[0].stamp or 0
    step = (frames[1].stamp or 0) - first if len(frames) > 1 else int(1e9 / RATE)
    order: Iterator[Frame] = iter(frames)
    if loop:
        order = itertools.cycle([*frames, *frames[-2:0:-1]])
    for number, frame in enumerate(order):
        yield dataclasses.replace(frame, stamp=first + number * step)
