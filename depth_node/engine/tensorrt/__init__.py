"""TensorRT 10.3 to 11: engines that are built, checked and kept without anybody's help."""

from depth_node.engine.tensorrt.opening import open_tensorrt

__all__ = ['open_tensorrt']
