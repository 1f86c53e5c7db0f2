"""TensorRT 10.3 to 11: engines that are built, checked and kept without anybody's help."""

from depth_node.engine.tensorrt.opening import current, open_tensorrt

__all__ = ['current', 'open_tensorrt']
