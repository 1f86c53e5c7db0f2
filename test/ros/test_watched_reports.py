"""The viewer's side of a running node: silence, lies, rates, several namespaces."""

from __future__ import annotations

import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
import pytest
import rclpy
from sensor_msgs.msg import Image, LaserScan, PointCloud2
from watched_side import depth_image, header, NAMES, Paper, Side, status

from depth_node.cloud.scan import ScanGeometry
from depth_node.config import Config
from depth_node.errors import ConfigError
from depth_node.ros import messages
from depth_node.ros.choosing import MOST_BYTES, MOST_PICTURES, Pictures
from depth_node.ros.viewing import namespaces, ViewingNode, Watching


def test_topics_that_never_come(side: Side) -> None:
    """Nothing at all; then the other namespace; then what the node itself says."""
    assert side.says('depth/image', '/depth/image has no publisher. Start the node')
    elsewhere = side.start('front')
    elsewhere.create_publisher(Image, 'depth/image', 1)
    assert side.says('depth/image', 'there is one in /front: use --namespace /front')
    side.publisher(Image, '/depth/image')
    assert side.says('depth/image', 'has a publisher, but nothing arrives. Check that the camera')
    side.watched.diagnostics(
        status('depth', DiagnosticStatus.ERROR, 'No engine yet: building', node='front/depth_node')
    )
    side.watched.diagnostics(status('camera', DiagnosticStatus.ERROR, 'image has no publisher'))
    assert side.warnings['depth/points'] == '', 'the depth image explains it'


def test_the_report_of_the_node_is_repeated(side: Side) -> None:
    side.watched.diagnostics(status('depth', DiagnosticStatus.ERROR, 'No engine yet: building'))
    assert side.says('depth/image', 'The node reports: No engine yet: building')
    depth = side.publisher(Image, 'depth/image')
    side.publisher(LaserScan, 'depth/scan')
    side.watched.diagnostics(status('depth', DiagnosticStatus.WARN, 'The ground is not known'))
    send = lambda: depth.publish(depth_image())  # noqa: E731
    assert side.says('depth/scan', 'silent while depth arrives. The node reports: The gr', send)
    assert side.says('depth/confidence', 'has no publisher: check', send)


def test_a_scan_whose_frame_is_nowhere_is_reported(side: Side) -> None:
    """It is drawn over the ground if the mounting is given, and not at a wrong place if not."""
    depth, scan = side.publisher(Image, 'depth/image'), side.publisher(LaserScan, 'depth/scan')
    side.watched._asked.ask = lambda _: None
    geometry = ScanGeometry(-0.5, 0.5, 0.1, 10.0, 0.1)
    beams = messages.scan_to_msg(
        np.array([1.0, np.inf, 2.0], np.float32), geometry, header(frame='base_link')
    )

    def send() -> None:
        depth.publish(depth_image())
        scan.publish(beams)

    assert side.says('pose of depth/scan', 'Set ground.camera_height of the node', send)
    assert not side.paper.drawn('scan')
    side.watched._asked.config = Config().replaced({'ground.camera_height': 0.6})
    assert side.until(lambda: side.paper.drawn('scan'), send)
    ends, pose = side.paper.drawn('scan')[0]
    assert len(ends) == 2
    np.testing.assert_allclose(pose[:3, 3], [0, 0.5, 0], atol=1e-9)
    assert side.until(lambda: side.warnings['pose of depth/scan'] == '', send)


def test_a_transform_that_comes_late_places_its_own_frame(side: Side) -> None:
    """Not the frames after it, and not the latest transform."""
    class Late:
        """A fake of Transforms: knows the pose of a time only after a while."""

        hint = ''
        known = 0

        def lookup(self, target: str, source: str, stamp: int, wait: float) -> Any:
            assert (target, source, wait) == ('odom', 'eye', 0.0)
            pose = np.eye(4)
            pose[0, 3] = stamp / 1e9
            return pose if stamp <= self.known * 1e9 else None

    watching = side.watch('/', paper := Paper(), fixed_frame='odom')
    watching._transforms = late = Late()
    for second in (1, 2, 3):
        watching._depth(depth_image(stamp=second * 1_000_000_000))
    assert not paper.drawn('pose')
    assert 'The pose of eye in odom is not known' in side.warnings['fixed frame']
    late.known = 2
    watching.retry()
    placed = [
        (before[1][0], arguments[0][0, 3])
        for before, (name, arguments) in zip(paper.calls, paper.calls[1:], strict=False)
        if name == 'pose'
    ]
    assert placed == [(1_000_000_000, 1), (2_000_000_000, 2)]
    watching.close()


