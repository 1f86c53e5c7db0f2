"""
Building of engines in a separate process.

The process returns all of its memory when it ends, and a build needs several times the memory of
the engine. If memory runs out, the kernel kills it instead of the node. And the threads of the
node keep running, while starting TensorRT's builder alone holds the GIL for seconds.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import json
import logging
import os
from pathlib import Path
import queue
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from depth_node.engine.base import no_progress, Progress
from depth_node.engine.tensorrt.builder import Settings
from depth_node.engine.tensorrt.limits import Limits, OutOfMemoryError
from depth_node.errors import CancelledError, EngineError
from depth_node.process import never, own_folder, python

PLAN, JOB, NOISE = 'plan', 'job.json', 'stderr'
"""Files in the shared folder of both processes."""
_POLL_S = 0.1
_PATIENCE_S = 20.0
"""How long a cancelled build may take to write its measurements (s)."""
_LOGGER = logging.getLogger('depth_node.tensorrt')


def build_apart(
    graph: Path,
    settings: Settings,
    limits: Limits,
    *,
    device: int = 0,
    timing: Path | None = None,
    on_progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
) -> bytes:
    """
    Build a plan in a separate process.

    :param graph: file of a merged graph, alone in a folder that both processes can write to.
    :param settings: settings of the build.
    :param limits: memory limits.
    :param device: index of the GPU.
    :param timing: file of the timing cache, or None.
    :param on_progress: called with a share from 0 to 1 and the stage, in this thread.
    :param cancelled: called several times per second; returns whether to cancel.
    :returns: the plan.
    :raises OutOfMemoryError: not enough memory, or the process was killed.
    :raises EngineError: TensorRT does not support the graph, or cannot be started.
    :raises CancelledError: it was cancelled.
    """
    folder = graph.parent.resolve()
    job = {
        'graph': graph.name, 'settings': _plain(settings), 'limits': dataclasses.asdict(limits),
        'device': device, 'timing': str(timing.resolve()) if timing else '',
    }
    (folder / JOB).write_text(json.dumps(job), encoding='utf-8')
    with (folder / NOISE).open('wb') as noise:
        process = subprocess.Popen(  # noqa: S603  (our own module)
            [*python(), '-m', 'depth_node.engine.tensorrt.worker', str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=noise, cwd=own_folder(),
            env={**os.environ, 'PYTHONPATH': os.pathsep.join(filter(os.path.isabs, sys.path))},
        )
    try:
        outcome = _followed(process, on_progress, cancelled)
    finally:
        _end(process)
    return _result(folder, process.returncode, outcome, cancelled)


def _plain(settings: Settings) -> dict[str, Any]:
    return {
        **dataclasses.asdict(settings),
        'largest': str(settings.largest), 'usual': str(settings.usual),
    }


def _followed(
    process: subprocess.Popen[bytes], on_progress: Progress, cancelled: Callable[[], bool]
) -> dict[str, Any]:
    """Forward the output of the process until it ends; return its last message, if any."""
    said: queue.Queue[dict[str, Any] | None] = queue.Queue()
    threading.Thread(target=_read, args=(process, said), daemon=True).start()
    outcome: dict[str, Any] = {}
    deadline = 0.0
    while True:
        try:
            message = said.get(timeout=_POLL_S)
        except queue.Empty:
            message = {}
        if message is None:
            return outcome
        if 'log' in message:
            _LOGGER.log(message['log'], '%s', message['text'])
        elif 'share' in message:
            on_progress(message['share'], message['stage'])
        elif message:
            outcome = message
        if deadline and time.monotonic() > deadline:
            process.kill()
        elif not deadline and process.stdin is not None and cancelled():
            process.stdin.close()  # the sign to stop
            deadline = time.monotonic() + _PATIENCE_S


def _read(
    process: subprocess.Popen[bytes], said: queue.Queue[dict[str, Any] | None]
) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        try:
            message = json.loads(line)
        except ValueError:
            continue
        said.put(message if isinstance(message, dict) else {})
    said.put(None)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process, which may have minutes of work left."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise


def _result(
    folder: Path, code: int, outcome: dict[str, Any], cancelled: Callable[[], bool]
) -> bytes:
    kind, text = outcome.get('kind'), str(outcome.get('text', ''))
    if kind == 'built' and code == 0:
        return (folder / PLAN).read_bytes()
    if cancelled():
        raise CancelledError('Building the engine was cancelled.')
    if kind == OutOfMemoryError.__name__:
        raise OutOfMemoryError(text, int(outcome.get('requested', 0)))
    if kind is not None:
        raise EngineError(text)
    if code == -signal.SIGKILL:
        raise OutOfMemoryError('the build process was killed, probably by the kernel')
    noise = (folder / NOISE).read_text(encoding='utf-8', errors='replace').split('\n')
    last = ' '.join(line.strip() for line in noise[-4:] if line.strip())
    how = f'signal {-code}' if code < 0 else f'code {code}'
    raise EngineError(f'The build process of the engine ended with {how}: {last or "no message"}')
