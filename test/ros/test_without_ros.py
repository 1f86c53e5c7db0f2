"""Say so where the ROS tests cannot run, and hold the core to running without ROS."""

from __future__ import annotations

import subprocess
import sys

import pytest


def test_rclpy_is_installed():
    pytest.importorskip('rclpy', reason='rclpy is absent: every test of test/ros is left out')


def test_core_imports_without_ros():
    code = (
        'import sys\n'
        "sys.modules['rclpy'] = sys.modules['sensor_msgs'] = sys.modules['torch'] = None\n"
        'import depth_node, depth_node.encodings, depth_node.camera, depth_node.compressed\n'
    )
    subprocess.run([sys.executable, '-c', code], check=True, timeout=60)
