"""What goes wrong on robots, done to a node in a process of its own: it lives on and recovers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import random
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
from processes import Process, Processes
import pytest
from rclpy.duration import Duration
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from rig import CAMERA, FRAME, Rig
from rig import smooth_frame as frame
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, PointCloud2

from depth_node.camera import Camera
from depth_node.ros import messages


@pytest.fixture
def faulty(processes: Processes, model: Path, tmp_path: Path) -> Callable[..., Process]:
    """Start the node with an engine that obeys; call the result's `order` to change its mind."""
    orders = tmp_path / 'orders'
    orders.write_text('good')
    script = Path(__file__).with_name('faulty_node.py')

    def start(*words: str) -> Process:
        process = processes.python(
            str(script), '--ros-args', '-p', f'model.name:={model}', *words,
            env={'FAULTY_ORDERS': str(orders)},
        )

        def order(word: str) -> None:
            temporary = orders.with_name('orders.new')
            temporary.write_text(word)
            temporary.replace(orders)

        process.order = order  # type: ignore[attr-defined]
        return process

    return start


def memory_mb(process: Process) -> float:
    """Resident memory of a process (MiB)."""
    status = Path(f'/proc/{process.popen.pid}/status').read_text()
    return int(next(li for li in status.splitlines() if li.startswith('VmRSS')).split()[1]) / 1024


def test_a_camera_that_stops_and_returns_with_strange_stamps(rig: Rig, model: Path) -> None:
    """Silence is named and ends; zero, backward and far future stamps are passed on unchanged."""
    rig.listen('depth/image')
    rig.start(model)
    rig.until('depth/image', frame(), CAMERA)
    assert rig.hears('camera', 'no frame arrives', 15)
    rig.until('depth/image', frame(), CAMERA)
    assert rig.hears('camera', 'active')
    for stamp in (0, 10**9, 5 * 10**8, 2**31 * 10**9 - 1):
        rig._stamp = stamp - 33_000_000 if stamp else -33_000_000
        found = rig.until('depth/image', frame(), CAMERA)
        assert messages.nanoseconds_of(found.header.stamp) - stamp < 10**9


def test_info_missing_late_and_changing(rig: Rig, model: Path) -> None:
    """No metres without it; metres with it; new metres when it changes."""
    rig.listen('depth/image')
    rig.start(model)
    assert rig.until_hears('camera', 'no CameraInfo', frame(), None)
    assert not rig.got['depth/image']
    near = messages.metres_from_msg(rig.until('depth/image', frame(), CAMERA))
    longer = Camera.from_hfov(64, 48, 50.0)
    rig.until('depth/image', frame(), longer)
    rig.settle(0.3)
    far = messages.metres_from_msg(rig.until('depth/image', frame(), longer))
    np.testing.assert_allclose(
        np.nanmedian(far / near), longer.fy / CAMERA.fy, rtol=0.02
    )
    rig.got['depth/image'].clear()
    assert rig.until_hears('camera', 'is stale', frame(), None)
    assert rig.statuses['depth_node: camera'].level == DiagnosticStatus.WARN
    assert rig.got['depth/image'], 'the last one holds, with a warning'
    rig.until('depth/image', frame(), longer)
    assert rig.until_hears('camera', 'active', frame(), longer)
    broken = messages.camera_info_to_msg(CAMERA, messages.header_of(messages.stamp_of(1), FRAME))
    broken.k[4] = float('nan')
    rig.settle(0.5)  # until the frames before are answered
    rig.got['depth/image'].clear()
    for _ in range(10):
        rig.infos.publish(broken)
        rig.publish(frame(), None)
        rig.settle(0.1)
    assert not rig.got['depth/image'], 'metres from a calibration with NaN in it'
    rig.until('depth/image', frame(), CAMERA)


