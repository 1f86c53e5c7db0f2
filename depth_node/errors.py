"""
The errors this package raises on purpose.

Everything a caller is expected to handle derives from :class:`DepthNodeError`, so that one
``except`` serves the node, the command line and a user's script alike.
"""

from __future__ import annotations

import os
from pathlib import Path
import traceback

from depth_node.text import printable


class DepthNodeError(Exception):
    """
    Something a user can mend.

    The text names what was wrong and what was expected; `remedy` says what to do about it and
    is appended to the text, so that a log line is complete by itself. Both often quote what came
    from outside, so that control characters are escaped and the length is bounded.

    :param problem: what was found, and what was expected instead.
    :param remedy: what the user does now; empty where the problem already says it.
    """

    def __init__(self, problem: str, remedy: str = '') -> None:
        self.problem = printable(problem)
        self.remedy = printable(remedy)
        super().__init__(f'{self.problem} {self.remedy}'.strip() if remedy else self.problem)


class ConfigError(DepthNodeError):
    """A parameter, option or configuration file holds something that cannot be used."""


class ModelError(DepthNodeError):
    """A model cannot be had, read, or is not what its description says."""


class EngineError(DepthNodeError):
    """An engine cannot be opened, built, or has failed while running."""


class DeviceLostError(EngineError):
    """The GPU no longer serves this process: only another process can go on."""


class CancelledError(EngineError):
    """Opening or building an engine was stopped by whoever asked for it."""


class DataError(DepthNodeError):
    """An image, message, calibration or dataset is not what it has to be."""


def unexpected(error: BaseException) -> str:
    """
    Describe an error that nobody expected, with the place that raised it, in one line.

    :param error: that was raised.
    :returns: its text as it is where it is one of ours; otherwise what it is, where it was
        raised, and what to do.
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
