"""
A camera for testing: publishes any source of frames as Image and CameraInfo.

Topics (relative): ``camera/image_raw`` and, with JPEG, ``camera/image_raw/compressed``;
``camera/camera_info``; for the synthetic world ``camera/depth_truth`` (32FC1, m). Images are
converted only for topics with subscribers.
"""

from __future__ import annotations

if __name__ == '__main__':
    from depth_node.ros import start

    raise SystemExit(start.camera_publisher())

from collections.abc import Callable, Sequence
import itertools
import threading
import time
from typing import Any

from builtin_interfaces.msg import Time
import cv2
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from depth_node.config.camera_publisher import CameraPublisherConfig
from depth_node.config.fields import specs
from depth_node.errors import DepthNodeError, unexpected
from depth_node.ros import messages, runtime
from depth_node.ros.camera_frames import open_frames, prepared, to_and_fro
from depth_node.ros.kept import Kept
from depth_node.ros.log import Log
from depth_node.ros.parameters import refuse_unknown
from depth_node.ros.qos import checked_overrides, latest, overridable
from depth_node.sources.frame import Frame

NAME = 'camera_publisher'
_ENCODE = {'bgr8': cv2.COLOR_RGB2BGR, 'mono8': cv2.COLOR_RGB2GRAY}
_WAIT_S = 0.05


class CameraPublisher(Node):
    """
    Publishes the frames of one source from a separate thread.

    :param arguments: command-line arguments; None: those of the process.
    :raises DepthNodeError: a parameter is invalid, or the source cannot be opened.
    """

    def __init__(self, arguments: Sequence[str] | None = None) -> None:
        super().__init__(NAME, cli_args=arguments)
        self._log = Log(self.get_logger())
        self._config = self._declared()
        self._source = open_frames(self._config)
        with checked_overrides():
            self._image = self._publisher(Image, 'camera/image_raw')
            self._jpeg = self._publisher(CompressedImage, 'camera/image_raw/compressed')
            self._info = self._publisher(CameraInfo, 'camera/camera_info')
            self._truth = self._publisher(Image, 'camera/depth_truth')
        self._kept, self._kept_truth = Kept(Image), Kept(Image)
        self._transform = _publish_transform(self, self._config)
        self.code: int | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name='camera', daemon=True)
        self._thread.start()

    def _publisher(self, kind: Any, topic: str) -> Any:
        qos = latest(reliable=self._config.reliability == 'reliable')
        return self.create_publisher(kind, topic, qos, qos_overriding_options=overridable())

    def _declared(self) -> CameraPublisherConfig:
        default = CameraPublisherConfig()
        values = {
            name: self.declare_parameter(
                name,
                getattr(default, name),
                # checked by the configuration, which takes a 5 for 5.0 and has clearer words
                ParameterDescriptor(description=spec.doc, dynamic_typing=True, read_only=True),
            ).value
            for name, spec in specs(default).items()
        }
        refuse_unknown(self, values.keys())
        if type(values['source']) is int:  # the number of a device
            values['source'] = str(values['source'])
        return CameraPublisherConfig.of(values)

    def caught(self, where: str, error: Exception) -> None:
        """
        Log an exception of a callback.

        :param where: topic, service or kind of callback.
        :param error: the exception.
        """
        self._log.error(f'{where}: {unexpected(error)}', 'callback')

    def close(self) -> None:
        """Stop publishing."""
        self._stopping.set()
        self._thread.join(1.0)

    def _work(self) -> None:
        """Publish until the end of the source."""
        try:
            count = self._publish_all()
        except DepthNodeError as error:
            self._log.fatal(str(error))
            self.code = runtime.USAGE
        except Exception as error:  # noqa: BLE001  a thread that dies must not leave the node
            self._log.fatal(unexpected(error))
            self.code = runtime.FAULT
        else:
            if not self._stopping.is_set():
                self._log.info(f'end of {self._source.name} after {count} frames')
                # Humble's rclpy may lack it
                if hasattr(self._image, 'wait_for_all_acked'):
                    self._image.wait_for_all_acked(Duration(seconds=1))
            self.code = runtime.OK

    def _publish_all(self) -> int:
        config = self._config
        frames = prepared(self._source, config)
        if config.preload:
            frames = to_and_fro(list(itertools.islice(frames, config.preload)), config.loop)
        while config.wait and not self._listeners() and not self._stopping.wait(_WAIT_S):
            pass
        pace = Pace(config.rate, self._stopping.wait)
        count = 0
        for frame in frames:
            pace.wait(frame.stamp or 0)
            if self._stopping.is_set():
                break
            if not count:
                self._announce(frame)
            self._publish(frame)
            count += 1
        return count

    def _announce(self, frame: Frame) -> None:
        height, width = frame.rgb.shape[:2]
        self._log.info(
            f'publishing {self._source.name} as {self._image.topic_name}, {width}x{height}'
        )
        if frame.camera is None:
            self._log.warning(
                'The camera is not calibrated. Set calibration_file or hfov_deg.'
            )

    def _publish(self, frame: Frame) -> None:
        config = self._config
        now = config.stamps == 'now'
        stamp = Time() if now else messages.stamp_of(frame.stamp or 0)
        header = messages.header_of(stamp, config.frame_id)
        # first the small one, so that a subscriber has it when the picture comes
        sent: list[tuple[Publisher, Any]] = [(self._info, info_of(frame, header))]
        if _heard(self._image):
            image = frame.rgb
            if config.encoding in _ENCODE:
                image = cv2.cvtColor(image, _ENCODE[config.encoding])
            message = messages.image_to_msg(image, config.encoding, header, self._kept)
            sent.append((self._image, message))
        if _heard(self._jpeg):
            sent.append((self._jpeg, messages.jpeg_to_msg(frame.rgb, header, config.jpeg_quality)))
        if frame.depth is not None and _heard(self._truth):
            truth = messages.depth_to_msg(frame.depth, '32FC1', header, self._kept_truth)
            sent.append((self._truth, truth))
        if now:
            # with everything made: what takes time from here on is the way to the subscriber
            header.stamp = self.get_clock().now().to_msg()
        for publisher, ready in sent:
            publisher.publish(ready)

    def _listeners(self) -> bool:
        return _heard(self._image) or _heard(self._jpeg)


