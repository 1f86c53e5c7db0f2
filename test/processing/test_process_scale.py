"""The scale, recovered from the sensors of a bag."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dummy_networks import write_red_network
import numpy as np
import pytest
from results import contents
from world_bags import CAMERA, NEAREST, record

from depth_node.camera import Camera
from depth_node.world import World

pytest.importorskip('rosbags')
DEPTH = '/depth/image'


@pytest.fixture
def red(tmp_path: Path) -> Path:
    """A network without a scale, whose inverse depth is the red of a pixel."""
    return write_red_network(tmp_path / 'red.onnx')


def check(folder: Path, tolerance: float = 0.03) -> int:
    """Compare the depth of a result with the world; return the number of depth images."""
    found = contents(folder)
    stamps = [m.stamp for m in found['/camera/image_raw']]
    for message in found[DEPTH]:
        seconds = (message.stamp - stamps[0]) / 1e9
        world = World(0)
        _, truth = world.render(CAMERA, world.pose(seconds), time=seconds)
        near = np.isfinite(message.image) & (truth < 4)  # beyond, red has few steps
        assert near.mean() > 0.2
        error = np.abs(message.image[near] / truth[near] - 1)
        assert np.median(error) < tolerance
    return len(found[DEPTH])


@pytest.mark.parametrize('late_ns', [0, 200_000_000])
def test_from_a_lidar(
    tmp_path: Path, red: Path, process: Any, late_ns: int
) -> None:
    """Its pose comes from TF; clouds and TF may have been recorded after the images."""
    bag = record(tmp_path / 'drive', 12, lidar=True, painted=True, late_ns=late_ns)
    code, [line] = process(
        bag, '--out', tmp_path / 'out', '--model', red, '--scale-source', 'points',
        '--set', 'filter.edge_threshold=0.0',
    )
    assert (code, line['frames'], line['without_depth']) == (0, 5, 7)
    assert line['scale']['source'] == 'points'
    assert line['notes'] == []
    assert check(tmp_path / 'out' / 'drive') == 5


def test_the_pose_of_the_sensor_counts(tmp_path: Path, red: Path, process: Any) -> None:
    """In another place, the same points give another scale or none."""
    bag = record(tmp_path / 'drive', 9, lidar=True, painted=True)
    _, [line] = process(
        bag, '--out', tmp_path / 'out', '--model', red, '--scale-source', 'points',
        '--set', 'scale.extrinsic=[0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]',
        '--set', 'scale.max_sigma=1.0', '--set', 'scale.max_misfit=10.0',
    )
    if line['status'] == 'done':
        with pytest.raises(AssertionError):
            check(tmp_path / 'out' / 'drive')


def test_without_the_transform_it_says_so(tmp_path: Path, red: Path, process: Any) -> None:
    """As the node does."""
    bag = record(tmp_path / 'drive', 12, lidar=True, painted=True)
    code, [line] = process(
        bag, '--out', tmp_path / 'out', '--model', red, '--scale-source', 'points',
        '--set', 'output.frame_id=eye',
    )
    assert code == 2
    assert 'The pose of lidar in eye is not known. Set scale.extrinsic' in line['error']
    assert 'nothing is known of eye' in line['error']


def test_from_the_floor(tmp_path: Path, red: Path, process: Any) -> None:
    """Its pose comes from the static transforms, which were recorded once."""
    bag = record(tmp_path / 'drive', 9, painted=True)
    code, [line] = process(
        bag, '--out', tmp_path / 'out', '--model', red, '--scale-source', 'ground',
    )
    assert code == 0, line
    assert line['frames'] >= 4
    assert check(tmp_path / 'out' / 'drive', 0.06) == line['frames']


def test_without_a_scale_there_are_no_metres(
    tmp_path: Path, red: Path, process: Callable[..., Any]
) -> None:
    """And nothing is written; the prediction itself can be."""
    bag = record(tmp_path / 'drive', 2, painted=True)
    code, [line] = process(bag, '--out', tmp_path / 'out', '--model', red)
    assert code == 2
    assert 'Set scale.source' in line['error']
    code, [line] = process(
        bag, '--out', tmp_path / 'out', '--model', red, '--topics', 'depth,relative'
    )
    assert (code, line['frames'], line['without_depth']) == (1, 2, 2)
    found = contents(tmp_path / 'out' / 'drive')
    assert DEPTH not in found
    [first, _] = found['/depth/image_relative']
    rgb = found['/camera/image_raw'][0].image
    np.testing.assert_allclose(first.image, rgb[..., 0] / 255, atol=1e-3)


@pytest.mark.parametrize(('factor', 'notes'), [(1.0, 0), (0.5, 1)])
def test_a_scale_that_the_pose_of_the_camera_contradicts(
    tmp_path: Path, red: Path, process: Any, factor: float, notes: int
) -> None:
    """The height is that of TF; it is noted once, though every second shows another number."""
    bag = record(
        tmp_path / 'drive', 36, painted=True, camera=Camera.from_hfov(160, 120, 75), distinct=6,
    )
    code, [line] = process(
        bag, '--out', tmp_path / 'out', '--model', red, '--topics', 'depth', '--scale',
        factor / NEAREST,
    )
    assert (code, line['frames'], len(line['notes'])) == (0, 36, notes)
    assert all('The visible floor is 1.' in note and 'in base_footprint is 0.6 m' in note
               for note in line['notes'])
