"""Memory limits of a build, which are reduced if they are too high."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
import re
from typing import TypeVar

from depth_node.errors import EngineError

_T = TypeVar('_T')
MB = 2**20
LEAST_WORKSPACE = 64
"""Minimum workspace (MB), below which a reduction does not help."""
_SHARE = 0.5
"""Share of the available memory for trying tactics."""
_NO_MEMORY = re.compile(
    r'out ?of ?memory|insufficient memory|requested size was|allocation failure', re.IGNORECASE
)
_NO_TACTIC = re.compile(r'could not find any implementation', re.IGNORECASE)
_REQUESTED = re.compile(r'requested size (?:was|of) (\d+)', re.IGNORECASE)


class OutOfMemoryError(EngineError):
    """
    A build attempt had not enough memory.

    :param problem: what happened.
    :param requested: requested size (bytes); 0 if unknown.
    """

    def __init__(self, problem: str, requested: int = 0) -> None:
        super().__init__(problem)
        self.requested = requested


class NoMemoryError(EngineError):
    """There is not enough memory to build an engine in any precision."""


@dataclass(frozen=True)
class Limits:
    """
    The memory limits of a build.

    :param workspace: scratch memory of a layer (MB).
    :param tactics: memory for trying tactics (MB); TensorRT's default is all memory of the GPU,
        which on a Jetson is also that of the CPU.
    """

    workspace: int
    tactics: int

    def halved(self) -> Limits | None:
        """Return half of the limits, or None if that is too little."""
        if self.workspace // 2 < LEAST_WORKSPACE:
            return None
        return Limits(self.workspace // 2, max(self.tactics // 2, LEAST_WORKSPACE))


def limits_for(workspace: int, free: int) -> Limits:
    """
    Return the memory limits of a build.

    :param workspace: value of ``engine.workspace_mb`` (MB).
    :param free: available memory, see :func:`memory_for_builds` (bytes).
    :returns: at most half of the free memory, but enough for a build.
    """
    share = max(int(free * _SHARE) // MB, LEAST_WORKSPACE)
    return Limits(min(workspace, share), share)


def memory_for_builds(free_on_gpu: int, integrated: bool, root: Path = Path('/')) -> int:
    """
    Return the available memory for a build.

    :param free_on_gpu: free memory according to CUDA (bytes).
    :param integrated: whether it is also the memory of the CPU: then reclaimable memory counts
        as available.
    :param root: root of the file system.
    :returns: bytes.
    """
    if not integrated:
        return free_on_gpu
    try:
        text = (root / 'proc/meminfo').read_text(encoding='ascii')
    except OSError:
        return free_on_gpu
    found = re.search(r'MemAvailable:\s+(\d+) kB', text)
    return int(found[1]) * 1024 if found else free_on_gpu


def is_out_of_memory(errors: str, warnings: str) -> int | None:
    """
    Return whether a build ran out of memory.

    TensorRT reports it, or it skips every tactic of a layer with a warning and then reports that
    there is no implementation. (The third case is that the kernel kills the process.)

    :param errors: logged errors.
    :param warnings: logged warnings.
    :returns: requested size (bytes), 0 if unknown; None: another failure.
    """
    starved = _NO_TACTIC.search(errors) and _NO_MEMORY.search(warnings)
    if not (starved or _NO_MEMORY.search(errors)):
        return None
    return max((int(n) for n in _REQUESTED.findall(f'{errors} {warnings}')), default=0)


def build_within(
    attempt: Callable[[Limits], _T], limits: Limits, warn: Callable[[str], None]
) -> _T:
    """
    Build, and try again with lower limits if there is not enough memory.

    :param attempt: builds within limits.
    :param limits: initial limits.
    :param warn: called with one line for each further attempt.
    :returns: the result of `attempt`.
    :raises NoMemoryError: there is not enough memory for the lowest limits.
    :raises EngineError: as `attempt`.
    """
    try:
        return attempt(limits)
    except OutOfMemoryError as error:
        smaller = limits.halved()
        if smaller is None:
            asked = f' It requested {error.requested / 1e6:.0f} MB.' if error.requested else ''
            raise NoMemoryError(
                'There is not enough memory to build the engine, even with '
                f'{limits.workspace} MB of workspace: {error.problem}{asked}',
                'Close other programs, add swap, or set a smaller model.input_size.',
            ) from error
        warn(
            f'Out of memory with {limits.workspace} MB of workspace ({error.problem}); '
            f'trying with {smaller.workspace} MB.'
        )
    return build_within(attempt, smaller, warn)
