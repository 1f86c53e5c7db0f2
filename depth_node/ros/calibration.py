"""Which camera took a frame: from CameraInfo, from a file, or from an assumed field of view."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from sensor_msgs.msg import CameraInfo

from depth_node.camera import Camera, is_calibrated, UncalibratedError
from depth_node.config import InputConfig
from depth_node.model import Size
from depth_node.ros import messages

KEPT_INFOS = 8
"""Infos remembered by stamp: enough for the messages in flight when a camera's size changes."""


class Calibration:
    """
    Finds the :class:`Camera` of a frame.

    A calibration file or a field of view in the parameters wins over CameraInfo: somebody wrote
    it down on purpose. Otherwise the info with the frame's own stamp applies, or the last one.

    :param config: the `input` parameters.
    :raises DataError: the calibration file cannot be used.
    """

    def __init__(self, config: InputConfig) -> None:
        self._config = config
        self._file = (
            Camera.from_yaml(Path(config.calibration_file)) if config.calibration_file else None
        )
        self._infos: OrderedDict[tuple[int, int], CameraInfo] = OrderedDict()
        self._latest: CameraInfo | None = None
        self._cached: tuple[tuple[object, ...], Camera] | None = None

    @property
    def needs_info(self) -> bool:
        """Whether frames have to wait for a CameraInfo."""
        return self._file is None and self._config.hfov_deg == 0

    @property
    def assumed(self) -> str:
        """What replaces CameraInfo, for a warning; empty when nothing does."""
        if self._file is not None:
            return f'input.calibration_file {self._config.calibration_file}'
        if self._config.hfov_deg:
            return f'an assumed field of view of {self._config.hfov_deg:g} degrees'
        return ''

    @property
    def latest(self) -> CameraInfo | None:
        """The last CameraInfo received."""
        return self._latest

    def remember(self, info: CameraInfo) -> None:
        """
        Keep a CameraInfo.

        :param info: as received.
        """
        stamp = info.header.stamp
        self._infos[(stamp.sec, stamp.nanosec)] = info
        while len(self._infos) > KEPT_INFOS:
            self._infos.popitem(last=False)
        self._latest = info

    def camera(self, stamp: tuple[int, int], size: Size, topic: str) -> Camera:
        """
        Return the camera of a frame.

        :param stamp: of the image: seconds and nanoseconds.
        :param size: of the image.
        :param topic: the resolved image topic; `rect` in it means a rectified image.
        :returns: a camera of the image's size; the same object while nothing changes.
        :raises UncalibratedError: no info yet, or one that holds no calibration.
        :raises DataError: the info contradicts itself or the image.
        """
        if self._file is not None:
            return self._of('file', size, self._resized)
        if self._config.hfov_deg:
            return self._of('hfov', size, self._assumed_camera)
        info = self._infos.get(stamp) or self._latest
        if info is None:
            raise UncalibratedError(
                'no CameraInfo has been received.',
                'Check that the camera publishes it and that camera_info is remapped to it, or '
                'set input.calibration_file or input.hfov_deg.',
            )
        if not is_calibrated(info.k):
            raise UncalibratedError(
                'CameraInfo is uncalibrated (K is all zero).',
                'Calibrate the camera (camera_calibration), or set input.calibration_file or '
                'input.hfov_deg.',
            )
        rectified = self._rectified(info, topic)
        key = (_numbers(info), size, rectified)
        if self._cached is None or self._cached[0] != key:
            camera = messages.camera_from_msg(info, rectified=rectified).for_image(size)
            self._cached = (key, camera)
        return self._cached[1]

    def _of(self, source: str, size: Size, make: Callable[[Size], Camera]) -> Camera:
        key = (source, size)
        if self._cached is None or self._cached[0] != key:
            self._cached = (key, make(size))
        return self._cached[1]

    def _resized(self, size: Size) -> Camera:
        assert self._file is not None
        return self._file.for_image(size, resized=True)

    def _assumed_camera(self, size: Size) -> Camera:
        return Camera.from_hfov(size.width, size.height, self._config.hfov_deg)

    def _rectified(self, info: CameraInfo, topic: str) -> bool:
        if self._config.rectified == 'auto':
            return 'rect' in topic or not any(info.d)
        return self._config.rectified == 'true'


def _numbers(info: CameraInfo) -> tuple[object, ...]:
    """Return all that decides the camera, to tell whether it has changed."""
    roi = info.roi
    return (
        info.width, info.height, info.distortion_model, info.k.tobytes(), info.p.tobytes(),
        tuple(info.d), info.binning_x, info.binning_y,
        roi.x_offset, roi.y_offset, roi.width, roi.height,
    )
