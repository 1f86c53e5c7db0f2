"""The build process; see :mod:`apart`. It writes lines of JSON to standard output."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from pathlib import Path
import signal
import sys
import threading
import time
from typing import Any, TextIO

from depth_node.engine.tensorrt.apart import JOB, PLAN
from depth_node.engine.tensorrt.builder import build, Settings
from depth_node.engine.tensorrt.cuda import Cuda, load_cuda
from depth_node.engine.tensorrt.library import load_library
from depth_node.engine.tensorrt.limits import Limits, OutOfMemoryError
from depth_node.errors import DepthNodeError
from depth_node.image.size import Size

_POLL_S = 0.1
_ORPHAN_S = 1.0
"""How long a build may go on without the process that asked for it."""


class _Channel(logging.Handler):
    """Writes messages and log records, one per line, from any thread."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def say(self, **message: Any) -> None:
        with self.lock or contextlib.nullcontext():
            self._stream.write(json.dumps(message) + '\n')
            self._stream.flush()

    def emit(self, record: logging.LogRecord) -> None:
        self.say(log=record.levelno, text=record.getMessage())


def main(folder: Path) -> None:
    """
    Build the plan of the job in a folder.

    :param folder: folder with the job and the graph; the plan is written there.
    """
    # Ctrl-C reaches every process of a terminal; the one that asked cancels in good order
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # the kernel shall end this process, not the node
        Path('/proc/self/oom_score_adj').write_text('1000', encoding='ascii')
    # whatever a library prints goes to standard error
    with os.fdopen(os.dup(1), 'w', encoding='utf-8') as stream:
        os.dup2(2, 1)
        channel = _Channel(stream)
        logging.getLogger('depth_node').addHandler(channel)
        logging.getLogger('depth_node').setLevel(logging.DEBUG)
        stop = threading.Event()
        threading.Thread(target=_listen, args=(stop, os.getppid()), daemon=True).start()
        try:
            _build(folder, channel, stop)
        except OutOfMemoryError as error:
            channel.say(
                kind=type(error).__name__, text=str(error), requested=error.requested
            )
        except DepthNodeError as error:
            channel.say(kind=type(error).__name__, text=str(error))
        else:
            channel.say(kind='built')


def _build(folder: Path, channel: _Channel, stop: threading.Event) -> None:
    job = json.loads((folder / JOB).read_text(encoding='utf-8'))
    settings = job['settings']
    library = load_library()
    with contextlib.closing(Cuda(load_cuda(), job['device'])):
        plan = build(
            library,
            (folder / job['graph']).read_bytes(),
            Settings(
                settings['optimization_level'], Size.parse(settings['largest']),
                Size.parse(settings['usual']), settings['capability'],
            ),
            Limits(**job['limits']),
            timing=Path(job['timing']) if job['timing'] else None,
            on_progress=lambda share, stage: channel.say(share=share, stage=stage),
            cancelled=stop.is_set,
        )
    (folder / PLAN).write_bytes(plan)


def _listen(stop: threading.Event, parent: int) -> None:
    """
    Stop when standard input ends: the build was cancelled, or the process that asked is gone.

    TensorRT looks up at every step, and some take long; without the other process there is
    nothing to end it.
    """
    # not through sys.stdin, whose lock would be held at the end of the interpreter
    while os.read(0, 1):
        pass
    stop.set()
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    time.sleep(_ORPHAN_S)
    os._exit(1)


if __name__ == '__main__':
    main(Path(sys.argv[1]))
