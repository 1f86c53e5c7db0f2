"""Transforms over time, from a bag and from hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from posed_bag import AHEAD, OPTICAL, straight, write_posed_bag
import pytest

from depth_node.errors import DataError
from depth_node.sources.bag_poses import bag_odometry, bag_transforms, poses_in
from depth_node.sources.frame import SECOND
from depth_node.sources.transform_tree import TransformTree


def at(x: float, y: float = 0.0) -> np.ndarray:
    pose = np.eye(4)
    pose[:2, 3] = x, y
    return pose


def test_up_and_down_the_tree() -> None:
    tree = TransformTree([
        (0, 'odom', 'base', at(0)), (SECOND, 'odom', 'base', at(2)),
        (None, 'base', 'camera', at(0, 1)), (None, 'base', 'lidar', at(0, -1)),
    ])
    np.testing.assert_allclose(tree.lookup('odom', 'camera', SECOND // 2, SECOND), at(1, 1))
    np.testing.assert_allclose(tree.lookup('camera', 'odom', SECOND // 2, SECOND), at(-1, -1))
    np.testing.assert_allclose(tree.lookup('lidar', 'camera', 99 * SECOND, 0), at(0, 2))
    with pytest.raises(DataError, match=r'no transform from odom to base within 0.1 s of 0.5'):
        tree.lookup('odom', 'camera', SECOND // 2, SECOND // 10)
    with pytest.raises(DataError, match=r"does not connect 'camera' with 'map'; it has base, c"):
        tree.lookup('map', 'camera', 0, SECOND)


def test_a_circle_is_no_tree() -> None:
    tree = TransformTree([(None, 'a', 'b', at(0)), (None, 'b', 'a', at(0))])
    with pytest.raises(DataError, match='circle'):
        tree.lookup('a', 'c', 0, 0)


def test_a_bag(tmp_path: Path) -> None:
    pytest.importorskip('rosbags')
    write_posed_bag(tmp_path / 'bag', frames=0)
    track, fixed, body = bag_odometry(tmp_path / 'bag', '/odom')
    assert (fixed, body) == ('odom', 'base_link')
    np.testing.assert_allclose(track.at(SECOND, SECOND)[0, 3], 0.4)
    tree = bag_transforms(tmp_path / 'bag')
    pose = tree.lookup('odom', OPTICAL, SECOND, SECOND)
    # it looks ahead, from 0.6 m above the ground
    np.testing.assert_allclose(pose[:3, 3], [0.4, 0, 0.6])
    np.testing.assert_allclose(pose[:3, :3], [[0, 0, 1], [-1, 0, 0], [0, -1, 0]], atol=1e-12)
    assert poses_in(tmp_path / 'bag') == '/odom, TF'
    with pytest.raises(DataError, match=r'no odometry on /wheel. It has /odom'):
        bag_odometry(tmp_path / 'bag', '/wheel')


def test_impossible_poses_are_ignored_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some robots send NaN before they know where they are, and tf2 ignores it, too."""
    def base(seconds: float) -> np.ndarray:
        pose = straight(seconds)
        if seconds == 0:
            pose[0, 3] = np.nan
        return pose

    said: list[str] = []
    monkeypatch.setattr(
        'depth_node.sources.bag_poses.log.warning', lambda text, *of: said.append(text % of)
    )
    write_posed_bag(tmp_path / 'bag', frames=0, base=base)
    track, _, _ = bag_odometry(tmp_path / 'bag', '/odom')
    assert track.stamps is not None
    assert track.stamps[0] == SECOND // 10
    assert np.isfinite(track.poses).all()
    assert 'ignored 1 poses on /odom' in said[0]
    tree = bag_transforms(tmp_path / 'bag')
    assert 'ignored 1 transforms' in said[1]
    found = tree.lookup('odom', OPTICAL, SECOND, 0)
    np.testing.assert_allclose(found, straight(1.0) @ AHEAD, atol=1e-9)


def test_odometry_of_impossible_poses_only(tmp_path: Path) -> None:
    lost = np.eye(4)
    lost[0, 3] = np.nan
    write_posed_bag(tmp_path / 'bag', frames=0, base=lambda _: lost)
    with pytest.raises(DataError, match='/odom has no usable pose'):
        bag_odometry(tmp_path / 'bag', '/odom')
