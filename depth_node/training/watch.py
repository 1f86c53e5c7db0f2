"""Watching a run: a progress bar on the terminal, curves and pictures in TensorBoard."""

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
    """Is told what happens in a run."""

    def stepped(self, step: int, figures: Mapping[str, float]) -> None:
        """Hear of a step: its `loss`, `images_per_s`, `waiting` share; parts now and then."""

    def validated(self, step: int, validation: Validation) -> None:
        """Hear of a validation."""

    def close(self) -> None:
        """Finish."""


class Nobody:
    """Does not watch."""

    def stepped(self, step: int, figures: Mapping[str, float]) -> None:
        """Ignore."""

    def validated(self, step: int, validation: Validation) -> None:
        """Ignore."""

    def close(self) -> None:
        """Do nothing."""


class Bar:
    """
    A progress bar on the terminal; lines where there is none.

    :param total: steps of the whole run.
    :param done: steps done before.
    """

    def __init__(self, total: int, done: int) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            total=total, initial=done, unit='step', disable=not sys.stderr.isatty()
        )
        self._write = tqdm.write

    def stepped(self, step: int, figures: Mapping[str, float]) -> None:
        """Move on."""
        self._bar.update(step - self._bar.n)
        self._bar.set_postfix_str(
            f'loss {figures["loss"]:.4f}, {figures["images_per_s"]:.1f} img/s, '
            f'waiting {figures["waiting"]:.0%}',
            refresh=False,
        )

    def validated(self, step: int, validation: Validation) -> None:
        """Say the figures."""
        words = ', '.join(f'{name} {value:.4f}' for name, value in validation.figures.items())
        self._write(f'step {step}: {words}', file=sys.stderr)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._bar.close()


class Board:
    """
    TensorBoard's files.

    :param folder: to write to.
    :param every: steps between scalars.
    """

    def __init__(self, folder: Path, every: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder))
        self._every = every

    def stepped(self, step: int, figures: Mapping[str, float]) -> None:
        """Write the scalars now and then."""
        if step % self._every == 0:
            for name, value in figures.items():
                self._writer.add_scalar(f'training/{name}', value, step)

    def validated(self, step: int, validation: Validation) -> None:
        """Write figures and pictures."""
        for name, value in validation.figures.items():
            self._writer.add_scalar(f'validation/{name}', value, step)
        for number, picture in enumerate(validation.pictures):
            image: NDArray[np.uint8] = side_by_side(picture)
            self._writer.add_image(f'validation/{number}', image, step, dataformats='HWC')

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class Several:
    """
    Tells several.

    :param watches: whom.
    """

    def __init__(self, *watches: Watch) -> None:
        self._watches = watches

    def stepped(self, step: int, figures: Mapping[str, float]) -> None:
        """Tell all of a step."""
        for watch in self._watches:
            watch.stepped(step, figures)

    def validated(self, step: int, validation: Validation) -> None:
        """Tell all of a validation."""
        for watch in self._watches:
            watch.validated(step, validation)

    def close(self) -> None:
        """Close all, whatever one of them says."""
        for watch in self._watches:
            with suppress(OSError):
                watch.close()


def watching(folder: Path, total: int, done: int, every: int) -> Watch:
    """
    Watch in the usual way: a bar, and TensorBoard where it is installed.

    :param folder: for TensorBoard's files.
    :param total: steps of the whole run.
    :param done: steps done before.
    :param every: steps between scalars.
    :returns: the watch.
    """
    watches: list[Watch] = [Bar(total, done)]
    try:
        watches.append(Board(folder, every))
    except ImportError:
        sys.stderr.write('No TensorBoard files: pip install tensorboard.\n')
    return Several(*watches)
