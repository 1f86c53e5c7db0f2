"""Every output of the node, with the parameters that shape it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rig import FRAME, Rig
from sensor_msgs.msg import LaserScan

from depth_node.camera import Camera
from depth_node.ros import messages

CAMERA = Camera.from_hfov(64, 48, 70.0)


def frame() -> np.ndarray:
    """A picture of noise."""
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


def test_confidence_as_an_image_and_as_a_field(rig: Rig, model: Path) -> None:
    """The same numbers in both, and none in a cloud that does not ask for them."""
    topics = ('depth/confidence', 'depth/points', 'depth/image')
    rig.listen(*topics)
    rig.start(model, filter__edge_threshold=0.0, points__voxel_size=0.0)
    _, cloud, _ = rig.together(topics, frame(), CAMERA)
    assert [field.name for field in cloud.fields] == ['x', 'y', 'z', 'rgb']
    assert rig.set('points.confidence', True) == (True, '')
    for kept in rig.got.values():
        kept.clear()
    rig.settle(0.5)
    image, cloud, depth = rig.together(topics, frame(), CAMERA)
    assert (image.encoding, image.header.frame_id) == ('32FC1', depth.header.frame_id)
    values = np.frombuffer(image.data, np.float32).reshape(48, 64)
    assert 0 <= values.min() < values.max() <= 1
    fields = [(field.name, field.offset, field.datatype) for field in cloud.fields]
    assert fields[3:] == [('rgb', 12, 7), ('confidence', 16, 7)]
    assert cloud.point_step == 20
    points = np.frombuffer(cloud.data, np.float32).reshape(48, 64, 5)
    there = np.isfinite(points[..., 2])
    np.testing.assert_array_equal(points[there][:, 4], values[there])


def test_millimetres_pictures_and_thinned_clouds(rig: Rig, model: Path) -> None:
    """Each parameter is set while frames flow, and its effect is seen."""
    rig.listen('depth/image', 'depth/image_color', 'depth/points')
    rig.start(
        model, filter__edge_threshold=0.0, points__voxel_size=0.0, points__max_points=0,
        points__organized=True,
    )
    topics = ('depth/image', 'depth/image_color', 'depth/points')
    metres, picture, cloud = rig.together(topics, frame(), CAMERA)
    assert (metres.encoding, picture.encoding) == ('32FC1', 'bgr8')
    assert (cloud.height, cloud.width, cloud.is_dense) == (48, 64, False)
    expected = messages.metres_from_msg(metres)

    for name, value in (
        ('output.encoding', '16UC1'), ('output.color_bar', True), ('points.stride', 2),
        ('points.color', False),
    ):
        assert rig.set(name, value) == (True, '')
    for kept in rig.got.values():
        kept.clear()
    rig.settle(0.5)
    millimetres, picture, cloud = rig.together(topics, frame(), CAMERA)
    assert millimetres.encoding == '16UC1'
    values = np.frombuffer(millimetres.data, np.uint16).reshape(48, 64)
    np.testing.assert_allclose(values, np.rint(1000 * expected), atol=1)
    assert picture.height > 48
    assert (cloud.height, cloud.width, cloud.point_step) == (24, 32, 12)

    assert rig.set('points.organized', False)[0]
    assert rig.set('points.max_points', 50)[0]
    assert rig.set('depth.max_range', 1.5)[0]
    for kept in rig.got.values():
        kept.clear()
    rig.settle(0.5)
    _, _, cloud = rig.together(topics, frame(), CAMERA)
    assert (cloud.height, cloud.is_dense) == (1, True)
    assert 0 < cloud.width <= 50
    assert np.frombuffer(cloud.data, np.float32).reshape(-1, 3)[:, 2].max() <= 1.5


def test_scan_of_a_camera_at_a_known_height(rig: Rig, model: Path) -> None:
    """A scan in its own frame; without the camera's place, a warning says what to set."""
    rig.listen('depth/scan', kinds={'depth/scan': LaserScan})
    rig.start(model)
    assert rig.until_hears('depth', 'ground.camera_height', frame(), CAMERA)
    assert not rig.got['depth/scan']
    assert rig.set('ground.camera_height', 0.5)[0]
    scan = rig.until('depth/scan', frame(), CAMERA)
    assert scan.header.frame_id not in ('', FRAME)
    assert len(scan.ranges) > 10
    assert scan.range_min < scan.range_max
    ranges = np.array(scan.ranges)
    finite = ranges[np.isfinite(ranges)]
    assert ((finite >= scan.range_min) & (finite <= scan.range_max)).all()
