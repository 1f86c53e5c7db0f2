"""Progress of TensorRT's nested phases as one increasing share."""

from __future__ import annotations

from collections.abc import Callable
import logging
import threading
from typing import Any

from depth_node.engine.base import Progress

_LOGGER = logging.getLogger(__name__)


def monitor_of(trt: Any, on_progress: Progress, cancelled: Callable[[], bool]) -> Any:
    """
    Return a progress monitor.

    :param trt: the ``tensorrt`` module.
    :param on_progress: called with a share from 0 to 1 and the phase, by one thread at a time.
    :param cancelled: called at every step; returns whether to cancel the build.
    :returns: an ``IProgressMonitor``; its ``failure`` is an exception of `on_progress` or
        `cancelled`, which also cancels the build, or None.
    """
    class Monitor(trt.IProgressMonitor):
        """Called from several threads at once (NvInfer.h)."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.failure: BaseException | None = None
            self._lock = threading.Lock()
            self._phases = _Phases()

        def phase_start(self, phase_name: str, parent_phase: str, num_steps: int) -> None:
            self._note(lambda: self._phases.start(phase_name, parent_phase, num_steps))

        def step_complete(self, phase_name: str, step: int) -> bool:
            self._note(lambda: self._phases.step(phase_name, step))
            with self._lock:
                if self.failure is not None:
                    return False
                try:
                    on_progress(self._phases.share, phase_name)
                    return not cancelled()
                except BaseException as error:  # noqa: BLE001  (TensorRT would only print it)
                    self.failure = error
                    return False

        def phase_finish(self, phase_name: str) -> None:
            self._note(lambda: self._phases.finish(phase_name))

        def _note(self, change: Callable[[], None]) -> None:
            """Update the progress; an error in it must not cancel the build."""
            with self._lock:
                try:
                    change()
                except Exception:
                    _LOGGER.exception('The progress of the build is not available any more')

    return Monitor()


class _Phases:
    """Nested phases, each with a number of steps."""

    def __init__(self) -> None:
        # name to parent, steps, steps done
        self._open: dict[str, tuple[str | None, int, int]] = {}
        self.share = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        self._open[name] = (parent, max(steps, 1), 0)

    def step(self, name: str, step: int) -> None:
        if name in self._open:
            parent, steps, _ = self._open[name]
            self._open[name] = (parent, steps, min(step + 1, steps))
        roots = [name for name, (parent, _, _) in self._open.items() if parent not in self._open]
        if roots:
            self.share = max(self.share, self._share_of(roots[0]))

    def finish(self, name: str) -> None:
        self._open.pop(name, None)

    def _share_of(self, name: str) -> float:
        _, steps, done = self._open[name]
        inner = max(
            (self._share_of(n) for n, (parent, _, _) in self._open.items() if parent == name),
            default=0.0,
        )
        return min(1.0, (done + inner) / steps)
