"""Matching by time, against closed forms."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from depth_node.scale.sync import ClockWatch, StampedBuffer

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


def test_a_sensor_whose_stamp_stands_still_takes_no_memory():
    buffer = StampedBuffer(2.0, most=50)
    for index in range(1000):
        buffer.add(7.0, index)
    assert len(buffer) == 1
    assert buffer.nearest(7.0, 0.1) == (7.0, 999)


def test_stamps_that_hardly_advance_take_bounded_memory():
    buffer = StampedBuffer(2.0, most=50)
    for index in range(1000):
        buffer.add(7.0 + 1e-9 * index, index)
    assert len(buffer) == 50
    assert buffer.nearest(8.0, 2.0)[1] == 999


@pytest.mark.parametrize(('advance', 'still'), [(0.0, True), (1e-9, True), (0.0005, False),
                                                (1 / 30, False), (10.0, False)])
def test_stamps_that_stand_still_are_noticed(advance, still):
    """The second but last: a bag at a sixtieth of its speed."""
    watch = ClockWatch()
    seen = [watch.stands_still(1e9 + advance * k, 50 + k / 30) for k in range(100)]
    assert seen[-1] == still
    assert not any(seen[:30])


def test_a_paused_simulation_does_not_stand_still():
    """No frames for an hour, then the next stamp."""
    watch = ClockWatch()
    times = [k / 30 for k in range(60)]
    seen = [watch.stands_still(t, t) for t in times]
    seen += [watch.stands_still(2 + t, 3602 + t) for t in times]
    assert not any(seen)


def test_stamps_that_go_on_are_believed_again():
    watch = ClockWatch()
    for k in range(100):
        watch.stands_still(5.0, k / 30)
    assert watch.stands_still(5.0, 3.4)
    assert not [watch.stands_still(5 + k / 30, 3.4 + k / 30) for k in range(130)][-1]
