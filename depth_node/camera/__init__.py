"""Camera models: intrinsics, CameraInfo, lens distortion, rigid transforms."""

from __future__ import annotations

from depth_node.camera.camera import Camera
from depth_node.camera.distortion import Distortion
from depth_node.camera.info import is_calibrated, UncalibratedError

__all__ = ['Camera', 'Distortion', 'UncalibratedError', 'is_calibrated']
