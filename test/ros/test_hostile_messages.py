"""
Every callback of the node with random hostile messages, parameters and requests.

The node runs in a process of its own. Afterwards it is alive, answers, makes depth of good frames,
and has grown by no more than a bound. `DEPTH_NODE_LONG=1` sends 10,000 of each kind.
"""

from __future__ import annotations

import os
from pathlib import Path
import random
import re
import time
from typing import Any

from hostile import changed, cut, hostile
from lifecycle_msgs.srv import (
    ChangeState,
    GetAvailableStates,
    GetAvailableTransitions,
    GetState,
)
from nav_msgs.msg import Odometry
import numpy as np
import pytest
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.parameter import Parameter
from rclpy.serialization import serialize_message
from rig import CAMERA, RELIABLE, smooth_frame
from sensor_msgs.msg import (
    CameraInfo,
    CompressedImage,
    Image,
    LaserScan,
    PointCloud2,
    PointField,
    Range,
)
from std_srvs.srv import Trigger
from stereo_msgs.msg import DisparityImage

from depth_node.config import parameters
from depth_node.ros import messages

LONG = bool(os.environ.get('DEPTH_NODE_LONG'))
COUNT = 10_000 if LONG else 100
MOST_GROWTH_MB = 400
"""Caches, buffers of the largest picture, and what malloc keeps; a leak is far more."""
PAUSE_S = 0.001
EXTRINSIC = '[0.0,0.0,0.0,0.5,-0.5,0.5,0.5]'
SOURCES: dict[str, Any] = {
    'points': PointCloud2, 'scan': LaserScan, 'range': Range, 'depth': Image,
    'disparity': DisparityImage, 'odometry': Odometry,
}


def memory_of(pid: int) -> float:
    """Resident memory of a process (MB)."""
    text = Path(f'/proc/{pid}/status').read_text()
    return int(re.search(r'VmRSS:\s+(\d+)', text)[1]) / 1024


def good(kind: Any, header: Any) -> Any:
    """A message that the node would take."""
    if kind is CameraInfo:
        return messages.camera_info_to_msg(CAMERA, header)
    if kind is CompressedImage:
        return messages.jpeg_to_msg(smooth_frame(), header, 90)
    if kind is Image:
        return messages.image_to_msg(smooth_frame(), 'rgb8', header)
    if kind is PointCloud2:
        points = np.random.default_rng(0).normal(3, 1, (50, 3)).astype(np.float32)
        fields = [PointField(name=a, offset=4 * i, datatype=7, count=1)
                  for i, a in enumerate('xyz')]
        return PointCloud2(
            header=header, height=1, width=50, fields=fields, point_step=12, row_step=600,
            data=points.tobytes(), is_dense=True,
        )
    if kind is LaserScan:
        return LaserScan(
            header=header, angle_min=-0.5, angle_max=0.5, angle_increment=0.01, range_max=9.0,
            ranges=[2.0] * 101,
        )
    if kind is Range:
        return Range(header=header, field_of_view=0.1, max_range=9.0, range=2.0)
    if kind is DisparityImage:
        depth = np.full((48, 64), 8.0, np.float32)
        return DisparityImage(
            header=header, image=messages.depth_to_msg(depth, '32FC1', header), f=50.0, t=0.1,
            max_disparity=60.0,
        )
    found = kind(header=header)
    found.child_frame_id = 'base'
    found.pose.pose.orientation.w = 1.0
    return found


def flood(rig: Any, process: Any, publishers: dict[Any, Any], rng: random.Random) -> None:
    """Send COUNT messages on each topic, a tenth of them damaged bytes."""
    for number in range(COUNT):
        for kind, publisher in publishers.items():
            chance = rng.random()
            rig._stamp += 10_000_000
            header = messages.header_of(messages.stamp_of(rig._stamp), 'camera')
            message = hostile(kind, rng) if chance < 0.3 else changed(good(kind, header), rng)
            publisher.publish(message if chance < 0.9 else cut(serialize_message(message), rng))
        time.sleep(PAUSE_S)
        if number % 50 == 0:
            rig.spin(lambda: True, 0.01)
            assert process.popen.poll() is None, process.output[-2000:]


def check(rig: Any, process: Any, before: float, capsys: Any, what: str) -> None:
    """Alive, answering, and of a bounded size; good frames become depth."""
    assert process.popen.poll() is None, process.output[-2000:]
    rig.until('depth/image', smooth_frame(), CAMERA, 60)
    growth = memory_of(process.popen.pid) - before
    with capsys.disabled():
        print(f' {what}: {COUNT} of each, {before:.0f} MB, {growth:+.0f} MB', end='', flush=True)
    assert growth < MOST_GROWTH_MB
    assert 'Traceback' not in process.output
    assert '\x1b[2J' not in process.output
    assert 'terminate called' not in process.output
    assert process.log.stat().st_size < 2**20  # whatever came, few lines were written
    assert process.stop() == 0


@pytest.mark.timeout(0 if LONG else 240)
@pytest.mark.parametrize('source', SOURCES)
def test_topics(rig: Any, model: Path, capsys: Any, source: str) -> None:
    process = rig.start(
        model, engine__name='onnxruntime', scale__source=source, scale__extrinsic=EXTRINSIC,
        input__hfov_deg=70.0,
    )
    rig.listen('depth/image_relative', 'depth/image', 'depth/points')
    node, rng = rig.node, random.Random(source)
    publishers = {
        Image: rig.images, CameraInfo: rig.infos,
        SOURCES[source]: node.create_publisher(SOURCES[source], f'scale/{source}', RELIABLE),
    }
    extra = node.create_publisher(CameraInfo, 'scale/camera_info', RELIABLE)
    process.wait_for('subscribed to')
    rig.until('depth/image_relative', smooth_frame(), CAMERA)
    before = memory_of(process.popen.pid)
    flood(rig, process, publishers, rng)
    flood(rig, process, {CameraInfo: extra}, rng)
    assert process.popen.poll() is None, process.output[-2000:]
    # metres need a scale that a hostile sensor does not give: the node's own is taken
    assert rig.set('scale.source', 'fixed')[0]
    assert rig.set('scale.value', 1.0)[0]
    check(rig, process, before, capsys, source)


