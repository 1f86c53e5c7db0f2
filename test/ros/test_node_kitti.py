"""The reference figures of a real network on a real frame, after the frame went through DDS."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from rig import Rig

from depth_node.camera import Camera
from depth_node.evaluation.metrics import Crop, score
from depth_node.ros import messages
from depth_node.sources.kitti import kitti_object

WEIGHTS = 'weights/rtmonodepth_s_ms_640_192.onnx'
EXACT = {
    'model__kind': 'sigmoid_disparity', 'model__mean': '[0.0,0.0,0.0]',
    'model__std': '[1.0,1.0,1.0]', 'scale__source': 'fixed', 'scale__value': 5.4,
    'depth__min_range': 0.0, 'depth__max_range': 1000.0, 'filter__edge_threshold': 0.0,
    'points__voxel_size': 0.0,
}


@pytest.mark.parametrize('engine', ['openvino', 'onnxruntime'])
def test_kitti_figures_through_the_node(rig: Rig, shared_data: Path, engine: str) -> None:
    """abs_rel 0.182 as it is and 0.155 median scaled, from depth and from the cloud."""
    sample = kitti_object(shared_data / 'kitti' / 'object')[0]
    rgb, truth, camera = sample.rgb, sample.depth, sample.camera
    assert isinstance(camera, Camera)
    assert truth is not None
    rig.listen('depth/image', 'depth/points')
    rig.start(shared_data / WEIGHTS, engine__name=engine, **EXACT)
    image, cloud = rig.together(('depth/image', 'depth/points'), rgb, camera)
    depth = messages.metres_from_msg(image)
    points = np.frombuffer(cloud.data, np.float32).reshape(cloud.height, cloud.width, 4)
    np.testing.assert_allclose(points[..., 2], depth, rtol=1e-6)
    exact = score(depth, truth, crop=Crop.GARG, farthest=80.0)
    scaled = score(depth, truth, crop=Crop.GARG, farthest=80.0, median_scaling=True)
    assert exact.metrics.abs_rel == pytest.approx(0.182, abs=0.01)
    assert scaled.metrics.abs_rel == pytest.approx(0.155, abs=0.01)
    colors = points[..., 3].copy().view(np.uint32)
    np.testing.assert_array_equal(colors >> 16, rgb[..., 0])
    assert cv2.countNonZero((colors & 0xFF).astype(np.uint8)) > 0
