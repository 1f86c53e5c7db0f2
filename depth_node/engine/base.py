"""What every engine is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import logging
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from depth_node.config import EngineConfig
from depth_node.image.size import Size
from depth_node.model import Model, ModelSpec
from depth_node.model.prediction import Prediction
from depth_node.process import never

_LOGGER = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[float, str], None]
"""Called with a share from 0 to 1 and the name of the stage."""
Log: TypeAlias = Callable[[str], None]
"""Called with one line for people."""


def no_progress(_share: float, _stage: str) -> None:
    """Ignore the progress."""


@dataclass(frozen=True)
class Request:
    """
    What an engine is opened for; every opener takes one.

    :param model: the network.
    :param config: the ``engine`` parameters.
    :param size: the size to run at (pixels).
    :param on_progress: called with a share from 0 to 1 and the name of the stage.
    :param cancelled: asked now and then; true ends the opening.
    :param log: takes one line at a time.
    :param warn: takes the lines that must not be missed.
    :param frames: of the user's own, uint8 (H, W, 3) rgb, to verify a built engine on as well.
    :param camera: size of the frames to come (pixels), so that the first one finds everything
        ready; None while unknown.
    """

    model: Model
    config: EngineConfig
    size: Size
    on_progress: Progress = no_progress
    cancelled: Callable[[], bool] = never
    log: Log = _LOGGER.info
    warn: Log = _LOGGER.warning
    frames: Sequence[NDArray[np.uint8]] = ()
    camera: Size | None = None


class Described:
    """
    What an engine is, in fields.

    :param name: the runtime and its version, like OpenVINO 2026.4.
    :param device: CPU, or the name of the GPU.
    :param precision: of the arithmetic.
    :param on_cpu: whether it computes on the processor that everything else runs on.
    """

    def __init__(self, name: str, device: str, precision: str, *, on_cpu: bool) -> None:
        self.name = name
        self.device = device
        self.precision = precision
        self.on_cpu = on_cpu

    @property
    def description(self) -> str:
        """Name, device and precision in one line, for logs and diagnostics."""
        return f'{self.name}, {self.device}, {self.precision}'


class Engine(Protocol):
    """
    One compiled network; takes frames of any camera size.

    An engine may be used from any thread, but never from two at once.
    """

    facts: dict[str, Any]
    """
    What was built and how well it agrees with the network, for :func:`verify.in_words`; empty
    where the network runs as it is.
    """
    name: str
    """The runtime and its version, like OpenVINO 2026.4."""
    device: str
    """CPU, or the name of the GPU."""
    precision: str
    """Of the arithmetic."""
    on_cpu: bool
    """Whether it computes on the processor that everything else runs on."""

    @property
    def spec(self) -> ModelSpec:
        """What the network is."""

    @property
    def network_size(self) -> Size:
        """The size the network works at (pixels)."""

    @property
    def description(self) -> str:
        """Name, device and precision in one line, for logs and diagnostics."""

    def buffers(self, height: int, width: int) -> Prediction:
        """
        Allocate what :meth:`infer` fills for frames of one size.

        :param height: rows of the frame (pixels).
        :param width: columns of the frame (pixels).
        :returns: a prediction with a buffer for each output the network has.
        """

    def infer(self, frame: NDArray[np.uint8], out: Prediction) -> None:
        """
        Run the network on one frame.

        :param frame: uint8 (H, W, 3) rgb; may be a view with any row stride.
        :param out: buffers of the frame's size; filled.
        :raises EngineError: the engine failed; it may be closed and opened again.
        :raises DataError: the frame is not what it has to be.
        """

    def bare(self) -> None:
        """
        Run the network alone on whatever its input holds; for measuring what is around it.

        :raises EngineError: the engine failed, or has seen no frame yet.
        """

    def close(self) -> None:
        """Free everything; may be called more than once, not while inferring."""
