"""
The self-test: whether TensorRT, CUDA and this GPU behave as the engine expects.

It needs no data of the user: a small network is built, run, and compared with ONNX Runtime. The
checks are independent, so that one report shows all failures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
import tempfile
import time

from depth_node.config import EngineConfig
from depth_node.engine.base import Log
from depth_node.engine.tensorrt.trials import Effort, Trials
from depth_node.errors import DepthNodeError
from depth_node.image.size import Size
from depth_node.model import Model


@dataclass(frozen=True)
class Finding:
    """
    The result of one check.

    :param name: name of the check.
    :param held: whether it passed.
    :param detail: one line.
    :param seconds: its duration (s).
    """

    name: str
    held: bool
    detail: str
    seconds: float

    def __str__(self) -> str:
        """Return the result in one line."""
        mark = 'ok  ' if self.held else 'FAIL'
        return f'{mark} {self.name:<11} {self.seconds:6.1f} s  {self.detail}'


def self_test(
    config: EngineConfig,
    log: Log,
    *,
    model: Model | None = None,
    size: Size | None = None,
    effort: Effort | None = None,
) -> list[Finding]:
    """
    Run all checks.

    :param config: the ``engine`` parameters; a temporary folder is used instead of the cache.
    :param log: called with each result.
    :param model: network for precision, speed and cancelling; None: a small built-in one.
    :param size: its size (pixels); None if `model` is None.
    :param effort: extent of the checks; None: the default.
    :returns: the findings, in order.
    :raises EngineError: there is no TensorRT or no GPU to check.
    """
    with tempfile.TemporaryDirectory(prefix='depth_node-') as folder:
        trials = Trials(config, Path(folder), effort or Effort(), model, size)
        findings = []
        for name, trial in trials.all().items():
            started = time.monotonic()
            try:
                detail, held = trial(), True
            except DepthNodeError as error:
                detail, held = str(error), False
            except Exception as error:  # noqa: BLE001  a library raises what it likes
                detail, held = f'{type(error).__name__}: {error}', False
            findings.append(Finding(name, held, detail, time.monotonic() - started))
            log(str(findings[-1]))
        return findings
