"""The viewer's side of a running node: restarts, silence, late joining, several namespaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, LaserScan, PointCloud2

from depth_node.camera import Camera
from depth_node.cli.view import FROM_STATUS
from depth_node.cloud.scan import ScanGeometry
from depth_node.config import Config
from depth_node.errors import ConfigError
from depth_node.ros import messages, watched
from depth_node.ros.canvas import Names
from depth_node.ros.choosing import MOST_BYTES, MOST_PICTURES, Pictures
from depth_node.ros.diagnostics import output_values
from depth_node.ros.health import Health
from depth_node.ros.outputs import OUTPUTS
from depth_node.ros.scaling import described
from depth_node.ros.transforms import Transforms
from depth_node.ros.viewing import namespaces, ViewingNode, Watching
from depth_node.ros.watched import Watched
from depth_node.scale import ScaleState
from depth_node.viewer.drawing import Drawing

QUIET = 1.0
NAMES = Names('latency_ms', {'scale': 'scale'})
CAMERA = Camera.from_hfov(32, 24, 70.0)


class Paper:
    """A fake of the viewer's Drawing, which remembers what was drawn."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        assert hasattr(Drawing, name), f'the viewer cannot draw {name}'

        def draw(*arguments: Any, **_options: Any) -> None:
            self.calls.append((name, arguments))

        return draw

    def drawn(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for called, arguments in self.calls if called == name]


class Side:
    """A watched node, played by publishers of the test, and the viewer's side of it."""

    def __init__(self, node: Any, executor: Any) -> None:
        self.node, self._executor = node, executor
        self.paper, self.warnings = Paper(), {}
        self.player: Any = None
        self.start()
        self.watched = self.watch('/')

    def watch(self, namespace: str, paper: Paper | None = None, **options: Any) -> Watched:
        chosen: dict[str, Any] = {
            'fixed_frame': '', 'image_topic': '', 'rate': 1000.0, **options
        }
        return Watched(
            self.node, namespace, paper or self.paper, NAMES,
            transforms=Transforms(self.node), warn=self.warnings.__setitem__, **chosen,
        )

    def start(self, namespace: str = '', name: str = 'depth_node') -> Any:
        self.player = rclpy.create_node(name, namespace=namespace, context=self.node.context)
        self._executor.add_node(self.player)
        return self.player

    def stop(self) -> None:
        self._executor.remove_node(self.player)
        self.player.destroy_node()

    def publisher(self, kind: Any, topic: str, **qos: Any) -> Any:
        chosen = {'depth': 1, 'reliability': ReliabilityPolicy.RELIABLE, **qos}
        return self.player.create_publisher(kind, topic, QoSProfile(**chosen))

    def until(
        self, condition: Callable[[], object], act: Callable[[], object] = lambda: None,
        seconds: float = 20.0, matching: Watched | None = None,
    ) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            act()
            (matching or self.watched).match()
            for _ in range(5):
                self._executor.spin_once(timeout_sec=0.02)
            if condition():
                return True
        return False

    def says(self, key: str, text: str, act: Callable[[], object] = lambda: None) -> bool:
        return self.until(lambda: text in self.warnings.get(key, ''), act)


@pytest.fixture
def side(ros_node: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Side]:
    monkeypatch.setattr(watched, 'QUIET_S', QUIET)
    executor = SingleThreadedExecutor(context=ros_node.context)
    executor.add_node(ros_node)
    made = Side(ros_node, executor)
    yield made
    made.watched.close()
    made.stop()
    executor.shutdown(timeout_sec=0)


def header(stamp: int = 1_000_000_000, frame: str = 'eye') -> Any:
    return messages.header_of(messages.stamp_of(stamp), frame)


def depth_image(size: tuple[int, int] = (32, 24), **options: Any) -> Image:
    wide, high = size
    return messages.image_to_msg(np.full((high, wide), 2.0, np.float32), '32FC1',
                                 header(**options))


def status(task: str, level: bytes = DiagnosticStatus.OK, text: str = '', **more: Any) -> Any:
    values = [KeyValue(key=key, value=value) for key, value in more.pop('values', {}).items()]
    return DiagnosticArray(status=[DiagnosticStatus(
        name=f'{more.get("node", "depth_node")}: {task}', level=level, message=text,
        hardware_id=more.get('topic', ''), values=values,
    )])


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
