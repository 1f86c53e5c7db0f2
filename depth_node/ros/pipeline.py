"""What the worker does with one frame: read it, estimate, publish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from depth_node.camera import Camera, UncalibratedError
from depth_node.color import colorize
from depth_node.config import Config
from depth_node.errors import DepthNodeError, EngineError
from depth_node.estimator import DepthEstimator, DepthFrame
from depth_node.model import Size
from depth_node.points import Frames, PointsPipeline
from depth_node.ros import messages
from depth_node.ros.calibration import Calibration
from depth_node.ros.health import Health
from depth_node.ros.opening import Opening
from depth_node.ros.outputs import Outputs
from depth_node.ros.transforms import Transforms

Frame = NDArray[np.uint8]


@dataclass(frozen=True)
class Job:
    """
    A frame on its way to the worker.

    :param message: Image or CompressedImage.
    :param arrived: when it was received (s, monotonic clock).
    """

    message: Any
    arrived: float


class Pipeline:
    """
    Takes frames from message to messages; lives from activate to deactivate.

    :param config: returns the configuration in force.
    :param opening: where the engine comes from.
    :param calibration: where cameras come from.
    :param outputs: the publishers.
    :param health: told about everything.
    :param transforms: where frames are looked up.
    :param logger: an rclpy logger.
    :param image_topic: returns the resolved image topic.
    """

    def __init__(  # noqa: PLR0917
        self,
        config: Callable[[], Config],
        opening: Opening,
        calibration: Calibration,
        outputs: Outputs,
        health: Health,
        transforms: Transforms,
        logger: Any,
        image_topic: Callable[[], str],
    ) -> None:
        self._config = config
        self._opening = opening
        self._calibration = calibration
        self._outputs = outputs
        self._health = health
        self._transforms = transforms
        self._logger = logger
        self._image_topic = image_topic
        self._estimator: DepthEstimator | None = None
        self._rgb: Frame | None = None
        self._points: PointsPipeline | None = None
        self._stages = health.stages

    def handle(self, job: Job) -> None:
        """
        Take one frame all the way; never raises.

        :param job: the frame.
        """
        start = time.monotonic()
        try:
            if self._process(job):
                self._health.published.add()
                self._health.frames_out += 1
                self._health.work.add(time.monotonic() - start)
                self._health.latency.add(time.monotonic() - job.arrived)
        except EngineError as error:
            self._failed('engine', error)
        except DepthNodeError as error:
            self._failed('frame', error)
        except Exception as error:  # noqa: BLE001  one bad frame must not end the node
            text = f'{type(error).__name__}: {error}. This is a fault of depth_node; report it.'
            self._failed('frame', DepthNodeError(text))

    def _process(self, job: Job) -> bool:
        """Return whether something was published."""
        message = job.message
        estimator = self._ready(message)
        wanted = self._outputs.wanted()
        if not wanted or estimator is None:
            self._health.drop('nobody listens' if not wanted else 'no engine yet')
            return False
        self._stages.begin()
        frame = self._picture(message)
        self._stages.lap('view')
        header = self._header(message.header)
        camera = self._camera(header, Size(frame.shape[1], frame.shape[0]))
        result = estimator.estimate(frame, camera)
        self._health.clear('frame', 'engine')
        self._judge(result, estimator)
        return self._publish(wanted, result, camera, frame, header)

    def _ready(self, message: Any) -> DepthEstimator | None:
        """Return the estimator, or see to it that there will be one."""
        config = self._config()
        if self._estimator is None:
            engine = self._opening.engine
            if engine is None:
                self._opening.start(self._size_of(message))
                return None
            self._estimator = DepthEstimator(engine, config, self._stages)
        self._estimator.configure(config)
        return self._estimator

    def _size_of(self, message: Any) -> Size:
        if isinstance(message, CompressedImage):
            height, width = self._picture(message).shape[:2]
            return Size(width, height)
        return Size(message.width, message.height)

    def _picture(self, message: Any) -> Frame:
        if isinstance(message, CompressedImage):
            return messages.rgb_from_compressed(message)
        size = (message.height, message.width, 3)
        if (self._rgb is None or self._rgb.shape != size) and message.encoding != 'rgb8':
            self._rgb = messages.rgb_from_msg(message)
            return self._rgb
        return messages.rgb_from_msg(message, self._rgb)

    def _header(self, header: Header) -> Header:
        """Return the input's header, with another frame_id where the parameters say so."""
        wanted = self._config().output.frame_id
        if wanted:
            header.frame_id = wanted
        if header.frame_id:
            self._health.clear('frame_id')
        else:
            self._warn(
                'frame_id',
                f'{self._image_topic()} has an empty frame_id, so its outputs cannot be placed. '
                'Set it in the camera driver, or set output.frame_id.',
            )
        return header

    def _camera(self, header: Header, size: Size) -> Camera | None:
        stamp = (header.stamp.sec, header.stamp.nanosec)
        try:
            camera = self._calibration.camera(stamp, size, self._image_topic())
        except UncalibratedError as error:
            self._warn('calibration', str(error), fatal=True)
            return None
        self._health.clear('calibration')
        return camera

    def _judge(self, result: DepthFrame, estimator: DepthEstimator) -> None:
        """Turn what the estimator noticed into conditions."""
        if result.depth is None:
            self._warn('scale', result.note, fatal=True)
        else:
            self._health.clear('scale')
            # a sixty-fourth of the pixels says as much and costs nothing
            self._health.invalid_share = float(np.isnan(result.depth[::8, ::8]).mean())
            if self._health.invalid_share == 1.0:
                self._warn(
                    'nan',
                    'every pixel is invalid: the engine gives NaN, or a filter is too strict. '
                    'Try engine.precision fp32, and filter.* and depth.* at their defaults.',
                    fatal=True,
                )
            else:
                self._health.clear('nan')
        if estimator.focal_note:
            self._warn('focal', estimator.focal_note)
        else:
            self._health.clear('focal')

    def _publish(
        self,
        wanted: frozenset[str],
        result: DepthFrame,
        camera: Camera | None,
        frame: Frame,
        header: Header,
    ) -> bool:
        """Publish what is wanted and known; return whether anything was."""
        publish = self._outputs.publish
        if 'depth/image_relative' in wanted:
            values = messages.image_to_msg(result.prediction.values, '32FC1', header)
            publish('depth/image_relative', values)
        depth = result.depth
        if depth is None or camera is None:
            return 'depth/image_relative' in wanted
        output = self._config().output
        if 'depth/image' in wanted:
            message = messages.depth_to_msg(depth, output.encoding, header)
            self._stages.lap('message')
            publish('depth/image', message)
            self._stages.lap('publish')
        if 'depth/camera_info' in wanted:
            publish('depth/camera_info', messages.camera_info_to_msg(camera, header))
        if 'depth/points' in wanted or 'depth/scan' in wanted:
            self._plan(wanted, depth, camera, frame, header)
        if 'depth/image_color' in wanted:
            picture = colorize(
                depth, output.color_min, output.color_max, bar=output.color_bar
            )
            publish('depth/image_color', messages.image_to_msg(picture, 'bgr8', header))
            self._stages.lap('color')
        return True

    def _plan(
        self,
        wanted: frozenset[str],
        depth: NDArray[np.float32],
        camera: Camera,
        frame: Frame,
        header: Header,
    ) -> None:
        """Publish what planners listen to."""
        config = self._config()
        made = self._points
        if made is None or not made.suits(camera, config):
            made = self._points = PointsPipeline(camera, config)
        points, scan = 'depth/points' in wanted, 'depth/scan' in wanted
        names = made.frames(points=points, scan=scan)
        optical, stamp = header.frame_id, header.stamp
        found = [self._transforms.lookup(name, optical, stamp) if name else None for name in names]
        planned = made.process(depth, frame, Frames(*found), points=points, scan=scan)
        self._stages.lap('cloud')
        if planned.note:
            self._warn('planning', f'{planned.note} {self._transforms.problem}'.strip())
        else:
            self._health.clear('planning')
        if planned.points is not None:
            header_there = messages.header_of(stamp, config.points.frame or optical)
            message = messages.cloud_to_msg(planned.points, header_there)
            self._stages.lap('message')
            self._outputs.publish('depth/points', message)
            self._stages.lap('publish')
        if planned.scan is not None:
            header_there = messages.header_of(stamp, config.scan.output_frame)
            scan_message = messages.scan_to_msg(
                planned.scan.ranges, planned.scan.geometry, header_there
            )
            self._outputs.publish('depth/scan', scan_message)

    def _warn(self, key: str, text: str, *, fatal: bool = False) -> None:
        if self._health.set(key, text, fatal=fatal):
            self._logger.warning(text)

    def _failed(self, key: str, error: DepthNodeError) -> None:
        """Count an error; log it once, not once a frame."""
        self._health.drop('error')
        if self._health.set(key, str(error), fatal=True):
            self._health.error(str(error))
            self._logger.error(str(error))
