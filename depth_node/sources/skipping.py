"""What a source does with a frame that it cannot read: raise, or tell and go on."""

from __future__ import annotations

from collections.abc import Callable
import logging
from typing import TypeAlias

from depth_node.errors import DataError

OnSkip: TypeAlias = Callable[[DataError], None]
"""Called with the reason for every frame that is left out."""


log = logging.getLogger(__name__)


def warn(error: DataError) -> None:
    """
    Log why a frame is left out, and go on.

    :param error: why it cannot be read.
    """
    log.warning('%s', error)


def refuse(error: DataError) -> None:
    """
    Leave no frame out.

    :param error: why one cannot be read.
    :raises DataError: always.
    """
    raise error
