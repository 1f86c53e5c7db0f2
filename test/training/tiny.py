"""Small recordings and runs for the tests of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from depth_node.camera import Camera
from depth_node.image.size import Size
from depth_node.training.config import config_from, TrainConfig
from depth_node.training.data.recording import Counts, Recording, Writer
from depth_node.world import World

SIZE = Size(64, 32)


def recording(path: Path, frames: int = 8, *, stereo: bool = False, seed: int = 3) -> Recording:
    """Render a short drive at 64x32, with depth and poses."""
    world = World(seed)
    camera = Camera.from_hfov(*SIZE, 70)
    with Writer(path, 'tiny', SIZE, {}) as writer:
        for index in range(frames):
            pose = world.pose(0.2 * index)
            image, depth = world.render(camera, pose)
            writer.add(
                (camera.fx, camera.fy, camera.cx, camera.cy), 1, image, depth=depth,
                stereo=image[:, ::-1].copy() if stereo else None, pose=pose,
            )
        counts = Counts(frames, frames, 0, 1, frames, frames, frames * stereo)
        return writer.finish(counts, 0.1 * stereo)


def config(**changes: object) -> TrainConfig:
    """Choose a run that takes a second."""
    small = {
        'size': '64x32', 'network': 'small', 'pose_network': 'small', 'objective': 'supervised',
        'steps': 6, 'batch': 2, 'warmup': 1, 'validate_every': 3, 'save_every': 3,
        'log_every': 1, 'learning_rate': 1e-3, 'threads': 1, 'min_depth': 0.2, 'max_depth': 20.0,
    }
    return config_from({**small, **changes})


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Draw a picture of noise, uint8."""
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
