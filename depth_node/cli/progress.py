"""Progress bars for long work, on terminals only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
import contextlib
import sys
from typing import Any, TypeVar

_Item = TypeVar('_Item')


def progress(items: Iterable[_Item], total: int | None, unit: str) -> Iterator[_Item]:
    """
    Show the progress of a loop, after two seconds and only on a terminal.

    :param items: the items of the loop.
    :param total: number of items; None: unknown.
    :param unit: name of an item, singular.
    :returns: the items.
    """
    if sys.stderr.isatty():
        try:
            from tqdm import tqdm
        except ImportError:
            pass  # an extra; the work is the same without
        else:
            items = tqdm(items, total=total, unit=unit, delay=2.0, leave=False)
    yield from items


@contextlib.contextmanager
def build_bar() -> Iterator[Callable[[float, str], None]]:
    """
    Show the progress of a build, after two seconds and only on a terminal.

    :returns: a function to call with a share from 0 to 1 and the stage.
    """
    with contextlib.ExitStack() as stack:
        bar: Any = None
        if sys.stderr.isatty():
            with contextlib.suppress(ImportError):  # an extra; the work is the same without
                from tqdm import tqdm

                bar = stack.enter_context(tqdm(total=100, unit='%', delay=2.0, leave=False))

        def show(share: float, stage: str) -> None:
            if bar is not None:
                bar.set_description(stage, refresh=False)
                bar.n = round(100 * share)
                bar.refresh()

        yield show


class ByteBar:
    """
    Shows how much of some files is done, after two seconds and only on a terminal.

    :param total: size of all files (bytes).
    """

    def __init__(self, total: int) -> None:
        self._bar: Any = None
        if sys.stderr.isatty():
            with contextlib.suppress(ImportError):  # an extra; the work is the same without
                from tqdm import tqdm

                self._bar = tqdm(
                    total=total, unit='B', unit_scale=True, delay=2.0, leave=False
                )

    def advance(self, count: int) -> None:
        """
        Show that more is done.

        :param count: how much (bytes).
        """
        if self._bar is not None:
            self._bar.update(count)

    def clear(self) -> None:
        """Make room for a line of output; the bar comes back when it advances."""
        if self._bar is not None:
            self._bar.clear()

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