def test_everything_changes_with_every_frame(rig: Rig, model: Path) -> None:
    """Size, encoding and frame_id: each frame is answered as what it is."""
    rig.listen('depth/image', 'depth/points')
    rig.start(model)
    rig.until('depth/points', frame(), CAMERA)
    kinds = [
        (width, height, encoding, name)
        for width, height in ((64, 48), (32, 24), (80, 20))
        for encoding, name in (('rgb8', 'a'), ('bgr8', 'b'), ('mono8', 'c'))
    ]
    random.Random(3).shuffle(kinds)
    for width, height, encoding, name in kinds * 2:
        rgb = frame(width, height)
        image = rgb[..., 0].copy() if encoding == 'mono8' else rgb
        camera = Camera.from_hfov(width, height, 70.0)
        found = rig.until('depth/image', image, camera, encoding=encoding, frame_id=name)
        end = time.monotonic() + 10
        while (found.width, found.header.frame_id) != (width, name) and time.monotonic() < end:
            found = rig.until('depth/image', image, camera, encoding=encoding, frame_id=name)
        assert (found.width, found.height, found.header.frame_id) == (width, height, name)


RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
LATCHED, KEEP_ALL = DurabilityPolicy.TRANSIENT_LOCAL, HistoryPolicy.KEEP_ALL
SECOND = Duration(seconds=1)


@pytest.mark.parametrize('offer', [
    QoSProfile(depth=3, reliability=RELIABLE),
    QoSProfile(depth=3, reliability=BEST_EFFORT),
    QoSProfile(depth=3, reliability=RELIABLE, durability=LATCHED),
    QoSProfile(depth=3, reliability=BEST_EFFORT, durability=LATCHED),
    QoSProfile(
        history=KEEP_ALL, reliability=RELIABLE, deadline=SECOND, lifespan=SECOND,
        liveliness=LivelinessPolicy.MANUAL_BY_TOPIC, liveliness_lease_duration=SECOND,
    ),
], ids=['reliable', 'best effort', 'latched', 'latched best effort', 'all else'])
def test_cameras_and_subscribers_of_every_quality_of_service(
    rig: Rig, model: Path, offer: QoSProfile
) -> None:
    """What a camera offers is taken; what a subscriber asks for is given, or harms nobody."""
    rig.node.destroy_publisher(rig.images)
    rig.images = rig.node.create_publisher(Image, 'image', offer)
    rig.listen('depth/image')
    heard: list[list[Image]] = []
    for asked in (
        QoSProfile(depth=5, reliability=BEST_EFFORT),
        QoSProfile(history=KEEP_ALL, reliability=RELIABLE),
        QoSProfile(depth=5, reliability=RELIABLE, durability=LATCHED),  # is not offered
        QoSProfile(depth=5, reliability=RELIABLE, deadline=SECOND),  # neither
    ):
        heard.append([])
        rig.node.create_subscription(Image, 'depth/image', heard[-1].append, asked)
    process = rig.start(model)
    rig.until('depth/image', frame(), CAMERA)
    for _ in range(50):
        rig.publish(frame(), CAMERA)
        if rig.spin(lambda: heard[0] and heard[1], 0.2):
            break
    assert [bool(images) for images in heard] == [True, True, False, False]
    assert process.stop() == 0


def test_a_flood_and_a_subscriber_that_never_reads(rig: Rig, model: Path) -> None:
    """At 200 Hz the newest wins, memory stays flat, parameters answer."""
    rig.listen('depth/image')
    sleeper = rig.node.create_publisher(Image, 'unused', 1)
    assert sleeper is not None
    import rclpy
    from rclpy.context import Context

    context = Context()
    rclpy.init(context=context)
    deaf = rclpy.create_node('deaf', context=context)  # is never spun
    deaf.create_subscription(PointCloud2, 'depth/points', lambda _: None, 10)
    try:
        process = rig.start(model, points__voxel_size=0.0)
        rgb, camera = frame(320, 240), Camera.from_hfov(320, 240, 70.0)
        rig.until('depth/image', rgb, camera)

        def flood(seconds: float) -> None:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                rig.publish(rgb, camera)
                rig.settle(0.005)

        flood(1.2)
        before = memory_mb(process)
        flood(1.2)
        start = time.monotonic()
        assert rig.set('points.stride', 2)[0]
        answered = time.monotonic() - start
        flood(1.2)
        assert memory_mb(process) < before + 30
        assert answered < 5
        newest = rig._stamp
        rig.settle(0.7)
        last = messages.nanoseconds_of(rig.got['depth/image'][-1].header.stamp)
        assert newest - last <= 5 * 33_000_000
    finally:
        deaf.destroy_node()
        rclpy.shutdown(context=context)


