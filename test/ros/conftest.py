"""
Real rclpy, real DDS, real processes, kept apart from everything else on the machine.

The environment is set before any message class is imported: the check of field types is read
once, at import, and the domain once, at ``rclpy.init``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
import importlib.util
import os
from pathlib import Path
import time
from typing import Any

from domains import claim_domain
from processes import Processes
import pytest

os.environ['ROS_PYTHON_CHECK_FIELDS'] = '1'
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
if os.environ.get('ROS_DISTRO') == 'humble':
    os.environ['ROS_LOCALHOST_ONLY'] = '1'
os.environ.pop('ROS_STATIC_PEERS', None)
os.environ['ROS_DOMAIN_ID'] = str(claim_domain())

# test_without_ros.py says the skip aloud
collect_ignore_glob = (
    [] if importlib.util.find_spec('rclpy') else ['test_[!w]*.py', 'test_w[!i]*.py']
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    Give a test with real processes a second chance, and have it reported.

    Discovery and delivery belong to DDS and to the machine, which may be busy with other things.
    """
    if config.pluginmanager.hasplugin('rerunfailures'):
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture
def ros_node() -> Iterator[Any]:
    """Give a node of the test's own, in a context of its own."""
    import rclpy
    from rclpy.context import Context

    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node('observer', context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def spin_until(ros_node: Any) -> Callable[..., bool]:
    """Spin the test's node until a condition holds; False when it did not in time."""
    from rclpy.executors import SingleThreadedExecutor

    executor = SingleThreadedExecutor(context=ros_node.context)
    executor.add_node(ros_node)

    def spin(condition: Callable[[], object], seconds: float = 20.0) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            executor.spin_once(timeout_sec=0.05)
            if condition():
                return True
        return False

    return spin


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Start processes that end with the test, and look at what they leave in shared memory."""
    group = Processes(tmp_path)
    try:
        yield group
    finally:
        group.end()
    assert not group.leftovers, f'shared memory left behind: {group.leftovers}'


@pytest.fixture
def rig(ros_node: Any, processes: Processes) -> Any:
    """Give a camera and a listener around a depth_node process."""
    from rig import Rig

    return Rig(ros_node, processes)


@pytest.fixture
def side(ros_node: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A watched node, played by publishers of the test."""
    from rclpy.executors import SingleThreadedExecutor
    from watched_side import QUIET, Side

    from depth_node.ros import watched

    monkeypatch.setattr(watched, 'QUIET_S', QUIET)
    executor = SingleThreadedExecutor(context=ros_node.context)
    executor.add_node(ros_node)
    made = Side(ros_node, executor)
    yield made
    made.watched.close()
    made.stop()
    executor.shutdown(timeout_sec=0)
