"""CPU engines: OpenCV prepares the frame on the host, around the bare network."""

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
from depth_node.model.prediction import Prediction


class BareNetwork(Protocol):
    """A network alone, reading its input from one array and writing its outputs to others."""

    name: str
    """The runtime and its version."""
    precision: str
    """Of the arithmetic."""

    @property
    def planes(self) -> dict[str, NDArray[np.float32]]:
        """Float32 (h, w) of each output, by ``depth``, ``confidence`` and ``sky``."""

    def run(self) -> None:
        """
        Fill the planes from the input array.

        :raises EngineError: the runtime failed.
        """

    def close(self) -> None:
        """Free everything."""


class HostEngine(Described):
    """
    An engine around a bare network that shares the preparation's tensor.

    :param spec: how frames are prepared.
    :param preparation: whose tensor the network reads.
    :param network: what runs.
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
        """Allocate what :meth:`infer` fills; see ``Engine``."""
        planes = self._network.planes
        return Prediction.empty(
            height, width, confidence='confidence' in planes, sky='sky' in planes
        )

    def infer(self, frame: NDArray[np.uint8], out: Prediction) -> None:
        """Run the network on one frame; see ``Engine``."""
        check_buffers(frame, out)
        self._preparation.forward(frame)
        self._network.run()
        planes = self._network.planes
        self._preparation.back(planes['depth'], out.values)
        if out.confidence is not None and 'confidence' in planes:
            self._preparation.back(planes['confidence'], out.confidence, 0.0)
        if out.sky is not None and 'sky' in planes:
            self._preparation.back(planes['sky'], out.sky, 0.0)

    def bare(self) -> None:
        """Run the network alone; see ``Engine``."""
        self._network.run()

    def close(self) -> None:
        """Free everything; may be called more than once."""
        self._network.close()


def check_buffers(frame: NDArray[np.uint8], out: Prediction) -> None:
    """
    Refuse frames and buffers that do not belong together.

    :param frame: uint8 (H, W, 3).
    :param out: buffers of its size.
    :raises DataError: not a frame, or buffers of another size.
    """
    check_frame(frame)
    if out.shape != frame.shape[:2]:
        raise DataError(
            f'The frame has {list(frame.shape[:2])} rows and columns, the buffers '
            f'{list(out.shape)}.'
        )


def named_planes(
    info: NetworkInfo, arrays: dict[str, NDArray[np.float32]], size: Size
) -> dict[str, NDArray[np.float32]]:
    """
    View a network's outputs as planes.

    :param info: the network's ends.
    :param arrays: float32 [1, h, w] or [1, 1, h, w] by the network's own names.
    :param size: the network's size.
    :returns: (h, w) views by ``depth``, ``confidence``, ``sky``.
    """
    names = {'depth': info.depth, 'confidence': info.confidence, 'sky': info.sky}
    return {
        name: arrays[inner].reshape(size.height, size.width)
        for name, inner in names.items()
        if inner is not None
    }
