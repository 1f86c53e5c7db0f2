"""
Pictures reach the node whatever the camera offers; bench/delivery.py says how many a second.

The camera is slow here, so that what is lost is lost to DDS and not to a busy machine.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, PointCloud2

FRAMES, RATE = 22, 3
LEAST = 8
"""The first seconds are spent on finding each other and on agreeing about reliability."""
SIDECAR = {
    'format': 1, 'kind': 'sigmoid_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1],
    'min_depth': 0.5, 'max_depth': 10.0, 'scale': 1.5,
}
WITHOUT_PROFILE = {
    'FASTDDS_BUILTIN_TRANSPORTS': 'DEFAULT', 'FASTRTPS_DEFAULT_PROFILES_FILE': None,
    'FASTDDS_DEFAULT_PROFILES_FILE': None,
}


@pytest.mark.parametrize(('reliability', 'environment'), [
    ('reliable', {}),
    ('best_effort', {}),
    ('reliable', WITHOUT_PROFILE),
], ids=['reliable', 'best effort', 'reliable without profile'])
def test_every_frame_becomes_depth_and_cloud(
    processes, ros_node, spin_until, network, reliability, environment
):
    model = network()
    model.with_suffix('.json').write_text(json.dumps(SIDECAR))
    depths, clouds = [], []
    qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
    ros_node.create_subscription(Image, 'depth/image', depths.append, qos)
    ros_node.create_subscription(PointCloud2, 'depth/points', clouds.append, qos)
    node = processes.python(
        '-m', 'depth_node.ros.node', '--ros-args', '-r', 'image:=camera/image_raw',
        '-r', 'camera_info:=camera/camera_info', '-p', f'model.name:={model}',
        '-p', 'points.voxel_size:=0.0', '-p', 'points.max_points:=0',
    )
    node.wait_for('Engine auto: O')  # what opened, not what did not
    camera = processes.python(
        '-m', 'depth_node.ros.camera_publisher', '--ros-args', '-p', 'width:=640',
        '-p', 'height:=480', '-p', f'rate:={RATE}', '-p', f'preload:={FRAMES}',
        '-p', 'loop:=false', '-p', 'wait:=true', '-p', f'reliability:={reliability}',
        env=environment,
    )
    assert spin_until(lambda: camera.popen.poll() is not None, 60), camera.output
    while (had := len(clouds)) < FRAMES and spin_until(lambda had=had: len(clouds) > had, 1):
        pass  # the last are on their way
    for received in (depths, clouds):
        assert len(received) >= LEAST, node.output
        stamps = np.array([r.header.stamp.sec + 1e-9 * r.header.stamp.nanosec for r in received])
        assert np.all(np.diff(stamps) > 0)
        assert len(received) == 1 + round(RATE * (stamps[-1] - stamps[0])), node.output
    cloud = clouds[-1]
    assert cloud.height * cloud.width == 307_200
    assert [field.name for field in cloud.fields] == ['x', 'y', 'z', 'rgb']
    assert np.isfinite(np.frombuffer(cloud.data, np.float32).reshape(-1, 4)[:, :3]).any()
    assert node.stop() == 0
