"""The TensorRT module: its version, and its log messages."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
from dataclasses import dataclass
import functools
import importlib
import logging
import os
import re
import threading
from typing import Any

from depth_node.errors import EngineError

VARIABLE = 'DEPTH_NODE_TENSORRT'
"""
Environment variable with another module to import: `tensorrt_rtx_bindings` for TensorRT for RTX,
whose API is similar to that of TensorRT 11. Only the self-test has been tried with it.
"""
MINIMUM = (10, 3)
"""Minimum version (JetPack 6.1). Before, precision was a flag and not part of the network."""

_LOGGER = logging.getLogger('depth_node.tensorrt')
_REMEDIES = (
    (
        re.compile(r'Target GPU SM \d+ is not supported', re.IGNORECASE),
        ("A TensorRT from the package index hides JetPack's: pip uninstall tensorrt tensorrt-cu12 "
         'tensorrt-cu13, then make the venv with --system-site-packages.'),
    ),
    (
        re.compile(r'version tag|serialization assertion|not compatible', re.IGNORECASE),
        'Build it again: depth-node build.',
    ),
)
"""Messages of TensorRT, and their remedies."""


@dataclass(frozen=True)
class Library:
    """
    The module and its logger, which is unique in a process.

    :param trt: the ``tensorrt`` module.
    :param logger: an ``ILogger`` that stores messages, see :meth:`errors`.
    """

    trt: Any
    logger: Any

    @property
    def name(self) -> str:
        """Name and version, for keys and descriptions."""
        product = 'TensorRT for RTX' if _is_rtx(self.trt) else 'TensorRT'
        return f'{product} {self.trt.__version__}'

    @property
    def version(self) -> tuple[int, ...]:
        """The version as up to four numbers."""
        return numbers(self.trt.__version__)

    def errors(self) -> str:
        """
        Return the errors logged since the last call.

        :returns: one line, empty if there were none.
        """
        return _joined(self.logger.take(logging.ERROR))

    def warnings(self) -> str:
        """
        Return the warnings logged since the last call.

        :returns: one line, empty if there were none.
        """
        return _joined(self.logger.take(logging.WARNING))

    def failed(self, what: str, reason: str = '') -> EngineError:
        """
        Return the error of a failed call.

        :param what: what failed, like `load the engine`.
        :param reason: reason in addition to the log.
        :returns: the error, with a remedy if known.
        """
        text = self.errors()
        if reason and reason not in text:
            text = f'{reason} {text}'.strip()
        remedy = next((advice for pattern, advice in _REMEDIES if pattern.search(text)), '')
        return EngineError(f'{self.name} could not {what}: {text or "no reason given"}', remedy)

    @contextlib.contextmanager
    def guarded(self, what: str) -> Iterator[None]:
        """
        Convert exceptions of TensorRT's bindings to an EngineError.

        :param what: what is done, like `load the engine`.
        :raises EngineError: a call raised RuntimeError or TypeError.
        """
        try:
            yield
        except (RuntimeError, TypeError) as error:
            raise self.failed(what, str(error)) from error


def load_library() -> Library:
    """
    Import TensorRT, and register its plugins.

    :returns: the library.
    :raises EngineError: not installed, or too old.
    """
    try:
        trt = importlib.import_module(os.environ.get(VARIABLE) or 'tensorrt')
    except (ImportError, OSError) as error:
        raise EngineError(
            f'TensorRT cannot be imported ({error}).',
            "On a Jetson install JetPack's (apt install python3-libnvinfer) and make the venv "
            'with --system-site-packages; elsewhere: pip install tensorrt.',
        ) from error
    if numbers(trt.__version__) < MINIMUM and not _is_rtx(trt):
        raise EngineError(
            f'TensorRT is {trt.__version__}, expected 10.3 or later.',
            'On a Jetson install JetPack 6.1 or later.',
        )
    return Library(trt, logger_of(trt))


def numbers(version: str) -> tuple[int, ...]:
    """
    Parse a version.

    :param version: like 10.3.0.30.
    :returns: its numbers, up to the first part that is not a number.
    """
    found = re.match(r'\d+(\.\d+)*', version)
    return tuple(int(part) for part in found[0].split('.')) if found else ()


@functools.cache
def logger_of(trt: Any) -> Any:
    """
    Return the logger, which is the same for the whole process.

    :param trt: the module.
    :returns: an ``ILogger`` with a method ``take``.
    """
    levels = {
        trt.ILogger.INTERNAL_ERROR: logging.ERROR,
        trt.ILogger.ERROR: logging.ERROR,
        trt.ILogger.WARNING: logging.WARNING,
        trt.ILogger.INFO: logging.DEBUG,
    }
    # it warns about what is as it should be; who has a use for a warning takes it
    shown = {logging.WARNING: logging.INFO}

    class Logger(trt.ILogger):
        """Called from TensorRT's threads."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self._lock = threading.Lock()
            self._lines: dict[int, list[str]] = {logging.ERROR: [], logging.WARNING: []}

        def take(self, level: int) -> list[str]:
            with self._lock:
                lines, self._lines[level] = self._lines[level], []
            return lines

        def log(self, severity: Any, message: str) -> None:
            level = levels.get(severity, logging.NOTSET)
            if level in self._lines:
                with self._lock:
                    self._lines[level].append(message)
            if level:
                _LOGGER.log(shown.get(level, level), '%s', message)

    logger = Logger()
    # networks with plugin layers parse and load only when the plugins are registered
    trt.init_libnvinfer_plugins(logger, '')
    return logger


def error_recorder(trt: Any) -> Any:
    """
    Return a recorder of errors at run time.

    :param trt: the module.
    :returns: an ``IErrorRecorder`` with a list ``lines``.
    """
    class Recorder(trt.IErrorRecorder):
        def __init__(self) -> None:
            trt.IErrorRecorder.__init__(self)
            self.lines: list[str] = []
            self._codes: list[Any] = []

        def clear(self) -> None:
            self.lines.clear()
            self._codes.clear()

        def num_errors(self) -> int:
            return len(self.lines)

        def get_error_code(self, index: int) -> Any:
            return self._codes[index]

        def get_error_desc(self, index: int) -> str:
            return self.lines[index]

        def has_overflowed(self) -> bool:
            return False

        def report_error(self, code: Any, description: str) -> bool:
            self._codes.append(code)
            self.lines.append(description)
            return False

    return Recorder()


def _is_rtx(trt: Any) -> bool:
    return 'rtx' in trt.__name__


def _joined(lines: list[str]) -> str:
    return ' '.join(' '.join(line.split()) for line in lines)
