"""Cost of resizing inside the graph."""

from __future__ import annotations

from depth_node.engine.tensorrt.gpu import Gpu
from depth_node.image.size import Size
from depth_node.model import Interpolation, ModelSpec

_AS_PRODUCTS = (Interpolation.AREA, Interpolation.LANCZOS)
_MUCH = 1e9
"""Operations of a resize that are relevant on a small GPU: about 1 ms at 1 TFLOP/s."""


def costly_resize(spec: ModelSpec, size: Size, camera: Size, gpu: Gpu) -> str:
    """
    Return a warning about an expensive resize on a small board.

    ONNX has no operator for resizing by area or with the Lanczos kernel, so the graph multiplies
    with a matrix of weights for the rows and one for the columns.

    :param spec: the description of the network.
    :param size: network size (pixels).
    :param camera: maximum camera size (pixels).
    :param gpu: the GPU.
    :returns: one line; empty if the resize is cheap.
    """
    if spec.interpolation not in _AS_PRODUCTS or not gpu.integrated:
        return ''
    if spec.interpolation is Interpolation.LANCZOS:  # columns first, as Pillow does it
        products = (camera.width + size.height) * camera.height * size.width
    else:
        products = (camera.height + size.width) * size.height * camera.width
    operations = 2.0 * 3 * products
    if operations < _MUCH:
        return ''
    return (
        f'{spec.name} resizes by {spec.interpolation.value}, which takes '
        f'{operations / 1e9:.1f} billion operations in fp32 for a frame of {camera} on '
        f'{gpu.name}. A smaller camera, or a network prepared with linear or cubic, is quicker.'
    )
