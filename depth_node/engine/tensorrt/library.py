"""The TensorRT module: which version, and what it says while it works."""

from __future__ import annotations

from dataclasses import dataclass
import functools
import logging
from typing import Any

from depth_node.errors import EngineError

MINIMUM = (10, 3)
"""JetPack 6.1. Before, precision was a flag and not part of the network."""

_LOGGER = logging.getLogger('depth_node.tensorrt')


@dataclass(frozen=True)
class Library:
    """
    The module and the one logger it may have in a process.

    :param trt: the ``tensorrt`` module.
    :param logger: an ``ILogger`` that remembers errors, see :meth:`errors`.
    """

    trt: Any
    logger: Any

    @property
    def name(self) -> str:
        """Name and version, for keys and descriptions."""
        return f'TensorRT {self.trt.__version__}'

    def errors(self) -> str:
        """
        Take the errors logged since the last call.

        :returns: one line, empty when there were none.
        """
        lines = [' '.join(line.split()) for line in self.logger.lines]
        self.logger.lines.clear()
        return ' '.join(lines)


def load_library() -> Library:
    """
    Import TensorRT.

    :returns: the library.
    :raises EngineError: not installed, or too old.
    """
    try:
        import tensorrt as trt
    except (ImportError, OSError) as error:
        raise EngineError(
            f'TensorRT cannot be imported ({error}).',
            'On a Jetson it comes with JetPack; elsewhere: pip install tensorrt.',
        ) from error
    version = tuple(int(part) for part in trt.__version__.split('.')[:2])
    if version < MINIMUM:
        raise EngineError(
            f'TensorRT {trt.__version__} is too old; 10.3 and later work.',
            'On a Jetson install JetPack 6.1 or later.',
        )
    return Library(trt, logger_of(trt))


@functools.cache
def logger_of(trt: Any) -> Any:
    """
    Make the logger; TensorRT keeps the first one it is given for the whole process.

    :param trt: the module.
    :returns: an ``ILogger`` with a list ``lines`` of errors, always the same one.
    """
    levels = {
        trt.ILogger.INTERNAL_ERROR: logging.ERROR,
        trt.ILogger.ERROR: logging.ERROR,
        trt.ILogger.WARNING: logging.INFO,  # it warns about what is as it should be
        trt.ILogger.INFO: logging.DEBUG,
    }

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.lines: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            level = levels.get(severity, logging.NOTSET)
            if level == logging.ERROR:
                self.lines.append(message)
            if level:
                _LOGGER.log(level, '%s', message)

    return Logger()


def error_recorder(trt: Any) -> Any:
    """
    Make a recorder of what goes wrong at run time.

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
