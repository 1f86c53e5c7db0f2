"""
Depth from one camera, for robots.

Three lines from a frame to metres::

    from depth_node import Camera, DepthEstimator, open_model

    estimator = DepthEstimator(open_model('network.onnx'))
    metres = estimator.estimate(rgb, Camera.from_hfov(640, 480, 70.0)).depth
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from depth_node.camera import Camera
    from depth_node.catalogue.opening import open_model
    from depth_node.config import Config
    from depth_node.errors import DepthNodeError
    from depth_node.estimator import DepthEstimator, Estimate
    from depth_node.estimator import Estimate as DepthFrame
    from depth_node.model import Model, ModelSpec, OutputKind
    from depth_node.sources.frame import Frame

__version__ = '0.1.0'

__all__ = [
    'Camera',
    'Config',
    'DepthEstimator',
    'DepthFrame',
    'DepthNodeError',
    'Estimate',
    'Frame',
    'Model',
    'ModelSpec',
    'OutputKind',
    'open_model',
]

_HOMES = {
    'Camera': 'camera',
    'Config': 'config',
    'DepthEstimator': 'estimator',
    'DepthFrame': 'estimator:Estimate',
    'DepthNodeError': 'errors',
    'Estimate': 'estimator',
    'Frame': 'sources.frame',
    'Model': 'model',
    'ModelSpec': 'model',
    'OutputKind': 'model',
    'open_model': 'catalogue.opening',
}


def __getattr__(name: str) -> object:
    """Import on first use, so that `import depth_node` and `--help` cost nothing."""
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    home, _, other = _HOMES[name].partition(':')
    return getattr(importlib.import_module(f'{__name__}.{home}'), other or name)
