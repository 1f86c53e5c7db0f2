"""Width and height of an image."""

from __future__ import annotations

import re
from typing import NamedTuple

from depth_node.errors import DataError

_SIZE = re.compile(r'([1-9][0-9]{0,8})[xX]([1-9][0-9]{0,8})')


class Size(NamedTuple):
    """Width and height in pixels, written as 640x192."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """
        Parse a size.

        :param text: for example ``640x192``.
        :returns: the size.
        :raises DataError: not two positive integers separated by an x.
        """
        found = _SIZE.fullmatch(text)
        if found is None:
            raise DataError(f'{text!r:.40} is not a size.', 'Write WIDTHxHEIGHT, like 640x192.')
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        """Return the size as WIDTHxHEIGHT."""
        return f'{self.width}x{self.height}'