def test_simulated_time_that_pauses_and_jumps(rig: Rig, model: Path) -> None:
    """Depth follows the frames, and diagnostics go on, whatever the clock does."""
    clock = rig.node.create_publisher(Clock, '/clock', 1)
    rig.listen('depth/image')
    rig.start(model, use_sim_time=True)
    for seconds in (100, 100, 100, 5000, 3):
        clock.publish(Clock(clock=messages.stamp_of(seconds * 10**9)))
        rig.until('depth/image', frame(), CAMERA)
    rig.statuses.clear()
    assert rig.hears('depth', 'active')


def test_an_engine_that_raises_or_gives_nan(
    rig: Rig, faulty: Callable[..., Any]
) -> None:
    """The condition is named and fatal while it lasts, logged once, and gone when it is over."""
    rig.listen('depth/image')
    process = faulty()
    rig.until('depth/image', frame(), CAMERA)
    for order, said in (('raise', 'device is lost'), ('crash', 'ZeroDivisionError')):
        process.order(order)
        rig.settle(0.3)
        rig.got['depth/image'].clear()
        assert rig.until_hears('depth', said, frame(), CAMERA)
        assert not rig.got['depth/image']
        assert process.output.count(said) == 1
        process.order('good')
        rig.until('depth/image', frame(), CAMERA)
    process.order('nan')
    assert rig.until_hears('depth', 'Every pixel is invalid', frame(), CAMERA)
    depth = messages.metres_from_msg(rig.got['depth/image'][-1])
    assert np.isnan(depth).all()
    process.order('good')
    rig.until('depth/image', frame(), CAMERA)
    assert process.stop() == 0


def test_an_engine_that_hangs_ends_the_process(rig: Rig, faulty: Callable[..., Any]) -> None:
    """With a clear message and a code that asks for a restart; meanwhile diagnostics go on."""
    rig.listen('depth/image')
    process = faulty('-p', 'engine.timeout:=3.0')
    rig.until('depth/image', frame(), CAMERA)
    process.order('hang')
    for _ in range(10):
        rig.publish(frame(), CAMERA)
        rig.settle(0.05)
    rig.statuses.clear()
    assert rig.hears('depth', 'active', 2.5), 'diagnostics stopped while the engine hung'
    assert process.wait(20) == 70
    assert 'engine.timeout' in process.output


def test_a_lost_gpu_ends_the_process(rig: Rig, faulty: Callable[..., Any]) -> None:
    """Only another process can go on, so that opening again is not offered."""
    rig.listen('depth/image')
    process = faulty()
    rig.until('depth/image', frame(), CAMERA)
    process.order('lost')
    for _ in range(10):
        rig.publish(frame(), CAMERA)
        rig.settle(0.05)
    assert process.wait(20) == 70
    assert 'the GPU is gone' in process.output


@pytest.mark.parametrize('order', ['build', 'no engine'])
def test_an_engine_that_is_being_built_or_cannot_be(
    rig: Rig, faulty: Callable[..., Any], tmp_path: Path, order: str
) -> None:
    """Nothing waits for it: diagnostics say so, and SIGTERM ends the process at once."""
    rig.listen('depth/image')
    (tmp_path / 'orders').write_text(order)
    process = faulty()
    rig.publish(frame(), CAMERA)
    assert rig.hears('depth', 'nothing works here' if order == 'no engine' else 'opening')
    start = time.monotonic()
    assert process.stop() == 0
    assert time.monotonic() - start < 5
    assert 'Traceback' not in process.output
