"""What resizing inside the graph costs, where it is much."""

from __future__ import annotations

from depth_node.engine.tensorrt.gpu import Gpu
from depth_node.image.size import Size
from depth_node.model import Interpolation, ModelSpec

_AS_PRODUCTS = (Interpolation.AREA, Interpolation.LANCZOS)
_MUCH = 1e9
"""Operations of a resize that a small GPU notices: about 1 ms at 1 TFLOP/s."""


def costly_resize(spec: ModelSpec, size: Size, camera: Size, gpu: Gpu) -> str:
    """
    Warn of a resize that a small board would notice.

    No operator of ONNX resizes by area or with Lanczos' kernel, so that the graph multiplies
    with a matrix of weights for the rows and one for the columns.

    :param spec: of the network.
    :param size: the network's (pixels).
    :param camera: largest camera (pixels).
    :param gpu: the GPU.
    :returns: one line; empty where there is nothing to say.
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
