"""Observers of a run: a progress bar, a sheet of pictures, curves and images in TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
import sys
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from depth_node.output.sheet import sheet
from depth_node.output.writers import write_picture
from depth_node.training.pictures import panels, validation_sheet
from depth_node.training.validation import Validation

PART = 'loss/'
"""Start of the names of the figures whose sum is the figure `loss`."""


class Watch(Protocol):
    """Observer of a run."""

    def stepped(self, step: int, figures: Mapping[str, float]) -> None:
        """
        Handle a step.

        Its figures are the `loss`, its parts (`loss/NAME`), the share of pixels `used`,
        `gradient`, `learning_rate`, `images_per_s` and the share of time `waiting`.
        """

    def validated(self, step: int, validation: Validation) -> None:
        """Handle a validation, which comes before the step it belongs to is reported."""

    def close(self) -> None:
        """Close the observer."""


class NullWatch:
    """Observer that does nothing."""

    def stepped(self, step: int, figures: Mapping[str, float]) -> None:
        """Do nothing."""

    def validated(self, step: int, validation: Validation) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class ProgressBar:
    """
    A progress bar in the terminal; nothing without a terminal.

    :param total: number of steps of the run.
    :param done: number of steps already done.
    """

    def __init__(self, total: int, done: int) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            total=total, initial=done, unit='step', disable=not sys.stderr.isatty()
        )

    def stepped(self, step: int, figures: Mapping[str, float]) -> None:
        """Advance the bar."""
        self._bar.update(step - self._bar.n)
        self._bar.set_postfix_str(
            f'loss {figures["loss"]:.4f}, {figures["images_per_s"]:.1f} img/s, '
            f'waiting {figures["waiting"]:.0%}',
            refresh=False,
        )

    def validated(self, step: int, validation: Validation) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Restore the terminal."""
        self._bar.close()


def beside_the_bar(say: Callable[[str], None]) -> Callable[[str], None]:
    """
    Keep lines and a progress bar in the same terminal apart.

    :param say: prints a line.
    :returns: a function that does the same while the bar is out of the way.
    """
    from tqdm import tqdm

    def said(line: str) -> None:
        with tqdm.external_write_mode():
            say(line)

    return said


class SheetWatch:
    """
    Writer of a picture with the frames of the latest validation.

    :param path: the PNG file, which each validation replaces.
    :param metric: whether the learned depth is in metres.
    """

    def __init__(self, path: Path, *, metric: bool) -> None:
        self._path, self._metric = path, metric

    def stepped(self, step: int, figures: Mapping[str, float]) -> None:
        """Do nothing."""

    def validated(self, step: int, validation: Validation) -> None:
        """Draw the frames."""
        words = ', '.join(f'{name} {value:.3g}' for name, value in validation.figures.items())
        write_picture(self._path, validation_sheet(
            validation.pictures, f'step {step}: {words}', metric=self._metric
        ))

    def close(self) -> None:
        """Do nothing: the file is complete."""


class TensorBoardWatch:
    """
    Writer of TensorBoard files.

    :param folder: output folder.
    :param every: steps between scalars.
    :param metric: whether the learned depth is in metres.
    """

    def __init__(self, folder: Path, every: int, *, metric: bool) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder))
        self._every, self._metric = every, metric

    def stepped(self, step: int, figures: Mapping[str, float]) -> None:
        """Write the scalars at intervals."""
        if step % self._every == 0:
            for name, value in figures.items():
                self._writer.add_scalar(f'training/{name}', value, step)

    def validated(self, step: int, validation: Validation) -> None:
        """Write metrics and images."""
        for name, value in validation.figures.items():
            self._writer.add_scalar(f'validation/{name}', value, step)
        for number, picture in enumerate(validation.pictures):
            image: NDArray[np.uint8] = sheet(panels(picture, metric=self._metric), 4)[..., ::-1]
            self._writer.add_image(f'validation/{number}', image, step, dataformats='HWC')

    def close(self) -> None:
        """Flush the files."""
        self._writer.close()


class WatchGroup:
    """
    Forwards to several observers.

    :param watches: the observers.
    """

    def __init__(self, *watches: Watch) -> None:
        self._watches = watches

    def stepped(self, step: int, figures: Mapping[str, float]) -> None:
        """Forward a step."""
        for watch in self._watches:
            watch.stepped(step, figures)

    def validated(self, step: int, validation: Validation) -> None:
        """Forward a validation."""
        for watch in self._watches:
            watch.validated(step, validation)

    def close(self) -> None:
        """Close all, even if one of them fails."""
        for watch in self._watches:
            with suppress(OSError):
                watch.close()


def watching(
    out: Path, lines: Watch, total: int, done: int, every: int, *, metric: bool
) -> Watch:
    """
    Return the usual observers: printed lines, a progress bar, a sheet of pictures, TensorBoard.

    :param out: folder for `validation.png` and TensorBoard's files, which need its package.
    :param lines: prints the lines.
    :param total: number of steps of the run.
    :param done: number of steps already done.
    :param every: steps between scalars.
    :param metric: whether the learned depth is in metres.
    :returns: the observers.
    """
    picture = SheetWatch(out / 'validation.png', metric=metric)
    watches: list[Watch] = [lines, ProgressBar(total, done), picture]
    try:
        watches.append(TensorBoardWatch(out / 'tensorboard', every, metric=metric))
    except ImportError:
        sys.stderr.write('No TensorBoard files are written. Install it: pip install tensorboard\n')
    return WatchGroup(*watches)
