"""Poses solved from pictures against the poses they were rendered from."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch')
from depth_node.camera import Camera  # noqa: E402
from depth_node.training.alignment import align  # noqa: E402
from depth_node.training.view_synthesis import warp  # noqa: E402
from depth_node.world import World  # noqa: E402

SIZE = (96, 64)


@pytest.fixture(scope='module')
def drive() -> dict[str, torch.Tensor]:
    """Render four places on a drive and the frame a quarter second later, 4 to 8 degrees on."""
    world, camera = World(1), Camera.from_hfov(*SIZE, 70)
    columns: dict[str, list[object]] = {'target': [], 'source': [], 'depth': [], 'pose': []}
    for time in (1.0, 6.0, 11.0, 17.0):
        here, there = world.pose(time), world.pose(time + 0.25)
        image, depth = world.render(camera, here)
        columns['target'].append(image.transpose(2, 0, 1) / np.float32(255))
        columns['source'].append(
            world.render(camera, there)[0].transpose(2, 0, 1) / np.float32(255)
        )
        columns['depth'].append(depth[None])
        columns['pose'].append((np.linalg.inv(there) @ here).astype(np.float32))
    k = [[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]]
    found = {name: torch.from_numpy(np.stack(rows)) for name, rows in columns.items()}
    return found | {'intrinsics': torch.tensor(k, dtype=torch.float32).repeat(4, 1, 1)}


def degrees(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    cosine = ((a[:, :3, :3] * b[:, :3, :3]).sum((1, 2)) - 1) / 2
    return torch.rad2deg(cosine.clamp(-1, 1).arccos())


def ways(pose: torch.Tensor) -> torch.Tensor:
    return pose[:, :3, 3]


def solved(drive: dict[str, torch.Tensor], depth: torch.Tensor, **more: object) -> torch.Tensor:
    return align(drive['target'], drive['source'], depth, drive['intrinsics'], **more)


def test_with_the_true_depth_it_finds_the_true_motion(drive: dict[str, torch.Tensor]) -> None:
    assert degrees(drive['pose'], torch.eye(4).repeat(4, 1, 1)).max() > 4
    pose = solved(drive, drive['depth'])
    assert degrees(pose, drive['pose']).max() < 0.5
    assert (ways(pose) - ways(drive['pose'])).norm(dim=1).max() < 0.02  # of 0.15 m


def test_depth_times_a_factor_is_the_way_times_it(drive: dict[str, torch.Tensor]) -> None:
    pose, other = (solved(drive, factor * drive['depth']) for factor in (1.0, 5.0))
    torch.testing.assert_close(ways(other), 5 * ways(pose), rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(other[:, :3, :3], pose[:, :3, :3], rtol=0, atol=1e-3)


def test_knowing_nothing_it_takes_a_turn_for_a_turn(drive: dict[str, torch.Tensor]) -> None:
    pose = solved(drive, torch.full_like(drive['depth'], 2.0))
    assert degrees(pose, drive['pose']).max() < 3
    assert torch.cosine_similarity(ways(pose), ways(drive['pose'])).min() > 0.8


def test_a_known_length_is_the_length(drive: dict[str, torch.Tensor]) -> None:
    length = torch.tensor([0.3, torch.nan, 0.1, torch.nan])
    pose = solved(drive, drive['depth'], length=length)
    found = ways(pose).norm(dim=1)
    torch.testing.assert_close(found[::2], length[::2])
    free = ways(solved(drive, drive['depth'])).norm(dim=1)
    torch.testing.assert_close(found[1::2], free[1::2], rtol=1e-3, atol=1e-4)


def test_another_exposure_is_no_motion(drive: dict[str, torch.Tensor]) -> None:
    darker = drive | {'source': 0.8 * drive['source'] + 0.03}
    pose = solved(darker, drive['depth'])
    assert degrees(pose, drive['pose']).max() < 0.5
    assert (ways(pose) - ways(drive['pose'])).norm(dim=1).max() < 0.02


def test_the_pose_is_where_the_pictures_agree_most(drive: dict[str, torch.Tensor]) -> None:
    def error(pose: torch.Tensor) -> float:
        seen = warp(drive['source'], drive['depth'], pose, drive['intrinsics'])
        return float(((seen.image - drive['target']).abs() * seen.valid).mean())

    pose = solved(drive, drive['depth'])
    still = torch.eye(4).repeat(4, 1, 1)
    assert error(pose) < 0.4 * error(still)
    assert error(pose) < 1.05 * error(drive['pose'])


def test_nothing_to_see_is_no_motion() -> None:
    blank = torch.full((2, 3, 32, 64), 0.5)
    k = torch.tensor([[40.0, 0, 31.5], [0, 40.0, 15.5], [0, 0, 1]]).repeat(2, 1, 1)
    pose = align(blank, blank, torch.rand(2, 1, 32, 64) + 1, k)
    torch.testing.assert_close(pose, torch.eye(4).repeat(2, 1, 1), rtol=0, atol=1e-5)


def test_no_gradient_passes(drive: dict[str, torch.Tensor]) -> None:
    depth = drive['depth'].clone().requires_grad_()
    assert not solved(drive, depth).requires_grad
