"""Types of options that are numbers: checked while the command line is read."""

from __future__ import annotations

import argparse
from collections.abc import Callable
import math
import re

_MOST_FRAMES = 10**9
_LONGEST = 40
_WHOLE = re.compile(r'[+-]?[0-9]{1,18}')


def integer(low: int, high: int) -> Callable[[str], int]:
    """
    Make the type of an option that is a whole number.

    :param low: smallest value.
    :param high: largest value.
    :returns: for `type` of add_argument; raises ArgumentTypeError.
    """
    def parse(text: str) -> int:
        number = int(text) if _WHOLE.fullmatch(text.strip()) else None
        if number is None or not low <= number <= high:
            raise argparse.ArgumentTypeError(
                f'{text!r:.{_LONGEST}} is not a whole number from {low} to {high}'
            )
        return number

    return parse


def real(low: float, high: float) -> Callable[[str], float]:
    """
    Make the type of an option that is a number.

    :param low: smallest value.
    :param high: largest value.
    :returns: for `type` of add_argument; raises ArgumentTypeError.
    """
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not low <= number <= high:  # NaN is in no interval
            raise argparse.ArgumentTypeError(
                f'{text!r:.{_LONGEST}} is not a number from {low:g} to {high:g}'
            )
        return number

    return parse


frames = integer(0, _MOST_FRAMES)
"""A number of frames; 0 means all."""
metres = real(0.0, 1e6)
"""A length (m)."""


def interval(text: str) -> tuple[float, float]:
    """
    Read an interval of lengths, the type of an option.

    :param text: NEAR,FAR (m).
    :returns: both, the first one smaller.
    :raises ArgumentTypeError: it is not.
    """
    near, comma, far = text.partition(',')
    ends = metres(near), metres(far) if comma else math.nan
    if not ends[0] < ends[1]:
        raise argparse.ArgumentTypeError(
            f'{text!r:.{_LONGEST}} is not NEAR,FAR in metres, the first less than the second'
        )
    return ends
