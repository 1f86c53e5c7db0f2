"""`depth-node process` gives what the node publishes for the same frames, bit for bit."""

from __future__ import annotations

from pathlib import Path
import sys

import pytest
from rig import Rig
from sensor_msgs.msg import LaserScan

from depth_node.cli.main import main
from depth_node.processing.outputs import OUTPUTS as RECORDED
from depth_node.ros import messages
from depth_node.ros.outputs import OUTPUTS as NODE
from depth_node.sources.frames import open_source

pytest.importorskip('rosbags')
sys.path.insert(0, str(Path(__file__).parents[1] / 'processing'))
from results import contents
from world_bags import record

PARAMETERS = {
    'ground.camera_height': 0.5, 'ground.camera_pitch_deg': 3.0, 'points.voxel_size': 0.02,
    'output.encoding': '32FC1', 'depth.max_range': 6.0,
}
TOPICS = ('depth/image', 'depth/camera_info', 'depth/points', 'depth/scan')


def test_bit_for_bit(rig: Rig, model: Path, tmp_path: Path) -> None:
    """Depth, its camera, cloud and scan of every frame of a drive through the world."""
    bag = record(tmp_path / 'drive')
    words = [f'--set={name}={value}' for name, value in PARAMETERS.items()]
    assert not main([
        'process', str(bag), '--out', str(tmp_path / 'out'), '--model', str(model),
        '--topics', 'depth,camera_info,points,scan', *words,
    ])
    result = contents(tmp_path / 'out' / 'drive')
    rig.listen(*TOPICS, kinds={'depth/scan': LaserScan})
    rig.start(model, **{name.replace('.', '__'): value for name, value in PARAMETERS.items()})
    for frame in open_source(bag):
        stamp, camera = frame.stamp, frame.camera
        assert stamp is not None
        assert camera is not None
        header = messages.header_of(messages.stamp_of(stamp), frame.frame_id)

        def seen(topic: str, stamp: int = stamp) -> list[object]:
            return [m for m in rig.got[topic] if messages.nanoseconds_of(m.header.stamp) == stamp]

        for _ in range(200):
            rig.infos.publish(messages.camera_info_to_msg(camera, header))
            rig.images.publish(messages.image_to_msg(frame.rgb, 'rgb8', header))
            if rig.spin(lambda seen=seen: all(map(seen, TOPICS)), 0.5):
                break
        for topic in TOPICS:
            ours = next(m for m in result[f'/{topic}'] if m.stamp == stamp).message
            theirs = seen(topic)[0]
            assert same(ours, theirs) > 2, topic


def test_every_topic_is_the_nodes() -> None:
    """Name and type of the table for recordings are those of the table of the node."""
    node = {output.topic: output.type for output in NODE}
    for output in RECORDED.values():
        package, _, name = output.kind.split('/')
        kind = node[output.topic]
        assert (kind.__module__.split('.')[0], kind.__name__) == (package, name)


def same(ours: object, theirs: object) -> int:
    """Compare all fields of two messages; return how many there are."""
    fields = theirs.get_fields_and_field_types()  # type: ignore[attr-defined]
    for name in fields:
        one, other = getattr(ours, name), getattr(theirs, name)
        if hasattr(other, 'get_fields_and_field_types'):
            same(one, other)
        elif isinstance(other, list) and other and hasattr(other[0], 'SLOT_TYPES'):
            assert len(one) == len(other)
            for first, second in zip(one, other, strict=True):
                same(first, second)
        elif hasattr(other, 'tobytes'):
            assert one.tobytes() == other.tobytes(), name
        else:
            assert type(other)(one) == other, name
    return len(fields)
