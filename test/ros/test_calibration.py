"""Which camera a frame is said to come from, and why."""

from __future__ import annotations

from pathlib import Path
import threading

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo

from depth_node.camera import Camera, Distortion, UncalibratedError
from depth_node.config import Config
from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.ros import messages
from depth_node.sources.calibration import bounded, Calibration, INFO_PATIENCE_S
from depth_node.sources.frame import Frame

SIZE = Size(64, 48)
BENT = Camera(64, 48, 50.0, 51.0, 30.0, 22.0, Distortion.PLUMB_BOB, (-0.2, 0.1, 0.0, 0.0, 0.0))
CHANGED = Camera.from_hfov(64, 48, 60.0)


def info(camera: Camera, *, seconds: int = 1) -> CameraInfo:
    """A CameraInfo whose P differs from its K."""
    header = messages.header_of(messages.stamp_of(seconds * 10**9), 'camera')
    found = messages.camera_info_to_msg(camera, header)
    found.p[0] = found.p[5] = 40.0
    return found


def camera_at(found: Calibration, second: int, size: Size, topic: str) -> Camera:
    """Return the camera of a frame of a topic."""
    found.image_topic = topic
    rgb = np.zeros((size.height, size.width, 3), np.uint8)
    return found.camera(Frame(rgb, second * 10**9))


def calibration(**values: object) -> Calibration:
    """With some of the `input` parameters set."""
    return Calibration(Config().replaced({f'input.{k}': v for k, v in values.items()}).input)


@pytest.mark.parametrize(('topic', 'fx'), [
    ('/camera/image_raw', 50.0), ('/camera/image_rect', 40.0), ('/rect/image', 40.0),
    ('/camera/image_rect_color', 40.0), ('/camera/rectified', 40.0), ('/director/image', 50.0),
    ('/correct/image_raw', 50.0), ('/rectangle', 50.0),
])
def test_only_a_part_of_the_name_means_rectified(topic: str, fx: float) -> None:
    """P for rectified topics, K and D for the others."""
    found = calibration()
    found.remember(info(BENT))
    camera = camera_at(found, 1, SIZE, topic)
    assert camera.fx == fx
    assert (camera.distortion is Distortion.NONE) == (fx == 40.0)
    assert ('P applies' in found.choice) == (fx == 40.0)


def test_the_file_obeys_input_rectified_too(tmp_path: Path) -> None:
    """A rectified image must not be undistorted again."""
    path = tmp_path / 'camera.yaml'
    BENT.to_yaml(path)
    raw = camera_at(calibration(calibration_file=str(path)), 1, SIZE, '/image')
    rectified = calibration(calibration_file=str(path), rectified='true')
    assert raw.distortion is Distortion.PLUMB_BOB
    assert camera_at(rectified, 1, SIZE, '/image').distortion is Distortion.NONE
    assert str(path) in rectified.assumed


def test_an_assumed_view_is_for_uncalibrated_cameras_only() -> None:
    """A calibrated CameraInfo wins over input.hfov_deg."""
    found = calibration(hfov_deg=90.0)
    assert camera_at(found, 1, SIZE, '/image').fx == pytest.approx(32.0)
    assert found.assumed
    found.remember(info(BENT))
    assert camera_at(found, 1, SIZE, '/image').fx == 50.0
    assert not found.assumed


def test_the_info_of_the_frame_wins_over_the_last() -> None:
    """While a camera changes, each frame keeps its own info."""
    found = calibration()
    with pytest.raises(UncalibratedError, match='no CameraInfo'):
        camera_at(found, 1, SIZE, '/image')
    found.remember(info(BENT, seconds=1))
    found.remember(info(CHANGED, seconds=2))
    assert camera_at(found, 1, SIZE, '/image').fx == 50.0
    assert camera_at(found, 2, SIZE, '/image').fx != 50.0


def test_a_frame_waits_for_the_info_that_belongs_to_it() -> None:
    """A driver may publish the image first, also in the moment its size changes."""
    found = calibration()
    found.remember(info(Camera.from_hfov(32, 24, 60.0), seconds=1))
    later = threading.Timer(0.01, found.remember, [info(BENT, seconds=2)])
    later.start()
    assert camera_at(found, 2, SIZE, '/image').fx == 50.0
    later.join()


def test_infos_with_stamps_of_their_own_cost_one_moment_and_not_one_a_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What never comes is not waited for again, until a stamp has fitted or the size changes."""
    waits: list[float] = []
    found = calibration()
    monkeypatch.setattr(found._news, 'wait_for', lambda _, seconds: waits.append(seconds))
    found.remember(info(BENT, seconds=1))
    for second in range(2, 20):
        assert camera_at(found, second, SIZE, '/image').fx == 50.0
    assert waits == [INFO_PATIENCE_S]
    found.remember(info(BENT, seconds=20))
    for second in (20, 21, 22):
        camera_at(found, second, SIZE, '/image')
    assert len(waits) == 2
    with pytest.raises(DataError):
        camera_at(found, 23, Size(32, 24), '/image')
    assert len(waits) == 3


def test_infos_outlast_a_slow_network() -> None:
    """Two seconds of a fast camera are remembered, and not more than a few."""
    found = calibration()
    for second in range(1000):
        found.remember(info(BENT if second == 800 else CHANGED, seconds=second))
    assert camera_at(found, 800, SIZE, '/image').fx == 50.0
    assert camera_at(found, 999, SIZE, '/image').fx != 50.0
    assert len(found._infos) < 1000


@pytest.mark.parametrize('beyond', [0.0, 0.5, float('nan')])
def test_megabytes_of_camera_info_are_not_kept(beyond: float) -> None:
    """256 infos are kept; at 4 MB each that was a gigabyte."""
    message = info(BENT)
    message.d = [0.1] * 14 + [0.0] * 500_000 + [beyond]
    message.header.frame_id = 'f' * 1_000_000
    message.distortion_model = 'm' * 1_000_000
    kept = bounded(message)
    assert len(serialize_message(kept)) < 1500
    assert len(kept.d) == (14 if beyond == 0 else 15)  # still too many where they were


def test_an_ordinary_camera_info_stays_as_it_is() -> None:
    message = info(BENT)
    message.d = [0.1, -0.2, 0.001, 0.002, 0.05]
    before = serialize_message(message)
    assert serialize_message(bounded(message)) == before
