"""Transforms as matrices, against scipy; lookups where tf2_ros is."""

from __future__ import annotations

import importlib.util
from typing import Any

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Transform, TransformStamped
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from depth_node.ros.transforms import matrix, Transforms


@given(
    st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1),
    st.tuples(*[st.floats(-100, 100)] * 3),
)
def test_matrix_agrees_with_scipy(q: tuple[float, ...], t: tuple[float, ...]) -> None:
    """Any quaternion, normalized or not."""
    transform = Transform()
    transform.rotation.x, transform.rotation.y, transform.rotation.z, transform.rotation.w = q
    transform.translation.x, transform.translation.y, transform.translation.z = t
    found = matrix(transform)
    np.testing.assert_allclose(found[:3, :3], Rotation.from_quat(q).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(found[:, 3], [*t, 1.0])


def test_a_frame_in_itself_needs_no_tf(ros_node: Any) -> None:
    """The identity, also where TF is not installed."""
    transforms = Transforms(ros_node)
    np.testing.assert_array_equal(transforms.lookup('a', 'a'), np.eye(4))
    assert not transforms.hint


@pytest.mark.skipif(
    importlib.util.find_spec('tf2_ros') is not None, reason='tf2_ros is installed here'
)
def test_without_tf2_the_remedy_is_named(ros_node: Any) -> None:
    """No exception; a reason."""
    transforms = Transforms(ros_node)
    assert transforms.lookup('base_link', 'camera') is None
    assert transforms.hint == ' (TF is not available: tf2_ros is not installed)'


class Buffer:
    """What tf2_ros answers when only one transform has ever been published."""

    def __init__(self, stamp: Time) -> None:
        self.stamp = stamp

    def can_transform(self, target: str, source: str, time: Any) -> bool:
        return bool(time == self.stamp)

    def lookup_transform(self, target: str, source: str, time: Any) -> TransformStamped:
        found = TransformStamped()
        found.header.stamp = self.stamp
        found.transform.rotation.w = 1.0
        found.transform.translation.x = 2.0
        return found


@pytest.mark.parametrize(('published', 'frame', 'known'), [
    (0, 1000.0, True),  # static
    (1000, 1000.0, True), (1000, 1000.4, True), (1000, 999.7, True),
    (1000, 1000.6, False), (1000, 1060.0, False), (1000, 3.0, False),
])
def test_a_transform_that_has_stopped_is_not_believed(
    ros_node: Any, published: int, frame: float, known: bool
) -> None:
    """A robot would see its obstacles where they were."""
    transforms = Transforms(ros_node)
    transforms._buffer = transforms._listener = Buffer(Time(sec=published))
    stamp = Time(sec=int(frame), nanosec=round(frame % 1 * 1e9))
    found = transforms.lookup('odom', 'eye', stamp)
    assert (found is not None) == known
    assert bool(transforms.hint) != known
    assert known or 'than the frame' in transforms.hint
    assert transforms.lookup('odom', 'eye') is not None  # whenever it was
