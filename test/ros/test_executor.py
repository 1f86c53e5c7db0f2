"""What a callback raises, or what cannot even be taken, ends nothing."""

from __future__ import annotations

import time

import pytest
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String
from std_srvs.srv import Trigger

from depth_node.errors import DataError
from depth_node.ros.executor import FaultError, GuardedExecutor


@pytest.fixture
def caught():
    return []


@pytest.fixture
def spin(ros_node, caught):
    executor = GuardedExecutor(
        lambda where, error: caught.append((where, error)), ros_node.context
    )
    executor.add_node(ros_node)

    def spin(condition, seconds=20.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            executor.spin_once(timeout_sec=0.05)
            if condition():
                return True
        return False

    yield spin
    executor.shutdown()


def raises(error):
    def callback(*_):
        raise error

    return callback


def test_a_subscription_that_raises_goes_on(ros_node, spin, caught):
    ros_node.create_subscription(String, 'words', raises(ValueError('no')), 10)
    publisher = ros_node.create_publisher(String, 'words', 10)
    for number in range(3):
        publisher.publish(String())
        assert spin(lambda n=number: len(caught) > n)
    assert {where for where, _ in caught} == {'/words'}


def test_a_message_that_cannot_be_taken_locks_nothing(ros_node, spin, caught):
    """Rclpy forgets to release the group of what raised while it was taken."""
    clouds, ticks = [], []
    subscription = ros_node.create_subscription(PointCloud2, 'cloud', clouds.append, 10)
    ros_node.create_timer(0.02, lambda: ticks.append(1))
    publisher = ros_node.create_publisher(PointCloud2, 'cloud', 10)
    kind, subscription.msg_type = subscription.msg_type, None
    publisher.publish(PointCloud2())
    assert spin(lambda: caught)
    assert caught[0][0] == '/cloud'
    subscription.msg_type = kind
    ticks.clear()
    publisher.publish(PointCloud2(width=3))
    assert spin(lambda: clouds and ticks)
    assert clouds[-1].width == 3


def test_a_damaged_message_is_passed_over(ros_node, spin):
    """A publisher sends other bytes than its type says."""
    clouds = []
    ros_node.create_subscription(PointCloud2, 'cloud', clouds.append, 10)
    publisher = ros_node.create_publisher(PointCloud2, 'cloud', 10)
    for data in (b'', b'\x00\x01\x00\x00', b'\x00\x01\x00\x00' + b'\xff' * 40):
        publisher.publish(data)
        spin(lambda: False, 0.2)
    publisher.publish(PointCloud2(width=3))
    assert spin(lambda: clouds and clouds[-1].width == 3)


def test_a_timer_that_raises_goes_on(ros_node, spin, caught):
    ros_node.create_timer(0.02, raises(RecursionError('deep')))
    assert spin(lambda: len(caught) > 3)


@pytest.mark.parametrize(('error', 'message'), [
    (ValueError('x' * 10_000 + '\x1b'), 'ValueError: xxx'), (DataError('No room.'), 'No room.'),
])
def test_a_service_that_raises_answers(ros_node, spin, caught, error, message):
    ros_node.create_service(Trigger, 'try', raises(error))
    client = ros_node.create_client(Trigger, 'try')
    for number in range(2):
        future = client.call_async(Trigger.Request())
        assert spin(future.done)
        assert not future.result().success
        assert future.result().message.startswith(message)
        assert len(future.result().message) < 400
        assert len(caught) == number + 1  # guarded once, not once more for every call


@pytest.mark.parametrize('kind', [SetParameters, SetParametersAtomically])
def test_a_parameter_of_an_unknown_type_is_refused(ros_node, spin, kind):
    name = f'observer/{"set_parameters" if kind is SetParameters else "set_parameters_atomically"}'
    client = ros_node.create_client(kind, name)
    strange = Parameter(name='use_sim_time', value=ParameterValue(type=77))
    future = client.call_async(kind.Request(parameters=[strange]))
    assert spin(future.done)
    answer = future.result()
    results = answer.results if kind is SetParameters else [answer.result]
    assert [result.successful for result in results] == [False]
    assert results[0].reason


def test_a_fault_on_purpose_passes(ros_node, spin):
    ros_node.create_timer(0.02, raises(FaultError('it hangs')))
    with pytest.raises(FaultError, match='it hangs'):
        spin(lambda: False)


def test_what_the_guard_hooks_into_is_there():
    """Private in rclpy, the same from Humble to Kilted; without it nothing is guarded."""
    assert callable(SingleThreadedExecutor._make_handler)
