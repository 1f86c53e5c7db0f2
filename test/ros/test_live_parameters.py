"""Live parameters of a running node: each changes what is published, and changes it back."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

from dummy_networks import write_red_network
import numpy as np
import pytest
from rig import Rig
from sensor_msgs.msg import CompressedImage, LaserScan, PointCloud2

from depth_node.camera import Camera
from depth_node.config import Config, parameters
from depth_node.world import World

CAMERA = Camera.from_hfov(64, 48, 70.0)
TOPICS = (
    'depth/image', 'depth/points', 'depth/scan', 'depth/image_color',
    'depth/image/compressedDepth',
)
BASE: dict[str, Any] = {
    'temporal.enabled': False, 'filter.edge_threshold': 0.0, 'points.voxel_size': 0.0,
    'ground.camera_height': 0.6, 'ground.camera_pitch_deg': 5.0,
}
PLACE = [0.1, 0.0, 0.6, -0.5, 0.5, -0.5, 0.5]

EFFECTS: dict[str, tuple[Any, dict[str, Any]]] = {
    'depth.focal_correction': (False, {}),
    'depth.min_range': (1.5, {}),
    'depth.max_range': (2.0, {}),
    'filter.edge_threshold': (0.02, {}),
    'filter.min_confidence': (0.9, {}),
    'points.color': (False, {}),
    'points.confidence': (True, {}),
    'points.organized': (False, {}),
    'points.stride': (2, {}),
    'points.voxel_size': (0.3, {}),
    'points.max_points': (50, {}),
    'points.content': ('obstacles', {}),
    'points.no_return_range': (2.0, {'depth.max_range': 2.0}),
    'points.frame': ('base_link', {'points.transform': PLACE}),
    'points.transform': ([0.2, *PLACE[1:]], {'points.frame': 'base', 'points.transform': PLACE}),
    'ground.camera_height': (0.9, {}),
    'ground.camera_pitch_deg': (10.0, {}),
    'ground.camera_roll_deg': (10.0, {}),
    'ground.tolerance': (0.4, {'points.content': 'obstacles'}),
    'ground.max_slope_deg': (
        0.0, {'points.content': 'ground', 'ground.camera_pitch_deg': 0.0}
    ),
    'ground.max_height': (0.7, {'points.content': 'obstacles'}),
    'scan.output_frame': ('laser', {}),
    'scan.min_height': (0.5, {}),
    'scan.max_height': (0.3, {}),
    'scan.range_min': (1.5, {}),
    'scan.range_max': (2.0, {}),
    'scan.scan_time': (0.1, {}),
    'scan.angle_increment_deg': (2.0, {}),
    'output.frame_id': ('nose', {}),
    'output.encoding': ('16UC1', {}),
    'output.compressed_format': ('rvl', {}),
    'output.compressed_max': (2.0, {}),
    'output.compressed_quantization': (50.0, {}),
    'output.color_min': (1.0, {}),
    'output.color_max': (3.0, {}),
    'output.color_bar': (True, {}),
}
"""Name to another value, and what has to be set before it matters."""
ELSEWHERE = {
    'engine.timeout': 'test_faults',  # an engine that hangs
    'depth.sky': 'test_depth',  # of other networks
    **dict.fromkeys(
        ('marker.size', 'marker.dictionary', 'marker.ids'), 'test_scale_marker'
    ),
    'filter.temporal_threshold': 'test_filters', 'ground.base_frame': 'test_points',  # TF
}
GROUPS_ELSEWHERE = ('scale.', 'temporal.')  # test_scale_parameters walks them


def test_every_live_parameter_is_tried() -> None:
    """A new one has to be added to a table, here or elsewhere."""
    live = {name for name, _, spec in parameters() if spec.live}
    live = {name for name in live if not name.startswith(GROUPS_ELSEWHERE)}
    assert live == EFFECTS.keys() | ELSEWHERE.keys()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network that says how red a pixel is, taken for tenths of a decametre."""
    path = write_red_network(tmp_path / 'red.onnx')
    path.with_suffix('.json').write_text(json.dumps({
        'format': 1, 'kind': 'metric_depth', 'mean': [0, 0, 0], 'std': [1, 1, 1],
        'scale': 10.0, 'train_focal': 0.8 * CAMERA.fy, 'input_size': [64, 48],
    }))
    return path


def test_each_changes_what_is_published_and_back(rig: Rig, model: Path) -> None:
    """Frames flow all the while, and the node is never restarted."""
    world = World(0)
    rgb, depth = world.render(CAMERA, world.pose(2.0))
    rgb[..., 0] = np.rint(np.clip(25.5 * 0.8 * depth, 0, 255))
    rig.listen(*TOPICS, kinds={
        'depth/scan': LaserScan, 'depth/points': PointCloud2,
        'depth/image/compressedDepth': CompressedImage,
    })
    process = rig.start(model, **{name.replace('.', '__'): v for name, v in BASE.items()})

    def published() -> list[Any]:
        for topic in TOPICS:
            rig.got[topic].clear()
        return [_content(message) for message in rig.together(TOPICS, rgb, CAMERA)]

    def becomes(wanted: Callable[[list[Any]], bool]) -> bool:
        return any(wanted(published()) for _ in range(20))

    def put(values: dict[str, Any]) -> None:
        for name, value in values.items():
            assert rig.set(name, value) == (True, ''), name

    plain, start = published(), Config().replaced(BASE).flat()
    for name, (value, context) in EFFECTS.items():
        put(context)
        assert not context or becomes(lambda now: now == published()), name
        before = published()
        put({name: value})
        assert becomes(lambda now, before=before: now != before), f'{name} changes nothing'
        put({name: start[name] for name in (name, *context)})
        assert becomes(lambda now: now == plain), f'{name} does not go back'
    assert process.stop() == 0


def _content(message: Any) -> tuple[Any, ...]:
    """Everything a message says but its stamp."""
    fields = message.get_fields_and_field_types()
    values = (getattr(message, name) for name in fields if name != 'header')
    return message.header.frame_id, *(
        v.tobytes() if hasattr(v, 'tobytes') else str(v) for v in values
    )
