"""Which camera a frame is said to come from, and why."""

from __future__ import annotations

from pathlib import Path

import pytest
from sensor_msgs.msg import CameraInfo

from depth_node.camera import Camera, Distortion, UncalibratedError
from depth_node.config import Config
from depth_node.model import Size
from depth_node.ros import messages
from depth_node.ros.calibration import Calibration

SIZE = Size(64, 48)
BENT = Camera(64, 48, 50.0, 51.0, 30.0, 22.0, Distortion.PLUMB_BOB, (-0.2, 0.1, 0.0, 0.0, 0.0))


def info(camera: Camera, *, seconds: int = 1) -> CameraInfo:
    """A CameraInfo whose P differs from its K."""
    header = messages.header_of(messages.stamp_of(seconds * 10**9), 'camera')
    found = messages.camera_info_to_msg(camera, header)
    found.p[0] = found.p[5] = 40.0
    return found


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
    camera = found.camera((1, 0), SIZE, topic)
    assert camera.fx == fx
    assert (camera.distortion is Distortion.NONE) == (fx == 40.0)
    assert ('P applies' in found.choice) == (fx == 40.0)


def test_the_file_obeys_input_rectified_too(tmp_path: Path) -> None:
    """A rectified image must not be undistorted again."""
    path = tmp_path / 'camera.yaml'
    BENT.to_yaml(path)
    raw = calibration(calibration_file=str(path)).camera((1, 0), SIZE, '/image')
    rectified = calibration(calibration_file=str(path), rectified='true')
    assert raw.distortion is Distortion.PLUMB_BOB
    assert rectified.camera((1, 0), SIZE, '/image').distortion is Distortion.NONE
    assert str(path) in rectified.assumed


def test_an_assumed_view_is_for_uncalibrated_cameras_only() -> None:
    """A calibrated CameraInfo wins over input.hfov_deg."""
    found = calibration(hfov_deg=90.0)
    assert found.camera((1, 0), SIZE, '/image').fx == pytest.approx(32.0)
    assert found.assumed
    found.remember(info(BENT))
    assert found.camera((1, 0), SIZE, '/image').fx == 50.0
    assert not found.assumed


def test_the_info_of_the_frame_wins_over_the_last() -> None:
    """While a camera changes, each frame keeps its own info."""
    found = calibration()
    with pytest.raises(UncalibratedError, match='no CameraInfo'):
        found.camera((1, 0), SIZE, '/image')
    found.remember(info(BENT, seconds=1))
    found.remember(info(Camera.from_hfov(64, 48, 60.0), seconds=2))
    assert found.camera((1, 0), SIZE, '/image').fx == 50.0
    assert found.camera((2, 0), SIZE, '/image').fx != 50.0
