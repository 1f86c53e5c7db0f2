"""The interface of engines."""

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
"""Called with one line of text."""


def no_progress(_share: float, _stage: str) -> None:
    """Ignore the progress."""


@dataclass(frozen=True)
class Request:
    """
    The arguments for opening an engine.

    :param model: the network.
    :param config: the ``engine`` parameters.
    :param size: the size to run at (pixels).
    :param on_progress: called with a share from 0 to 1 and the name of the stage.
    :param cancelled: called regularly; returns whether to cancel.
    :param log: called with one line at a time.
    :param warn: called with important lines.
    :param frames: frames of the user for verification, uint8 (H, W, 3) rgb.
    :param camera: size of the expected frames (pixels), to prepare for them; None if unknown.
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
    The properties of an engine.

    :param name: runtime and version, like OpenVINO 2026.4.
    :param device: CPU, or the name of the GPU.
    :param precision: arithmetic precision.
    :param on_cpu: whether it computes on the CPU.
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
    One compiled network, for frames of any camera size.

    An engine may be used from any thread, but never from two at once.
    """

    facts: dict[str, Any]
    """
    What was built and how accurate it is, for :func:`verify.in_words`; empty if the network is
    run unmodified.
    """
    name: str
    """Runtime and version, like OpenVINO 2026.4."""
    device: str
    """CPU, or the name of the GPU."""
    precision: str
    """Arithmetic precision."""
    on_cpu: bool
    """Whether it computes on the CPU."""

    @property
    def spec(self) -> ModelSpec:
        """Description of the network."""

    @property
    def network_size(self) -> Size:
        """Input size of the network (pixels)."""

    @property
    def description(self) -> str:
        """Name, device and precision in one line, for logs and diagnostics."""

    def buffers(self, height: int, width: int) -> Prediction:
        """
        Return buffers for :meth:`infer`, for frames of one size.

        :param height: rows of the frame (pixels).
        :param width: columns of the frame (pixels).
        :returns: a prediction with a buffer for each output of the network.
        """

    def infer(self, frame: NDArray[np.uint8], out: Prediction) -> None:
        """
        Run the network on one frame.

        :param frame: uint8 (H, W, 3) rgb, with any row stride.
        :param out: buffers of the size of the frame, to be filled.
        :raises EngineError: the engine failed; it can be closed and opened again.
        :raises DataError: the frame is invalid.
        """

    def bare(self) -> None:
        """
        Run the network alone on its current input, for measurements.

        :raises EngineError: the engine failed, or has had no frame yet.
        """

    def close(self) -> None:
        """Free everything; may be called repeatedly, but not during inference."""
