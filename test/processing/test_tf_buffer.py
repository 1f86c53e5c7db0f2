"""Transforms of a recording, against SciPy and by their rules."""

from __future__ import annotations

from types import SimpleNamespace as Made

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from depth_node.errors import DataError
from depth_node.processing.tf_buffer import SPAN_S, TransformBuffer

START = 1_700_000_000_000_000_000
SECOND = 10**9


def message(*transforms: tuple[str, str, int, tuple[float, ...]]) -> Made:
    """A TFMessage of (parent, child, stamp, x y z and a quaternion)."""
    return Made(transforms=[
        Made(
            header=Made(frame_id=parent, stamp=Made(sec=stamp // SECOND, nanosec=stamp % SECOND)),
            child_frame_id=child,
            transform=Made(
                translation=Made(**dict(zip('xyz', numbers, strict=False))),
                rotation=Made(**dict(zip('xyzw', numbers[3:], strict=True))),
            ),
        )
        for parent, child, stamp, numbers in transforms
    ])


def matrix(numbers: tuple[float, ...]) -> np.ndarray:
    """The matrix of x y z and a quaternion, by SciPy."""
    found = np.eye(4)
    found[:3, :3] = Rotation.from_quat(numbers[3:]).as_matrix()
    found[:3, 3] = numbers[:3]
    return found


QUATERNIONS = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1)
POSES = st.tuples(st.tuples(*[st.floats(-10, 10)] * 3), QUATERNIONS).map(lambda p: p[0] + p[1])


@settings(max_examples=50)
@given(POSES, POSES, POSES, st.floats(0, 1))
def test_between_two_along_a_tree(
    first: tuple[float, ...], second: tuple[float, ...], mount: tuple[float, ...], share: float
) -> None:
    """Odom -> base moves, base -> camera is static; both ways."""
    buffer = TransformBuffer()
    buffer.add(message(('base', 'camera', START, mount)), static=True)
    buffer.add(message(('odom', 'base', START, first)), static=False)
    buffer.add(message(('odom', 'base', START + SECOND, second)), static=False)
    stamp = START + round(share * SECOND)
    found = buffer.lookup('odom', 'camera', stamp)
    assert found is not None
    share = (stamp - START) / SECOND
    turns = Rotation.from_quat([first[3:], second[3:]])
    angle = (turns[0].inv() * turns[1]).magnitude()
    if angle < 3.1:  # opposite: either way round is as short
        base = np.eye(4)
        base[:3, :3] = Slerp([0, 1], turns)(share).as_matrix()
        base[:3, 3] = (1 - share) * np.array(first[:3]) + share * np.array(second[:3])
        # the float of a second since the epoch is off by up to 0.24 us
        np.testing.assert_allclose(found, base @ matrix(mount), atol=1e-4)
    back = buffer.lookup('camera', 'odom', stamp)
    np.testing.assert_allclose(found @ back, np.eye(4), atol=1e-6)


STILL = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def test_nothing_is_extrapolated() -> None:
    """Neither before the first nor after the last; at them it is exact."""
    buffer = TransformBuffer()
    for second in range(3):
        at = (float(second), *STILL[1:])
        buffer.add(message(('odom', 'base', START + second * SECOND, at)), static=False)
    for stamp in (START - 1000, START + 2 * SECOND + 1000):
        assert buffer.lookup('odom', 'base', stamp) is None
        assert 'base has none around the frame' in buffer.hint
    for second in range(3):
        found = buffer.lookup('odom', 'base', START + second * SECOND)
        assert found is not None
        assert found[0, 3] == second
        assert not buffer.hint


def test_old_transforms_are_dropped() -> None:
    """As in tf2."""
    buffer = TransformBuffer()
    for second in range(2 * int(SPAN_S) + 1):
        buffer.add(message(('odom', 'base', START + second * SECOND, STILL)), static=False)
    assert buffer.lookup('odom', 'base', START + round(0.8 * SPAN_S) * SECOND) is None
    assert buffer.lookup('odom', 'base', START + round(1.5 * SPAN_S) * SECOND) is not None


def test_frames_that_are_not_known_or_not_connected() -> None:
    """The hint names them."""
    buffer = TransformBuffer()
    buffer.add(message(('a', 'b', START, STILL), ('c', 'd', START, STILL)), static=True)
    assert buffer.lookup('a', 'nowhere', START) is None
    assert 'nothing is known of nowhere' in buffer.hint
    assert buffer.lookup('b', 'd', START) is None
    assert 'not connected' in buffer.hint
    np.testing.assert_array_equal(buffer.lookup('nowhere', 'nowhere', START), np.eye(4))
    np.testing.assert_array_equal(buffer.lookup('/a', 'b', START), np.eye(4))


def test_a_loop_ends() -> None:
    """A broken tree gives no answer, says why, and never hangs."""
    buffer = TransformBuffer()
    buffer.add(message(('a', 'b', START, STILL), ('b', 'c', START, STILL)), static=True)
    buffer.add(message(('c', 'a', START, STILL)), static=True)
    assert buffer.lookup('a', 'elsewhere', START) is None
    assert buffer.lookup('a', 'c', START) is None
    assert 'in a circle' in buffer.hint


@pytest.mark.parametrize('bad', [
    ('a', 'a', STILL), ('', 'b', STILL), ('a', '', STILL), ('a', 'b', (0.0,) * 7),
    ('a', 'b', (float('nan'), *STILL[1:])),
])
def test_what_is_no_transform_is_refused(bad: tuple[str, str, tuple[float, ...]]) -> None:
    """And the others of the message are used."""
    buffer = TransformBuffer()
    parent, child, numbers = bad
    both = message((parent, child, START, numbers), ('x', 'y', START, STILL))
    with pytest.raises(DataError):
        buffer.add(both, static=True)
    assert buffer.lookup('x', 'y', START) is not None


def test_a_frame_that_gets_another_parent() -> None:
    """What it was before does not hold any more."""
    buffer = TransformBuffer()
    buffer.add(message(('map', 'box', START, (1.0, *STILL[1:]))), static=False)
    buffer.add(message(('map', 'hand', START, STILL)), static=True)
    buffer.add(message(('hand', 'box', START, (2.0, *STILL[1:]))), static=False)
    found = buffer.lookup('map', 'box', START)
    assert found is not None
    assert found[0, 3] == 2.0
