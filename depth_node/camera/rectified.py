"""
Raw or rectified: which numbers of a calibration describe an image.

CameraInfo holds two cameras. K and D describe the raw image, P describes the rectified one, and
image_proc publishes ``image_rect`` with the same CameraInfo as ``image_raw``, so the message does
not say which of them belongs to an image. This is the only place where that is decided.
"""

from __future__ import annotations

from dataclasses import dataclass
import math
import re

from depth_node.camera.distortion import Distortion
from depth_node.camera.info import CameraNumbers, is_calibrated
from depth_node.camera.intrinsics import doubt_of, intrinsics, is_known_lens, lens_model
from depth_node.errors import ConfigError, DataError

CHOICES = ('auto', 'true', 'false')
"""Values of `input.rectified` and of ``--rectified``."""

# image_transport appends these to the topic of the image
_TRANSPORTS = frozenset({'compressed', 'theora', 'ffmpeg', 'zstd', 'h264', 'h265', 'avif'})
_RECTIFIED = frozenset({'rect', 'rectified', 'undistorted', 'undist'})
_RAW = frozenset({'raw', 'unrect', 'unrectified', 'distorted'})
_WORD = re.compile(r'[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])')
_DIFFERENT = 0.01
"""Relative difference of two focal lengths that is more than rounding."""
_TURNED_DEG = 0.1
"""Angle of R that is more than rounding."""


@dataclass(frozen=True)
class Choice:
    """
    Which numbers of a calibration describe an image.

    :param rectified: True: P alone; False: K and D.
    :param reason: for people.
    :param notes: what else these numbers say that a user may not expect.
    :param doubt: why the choice or the numbers may be wrong, for a warning; usually empty.
    """

    rectified: bool
    reason: str
    notes: tuple[str, ...] = ()
    doubt: str = ''

    def __str__(self) -> str:
        """Write the choice, its reason and the notes in one line."""
        which = 'rectified, P applies' if self.rectified else 'raw, K and D apply'
        return '; '.join([f'{which} ({self.reason})', *self.notes])


def choose(numbers: CameraNumbers, topic: str = '', rectified: str = 'auto') -> Choice:
    """
    Decide whether K and D or P describe an image.

    The user's word comes first, then the last two parts of the topic's name, of which the last
    one that says anything counts (``image_rect``, ``rect/image``, ``infra1/image_rect_raw`` are
    rectified; ``image_raw``, ``image_unrect`` and ``director/image`` are not). A name that says
    nothing leaves K and D: without distortion they describe the image as well as P does where
    the two agree, and where they do not, the image has not been through a rectification.

    :param numbers: of the calibration.
    :param topic: the resolved name of the image topic; empty for files.
    :param rectified: ``auto``, ``true`` or ``false``.
    :returns: the choice.
    :raises ConfigError: `rectified` is none of the three.
    :raises DataError: a lens model that is not known.
    """
    if rectified not in CHOICES:
        raise ConfigError(f'rectified is {rectified!r}, expected {", ".join(CHOICES)}.')
    doubt = ''
    named = named_rectified(topic)
    if rectified != 'auto':
        use_p, reason = rectified == 'true', f'input.rectified is {rectified}'
    elif named is not None:
        use_p = named
        reason = f'{topic} is named {"rectified" if use_p else "raw"}'
    else:
        use_p = False
        lens = lens_model(numbers.distortion_model, numbers.d)[0]
        if lens is Distortion.NONE:
            reason = 'it has no distortion'
            if _focal_of_p(numbers) and _differ(numbers):
                doubt = (
                    'K and P of the calibration differ, and the name of the topic does not say '
                    'whether the image is rectified: K was taken. Set input.rectified to true '
                    'if the image is rectified, or to false if it is not.'
                )
        else:
            fisheye = lens is Distortion.EQUIDISTANT
            reason = 'a fisheye lens' if fisheye else 'it has distortion'
    if not doubt and not use_p and not is_known_lens(numbers.distortion_model):
        doubt = (
            f'The distortion model {numbers.distortion_model[:40]!r} of the calibration is not '
            'known; as its coefficients are all zero, the image is taken to have no distortion.'
        )
    return Choice(use_p, reason, _notes(numbers, use_p), doubt or _off_center(numbers, use_p))


def named_rectified(topic: str) -> bool | None:
    """
    Read from a topic's name whether its images are rectified.

    :param topic: for example ``/camera/image_rect/compressed``.
    :returns: what the last two parts say (without those of image_transport), or None where they
        do not say.
    """
    parts = [part for part in topic.split('/') if part]
    while parts and parts[-1] in _TRANSPORTS:
        parts.pop()
    for part in reversed(parts[-2:]):
        words = {word.lower() for word in _WORD.findall(part)}
        if words & _RECTIFIED:  # first: image_rect_raw is RealSense's rectified image
            return True
        if words & _RAW:
            return False
    return None


def _notes(numbers: CameraNumbers, use_p: bool) -> tuple[str, ...]:
    notes = []
    p = numbers.p
    if use_p and len(p) == 12 and p[0] and (p[3] or p[7]):
        baseline = math.hypot(p[3], p[7]) / abs(p[0])
        notes.append(
            f'P has Tx = {p[3]:g} and Ty = {p[7]:g}, the second camera of a stereo pair with a '
            f'baseline of {baseline:.3g} m: points are relative to this camera, so frame_id must '
            "not be the first camera's"
        )
    angle = _turn_deg(numbers.r)
    if angle > _TURNED_DEG:
        frame = 'rectified' if use_p else 'raw'
        notes.append(
            f'R turns the rectified image by {angle:.1f} deg: points are in the {frame} '
            "camera's frame"
        )
    return tuple(notes)


def _off_center(numbers: CameraNumbers, use_p: bool) -> str:
    try:
        chosen = intrinsics(
            numbers.distortion_model, numbers.d, numbers.k, numbers.p, use_p
        )
    except DataError:
        return ''  # the caller makes the camera, and gets the reason
    size = numbers.width, numbers.height
    return doubt_of(chosen.cx, chosen.cy, size) if min(size) > 0 else ''


def _turn_deg(r: tuple[float, ...]) -> float:
    """Return the angle of a rotation matrix; 0 for zeros, which simulators write."""
    if len(r) != 9 or not any(r) or not all(map(math.isfinite, r)):
        return 0.0
    return math.degrees(math.acos(min(1.0, max(-1.0, (r[0] + r[4] + r[8] - 1) / 2))))


def _focal_of_p(numbers: CameraNumbers) -> float:
    return numbers.p[0] if len(numbers.p) == 12 else 0.0


def _differ(numbers: CameraNumbers) -> bool:
    """Return whether K and P are two different cameras."""
    k, p = numbers.k, numbers.p
    if not is_calibrated(k) or not k[8] or not p[10]:
        return False
    pairs = [(k[0] / k[8], p[0] / p[10]), (k[4] / k[8], p[5] / p[10])]
    return any(abs(a - b) > _DIFFERENT * abs(a) for a, b in pairs)
