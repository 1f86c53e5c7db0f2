"""Cloud, scan and pictures of a running node, with the frames and encodings asked for."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
import pytest
from rig import FRAME, Rig
from sensor_msgs.msg import LaserScan

from depth_node.camera import Camera
from depth_node.ros import messages

CAMERA = Camera.from_hfov(64, 48, 70.0)
OPTICAL_IN_BASE = [0.1, 0.0, 0.6, -0.5, 0.5, -0.5, 0.5]


def frame() -> NDArray[np.uint8]:
    """A smooth random picture, uint8 (H, W, 3)."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    return np.ascontiguousarray(cv2.resize(noise, (64, 48)))


@pytest.fixture
def model(network: Callable[..., Path]) -> Path:
    """A tiny network with a sidecar that brings a scale."""
    path = network()
    path.with_suffix('.json').write_text(json.dumps({
        'format': 1, 'kind': 'sigmoid_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1],
        'min_depth': 0.5, 'max_depth': 10.0, 'scale': 1.5,
    }))
    return path


def test_cloud_and_scan_in_the_robots_frame(rig: Rig, model: Path) -> None:
    """All outputs have the input's stamp; each the frame it was asked to have."""
    topics = ('depth/image', 'depth/points', 'depth/scan')
    rig.listen(*topics, kinds={'depth/scan': LaserScan})
    process = rig.start(
        model, output__encoding='16UC1', points__voxel_size=0.0, filter__edge_threshold=0.0,
        points__frame='base_link', points__transform=OPTICAL_IN_BASE,
        ground__camera_height=0.6, scan__output_frame='base_footprint',
    )
    image, cloud, scan = rig.together(topics, frame(), CAMERA)
    assert image.encoding == '16UC1'
    depth = np.frombuffer(image.data, np.uint16).reshape(48, 64) / 1000
    assert [m.header.frame_id for m in (image, cloud, scan)] == [
        FRAME, 'base_link', 'base_footprint'
    ]
    points = np.frombuffer(cloud.data, np.float32).reshape(48, 64, 4)
    np.testing.assert_allclose(points[..., 0], depth + 0.1, atol=1e-3)
    assert scan.range_max == pytest.approx(10.0)
    ranges = np.array(scan.ranges)
    assert np.isfinite(ranges).any()
    assert scan.angle_max - scan.angle_min == pytest.approx(
        scan.angle_increment * (len(ranges) - 1), abs=1e-5
    )
    # the cloud is thinned from the moment one says so
    assert rig.set('points.voxel_size', 0.1)[0]
    rig.settle(0.3)
    thinned = rig.until('depth/points', frame(), CAMERA)
    assert thinned.height == 1
    assert thinned.is_dense
    assert thinned.width < 48 * 64
    assert process.stop() == 0


def test_what_has_no_place_is_named_and_the_rest_goes_on(rig: Rig, model: Path) -> None:
    """Without TF and without numbers there is no scan; the cloud is published all the same."""
    rig.listen('depth/points', 'depth/scan', kinds={'depth/scan': LaserScan})
    rig.start(model)
    assert rig.until('depth/points', frame(), CAMERA).header.frame_id == FRAME
    assert rig.hears('depth', 'ground.camera_height')
    assert not rig.got['depth/scan']


def test_picture_has_a_scale_bar_when_asked(rig: Rig, model: Path) -> None:
    """Colors stand for metres, and the bar says for which."""
    rig.listen('depth/image_color')
    rig.start(model)
    assert rig.until('depth/image_color', frame(), CAMERA).height == 48
    assert rig.set('output.color_bar', value=True)[0]
    rig.settle(0.3)
    picture = rig.until('depth/image_color', frame(), CAMERA)
    assert picture.height > 48
    assert messages.rgb_from_msg(picture).shape == (picture.height, 64, 3)
