"""Which camera took a frame: from CameraInfo, from a file, or from an assumed field of view."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
import re
import threading

from sensor_msgs.msg import CameraInfo

from depth_node.camera import Camera, is_calibrated, UncalibratedError
from depth_node.camera.info import CameraNumbers, read_calibration
from depth_node.config import InputConfig
from depth_node.image.size import Size
from depth_node.ros import messages

RECTIFIED = re.compile(r'(^|[/_.])rect(ified)?([/_.]|$)')
"""Names of rectified topics: image_rect, rect/image, image_rect_color; not /director."""
KEPT_INFOS = 256
"""Infos remembered by stamp: more than come while a slow network is busy with two frames."""
INFO_PATIENCE_S = 0.05
"""How long a frame waits for its own info; drivers publish the two within a millisecond."""


class Calibration:
    """
    Finds the :class:`Camera` of a frame.

    A calibration file wins over CameraInfo: somebody wrote it down on purpose. An assumed field
    of view is used only where CameraInfo holds no calibration. Otherwise the info with the
    frame's own stamp applies; a driver may publish it after the frame, so it is waited for, a
    moment. Where it does not come, the last one applies, and there is no more waiting until a
    stamp fits again: cameras exist whose infos have stamps of their own.

    Infos are remembered in one thread and asked for in another.

    :param config: the `input` parameters.
    :raises DataError: the calibration file cannot be used.
    """

    def __init__(self, config: InputConfig) -> None:
        self._config = config
        self._file = (
            read_calibration(config.calibration_file) if config.calibration_file else None
        )
        self._infos: OrderedDict[tuple[int, int], CameraInfo] = OrderedDict()
        self._latest: CameraInfo | None = None
        self._news = threading.Condition()
        self._waited_in_vain: Size | None = None
        self._cached: tuple[tuple[object, ...], Camera] | None = None
        self.topic = 'camera_info'
        """Where CameraInfo is listened to, for people."""
        self.choice = ''
        """Where the camera of the last frame came from, and which of K and P applied."""

    @property
    def assumed(self) -> str:
        """What replaced CameraInfo for the last frame, for a warning; empty when nothing did."""
        return self.choice if self.choice.startswith('input.') else ''

    def remember(self, info: CameraInfo) -> None:
        """
        Keep a CameraInfo.

        :param info: as received.
        """
        stamp = info.header.stamp
        with self._news:
            self._infos[(stamp.sec, stamp.nanosec)] = info
            while len(self._infos) > KEPT_INFOS:
                self._infos.popitem(last=False)
            self._latest = info
            self._news.notify_all()

    def camera(self, stamp: tuple[int, int], size: Size, topic: str) -> Camera:
        """
        Return the camera of a frame; waits for its info as the class describes.

        :param stamp: of the image: seconds and nanoseconds.
        :param size: of the image.
        :param topic: the resolved image topic; a part named `rect` means a rectified image.
        :returns: a camera of the image's size; the same object while nothing changes.
        :raises UncalibratedError: no info yet, or one that holds no calibration.
        :raises DataError: the info contradicts itself or the image.
        """
        if self._file is not None:
            return self._of_file(self._file, size, topic)
        info = self._info(stamp, size)
        calibrated = info is not None and is_calibrated(info.k)
        if not calibrated and self._config.hfov_deg:
            return self._assumed(size)
        if info is None:
            raise UncalibratedError(
                f'no CameraInfo has been received on {self.topic}.',
                'Check that the camera publishes it and that camera_info is remapped to it, or '
                'set input.calibration_file or input.hfov_deg.',
            )
        if not calibrated:
            raise UncalibratedError(
                'CameraInfo is uncalibrated (K is all zero).',
                'Calibrate the camera (camera_calibration), or set input.calibration_file or '
                'input.hfov_deg.',
            )
        rectified, why = self._rectified(info.d, topic)
        self.choice = f'CameraInfo: {why}'
        key = (_numbers(info), size, rectified)
        if self._cached is None or self._cached[0] != key:
            camera = messages.camera_from_msg(info, rectified=rectified).for_image(size)
            self._cached = (key, camera)
        return self._cached[1]

    def _info(self, stamp: tuple[int, int], size: Size) -> CameraInfo | None:
        with self._news:
            if stamp not in self._infos and self._waited_in_vain != size:
                self._news.wait_for(lambda: stamp in self._infos, INFO_PATIENCE_S)
            own = self._infos.get(stamp)
            self._waited_in_vain = None if own is not None else size
            return own or self._latest

    def _of_file(self, numbers: CameraNumbers, size: Size, topic: str) -> Camera:
        rectified, why = self._rectified(numbers.d, topic)
        self.choice = f'input.calibration_file {self._config.calibration_file}: {why}'
        key = ('file', size, rectified)
        if self._cached is None or self._cached[0] != key:
            camera = Camera.from_numbers(numbers, rectified=rectified)
            self._cached = (key, camera.for_image(size, resized=True))
        return self._cached[1]

    def _assumed(self, size: Size) -> Camera:
        degrees = self._config.hfov_deg
        self.choice = f'input.hfov_deg: an assumed field of view of {degrees:g} degrees'
        key = ('hfov', size)
        if self._cached is None or self._cached[0] != key:
            self._cached = (key, Camera.from_hfov(size.width, size.height, degrees))
        return self._cached[1]

    def _rectified(self, d: Sequence[float], topic: str) -> tuple[bool, str]:
        """Decide whether P applies, and say why."""
        if self._config.rectified != 'auto':
            rectified = self._config.rectified == 'true'
            why = f'input.rectified is {self._config.rectified}'
        elif RECTIFIED.search(topic):
            rectified, why = True, f'{topic} is named rectified'
        else:
            rectified = not any(d)
            why = 'it has no distortion' if rectified else 'it has distortion'
        return rectified, f'rectified, P applies ({why})' if rectified else f'raw, K and D ({why})'


def _numbers(info: CameraInfo) -> tuple[object, ...]:
    """Return all that decides the camera, to tell whether it has changed."""
    roi = info.roi
    return (
        info.width, info.height, info.distortion_model, info.k.tobytes(), info.p.tobytes(),
        tuple(info.d), info.binning_x, info.binning_y,
        roi.x_offset, roi.y_offset, roi.width, roi.height,
    )
