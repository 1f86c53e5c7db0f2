"""CPU engines: the bare network, with preprocessing by OpenCV."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from depth_node.engine.base import Described
from depth_node.engine.prepare import check_frame, Preparation
from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.model import ModelSpec
from depth_node.model.network import NetworkInfo
from depth_node.model.prediction import EXTRAS, Prediction


class BareNetwork(Protocol):
    """A network that reads its input from one array and writes its outputs to others."""

    name: str
    """Runtime and version."""
    precision: str
    """Arithmetic precision."""

    @property
    def planes(self) -> dict[str, NDArray[np.float32]]:
        """Float32 (h, w) of each output, by the names of the planes of a ``Prediction``."""

    def run(self) -> None:
        """
        Fill the planes from the input array.

        :raises EngineError: the runtime failed.
        """

    def close(self) -> None:
        """Free everything."""


class HostEngine(Described):
    """
    An engine of a bare network that shares the tensor of the preprocessing.

    :param spec: the description of the network.
    :param preparation: the preprocessing, whose tensor the network reads.
    :param network: the bare network.
    """

    def __init__(
        self, spec: ModelSpec, size: Size, preparation: Preparation, network: BareNetwork
    ) -> None:
        super().__init__(network.name, 'CPU', network.precision, on_cpu=True)
        self.spec = spec
        self.network_size = size
        self.facts: dict[str, Any] = {}
        self._preparation = preparation
        self._network = network

    def buffers(self, height: int, width: int) -> Prediction:
        """Return buffers for :meth:`infer`; see ``Engine``."""
        planes = self._network.planes
        return Prediction.empty(height, width, **{name: name in planes for name in EXTRAS})

    def infer(self, frame: NDArray[np.uint8], out: Prediction) -> None:
        """Run the network on one frame; see ``Engine``."""
        check_buffers(frame, out)
        self._preparation.forward(frame)
        self._network.run()
        planes = self._network.planes
        self._preparation.back(planes['depth'], out.values)
        for name in EXTRAS:
            target = out.planes[name]
            if target is not None and name in planes:
                self._preparation.back(planes[name], target, 0.0)

    def bare(self) -> None:
        """Run the network alone; see ``Engine``."""
        self._network.run()

    def close(self) -> None:
        """Free everything; may be called repeatedly."""
        self._network.close()


def check_buffers(frame: NDArray[np.uint8], out: Prediction) -> None:
    """
    Check that a frame and buffers match.

    :param frame: uint8 (H, W, 3).
    :param out: buffers of the same size.
    :raises DataError: the frame is invalid, or the sizes differ.
    """
    check_frame(frame)
    if out.shape != frame.shape[:2]:
        raise DataError(
            f'The frame has {list(frame.shape[:2])} rows and columns, but the buffers have '
            f'{list(out.shape)}.'
        )


def named_planes(
    info: NetworkInfo, arrays: dict[str, NDArray[np.float32]], size: Size
) -> dict[str, NDArray[np.float32]]:
    """
    Return views of a network's outputs as planes.

    :param info: inputs and outputs of the network.
    :param arrays: float32 [1, h, w] or [1, 1, h, w] by the network's names.
    :param size: network size.
    :returns: (h, w) views by the names of the planes of a ``Prediction``.
    """
    return {
        name: arrays[inner].reshape(size.height, size.width)
        for name, inner in info.planes.items()
    }
