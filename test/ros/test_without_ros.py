"""Say so where the ROS tests cannot run, and hold the core to running without ROS."""

from __future__ import annotations

import subprocess
import sys

import pytest


def test_rclpy_is_installed():
    pytest.importorskip('rclpy', reason='rclpy is absent: every test of test/ros is left out')


def test_core_imports_without_ros_and_torch():
    """Every module but those of the two shells, each of them where neither is installed."""
    code = (
        'import importlib, pkgutil, sys\n'
        "for name in ('rclpy', 'sensor_msgs', 'std_msgs', 'torch', 'transformers'):\n"
        '    sys.modules[name] = None\n'
        'import depth_node\n'
        "shells = ('depth_node.ros', 'depth_node.training', 'depth_node.__main__')\n"
        'walked = 0\n'
        "for module in pkgutil.walk_packages(depth_node.__path__, 'depth_node.'):\n"
        '    if not module.name.startswith(shells):\n'
        '        importlib.import_module(module.name)\n'
        '        walked += 1\n'
        'print(walked)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], check=True, timeout=120, capture_output=True, text=True
    )
    assert int(done.stdout) > 80


def test_camera_loads_no_model_code():
    code = (
        'import sys\n'
        'import depth_node.camera\n'
        "print([n for n in sys.modules if n.startswith(('depth_node.model', 'onnx'))])\n"
    )
    done = subprocess.run(
        [sys.executable, '-c', code], check=True, timeout=60, capture_output=True, text=True
    )
    assert done.stdout.strip() == '[]'
