"""Check the reading of camera_calibration's YAML."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from depth_node.camera import Camera, Distortion
from depth_node.camera.calibration_file import read_calibration
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


OPENCV = """\
%YAML:1.0
---
image_width: 1224
image_height: 370
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 721.54, 0., 609.56, 0., 721.54, 172.85, 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ -5.0e-02, 2.0e-02, 1e-04, -2E-04, 0. ]
"""
KALIBR = """\
cam0:
  camera_model: pinhole
  distortion_coeffs: [-0.05, 0.02, 1e-04, -0.0002]
  distortion_model: radtan
  intrinsics: [721.54, 721.54, 609.56, 172.85]
  resolution: [1224, 370]
  rostopic: /cam0/image_raw
"""
KINETIC = """\
image_width: 1224
image_height: 370
camera_matrix: {rows: 3, cols: 3, data: [721.54 0.0 609.56 0.0 721.54 172.85 0.0 0.0 1.0]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [-0.05 0.02 1e-04 -2e-04 0.0]}
"""


@pytest.mark.parametrize('text', [OPENCV, KALIBR, KINETIC])
def test_files_of_other_programs(tmp_path: Path, text: str) -> None:
    path = tmp_path / 'camera.yaml'
    path.write_text(text)
    cam = Camera.from_yaml(path)
    assert (cam.width, cam.height, cam.fx, cam.cy) == (1224, 370, 721.54, 172.85)
    assert cam.coefficients[:4] == (-0.05, 0.02, 1e-4, -2e-4)


@pytest.mark.parametrize(('text', 'expected'), [
    (KALIBR + KALIBR.replace('cam0', 'cam1'), '2 cameras, expected one'),
    (KALIBR.replace('pinhole', 'omni'), 'expected pinhole'),
    (KALIBR.replace('1224, 370', '1224.5, 370'), 'width is 1224.5'),
    (KALIBR.replace('721.54, 721.54, ', ''), '2 intrinsics'),
    ('<?xml version="1.0"?><opencv_storage></opencv_storage>', 'XML of OpenCV'),
])
def test_other_programs_files_are_named_where_they_cannot_be_read(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / 'camera.yaml'
    path.write_text(text)
    with pytest.raises(DataError, match=expected):
        Camera.from_yaml(path)


def test_urls_and_home(tmp_path: Path, monkeypatch) -> None:
    """camera_info_url of a driver is a URL; YAML expands no ~."""
    monkeypatch.setenv('HOME', str(tmp_path))
    path = tmp_path / 'the camera.yaml'
    path.write_text(TEXT)
    url = path.as_uri()
    assert '%20' in url
    for name in (url, f'file://localhost{path}', '~/the camera.yaml'):
        assert Camera.from_yaml(name).fx == 438.783367
    for name in ('package://robot/camera.yaml', 'http://host/camera.yaml', 'file://host/x'):
        with pytest.raises(DataError, match='is a URL, expected a path'):
            Camera.from_yaml(name)


@pytest.mark.parametrize('content', [
    'password = hunter2: [', 'hunter2', 'hunter2: 5', '- hunter2', 'a: *hunter2', '&a !hunter2 b',
    'hunter2: {a: [', '"hunter2', '\thunter2',
])
def test_errors_quote_nothing_of_another_file(tmp_path: Path, content: str) -> None:
    """The path comes from a parameter, and the error goes to /diagnostics."""
    path = tmp_path / 'secret'
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        Camera.from_yaml(path)
    assert 'hunter2' not in str(caught.value)
