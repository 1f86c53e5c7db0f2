"""The viewer's side of a running node: what it draws, restarts, late joining."""

from __future__ import annotations

import numpy as np
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from watched_side import CAMERA, depth_image, header, Paper, Side, status

from depth_node.cli.view import FROM_STATUS
from depth_node.config import Config
from depth_node.ros import messages, watched
from depth_node.ros.diagnostics import output_values
from depth_node.ros.health import Health
from depth_node.ros.outputs import OUTPUTS
from depth_node.ros.scaling import described
from depth_node.scale import ScaleState


def test_every_output_is_drawn_or_known() -> None:
    """The table decides; compressed and colored are the same depth once more."""
    known = {*watched.SHOWN, watched.RELATIVE, 'depth/image/compressedDepth', 'depth/image_color'}
    assert known == {output.topic for output in OUTPUTS}


def test_the_series_are_values_of_the_diagnostics() -> None:
    values = output_values(Health()) | described(ScaleState(1.0, 0.0, 0.0, 'fixed'))
    assert FROM_STATUS.keys() <= values.keys()


def test_a_node_that_starts_again_with_another_qos(side: Side) -> None:
    """And while it is gone, that is what is said."""
    first = side.publisher(Image, 'depth/image')
    assert side.until(lambda: side.watched.frames, lambda: first.publish(depth_image()))
    side.stop()
    assert side.says('depth/image', 'has no publisher any more: the node has ended')
    side.start()
    count = side.watched.frames
    second = side.publisher(Image, 'depth/image', reliability=ReliabilityPolicy.BEST_EFFORT)
    assert side.until(
        lambda: side.watched.frames > count, lambda: second.publish(depth_image())
    )
    assert side.until(lambda: side.warnings['depth/image'] == '',
                      lambda: second.publish(depth_image()))


def test_what_was_published_before_is_received(side: Side) -> None:
    """A late joiner of a publisher that keeps its last message."""
    kept = side.publisher(
        CameraInfo, 'depth/camera_info', durability=DurabilityPolicy.TRANSIENT_LOCAL
    )
    kept.publish(messages.camera_info_to_msg(CAMERA, header()))
    late = Paper()
    watching = side.watch('/', late)
    assert side.until(lambda: late.drawn('camera'), matching=watching)
    watching.close()


def test_without_camera_info_and_with_sizes_that_change(side: Side) -> None:
    """Pictures and cloud are drawn; obstacles as soon as the camera is of the depth's size."""
    depth = side.publisher(Image, 'depth/image')
    cloud = side.publisher(PointCloud2, 'depth/points')
    infos = side.publisher(CameraInfo, 'depth/camera_info')
    side.watched._asked.config = Config().replaced({'ground.camera_height': 0.6})
    side.watched._asked.ask = lambda _: None  # nobody answers

    def send() -> None:
        depth.publish(depth_image((16, 12)))
        cloud.publish(messages.cloud_to_msg(np.ones((4, 3), np.float32), header()))

    assert side.until(lambda: side.paper.drawn('depth') and side.paper.drawn('cloud'), send)
    assert not side.paper.drawn('camera')
    assert side.paper.drawn('cloud')[0][1] is None, 'a cloud without color'

    def send_more() -> None:
        infos.publish(messages.camera_info_to_msg(CAMERA, header()))
        send()

    assert side.until(lambda: side.paper.drawn('camera'), send_more)
    assert side.until(lambda: False, send_more, seconds=0.5) is False
    assert not side.paper.drawn('obstacles'), 'the camera is of another size'

    def send_fitting() -> None:
        depth.publish(depth_image())

    assert side.until(lambda: side.paper.drawn('obstacles'), send_fitting)
    assert side.paper.drawn('depth')[-1][0].shape == (24, 32)


def test_a_cloud_of_another_frame_waits_for_the_first_depth(side: Side) -> None:
    """Where the camera is, is not known before: it would be drawn in the optical frame."""
    cloud = side.publisher(PointCloud2, 'depth/points')
    head = header()
    head.frame_id = 'odom'

    def send() -> None:
        cloud.publish(messages.cloud_to_msg(np.ones((4, 3), np.float32), head))

    heard = side.watched._topics['depth/points']
    assert side.until(lambda: heard.heard, send)
    assert side.until(lambda: False, send, seconds=0.5) is False
    assert not side.paper.drawn('cloud')


def test_relative_depth_only_while_there_are_no_metres(side: Side) -> None:
    """A subscriber makes the node compute it."""
    relative = side.publisher(Image, 'depth/image_relative')
    assert side.until(
        lambda: side.paper.drawn('relative'), lambda: relative.publish(depth_image())
    )
    depth = side.publisher(Image, 'depth/image')
    assert side.until(
        lambda: relative.get_subscription_count() == 0, lambda: depth.publish(depth_image())
    )
    assert side.paper.drawn('depth')


def test_the_picture_is_that_of_the_diagnostics(side: Side) -> None:
    """Raw or compressed; of our node and of no other."""
    rgb = np.full((24, 32, 3), 90, np.uint8)
    picture = side.publisher(Image, '/cam/raw')
    depth = side.publisher(Image, 'depth/image')
    side.watched.diagnostics(status('camera', topic='/other/raw', node='other/depth_node'))
    assert side.watched._image is None
    side.watched.diagnostics(status('camera', topic='/cam/raw'))
    message = messages.image_to_msg(rgb, 'rgb8', header())
    assert side.until(lambda: side.paper.drawn('picture'), lambda: picture.publish(message))
    np.testing.assert_array_equal(side.paper.drawn('picture')[0][0], rgb)
    compressed = messages.jpeg_to_msg(rgb, header())
    other = side.publisher(type(compressed), '/cam/raw/compressed')
    side.watched.diagnostics(status('camera', topic='/cam/raw/compressed'))
    count = len(side.paper.drawn('picture'))
    assert side.until(
        lambda: len(side.paper.drawn('picture')) > count, lambda: other.publish(compressed)
    )
    # a camera that stops while depth goes on
    assert side.says('image', '/cam/raw/compressed is silent while depth arrives',
                     lambda: depth.publish(depth_image()))


def test_series_come_from_the_diagnostics(side: Side) -> None:
    side.watched.diagnostics(status('depth', values={'scale': '1.50'}))
    side.watched.diagnostics(status('depth', values={'scale': 'unknown'}))
    side.watched.diagnostics(status('depth', values={'scale': '9'}, node='other'))
    assert side.paper.drawn('series')[0] == ('scale', 1.5)
    # until the node is known, any one in this namespace counts
    assert [value for _, value in side.paper.drawn('series')] == [1.5, 9.0]
    depth = side.publisher(Image, 'depth/image')
    assert side.until(lambda: side.watched.frames, lambda: depth.publish(depth_image()))
    side.watched.diagnostics(status('depth', values={'scale': '7'}, node='other'))
    assert ('scale', 7.0) not in side.paper.drawn('series')
