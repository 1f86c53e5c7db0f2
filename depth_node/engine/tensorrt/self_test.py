"""
The first minute on hardware: whether TensorRT, CUDA and this GPU do what the engine relies on.

Nothing of a user's is needed: a small network is built, run, and compared with ONNX Runtime.
Each check stands for itself, so that one report shows everything that does not hold.
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
    What one check found.

    :param name: of the check.
    :param held: whether it held.
    :param detail: one line.
    :param seconds: how long it took.
    """

    name: str
    held: bool
    detail: str
    seconds: float

    def __str__(self) -> str:
        """Write it in one line."""
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
    Check everything.

    :param config: the ``engine`` parameters; the cache is not used, but a folder that is deleted
        afterwards.
    :param log: takes each finding as soon as there is one.
    :param model: network for precision, speed and cancelling; None: a small one of our own.
    :param size: its size (pixels); None with `model` None.
    :param effort: how much to do; None: as much as says something.
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
