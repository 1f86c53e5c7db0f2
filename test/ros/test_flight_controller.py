"""The scan that mavros gets means in MAVLink what it meant in ROS."""

from __future__ import annotations

from collections.abc import Callable
import math
from pathlib import Path
import runpy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from processes import Processes
import pytest
from sensor_msgs.msg import LaserScan

EXAMPLE = Path(__file__).parents[2] / 'examples' / '06_flight_controller.py'
UNKNOWN = 65535


@pytest.fixture(scope='module')
def clockwise() -> Callable[[LaserScan], LaserScan]:
    return runpy.run_path(str(EXAMPLE))['clockwise']


def obstacle_distance(scan: LaserScan) -> tuple[dict[float, int], int]:
    """
    What mavros' plugin makes of a scan, restated from MAVLink's description of the message.

    :returns: angle (degrees, clockwise from ahead) to distance (cm), and max_distance (cm).
    """
    assert len(scan.ranges) <= 72
    out = {}
    for i, metres in enumerate(np.asarray(scan.ranges, np.float32)):
        cm = metres * np.float32(100)
        known = not math.isnan(cm) and 0 <= cm < UNKNOWN
        angle = math.degrees(scan.angle_min + i * scan.angle_increment)
        out[angle] = int(cm) if known else UNKNOWN
    return out, int(scan.range_max * 100)


def scan_of(ranges: list[float], degrees: float = 0.5, far: float = 10.0) -> LaserScan:
    step = math.radians(degrees)
    return LaserScan(
        angle_min=-step * (len(ranges) - 1) / 2, angle_max=step * (len(ranges) - 1) / 2,
        angle_increment=step, range_min=0.1, range_max=far, ranges=ranges,
    )


@pytest.mark.parametrize('beams', [61, 72, 141])
def test_what_is_on_the_left_stays_on_the_left(clockwise: Any, beams: int) -> None:
    ranges = [5.0] * beams
    ranges[-beams // 4] = 1.5  # counter-clockwise from ahead: left
    scan = scan_of(ranges)
    angle = math.degrees(scan.angle_min) + 0.5 * (beams + -beams // 4)
    assert angle > 0
    seen, _ = obstacle_distance(clockwise(scan))
    (near,) = [direction for direction, cm in seen.items() if cm == 150]
    assert near == pytest.approx(-angle, abs=0.26)
    if beams <= 72:  # as mavros gets it without this program: mirrored
        wrong, _ = obstacle_distance(scan)
        assert [d for d, cm in wrong.items() if cm == 150] == pytest.approx([angle])


@pytest.mark.parametrize('far', [10.0, 9.996, 4.35])
def test_free_near_and_unknown_have_their_values(clockwise: Any, far: float) -> None:
    scan = scan_of([math.inf, math.nan, -math.inf, 2.0], far=far)
    seen, most = obstacle_distance(clockwise(scan))
    assert list(seen.values()) == [200, 10, UNKNOWN, most + 1]


@given(ranges=st.lists(
    st.one_of(st.floats(0.125, 9.875, width=32), st.sampled_from([math.inf, -math.inf, math.nan])),
    max_size=300,
))
def test_no_obstacle_is_lost_and_nothing_unknown_is_free(ranges: list[float]) -> None:
    scan = scan_of(ranges)
    seen, most = obstacle_distance(runpy.run_path(str(EXAMPLE))['clockwise'](scan))
    each = max(1, math.ceil(len(ranges) / 72))
    directions = np.array(list(seen))
    for i, metres in enumerate(np.float32(ranges)):
        angle = -math.degrees(scan.angle_min + i * scan.angle_increment)
        at = int(np.argmin(np.abs(directions - angle)))
        assert abs(directions[at] - angle) <= 0.5 * each / 2 + 1e-3
        cm = list(seen.values())[at]
        if math.isnan(metres):
            assert cm != most + 1
        elif metres == -math.inf:
            assert cm == 10
        elif math.isfinite(metres):
            assert cm <= metres * 100 + 1e-3


def test_it_runs_as_a_node(
    processes: Processes, ros_node: Any, spin_until: Callable[..., bool]
) -> None:
    got: list[LaserScan] = []
    ros_node.create_subscription(LaserScan, '/mavros/obstacle/send', got.append, 10)
    sent = ros_node.create_publisher(LaserScan, '/depth/scan', 1)
    process = processes.python(
        str(EXAMPLE), '--ros-args', '-r', 'scan_in:=/depth/scan',
        '-r', 'scan_out:=/mavros/obstacle/send',
    )
    message = scan_of([3.0] * 100)
    message.header.stamp.sec = 7
    assert spin_until(lambda: sent.publish(message) or got)
    assert got[0].header == message.header
    assert len(got[0].ranges) == 50
    assert process.stop() == 0
