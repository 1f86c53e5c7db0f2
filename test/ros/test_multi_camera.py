"""Two cameras, two nodes, as multi.launch.py wires them; test_launch.py launches them for real."""

from __future__ import annotations

import json

from diagnostic_msgs.msg import DiagnosticArray
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, PointCloud2
import yaml

from depth_node.ros import launching, messages
from depth_node.ros.cameras import cameras_of

SIDECAR = {
    'format': 1, 'kind': 'sigmoid_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1],
    'min_depth': 0.5, 'max_depth': 10.0, 'scale': 1.5,
}
SIZES = {'front': (64, 48), 'rear': (80, 40)}


def words(namespace, parameters, remappings):
    """Command line of a node."""
    found = ['--ros-args', '-r', f'__ns:=/{namespace}']
    for name, value in parameters.items():
        found += ['-p', f'{name}:={value}']
    for old, new in remappings:
        found += ['-r', f'{old}:={new}']
    return found


@pytest.fixture
def cameras(tmp_path, network):
    model = network()
    model.with_suffix('.json').write_text(json.dumps(SIDECAR))
    path = tmp_path / 'cameras.yaml'
    path.write_text(yaml.safe_dump({'cameras': [
        {
            'namespace': name, 'source': f'world:{number}',
            'parameters': {'model.name': str(model), 'points.voxel_size': 0.0,
                           'points.max_points': 0},
        }
        for number, name in enumerate(SIZES)
    ]}))
    return cameras_of(str(path))


def test_each_camera_has_its_own_outputs_and_frame(processes, ros_node, spin_until, cameras):
    got = {}
    told = set()
    ros_node.create_subscription(
        DiagnosticArray, '/diagnostics', lambda m: told.update(s.name for s in m.status), 10
    )
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
    for camera in cameras:
        for topic, kind in (('image', Image), ('points', PointCloud2)):
            received = got.setdefault((camera.namespace, topic), [])
            name = f'/{camera.namespace}/depth/{topic}'
            ros_node.create_subscription(kind, name, received.append, qos)
        width, height = SIZES[camera.namespace]
        source = {
            **launching.source_parameters(camera), 'width': width, 'height': height, 'rate': 5,
        }
        processes.python(
            '-m', 'depth_node.ros.camera_publisher',
            *words(camera.namespace, source, launching.source_remappings(camera)),
        )
        processes.python(
            '-m', 'depth_node.ros.node',
            *words(camera.namespace, camera.parameters, launching.remappings(camera)),
        )
    assert spin_until(lambda: all(got.values()), 60), {key: len(v) for key, v in got.items()}
    for name, (width, height) in SIZES.items():
        image, cloud = got[name, 'image'][-1], got[name, 'points'][-1]
        assert messages.metres_from_msg(image).shape == (height, width)
        assert cloud.width * cloud.height == width * height
        assert image.header.frame_id == cloud.header.frame_id == f'{name}_optical_frame'
    ours = {f'{name}/depth_node: {task}' for name in SIZES for task in ('camera', 'depth')}
    assert spin_until(lambda: told >= ours, 10), told