class Pace:
    """
    Waits until each frame is due; a late frame delays the following ones instead of a burst.

    :param rate: frames per second; 0: according to their stamps.
    :param sleep: waits for a number of seconds.
    :param clock: monotonic time (s).
    """

    def __init__(
        self,
        rate: float,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._sleep = sleep
        self._clock = clock
        self._due: float | None = None
        self._stamp = 0

    def wait(self, stamp: int) -> None:
        """
        Wait until a frame is due.

        :param stamp: stamp of the frame (ns); an earlier one than before starts a new sequence.
        """
        now = self._clock()
        if self._due is None:
            self._due = now
        elif self._rate:
            self._due += 1 / self._rate
        else:
            self._due += max(stamp - self._stamp, 0) / 1e9
        self._stamp = stamp
        if self._due > now:
            self._sleep(self._due - now)
        else:
            self._due = now


def info_of(frame: Frame, header: Header) -> CameraInfo:
    """
    Return the CameraInfo of a frame.

    :param frame: the frame.
    :param header: header of the image.
    :returns: its calibration, or an uncalibrated CameraInfo (K of zeros).
    """
    if frame.camera is not None:
        return messages.camera_info_to_msg(frame.camera, header)
    height, width = frame.rgb.shape[:2]
    return CameraInfo(header=header, height=height, width=width)


def _heard(publisher: Publisher) -> bool:
    return bool(publisher.get_subscription_count())


def _publish_transform(node: Node, config: CameraPublisherConfig) -> Any:
    """Publish the rotation of an optical frame in a frame with x forward (REP-103)."""
    if not config.parent_frame:
        return None
    try:
        from geometry_msgs.msg import TransformStamped
        from tf2_msgs.msg import TFMessage
    except ImportError:
        node.get_logger().warning(
            'parent_frame is set, but no transform is published: tf2_msgs is not installed.'
        )
        return None
    transform = TransformStamped(child_frame_id=config.frame_id)
    transform.header = messages.header_of(
        node.get_clock().now().to_msg(), config.parent_frame
    )
    rotation = transform.transform.rotation
    rotation.x, rotation.y, rotation.z, rotation.w = -0.5, 0.5, -0.5, 0.5
    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = node.create_publisher(TFMessage, '/tf_static', qos)
    publisher.publish(TFMessage(transforms=[transform]))
    return publisher


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Publish until the end of the source or a signal.

    :param arguments: command-line arguments; None: those of the process.
    :returns: the exit code: 0; 2 if the source or a parameter cannot be used; 70 for a fault.
    """
    return runtime.run(CameraPublisher, arguments, until=lambda node: node.code, name=NAME)
