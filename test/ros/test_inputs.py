"""Which topics are subscribed and how, and what is said when nothing or too little arrives."""

from __future__ import annotations

import time

import pytest
import rclpy
from rclpy.context import Context
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depth_node.config import Config
from depth_node.ros import inputs
from depth_node.ros.graph import namesake
from depth_node.ros.health import Health, WINDOW_S
from depth_node.ros.inputs import CameraTopics, compressed_topic, SILENCE_S
from depth_node.ros.log import Log
from depth_node.ros.notices import Notices

LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
RELIABLE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)


@pytest.fixture
def make(ros_node):
    made = []

    def make(transport='raw', on_info=lambda _: None):
        notices = Notices(Health(), Log(ros_node.get_logger()))
        config = Config().replaced({'input.transport': transport}).input
        topics = CameraTopics(ros_node, config, notices, lambda _: None, on_info)
        made.append(topics)
        return topics, notices.health

    yield make
    for topics in made:
        topics.destroy()


def test_camera_info_that_was_published_before_is_received(ros_node, make, spin_until):
    publisher = ros_node.create_publisher(CameraInfo, 'camera_info', LATCHED)
    publisher.publish(CameraInfo(width=7))
    infos = []
    topics, health = make(on_info=infos.append)
    assert spin_until(lambda: topics.match() or infos)
    assert infos[0].width == 7
    # it need not come again
    health._started -= 100
    health.received.add()
    topics.check_silence()
    assert 'stale' not in health.problems()


def test_a_publisher_that_keeps_nothing_is_subscribed_once(ros_node, make, spin_until):
    ros_node.create_publisher(CameraInfo, 'camera_info', RELIABLE)
    topics, _ = make()
    spin_until(topics.match, 1)
    assert ros_node.count_subscribers('camera_info') == 1


@pytest.mark.parametrize(('remaps', 'expected'), [
    ([], '/image/compressed'),
    (['image:=cam/image_raw'], '/cam/image_raw/compressed'),
    (['image:=cam/image_raw/compressed'], '/cam/image_raw/compressed'),
    (['image/compressed:=jpeg'], '/jpeg'),
    (['image:=cam/image_raw', 'image/compressed:=/other/jpeg'], '/other/jpeg'),
])
def test_the_compressed_topic_follows_the_remapped_image(remaps, expected):
    """As with image_transport, whose users remap the base topic."""
    context = Context()
    words = [word for remap in remaps for word in ('-r', remap)]
    rclpy.init(args=['--ros-args', *words] if words else [], context=context)
    node = rclpy.create_node('remapped', context=context)
    subscription = node.create_subscription(
        CompressedImage, compressed_topic(node), lambda _: None, 1
    )
    assert subscription.topic_name == expected
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_a_fresh_subscription_is_given_time(ros_node, make, monkeypatch, spin_until):
    """CameraInfo arrives at once, images when the reliability is known: no loss."""
    now = [1000.0]
    ros_node.create_publisher(Image, 'image', RELIABLE)
    topics, health = make()
    assert spin_until(lambda: topics.match() or topics.reliability == 'reliable')
    monkeypatch.setattr(time, 'monotonic', lambda: now[0])
    monkeypatch.setattr(inputs.time, 'monotonic', lambda: now[0])
    health.restart()
    topics._since = now[0]

    def seconds(count, frames):
        for _ in range(count):
            for number in range(10):
                now[0] += 0.1
                health.infos.add()
                if number < frames:
                    health.received.add()
            topics.check_silence()

    seconds(2, 1)
    assert 'image' not in health.problems()
    seconds(int(WINDOW_S + SILENCE_S), 1)
    assert 'delivers' in health.problems()['image'].text


def test_two_nodes_of_one_name_are_noticed(ros_node, spin_until):
    assert spin_until(lambda: not namesake(ros_node))
    context = Context()
    rclpy.init(context=context)
    other = rclpy.create_node('observer', context=context)
    assert spin_until(lambda: '2 nodes are called /observer' in namesake(ros_node))
    other.destroy_node()
    rclpy.shutdown(context=context)
    assert spin_until(lambda: not namesake(ros_node))
