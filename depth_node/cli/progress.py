"""A progress bar on work that takes a while, for people only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
import sys
from typing import TypeVar

_Item = TypeVar('_Item')


def progress(items: Iterable[_Item], total: int | None, unit: str) -> Iterator[_Item]:
    """
    Show how far a loop is: after two seconds, and only on a terminal.

    :param items: to walk over.
    :param total: how many there are; None: nobody knows.
    :param unit: what they are, singular.
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
