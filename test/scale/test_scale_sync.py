"""Matching by time, and poses between poses, against scipy."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from depth_node.camera.rigid import matrix_of
from depth_node.scale.sync import blend_poses, StampedBuffer

STAMPS = st.floats(0, 10, allow_nan=False)


@given(st.lists(STAMPS, min_size=1, max_size=30), STAMPS, st.floats(0.001, 5))
def test_nearest_is_the_nearest(stamps, asked, tolerance):
    buffer = StampedBuffer(100.0)
    for stamp in stamps:
        buffer.add(stamp, str(stamp))
    best = min(abs(stamp - asked) for stamp in stamps)
    found = buffer.nearest(asked, tolerance)
    if best > tolerance:
        assert found is None
    else:
        assert abs(found[0] - asked) == best
        assert found[1] == str(found[0])


def test_old_things_are_forgotten_and_a_clock_that_jumps_back_starts_anew():
    buffer = StampedBuffer(1.0)
    for stamp in (0.0, 0.5, 1.2):
        buffer.add(stamp, stamp)
    assert len(buffer) == 2
    buffer.add(0.4, 'late')
    assert buffer.nearest(1.2, 0.01) is not None
    buffer.add(-50.0, 'again')
    assert len(buffer) == 1


def test_between_interpolates_goes_on_and_refuses():
    def line(first, second, share):
        return first + share * (second - first)

    buffer = StampedBuffer(10.0)
    assert buffer.between(0.0, line, 1.0) is None
    buffer.add(0.0, 0.0)
    assert buffer.between(0.1, line, 1.0, beyond=1.0) is None
    buffer.add(0.2, 2.0)
    buffer.add(3.0, 30.0)
    assert buffer.between(0.05, line, 1.0) == pytest.approx(0.5)
    assert buffer.between(0.2, line, 1.0) == 2.0
    assert buffer.between(1.0, line, 1.0) is None  # the gap is too long
    assert buffer.between(-0.1, line, 1.0, beyond=1.0) is None
    buffer.add(3.1, 31.0)
    assert buffer.between(3.14, line, 1.0, beyond=0.05) == pytest.approx(31.4)
    assert buffer.between(3.2, line, 1.0, beyond=0.05) is None


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_poses_agree_with_scipy(seed, share):
    random = np.random.default_rng(seed)
    quaternions = random.standard_normal((2, 4))
    rotations = Rotation.from_quat(quaternions)
    poses = [matrix_of((*random.standard_normal(3), *(3 * q))) for q in quaternions]
    for pose, rotation in zip(poses, rotations, strict=True):
        assert pose[:3, :3] == pytest.approx(rotation.as_matrix())
    blend = blend_poses(*poses, share)
    expected = Slerp([0, 1], rotations)(share)
    if (rotations[0].inv() * rotations[1]).magnitude() < 3:
        assert blend[:3, :3] == pytest.approx(expected.as_matrix(), abs=1e-6)
    assert blend[:3, 3] == pytest.approx((1 - share) * poses[0][:3, 3] + share * poses[1][:3, 3])
