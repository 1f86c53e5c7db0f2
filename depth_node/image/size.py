"""Width and height of an image."""

from __future__ import annotations

from typing import NamedTuple

from depth_node.errors import DataError


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
        width, _, height = text.lower().partition('x')
        digits = width.isdecimal() and height.isdecimal() and len(text) < 20
        if not (digits and int(width) and int(height)):
            raise DataError(f'{text!r} is not a size.', 'Write WIDTHxHEIGHT, like 640x192.')
        return cls(int(width), int(height))

    def __str__(self) -> str:
        """Return the size as WIDTHxHEIGHT."""
        return f'{self.width}x{self.height}'
