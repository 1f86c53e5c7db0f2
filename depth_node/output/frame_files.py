"""The files of one frame: depth for programs, pictures for eyes, a cloud."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.cloud.maker import CloudMaker
from depth_node.image.color import colorize
from depth_node.image.color_range import ColorRange
from depth_node.model import OutputKind
from depth_node.output.sheet import frame_panels, Panel, relative_panels, sheet
from depth_node.output.writers import write_cloud, write_millimetres, write_npy, write_picture
from depth_node.scale.align import relative_colors
from depth_node.sources.frame import Frame

DEFAULT = ('npy', 'png', 'color', 'ply')
KINDS = (*DEFAULT, 'sheet')
"""What can be written of a frame."""

Plane = NDArray[np.float32]


class FrameFiles:
    """
    Writes the files of frames.

    :param out: the folder.
    :param kinds: which files, some of `KINDS`.
    :param warn: called with what could not be written, and why.
    :param upright: whether clouds stand in programs that open them, instead of in the optical
        frame.
    """

    def __init__(
        self, out: Path, kinds: frozenset[str], warn: Callable[[str], None], *,
        upright: bool = False,
    ) -> None:
        self._out, self._kinds, self._warn = out, kinds, warn
        self._upright = upright
        self._maker: tuple[Camera, CloudMaker] | None = None

    def metres(self, name: str, frame: Frame, depth: Plane, colors: ColorRange) -> None:
        """
        Write a frame with metric depth.

        :param name: start of the names of its files.
        :param frame: the frame; with a truth the sheet shows it, with a camera there is a cloud.
        :param depth: float32 (H, W) (m).
        :param colors: the range of the colors.
        :raises DataError: a file cannot be written.
        """
        if 'npy' in self._kinds:
            write_npy(self._path(name, 'depth.npy'), depth)
        if 'png' in self._kinds:
            write_millimetres(self._path(name, 'depth.png'), depth)
        if self._kinds & {'color', 'sheet'}:
            ends = colors.metres(depth, *([] if frame.depth is None else [frame.depth]))
            self._picture(name, colorize(depth, *ends, bar=True))
            self._sheet(name, frame_panels(frame.rgb, depth, frame.depth, *ends))
        if 'ply' in self._kinds:
            self._cloud(name, frame, depth)

    def relative(
        self, name: str, frame: Frame, values: Plane, kind: OutputKind, colors: ColorRange
    ) -> None:
        """
        Write the output of the network of a frame without metric depth.

        :param name: start of the names of its files.
        :param frame: the frame.
        :param values: float32 (H, W), the output.
        :param kind: its meaning.
        :param colors: the range of the colors.
        :raises DataError: a file cannot be written.
        """
        if 'npy' in self._kinds:
            write_npy(self._path(name, 'relative.npy'), values)
        ends = colors.relative(values, relative_colors(values, kind))
        self._picture(name, colorize(values, *ends))
        self._sheet(name, relative_panels(frame.rgb, values, *ends))

    def disparity(self, name: str, frame: Frame, pixels: Plane, colors: ColorRange) -> None:
        """
        Write a frame with disparity.

        :param name: start of the names of its files.
        :param frame: the frame.
        :param pixels: float32 (H, W) (pixels).
        :param colors: the range of the colors.
        :raises DataError: a file cannot be written.
        """
        write_npy(self._path(name, 'disparity.npy'), pixels)
        high = float(np.max(pixels, initial=0.0, where=np.isfinite(pixels))) or 1.0
        ends = colors.relative(pixels, (high, 0.0))
        self._picture(name, colorize(pixels, *ends))
        self._sheet(name, relative_panels(frame.rgb, pixels, *ends, 'disparity'))

    def _path(self, name: str, ending: str) -> Path:
        return self._out / f'{name}_{ending}'

    def _picture(self, name: str, picture: NDArray[np.uint8]) -> None:
        if 'color' in self._kinds:
            write_picture(self._path(name, 'color.png'), picture)

    def _sheet(self, name: str, panels: list[Panel]) -> None:
        if 'sheet' in self._kinds:
            write_picture(self._path(name, 'sheet.png'), sheet(panels, columns=2))

    def _cloud(self, name: str, frame: Frame, depth: Plane) -> None:
        camera = frame.camera
        if camera is None:
            self._warn(
                'No cloud is written, because there is no calibration. Add --camera or --hfov.',
            )
            return
        if self._maker is None or self._maker[0] != camera:
            self._maker = camera, CloudMaker(camera.rays())
        write_cloud(
            self._out / f'{name}.ply', depth, self._maker[1], frame.rgb, upright=self._upright
        )
