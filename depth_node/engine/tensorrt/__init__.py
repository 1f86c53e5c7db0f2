"""TensorRT 10.3 to 11: engines are built, verified and cached automatically."""

from depth_node.engine.tensorrt.opening import current, open_tensorrt

__all__ = ['current', 'open_tensorrt']
