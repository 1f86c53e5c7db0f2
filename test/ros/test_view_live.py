"""`depth-node view --live` on a real node: what it records is what the node published."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path
import signal
import time
from typing import Any

import numpy as np
from processes import Processes
import pytest
from rig import CAMERA, FRAME, Rig, smooth_frame
from rrd import columns
from sensor_msgs.msg import LaserScan

from depth_node.ros import messages
from depth_node.scale.point_fields import cloud_of
from depth_node.sources.frames import open_source

pytest.importorskip('rerun')

GROUND = {'ground__camera_height': 0.6, 'ground__camera_pitch_deg': 5.0}
TURN = [[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]
TF2 = '''
"""A fake of tf2_ros: the camera moves 1 m/s along x of base_footprint, 0.6 m above it."""
from geometry_msgs.msg import TransformStamped

class Buffer:
    def can_transform(self, target, source, stamp):
        return target == 'base_footprint'
    def lookup_transform(self, target, source, stamp):
        if target != 'base_footprint':
            raise LookupError(f'{target} does not exist')
        found = TransformStamped()
        where, turn = found.transform.translation, found.transform.rotation
        where.x, where.z = stamp.sec % 1000 + stamp.nanosec * 1e-9, 0.6
        turn.x, turn.y, turn.z, turn.w = -0.5, 0.5, -0.5, 0.5
        return found

class TransformListener:
    def __init__(self, buffer, node):
        self.buffer = buffer
'''


def drive(rig: Rig, view: Any, seconds: float = 90.0) -> None:
    """Publish the synthetic world until the viewer has seen enough."""
    # from the front and back again, at the time of now
    frames = list(islice(open_source('world:7'), 8))
    end = time.monotonic() + seconds
    for frame in cycle([*frames, *frames[-2:0:-1]]):
        if view.popen.poll() is not None or time.monotonic() > end:
            return
        header = messages.header_of(messages.stamp_of(time.time_ns()), FRAME)
        rig.infos.publish(messages.camera_info_to_msg(frame.camera, header))
        rig.images.publish(messages.image_to_msg(frame.rgb, 'rgb8', header))
        rig.spin(lambda: False, 0.15)


@pytest.mark.timeout(240)
def test_the_recording_is_what_the_node_published(
    rig: Rig, processes: Processes, tmp_path: Path
) -> None:
    """Cloud by cloud and point by point, with the time, the pose and the series."""
    fake = tmp_path / 'fake'
    fake.mkdir()
    (fake / 'tf2_ros.py').write_text(TF2)
    path = tmp_path / 'live.rrd'
    rig.listen('depth/points', 'depth/scan', kinds={'depth/scan': LaserScan})
    rig.start('embedded', **GROUND)
    view = processes.python(
        # the camera's topic comes with the diagnostics, once a second
        '-m', 'depth_node', 'view', '--live', '--save', str(path), '--frames', '40',
        env={'PYTHONPATH': str(fake)},
    )
    drive(rig, view)
    assert view.wait(20) == 0, view.output
    assert '40 frames in' in view.output
    found = columns(path)

    sent = {messages.nanoseconds_of(m.header.stamp): m for m in rig.got['depth/points']}
    rows = [row for row in found['/world/optical/points'] if row['stamp'] in sent]
    assert len(rows) >= 5
    for row in rows:
        xyz, packed = cloud_of(sent[row['stamp']])
        np.testing.assert_array_equal(np.array(row['Points3D:positions'], np.float32), xyz)
        colors = np.array(row['Points3D:colors'], np.uint32)
        np.testing.assert_array_equal(colors >> 8, packed)

    poses = found['/world/optical']
    moved = [row for row in poses if row.get('Transform3D:translation')]
    assert len(moved) >= 5
    for row in moved:
        (where,), (turn,) = row['Transform3D:translation'], row['Transform3D:mat3x3']
        np.testing.assert_allclose(where, [row['stamp'] / 1e9 % 1000, 0, 0.6], atol=1e-3)
        # columns first
        np.testing.assert_allclose(np.reshape(turn, (3, 3)).T, TURN, atol=1e-6)

    camera = found['/world/optical/camera']
    assert camera[0]['Pinhole:resolution'] == [[320.0, 240.0]]
    for entity in ('image', 'depth', 'confidence'):
        assert len(found[f'/world/optical/camera/{entity}']) >= 5, entity
    # what stands on the floor, and the scan over it, 10 cm high
    for row in found['/world/optical/obstacles'][1:]:
        assert 0 < len(row['Points3D:positions']) < 30000
    heights = [
        0.6 - (np.array(row['Points3D:positions']) @ [0, np.cos(np.radians(5)),
                                                      np.sin(np.radians(5))])
        for row in found['/world/optical/scan']
    ]
    np.testing.assert_allclose(np.concatenate(heights), 0.1, atol=1e-3)
    assert all(row['Scalars:scalars'][0] == 1.0 for row in found['/plots/scale'])
    latencies = [row['Scalars:scalars'][0] for row in found['/plots/latency_ms']]
    assert len(latencies) == 40
    assert all(0 < latency < 20_000 for latency in latencies)
    assert found['/plots/node_latency_ms']
    assert found['/plots/mean_confidence']


def test_ctrl_c_ends_it_and_the_recording_is_whole(
    rig: Rig, processes: Processes, tmp_path: Path, model: Path
) -> None:
    """Without a word about a traceback, and with what had come until then."""
    path = tmp_path / 'live.rrd'
    rig.start(model)
    view = processes.python(
        '-m', 'depth_node', 'view', '--live', '--save', str(path), '--namespace', '/'
    )
    rig.listen('depth/points')
    rig.until('depth/points', smooth_frame(), CAMERA)
    assert rig.spin(lambda: rig.node.count_subscribers('depth/image') > 0, 60.0), view.output
    for _ in range(30):
        rig.publish(smooth_frame(), CAMERA)
        rig.settle(0.1)
    assert view.stop(signal.SIGINT) == 0, view.output
    assert 'Traceback' not in view.output
    assert ' frames in ' in view.output
    found = columns(path)
    assert len(found['/world/optical/camera/depth']) > 5
    assert len(found['/world/optical/points']) > 5


def test_a_namespace_that_is_none_is_one_line(processes: Processes, tmp_path: Path) -> None:
    view = processes.python(
        '-m', 'depth_node', 'view', '--live', '--save', str(tmp_path / 'x.rrd'),
        '--namespace', '/no-hyphens',
    )
    assert view.wait() == 2
    assert '--namespace /no-hyphens: not a namespace' in view.output
    assert 'Traceback' not in view.output
