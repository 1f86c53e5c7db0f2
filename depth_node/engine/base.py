"""What every engine is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from depth_node.image.size import Size
from depth_node.model import ModelSpec
from depth_node.model.prediction import Prediction

Progress: TypeAlias = Callable[[float, str], None]
"""Called with a share from 0 to 1 and the name of the stage."""
Log: TypeAlias = Callable[[str], None]
"""Called with one line for people."""


def no_progress(_share: float, _stage: str) -> None:
    """Tell nobody."""


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
        """Engine, device and precision in one line, for logs and diagnostics."""

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
