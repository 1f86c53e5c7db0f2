"""
The scan for a flight controller: what mavros needs to send MAVLink's OBSTACLE_DISTANCE.

    python examples/06_flight_controller.py --ros-args \
        -r scan_in:=/depth/scan -r scan_out:=/mavros/obstacle/send

mavros passes the ranges of a scan on in their order. MAVLink's order is clockwise, in at most 72
directions, and has a value of its own for free ones, so all that is done here (doc/nav2.md).
"""

from __future__ import annotations

import math

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import LaserScan

DIRECTIONS = 72


def clockwise(scan: LaserScan) -> LaserScan:
    """Return the scan in MAVLink's order, the nearest of neighbors in a direction."""
    ranges = np.asarray(scan.ranges, np.float32)[::-1]
    each = max(1, math.ceil(len(ranges) / DIRECTIONS))
    ranges = np.pad(ranges, (0, -len(ranges) % each), constant_values=np.inf)
    groups = ranges.reshape(-1, each)
    # what is not known in a direction hides what is free there, but not what is near
    nearest = np.where(np.isnan(groups), np.inf, groups).min(1, initial=np.inf)
    nearest[np.isposinf(nearest) & np.isnan(groups).any(1)] = np.nan
    nearest[np.isneginf(nearest)] = scan.range_min
    free = (math.floor(scan.range_max * 100) + 1.5) / 100  # "max_distance + 1", in whole cm
    nearest[np.isposinf(nearest)] = free
    last = scan.angle_min + (len(scan.ranges) - 1) * scan.angle_increment
    out = LaserScan(header=scan.header, scan_time=scan.scan_time, range_min=scan.range_min)
    out.range_max, out.ranges = scan.range_max, nearest.tolist()
    out.angle_increment = each * scan.angle_increment
    out.angle_min = -last + (each - 1) / 2 * scan.angle_increment  # the middle of the first
    out.angle_max = out.angle_min + (len(groups) - 1) * out.angle_increment
    return out


def main() -> None:
    """Pass scans on until interrupted."""
    rclpy.init()
    node = Node('flight_controller')
    sent = node.create_publisher(LaserScan, 'scan_out', 1)
    node.create_subscription(LaserScan, 'scan_in', lambda m: sent.publish(clockwise(m)), 1)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        node.destroy_node()


if __name__ == '__main__':
    main()
