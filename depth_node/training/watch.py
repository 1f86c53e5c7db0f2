"""Observers of a run: a progress bar in the terminal, curves and images in TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
import sys
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from depth_node.training.pictures import side_by_side
from depth_node.training.validation import Validation


class Watch(Protocol):
    """Observer of a run."""

    def stepped(self, step: int, figures: Mapping[str, float]) -> None:
        """Handle a step with its `loss`, `images_per_s` and `waiting` share, sometimes more."""

    def validated(self, step: int, validation: Validation) -> None:
        """Handle a validation."""

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
    A progress bar in the terminal; plain lines without a terminal.

    :param total: number of steps of the run.
    :param done: number of steps already done.
    """

    def __init__(self, total: int, done: int) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            total=total, initial=done, unit='step', disable=not sys.stderr.isatty()
        )
        self._write = tqdm.write

    def stepped(self, step: int, figures: Mapping[str, float]) -> None:
        """Advance the bar."""
        self._bar.update(step - self._bar.n)
        self._bar.set_postfix_str(
            f'loss {figures["loss"]:.4f}, {figures["images_per_s"]:.1f} img/s, '
            f'waiting {figures["waiting"]:.0%}',
            refresh=False,
        )

    def validated(self, step: int, validation: Validation) -> None:
        """Print the metrics."""
        words = ', '.join(f'{name} {value:.4f}' for name, value in validation.figures.items())
        self._write(f'step {step}: {words}', file=sys.stderr)

    def close(self) -> None:
        """Restore the terminal."""
        self._bar.close()


class TensorBoardWatch:
    """
    Writer of TensorBoard files.

    :param folder: output folder.
    :param every: steps between scalars.
    """

    def __init__(self, folder: Path, every: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder))
        self._every = every

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
            image: NDArray[np.uint8] = side_by_side(picture)
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


def watching(folder: Path, total: int, done: int, every: int) -> Watch:
    """
    Return the usual observers: a progress bar, and TensorBoard if it is installed.

    :param folder: folder for TensorBoard files.
    :param total: number of steps of the run.
    :param done: number of steps already done.
    :param every: steps between scalars.
    :returns: the observers.
    """
    watches: list[Watch] = [ProgressBar(total, done)]
    try:
        watches.append(TensorBoardWatch(folder, every))
    except ImportError:
        sys.stderr.write('No TensorBoard files are written. Install it: pip install tensorboard\n')
    return WatchGroup(*watches)