def test_no_more_than_the_rate_is_drawn(side: Side) -> None:
    """Frame by frame: of a drawn one everything, of the others nothing."""
    slow = side.watch('/', paper := Paper(), rate=2.0, image_topic='/cam/raw')
    depth, picture = side.publisher(Image, 'depth/image'), side.publisher(Image, '/cam/raw')
    confidence = side.publisher(Image, 'depth/confidence')
    rgb = np.zeros((24, 32, 3), np.uint8)
    stamps = iter(range(1_000_000_000, 10**12, 33_000_000))

    def send() -> None:
        stamp = next(stamps)
        picture.publish(messages.image_to_msg(rgb, 'rgb8', header(stamp)))
        side.until(lambda: False, seconds=0.05, matching=slow)
        depth.publish(depth_image(stamp=stamp))
        confidence.publish(depth_image(stamp=stamp))

    assert side.until(lambda: paper.drawn('depth'), send, matching=slow)
    paper.calls.clear()
    begin = time.monotonic()
    side.until(lambda: len(paper.drawn('depth')) >= 4, send, matching=slow)
    took = time.monotonic() - begin
    assert 1.5 * 0.9 < took < 10
    assert side.watched.frames > 5

    def of(name: str) -> list[int]:
        times = [0] * len(paper.calls)
        now = 0
        for index, (called, arguments) in enumerate(paper.calls):
            now = arguments[0] if called == 'at' else now
            times[index] = now
        return [t for t, (called, _) in zip(times, paper.calls, strict=True) if called == name]

    shown = of('depth')
    assert set(of('picture')) >= set(shown[1:])
    assert set(of('confidence')) <= {*shown, of('confidence')[0]}
    slow.close()


def test_the_picture_of_a_frame_is_kept_until_its_depth_arrives() -> None:
    """Not a newer one; and not more than so many bytes of them."""
    pictures = Pictures()
    for stamp in range(5):
        pictures.add(messages.image_to_msg(np.zeros((2, 2), np.uint8), 'mono8', header(stamp)))
    assert messages.nanoseconds_of(pictures.take(2).header.stamp) == 2
    assert messages.nanoseconds_of(pictures.take(1).header.stamp) == 4, 'gone: the latest'
    large = messages.image_to_msg(np.zeros((4096, 8192), np.uint8), 'mono8', header(7))
    for _ in range(4):
        pictures.add(large)
    assert len(pictures._kept) == MOST_BYTES // len(large.data)
    assert pictures._bytes == sum(len(kept.data) for kept in pictures._kept)
    for stamp in range(3 * MOST_PICTURES):
        pictures.add(messages.image_to_msg(np.zeros((2, 2), np.uint8), 'mono8', header(stamp)))
    assert len(pictures._kept) == MOST_PICTURES
    assert pictures._bytes == sum(len(kept.data) for kept in pictures._kept)
    assert Pictures().take(1) is None


def test_namespaces_do_not_mix(side: Side) -> None:
    front = side.start('front')
    paper = Paper()
    watching = side.watch('/front', paper)
    publisher = front.create_publisher(Image, 'depth/image', 1)
    assert side.until(
        lambda: paper.drawn('depth'), lambda: publisher.publish(depth_image()),
        matching=watching,
    )
    assert not side.paper.drawn('depth')
    watching.close()


def test_a_message_that_lies_is_reported_and_the_rest_goes_on(side: Side) -> None:
    """Through the node itself, with its guarded executor."""
    from depth_node.ros.executor import GuardedExecutor

    rclpy.init()
    try:
        paper = Paper()
        viewing = ViewingNode({'/': paper}, NAMES, Watching(frames=1))
        executor = GuardedExecutor(viewing.caught)
        executor.add_node(viewing)
        cloud, depth = side.publisher(PointCloud2, 'depth/points'), side.publisher(
            Image, 'depth/image')
        broken = messages.cloud_to_msg(np.ones((5, 3), np.float32), header())
        broken.width = 1000
        end = time.monotonic() + 20
        while not paper.drawn('depth') and time.monotonic() < end:
            cloud.publish(broken)
            executor.spin_once(timeout_sec=0.05)
            if any('points' in key for key in viewing._health.problems()):
                depth.publish(depth_image())
        assert viewing.poll() == 0
        (text,) = (p.text for k, p in viewing._health.problems().items() if 'points' in k)
        assert 'The cloud declares 1000x1 points' in text
        viewing.close()
        executor.shutdown(timeout_sec=0)
        viewing.destroy_node()
    finally:
        rclpy.try_shutdown()


def test_names_of_namespaces() -> None:
    assert namespaces(['/', 'front', '/front/', '/robot/rear']) == ('/', '/front', '/robot/rear')
    with pytest.raises(ConfigError, match='--namespace /a-b: not a namespace'):
        namespaces(['a-b'])
