"""Signals, faults and wrong arguments, each with a process of its own."""

from __future__ import annotations

import signal
import time

import pytest

NODE = """
import sys, threading, time
from rclpy.node import Node
from depth_node.errors import ConfigError, unexpected
from depth_node.ros import runtime

class Tried(Node):
    def __init__(self, arguments):
        super().__init__('tried')
        self.number = 0
        self.create_timer(0.02, self.tick)
        BODY
        self.get_logger().info('started')

    def tick(self):
        self.number += 1
        TICK

    def caught(self, where, error):
        self.get_logger().error(f'{where}: {unexpected(error)}')

    def close(self):
        print('closed', flush=True)

sys.exit(runtime.run(Tried, None, UNTIL))
"""


def script(body='pass', tick='pass', until='lambda _: None'):
    return NODE.replace('BODY', body).replace('TICK', tick).replace('UNTIL', until)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(processes, number):
    process = processes.python('-c', script())
    process.wait_for('started')
    begun = time.monotonic()
    assert process.stop(number) == 0
    assert time.monotonic() - begun < 2
    assert 'closed' in process.output
    assert 'Traceback' not in process.output


def test_many_signals_end_it_as_one_does(processes):
    process = processes.python('-c', script())
    process.wait_for('started')
    while process.popen.poll() is None:
        process.popen.send_signal(signal.SIGINT)
        process.popen.send_signal(signal.SIGTERM)
        time.sleep(0.005)
    assert process.wait() == 0
    assert 'Traceback' not in process.output


@pytest.mark.parametrize('busy', ['time.sleep(60)', 'exec("while True: pass")'])
def test_a_signal_ends_it_while_the_main_thread_is_busy(processes, busy):
    process = processes.python('-c', script(tick=f"print('busy', flush=True); {busy}"))
    process.wait_for('busy')
    begun = time.monotonic()
    assert process.stop() == 0
    assert time.monotonic() - begun < 2
    assert 'Traceback' not in process.output


def test_a_thread_that_never_ends_does_not_hold_the_process(processes):
    body = 'threading.Thread(target=threading.Event().wait).start()'
    process = processes.python('-c', script(body=body))
    process.wait_for('started')
    assert process.stop() == 0
    assert 'closed' in process.output


def test_its_own_end(processes):
    until = 'lambda node: 3 if node.number > 5 else None'
    process = processes.python('-c', script(until=until))
    assert process.wait() == 3
    assert 'closed' in process.output


def test_a_fault_asks_for_a_restart(processes):
    process = processes.python('-c', script(tick="runtime.die(self.get_logger(), 'it hangs')"))
    assert process.wait() == 70
    assert 'it hangs' in process.output
    assert 'Traceback' not in process.output
    assert 'closed' in process.output


def test_what_a_user_can_mend_is_one_line(processes):
    process = processes.python('-c', script(body="raise ConfigError('a is 3.', 'Set it to 4.')"))
    assert process.wait() == 2
    assert 'a is 3. Set it to 4.' in process.output
    assert 'Traceback' not in process.output


def test_wrong_ros_arguments_are_one_line(processes):
    process = processes.python('-c', script(), '--ros-args', '--params-file', 'absent.yaml')
    assert process.wait() == 2
    assert 'absent.yaml' in process.output
    assert 'Traceback' not in process.output


def test_a_home_that_cannot_be_written(processes):
    env = {'HOME': '/dev/null', 'ROS_LOG_DIR': None, 'ROS_HOME': None}
    process = processes.python('-c', script(), env=env)
    process.wait_for('started')
    assert process.stop() == 0


def test_what_a_callback_raises_does_not_end_it(processes):
    process = processes.python('-c', script(tick="raise ValueError('from outside')"))
    process.wait_for(r'(a timer: ValueError: from outside(?s:.*)){3}')
    assert process.stop() == 0
    assert 'Traceback' not in process.output


def test_an_unexpected_end_of_the_making_is_one_line(processes):
    process = processes.python('-c', script(body="raise KeyError('odd')"))
    assert process.wait() == 70
    assert "KeyError: 'odd'" in process.output
    assert 'report it' in process.output
    assert 'Traceback' not in process.output


@pytest.mark.parametrize('home', [None, '', 'relative'])
def test_no_home(processes, home):
    env = {'HOME': home, 'ROS_LOG_DIR': None, 'ROS_HOME': None}
    process = processes.python('-c', script(), env=env)
    process.wait_for('started')
    assert process.stop() == 0


def test_it_ends_where_its_launch_has_ended(processes):
    ended = processes.python('-c', 'pass')
    ended.wait()
    process = processes.python(
        '-c', script(), env={'DEPTH_NODE_LAUNCH_PID': str(ended.popen.pid)}
    )
    assert process.wait(10) == 0
    assert 'started' not in process.output


def test_it_starts_where_something_is_between_the_launch_and_it(processes):
    launch = processes.python('-c', 'import time; time.sleep(60)')
    process = processes.python(
        '-c', script(), env={'DEPTH_NODE_LAUNCH_PID': str(launch.popen.pid)}
    )
    process.wait_for('started')
    assert process.stop() == 0
