"""The camera of a frame: from CameraInfo, a file, or an assumed field of view."""

from __future__ import annotations

from collections import OrderedDict
import threading
from typing import Any

import numpy as np

from depth_node.camera import Camera, is_calibrated, UncalibratedError
from depth_node.camera.calibration_file import read_calibration
from depth_node.camera.info import CameraNumbers
from depth_node.camera.message import camera_of_message
from depth_node.camera.rectified import Choice, choose
from depth_node.config import InputConfig
from depth_node.image.size import Size
from depth_node.sources.frame import Frame, nanoseconds_of

KEPT_INFOS = 256
"""Number of CameraInfo messages kept by stamp: more than arrive during two slow frames."""
MOST_COEFFICIENTS = 14
"""Of any lens model (rational polynomial with thin prism and tilt, as OpenCV has them)."""
LONGEST_NAME = 256
"""Characters of frame_id and distortion_model that are kept."""
INFO_PATIENCE_S = 0.05
"""How long a frame waits for its CameraInfo (s); drivers publish both within 1 ms."""


class Calibration:
    """
    Finds the :class:`Camera` of a frame.

    A calibration file takes precedence over CameraInfo. An assumed field of view is used only if
    CameraInfo has no calibration. Otherwise the CameraInfo with the stamp of the frame applies. A
    driver may publish it after the frame, so the frame waits briefly. If it does not arrive, the
    latest one applies, and there is no further waiting until a stamp matches again, because some
    cameras stamp their CameraInfo differently.

    CameraInfo messages are stored in one thread and looked up in another.

    :param config: the `input` parameters.
    :param patience: how long a frame waits for its CameraInfo (s); 0 where there is nothing to
        wait for, as in a recording.
    :raises DataError: the calibration file cannot be used.
    """

    def __init__(self, config: InputConfig, patience: float = INFO_PATIENCE_S) -> None:
        self._config = config
        self._patience = patience
        self._file = (
            read_calibration(config.calibration_file) if config.calibration_file else None
        )
        self._infos: OrderedDict[int, Any] = OrderedDict()
        self._latest: Any = None
        self._news = threading.Condition()
        self._waited_in_vain: Size | None = None
        self._cached: tuple[tuple[object, ...], Camera, Choice | None] | None = None
        self.topic = 'camera_info'
        """The resolved CameraInfo topic, for messages."""
        self.image_topic = ''
        """The resolved image topic; a part named `rect` means a rectified image."""
        self.choice = ''
        """Source of the last frame's camera, and whether K or P was used."""
        self.doubt = ''
        """Why the camera of the last frame may be wrong; empty if it is not in doubt."""

    @property
    def assumed(self) -> str:
        """What was used instead of CameraInfo for the last frame; empty if nothing."""
        return self.choice if self.choice.startswith('input.') else ''

    def remember(self, info: Any) -> None:
        """
        Store a CameraInfo.

        :param info: sensor_msgs/CameraInfo of ROS 1 or 2, as received; cut to what a camera may
            have, since hundreds are kept.
        """
        info = bounded(info)
        with self._news:
            self._infos[nanoseconds_of(info.header.stamp)] = info
            while len(self._infos) > KEPT_INFOS:
                self._infos.popitem(last=False)
            self._latest = info
            self._news.notify_all()

    def camera(self, frame: Frame) -> Camera:
        """
        Return the camera of a frame; wait for its CameraInfo as described in the class.

        :param frame: the frame, with its stamp and size.
        :returns: a camera of the image's size; the same object as long as nothing changes.
        :raises UncalibratedError: no CameraInfo yet, or one without a calibration.
        :raises DataError: the CameraInfo is inconsistent or does not fit the image.
        """
        size, topic = frame.size, self.image_topic
        if self._file is not None:
            return self._of_file(self._file, size, topic)
        info = self._info(frame.stamp or 0, size)
        calibrated = info is not None and is_calibrated(_field(info, 'k'))
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
        key = (_numbers(info), size, topic)
        if self._cached is None or self._cached[0] != key:
            camera, choice = camera_of_message(info, topic, self._config.rectified)
            self._cached = (key, camera.for_image(size), choice)
        return self._chosen('CameraInfo', self._cached)

    def _info(self, stamp: int, size: Size) -> Any:
        with self._news:
            if stamp not in self._infos and self._waited_in_vain != size:
                self._news.wait_for(lambda: stamp in self._infos, self._patience)
            own = self._infos.get(stamp)
            self._waited_in_vain = None if own is not None else size
            return own or self._latest

    def _of_file(self, numbers: CameraNumbers, size: Size, topic: str) -> Camera:
        key = ('file', size, topic)
        if self._cached is None or self._cached[0] != key:
            choice = choose(numbers, topic, self._config.rectified)
            camera = Camera.from_numbers(numbers, rectified=choice.rectified)
            self._cached = (key, camera.for_image(size, resized=True), choice)
        return self._chosen(
            f'input.calibration_file {self._config.calibration_file}', self._cached
        )

    def _assumed(self, size: Size) -> Camera:
        degrees = self._config.hfov_deg
        self.choice = f'input.hfov_deg: an assumed field of view of {degrees:g} degrees'
        self.doubt = ''
        key = ('hfov', size)
        if self._cached is None or self._cached[0] != key:
            self._cached = (key, Camera.from_hfov(size.width, size.height, degrees), None)
        return self._cached[1]

    def _chosen(
        self, origin: str, found: tuple[tuple[object, ...], Camera, Choice | None]
    ) -> Camera:
        """Record the source of the camera."""
        _, camera, choice = found
        self.choice, self.doubt = f'{origin}: {choice}', choice.doubt if choice else ''
        return camera


def _numbers(info: Any) -> tuple[object, ...]:
    """Return everything that determines the camera, to detect changes."""
    roi = info.roi
    return (
        CameraNumbers.of(info), info.binning_x, info.binning_y,
        roi.x_offset, roi.y_offset, roi.width, roi.height,
    )


def bounded(info: Any) -> Any:
    """
    Return a CameraInfo of a few hundred bytes.

    :param info: maybe of megabytes.
    :returns: the same, its names cut, its coefficients at most one more than any lens has: the
        first that is not zero of those beyond, so that too many are still too many.
    """
    info.header.frame_id = info.header.frame_id[:LONGEST_NAME]
    info.distortion_model = info.distortion_model[:LONGEST_NAME]
    lens = _field(info, 'd')
    if len(lens) > MOST_COEFFICIENTS:
        beyond = np.asarray(lens[MOST_COEFFICIENTS:], np.float64)
        wrong = beyond[np.flatnonzero(beyond)[:1]]  # NaN is not zero either
        setattr(info, _name(info, 'd'), [*map(float, lens[:MOST_COEFFICIENTS]), *wrong.tolist()])
    return info


def _field(info: Any, name: str) -> Any:
    return getattr(info, _name(info, name))


def _name(info: Any, name: str) -> str:
    """Return the name of a field, which is a capital letter in ROS 1."""
    return name if hasattr(info, name) else name.upper()
