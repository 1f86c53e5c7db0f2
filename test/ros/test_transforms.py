"""Transforms as matrices, against scipy; lookups where tf2_ros is."""

from __future__ import annotations

import importlib.util
import time
from types import SimpleNamespace
from typing import Any

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Transform, TransformStamped
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from depth_node.camera import Camera
from depth_node.camera.transforms import transform_matrix
from depth_node.config import Config
from depth_node.ros.scaling import Scaling
from depth_node.ros.transforms import Transforms
from depth_node.scale import ScaleState
from depth_node.sources.frame import Frame
from depth_node.world import World


@given(
    st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1),
    st.tuples(*[st.floats(-100, 100)] * 3),
)
def test_matrix_agrees_with_scipy(q: tuple[float, ...], t: tuple[float, ...]) -> None:
    """Any quaternion, normalized or not."""
    transform = Transform()
    transform.rotation.x, transform.rotation.y, transform.rotation.z, transform.rotation.w = q
    transform.translation.x, transform.translation.y, transform.translation.z = t
    found = transform_matrix(transform)
    np.testing.assert_allclose(found[:3, :3], Rotation.from_quat(q).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(found[:, 3], [*t, 1.0])


def test_a_frame_in_itself_needs_no_tf(ros_node: Any) -> None:
    """The identity, also where TF is not installed."""
    transforms = Transforms(ros_node)
    np.testing.assert_array_equal(transforms.lookup('a', 'a', 0), np.eye(4))
    assert not transforms.hint


@pytest.mark.skipif(
    importlib.util.find_spec('tf2_ros') is not None, reason='tf2_ros is installed here'
)
def test_without_tf2_the_remedy_is_named(ros_node: Any) -> None:
    """No exception; a reason."""
    transforms = Transforms(ros_node)
    assert transforms.lookup('base_link', 'camera', 0) is None
    assert transforms.hint == ' (TF is not available: tf2_ros is not installed)'


class Buffer:
    """A fake of tf2_ros.Buffer: transforms between two times, and more as they arrive."""

    def __init__(self, first: float, last: float) -> None:
        self.first, self.last = first, last
        self.arriving: list[tuple[float, float]] = []  # (when by the clock, newest stamp then)

    def can_transform(self, target: str, source: str, when: Any) -> bool:
        while self.arriving and time.monotonic() >= self.arriving[0][0]:
            self.last = self.arriving.pop(0)[1]
        return self.first <= when.sec + when.nanosec / 1e9 <= self.last

    def lookup_transform(self, target: str, source: str, when: Any) -> TransformStamped:
        """Move 1 m/s along x; of rclpy's Time of zero: the latest."""
        at = when.sec + when.nanosec / 1e9 if isinstance(when, Time) else self.last
        found = TransformStamped()
        found.header.stamp = stamp_of(at)
        found.transform.rotation.w = 1.0
        found.transform.translation.x = at
        return found


def stamp_of(seconds: float) -> Time:
    return Time(sec=int(seconds), nanosec=round(seconds % 1 * 1e9))


def looking(node: Any, buffer: Buffer) -> Transforms:
    transforms = Transforms(node)
    transforms._buffer = transforms._listener = buffer
    return transforms


def test_the_transform_at_the_stamp_and_not_the_latest(ros_node: Any) -> None:
    """TF has gone on while the network ran."""
    transforms = looking(ros_node, Buffer(999.0, 1000.25))
    found = transforms.lookup('odom', 'eye', round(1000.0 * 1e9))
    assert found is not None
    assert found[0, 3] == 1000.0
    assert not transforms.hint


def test_a_transform_that_is_late_is_waited_for(ros_node: Any) -> None:
    """The frame is newer than TF: 40 ms later TF has caught up."""
    buffer = Buffer(999.0, 999.97)
    transforms = looking(ros_node, buffer)
    buffer.arriving.append((time.monotonic() + 0.04, 1000.01))
    found = transforms.lookup('odom', 'eye', round(1000.0 * 1e9), wait=2.0)
    assert found is not None
    assert found[0, 3] == 1000.0


@pytest.mark.parametrize(('frame', 'longest', 'says'), [
    (1000.2, 0.5, '0.20 s older'), (1000.6, 0.02, '0.60 s older'), (1060.0, 0.02, '60.00 s'),
    (3.0, 0.02, 'newer than the frame'),
])
def test_without_the_transform_of_the_time_there_is_none(
    ros_node: Any, frame: float, longest: float, says: str
) -> None:
    """The wait is bounded, and there is none for who has stopped publishing."""
    transforms = looking(ros_node, Buffer(999.0, 1000.0))
    begin = time.monotonic()
    assert transforms.lookup('odom', 'eye', round(frame * 1e9)) is None
    assert time.monotonic() - begin < longest
    assert says in transforms.hint


def test_the_executor_does_not_wait(ros_node: Any) -> None:
    """Its thread is the one that receives TF."""
    transforms = looking(ros_node, Buffer(999.0, 1000.0))
    begin = time.monotonic()
    assert transforms.lookup('odom', 'eye', round(1000.1 * 1e9), wait=0.0) is None
    assert time.monotonic() - begin < 0.02


@pytest.mark.parametrize('broken', [{'x': float('inf')}, {'w': 0.0}])
def test_a_transform_that_is_none_is_refused(ros_node: Any, broken: dict[str, float]) -> None:
    """tf2 refuses NaN, but neither infinities nor a quaternion of zeros."""
    buffer = Buffer(999.0, 1000.0)
    exact = buffer.lookup_transform

    def spoilt(target: str, source: str, when: Any) -> TransformStamped:
        found = exact(target, source, when)
        found.transform.translation.x = broken.get('x', 0.0)
        found.transform.rotation.w = broken.get('w', 1.0)
        return found

    buffer.lookup_transform = spoilt  # type: ignore[method-assign]
    transforms = looking(ros_node, buffer)
    assert transforms.lookup('odom', 'eye', round(1000.0 * 1e9)) is None
    assert 'not a transform' in transforms.hint


class Told:
    """A fake of the notices: what is reported."""

    def __init__(self) -> None:
        self.health, self.texts = SimpleNamespace(scale=None), {}

    def set(self, key: str, text: str) -> None:
        """Keep it."""
        self.texts[key] = text


@pytest.mark.parametrize('used', [False, True])
def test_the_height_in_tf_is_compared_where_tf_is_used(
    ros_node: Any, monkeypatch: pytest.MonkeyPatch, *, used: bool
) -> None:
    """Metres that are twice too large contradict it; TF is not subscribed to for that alone."""
    world, camera = World(0), Camera.from_hfov(160, 120, 75)
    pose = world.pose(0.0)
    _, depth = world.render(camera, pose)
    transforms, told, clock = Transforms(ros_node), Told(), [0.0]
    monkeypatch.setattr(transforms, 'lookup', lambda *_, **__: pose)
    if used:
        transforms._listener = object()
    monkeypatch.setattr('depth_node.ros.scaling.time.monotonic', lambda: clock[0])
    scaling = Scaling(ros_node, Config(), SimpleNamespace(model=None), transforms, told)
    estimate = SimpleNamespace(
        depth=2 * depth, state=ScaleState(2.0, 0.0, 0.0, 'points'), focal=1.0,
    )
    frame = Frame(np.zeros((120, 160, 3), np.uint8), 1, camera=camera, frame_id='optical')
    for _ in range(3):
        clock[0] += 1.1
        scaling.note(Config(), frame, estimate)
    scaling.close()
    note = told.texts['camera height']
    assert ('The visible floor is 1.2' in note and 'in base_footprint is 0.6 m' in note) == used
    assert bool(note) == used
