"""The warp on real frames: with the right depth the neighbour looks like the frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip('torch')

from depth_node.training import view_synthesis as vs  # noqa: E402
from depth_node.training.alignment import align  # noqa: E402

STEREO_SCALE = 5.4
"""Of networks trained with Monodepth2's unit baseline on KITTI's 0.54 m."""


def l1_of_warped_and_unwarped(
    target: np.ndarray, source: np.ndarray, depth: np.ndarray, pose: np.ndarray, k: np.ndarray
) -> tuple[float, float]:
    """Return the mean absolute differences over the pixels that land inside (0 to 1)."""
    def tensor(x: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(x, np.float32))[None]

    images = [tensor(np.atleast_3d(x).transpose(2, 0, 1) / 255) for x in (target, source)]
    known = tensor(depth > 0)[:, None] > 0
    seen = vs.warp(images[1], tensor(depth)[:, None], tensor(pose), tensor(k))
    mask = (seen.valid & known).expand_as(images[0])
    warped = (seen.image - images[0]).abs()[mask].mean().item()
    return warped, (images[1] - images[0]).abs()[mask].mean().item()


@dataclass(frozen=True)
class Drive:
    """Real frames at 640x192 gray, their poses (camera to world, m), K, and a real network."""

    frames: list[np.ndarray]
    poses: np.ndarray
    k: np.ndarray
    session: Any

    def depth(self, number: int) -> np.ndarray:
        image = np.repeat(self.frames[number][None, None], 3, 1).astype(np.float32) / 255
        disparity = self.session.run(None, {'image': image})[0][0, 0]
        depth: np.ndarray = STEREO_SCALE / (1 / 100 + (1 / 0.1 - 1 / 100) * disparity)
        return depth

    def motion(self, number: int) -> np.ndarray:
        """Return what takes points of a frame's camera to the next one's."""
        motion: np.ndarray = np.linalg.inv(self.poses[number + 1]) @ self.poses[number]
        return motion


@pytest.fixture(scope='module')
def drive(shared_data: Path) -> Drive:
    onnxruntime = pytest.importorskip('onnxruntime')
    folder = shared_data / 'kitti' / 'sequence'
    session = onnxruntime.InferenceSession(
        str(shared_data / 'weights' / 'rtmonodepth_s_ms_640_192.onnx'),
        providers=['CPUExecutionProvider'],
    )
    frames = [
        cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted(folder.rglob('*.png'))
    ]
    poses = np.loadtxt(folder / 'poses.txt').reshape(-1, 3, 4)
    poses = np.concatenate([poses, np.tile([[[0, 0, 0, 1.0]]], (len(poses), 1, 1))], 1)
    assert len(frames) == len(poses) == 51
    height, width = frames[0].shape
    k = np.loadtxt(folder / 'calib.txt').reshape(-1, 3, 4)[0, :, :3]
    k = np.diag([640 / width, 192 / height, 1.0]) @ k
    small = [cv2.resize(f, (640, 192), interpolation=cv2.INTER_AREA) for f in frames]
    return Drive(small, poses, k, session)


def test_kitti_sequence_with_a_real_network(drive: Drive) -> None:
    ratios: dict[float, list[float]] = {0.7: [], 1.0: [], 1.4: []}
    for t in range(50):
        depth, pose = drive.depth(t), drive.motion(t)
        for factor, found in ratios.items():
            warped, unwarped = l1_of_warped_and_unwarped(
                drive.frames[t], drive.frames[t + 1], depth * factor, pose, drive.k
            )
            found.append(warped / unwarped)
    right = np.array(ratios[1.0])
    print(f'ratio {right.mean():.3f}, best {right.min():.3f}, worst {right.max():.3f}, '
          f'under 0.75: {(right < 0.75).sum()} of 50; depth x 0.7: {np.mean(ratios[0.7]):.3f}, '
          f'x 1.4: {np.mean(ratios[1.4]):.3f}')
    assert (right < 0.75).sum() >= 45
    assert right.mean() < np.mean(ratios[0.7])
    assert right.mean() < np.mean(ratios[1.4])


def test_alignment_finds_the_motion_of_a_real_car(drive: Drive) -> None:
    """Against GPS and inertial poses, from pictures and a real network's depth alone."""
    chosen = range(0, 50, 7)
    target, source = (
        torch.from_numpy(np.stack([drive.frames[t + o] for t in chosen])[:, None]) / 255
        for o in (0, 1)
    )
    depth = torch.from_numpy(np.stack([drive.depth(t) for t in chosen]))[:, None]
    k = torch.from_numpy(drive.k).float().repeat(len(chosen), 1, 1)
    true = np.stack([drive.motion(t) for t in chosen])
    for known, turned, aside in ((depth, 0.4, 0.1), (torch.full_like(depth, 10.0), 1.0, 0.25)):
        pose = align(target, source, known, k).numpy().astype(float)
        off = Rotation.from_matrix(pose[:, :3, :3].transpose(0, 2, 1) @ true[:, :3, :3])
        way, truth = pose[:, :3, 3], true[:, :3, 3]
        length = np.linalg.norm(way, axis=1)
        cosine = (way * truth).sum(1) / length / np.linalg.norm(truth, axis=1)
        assert np.degrees(off.magnitude()).max() < turned
        assert np.arccos(cosine.clip(max=1)).max() < aside
        if known is depth:  # as good as that depth's metres
            assert np.median(length / np.linalg.norm(truth, axis=1)) == pytest.approx(1, abs=0.2)


def test_rgbd_frames_with_measured_depth(shared_data: Path) -> None:
    folder = shared_data / 'rgbd'
    colors = [cv2.imread(str(path)) for path in sorted((folder / 'color').glob('*.png'))]
    depths = [
        cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000
        for path in sorted((folder / 'depth').glob('*.pgm'))
    ]
    poses = np.tile(np.eye(4), (5, 1, 1))
    rows = np.loadtxt(folder / 'pose.txt')
    poses[:, :3, :3] = Rotation.from_quat(rows[:, 3:]).as_matrix()
    poses[:, :3, 3] = rows[:, :3]
    k = np.array([[518.0, 0, 325.5], [0, 519, 253.5], [0, 0, 1]])
    ratios = []
    for t in range(4):
        pose = np.linalg.inv(poses[t + 1]) @ poses[t]
        warped, unwarped = l1_of_warped_and_unwarped(
            colors[t], colors[t + 1], depths[t], pose, k
        )
        ratios.append(warped / unwarped)
    print('ratios', [round(r, 3) for r in ratios])
    assert max(ratios) < 0.65
