"""Where a running node is drawn: the viewer, which this room does not know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.camera.rigid import Matrix


class Canvas(Protocol):
    """Where one camera is drawn, see ``viewer.drawing.Drawing``."""

    def at(self, stamp: int | None) -> None:
        """Set the time of what is drawn next (ns)."""

    def world(self, *, body: bool) -> None:
        """Say how the axes of the fixed frame point."""

    def pose(self, fixed_from_optical: Matrix) -> None:
        """Place the camera in the fixed frame."""

    def camera(self, camera: Camera) -> None:
        """Draw where the camera looks."""

    def picture(self, rgb: NDArray[np.uint8]) -> None:
        """Draw the picture of the camera."""

    def depth(self, metres: NDArray[np.float32]) -> None:
        """Draw the depth image."""

    def relative(self, values: NDArray[np.float32]) -> None:
        """Draw the output of a network without a scale."""

    def confidence(self, values: NDArray[np.float32]) -> None:
        """Draw the confidence of the pixels."""

    def cloud(
        self, xyz: NDArray[np.float32], packed: NDArray[np.uint32] | None = None,
        optical_from_cloud: Matrix | None = None,
    ) -> None:
        """Draw the cloud."""

    def obstacles(self, xyz: NDArray[np.float32]) -> None:
        """Draw the obstacles, in the optical frame."""

    def scan(self, ends: NDArray[np.float64], optical_from_scan: Matrix) -> None:
        """Draw the ends of a scan's beams."""

    def series(self, name: str, value: float) -> None:
        """Add a value to a time series."""

    def note(self, text: str) -> None:
        """Add a line of text."""


@dataclass(frozen=True)
class Names:
    """
    Names of the time series on the canvas.

    :param latency: from the stamp of a frame to the arrival of its depth (ms).
    :param of_status: key of the node's diagnostics to the series of its value.
    """

    latency: str
    of_status: dict[str, str]
