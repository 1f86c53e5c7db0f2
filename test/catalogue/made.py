"""Install weights as a user does, open what came of it, and run it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from depth_node.catalogue.opening import open_model
from depth_node.cli.main import main
from depth_node.image.size import Size
from depth_node.model import Model

NAME = 'depth_anything_v2_metric_indoor_small'
SIZE = Size(98, 70)


def install(weights: Path, cache: Path, name: str = NAME, size: Size | str = SIZE) -> int:
    """Run the command a user would."""
    return main([
        'fetch', name, '--weights', str(weights), '--input-size', str(size), '--cache-dir',
        str(cache), '--offline', '--accept-licence',
    ])


def opened(cache: Path, size: Size = SIZE) -> Model:
    """Open the model by its name."""
    return open_model(NAME, input_size=str(size), cache_dir=cache, offline=True)


def run(path: Path, size: Size = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Run an ONNX file; return the image and what came out."""
    shape = (1, 3, size.height, size.width)
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    return image, session.run(None, {'image': image})[0]
