"""
The errors of this package.

All errors that callers are expected to handle derive from :class:`DepthNodeError`, so that a
single ``except`` is sufficient.
"""

from __future__ import annotations

import os
from pathlib import Path
import traceback

from depth_node.text import printable


class DepthNodeError(Exception):
    """
    A problem that the user can fix.

    The text says what is wrong and what was expected. `remedy` says what to do, and is appended
    to the text, so that a log line is complete. Both may quote external input, so control
    characters are escaped and the length is limited.

    :param problem: what is wrong, and what was expected.
    :param remedy: what the user should do; empty if the problem already says it.
    """

    def __init__(self, problem: str, remedy: str = '') -> None:
        self.problem = printable(problem)
        self.remedy = printable(remedy)
        super().__init__(f'{self.problem} {self.remedy}'.strip() if remedy else self.problem)


class ConfigError(DepthNodeError):
    """A parameter, option or configuration file has an invalid value."""


class ModelError(DepthNodeError):
    """A model is not available, not readable, or does not match its description."""


class ChangedError(ModelError):
    """A file of a model changed while the model was being opened."""


class EngineError(DepthNodeError):
    """An engine cannot be opened or built, or has failed."""


class DeviceLostError(EngineError):
    """The GPU is not usable by this process any more, which must be restarted."""


class CancelledError(EngineError):
    """Opening or building an engine was cancelled."""


class DataError(DepthNodeError):
    """An image, message, calibration or data set is invalid."""


def unexpected(error: BaseException) -> str:
    """
    Describe an unexpected error in one line, with the place that raised it.

    :param error: the exception.
    :returns: its text if it is a :class:`DepthNodeError`; otherwise its type, where it was raised,
        and what to do.
    """
    if isinstance(error, DepthNodeError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f'{os.sep}depth_node{os.sep}' in frame.filename]
    last = [*frames[-1:], *ours[-1:]][-1:]
    place = ''.join(f' ({Path(frame.filename).name}, line {frame.lineno})' for frame in last)
    text = printable(f'{type(error).__name__}: {error}')
    if isinstance(error, (OSError, MemoryError)):
        return f'{text}{place}. The system refuses it: check memory, open files and disks.'
    return f'{text}{place}. This is a bug in depth_node: report it.'
