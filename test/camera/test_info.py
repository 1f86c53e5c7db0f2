"""Check the reading of camera_calibration's YAML."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from depth_node.camera import Camera, Distortion
from depth_node.camera.info import read_calibration
from depth_node.errors import DataError

# as camera_calibration writes it
TEXT = """\
image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [438.783367, 0.000000, 305.593336, 0.000000, 437.302876, 243.738352, 0.0, 0.0, 1.0]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.361976, 0.110510, 0.001014, 0.000505, 0.000000]
rectification_matrix:
  rows: 3
  cols: 3
  data: [0.999978, 0.002789, -0.006046, -0.002816, 0.999986, -0.004401, 0.006034, 0.0044, 0.99997]
projection_matrix:
  rows: 3
  cols: 4
  data: [393.653800, 0.0, 322.797939, 0.0, 0.0, 393.653800, 241.090902, 0.0, 0.0, 0.0, 1.0, 0.0]
"""


def test_file_of_camera_calibration(tmp_path: Path) -> None:
    path = tmp_path / 'ost.yaml'
    path.write_text(TEXT)
    cam = Camera.from_yaml(path)
    assert (cam.width, cam.height, cam.fx, cam.cy) == (640, 480, 438.783367, 243.738352)
    assert cam.distortion is Distortion.PLUMB_BOB
    assert cam.coefficients == (-0.361976, 0.110510, 0.001014, 0.000505, 0.0)
    assert Camera.from_yaml(path, rectified=True).fx == 393.6538
    assert read_calibration(path).r[1] == 0.002789


@pytest.mark.parametrize(('old', 'new', 'text'), [
    ('image_width: 640', 'image_width: wide', "image_width is 'wide'"),
    ('image_width: 640', 'image_width: 0', 'image_width is 0'),
    ('438.783367', '.nan', 'not finite'),
    ('438.783367', 'many', 'camera_matrix'),
    ('438.783367, ', '', 'camera_matrix has 8 numbers'),
    ('distortion_model: plumb_bob', 'distortion_model: [1]', 'distortion_model'),
    ('camera_matrix:', 'matrix:', 'camera_matrix is missing'),
    ('image_width', '{', 'not YAML'),
])
def test_broken_files_are_refused(tmp_path: Path, old, new, text) -> None:
    path = tmp_path / 'ost.yaml'
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(DataError, match=text):
        Camera.from_yaml(path)


def test_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='cannot be read'):
        Camera.from_yaml(tmp_path / 'none.yaml')


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_refused(tmp_path_factory, noise: bytes) -> None:
    path = tmp_path_factory.mktemp('noise') / 'ost.yaml'
    path.write_bytes(noise)
    with pytest.raises(DataError):
        Camera.from_yaml(path)