@pytest.mark.timeout(0 if LONG else 240)
def test_compressed_images(rig: Any, model: Path, capsys: Any) -> None:
    process = rig.start(model, engine__name='onnxruntime', input__transport='compressed')
    rig.listen('depth/image')
    process.wait_for('subscribed to')

    def frames(seconds: float) -> bool:
        end = time.monotonic() + seconds
        rig.got['depth/image'].clear()
        while not rig.got['depth/image'] and time.monotonic() < end:
            rig._stamp += 10_000_000
            header = messages.header_of(messages.stamp_of(rig._stamp), 'camera')
            rig.infos.publish(messages.camera_info_to_msg(CAMERA, header))
            rig.compressed.publish(good(CompressedImage, header))
            rig.spin(lambda: rig.got['depth/image'], 0.1)
        return bool(rig.got['depth/image'])

    assert frames(40), process.output
    before = memory_of(process.popen.pid)
    flood(rig, process, {CompressedImage: rig.compressed}, random.Random('jpeg'))
    assert frames(40), process.output[-2000:]
    growth = memory_of(process.popen.pid) - before
    with capsys.disabled():
        print(f' compressed: {COUNT}, {growth:+.0f} MB', end='', flush=True)
    assert growth < MOST_GROWTH_MB
    assert process.stop() == 0


def strange_parameter(rng: random.Random, names: list[str]) -> ParameterMessage:
    """A parameter of ours with a value of any type, also of one that does not exist."""
    value = hostile(ParameterValue, rng)
    value.type = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 77, 255))
    name = rng.choice(names) if rng.random() < 0.9 else rng.choice(('', '.', 'x' * 5000, 'a.b'))
    return ParameterMessage(name=name, value=value)


def request(kind: Any, rng: random.Random, names: list[str]) -> Any:
    """A request of a service, hostile in what it asks for."""
    found = hostile(kind.Request, rng)
    if kind in (SetParameters, SetParametersAtomically):
        found.parameters = [strange_parameter(rng, names) for _ in range(rng.choice((0, 1, 1, 3)))]
    elif hasattr(found, 'names'):
        found.names = rng.choices([*names, '', 'gone', 'x' * 5000], k=rng.choice((0, 1, 50)))
    elif kind is ChangeState:
        # not the ones that end the node's life as they should
        found.transition.id = rng.choice((0, 1, 2, 3, 4, 8, 9, 10, 60, 61, 62, 99, 250))
        found.transition.label = rng.choice(('', 'x' * 5000, 'configure', 'activate', 'cleanup'))
    return found


def asked(rig: Any, kind: Any, name: str, content: Any, seconds: float = 20.0) -> Any:
    """Call a service; None where there is none at present, or no answer."""
    client = rig._clients.setdefault(name, None) or rig.node.create_client(
        kind, f'depth_node/{name}'
    )
    rig._clients[name] = client
    if not rig.spin(client.service_is_ready, 1.0):
        return None
    future = client.call_async(content)
    return future.result() if rig.spin(future.done, seconds) else None


SERVICES = {
    'set_parameters': SetParameters, 'set_parameters_atomically': SetParametersAtomically,
    'get_parameters': GetParameters, 'get_parameter_types': GetParameterTypes,
    'describe_parameters': DescribeParameters, 'list_parameters': ListParameters,
    'change_state': ChangeState, 'get_state': GetState,
    'get_available_states': GetAvailableStates,
    'get_available_transitions': GetAvailableTransitions,
    'reset_scale': Trigger, 'save_calibration': Trigger,
}


@pytest.mark.timeout(0 if LONG else 240)
def test_services(rig: Any, model: Path, capsys: Any) -> None:
    process = rig.start(model, engine__name='onnxruntime')
    rig.listen('depth/image')
    process.wait_for('subscribed to')
    rig.until('depth/image', smooth_frame(), CAMERA)
    # a new model, another folder for its engines, or a shorter patience is a right of the caller
    kept = ('model.name', 'engine.cache_dir', 'engine.timeout', 'scale.calibration_file')
    defaults = {name: default for name, default, _ in parameters() if name not in kept}
    names = list(defaults)
    rng = random.Random('services')
    before = memory_of(process.popen.pid)
    unanswered = 0
    for _ in range(COUNT):
        name = rng.choice(list(SERVICES))
        kind = SERVICES[name]
        answer = asked(rig, kind, name, request(kind, rng, names))
        unanswered += answer is None
        assert process.popen.poll() is None, process.output[-2000:]
    # those of the scale exist only while the node is configured
    assert unanswered <= COUNT // 3
    for label in ('deactivate', 'cleanup'):
        rig.change_state(label)
    for name, value in {**defaults, 'engine.name': 'onnxruntime'}.items():
        rig.set(name, value)
    for label in ('configure', 'activate'):
        assert rig.change_state(label), process.output[-2000:]
    check(rig, process, before, capsys, 'services')


def test_the_types_of_parameters_are_those_of_rcl() -> None:
    """The unknown ones are unknown."""
    known = {getattr(ParameterType, n) for n in dir(ParameterType) if n.startswith('PARAMETER_')}
    assert 77 not in known
    assert Parameter('a', value=1).to_parameter_msg().value.type in known
