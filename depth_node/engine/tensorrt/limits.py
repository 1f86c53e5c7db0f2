"""How much memory a build may take, and what to do when that was too much."""

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
"""MB; below, a build that is out of memory has no use of less."""
_SHARE = 0.5
"""Of the available memory that tactics may take while they are tried."""
_NO_MEMORY = re.compile(
    r'out ?of ?memory|insufficient memory|requested size was|allocation failure', re.IGNORECASE
)
_NO_TACTIC = re.compile(r'could not find any implementation', re.IGNORECASE)
_REQUESTED = re.compile(r'requested size (?:was|of) (\d+)', re.IGNORECASE)


class OutOfMemoryError(EngineError):
    """
    One attempt at a build did not fit.

    :param problem: what happened.
    :param requested: bytes that were asked for; 0 where that is not known.
    """

    def __init__(self, problem: str, requested: int = 0) -> None:
        super().__init__(problem)
        self.requested = requested


class NoMemoryError(EngineError):
    """There is not enough memory to build an engine, in whichever precision."""


@dataclass(frozen=True)
class Limits:
    """
    What a build may take.

    :param workspace: scratch memory of a layer (MB).
    :param tactics: memory for trying tactics (MB); TensorRT's default is all of the GPU's, of
        which a Jetson's processor has its memory too.
    """

    workspace: int
    tactics: int

    def halved(self) -> Limits | None:
        """Return half of it, or None when that is too little to be of use."""
        if self.workspace // 2 < LEAST_WORKSPACE:
            return None
        return Limits(self.workspace // 2, max(self.tactics // 2, LEAST_WORKSPACE))


def limits_for(workspace: int, free: int) -> Limits:
    """
    Choose what a build may take.

    :param workspace: wanted, as ``engine.workspace_mb`` has it (MB).
    :param free: memory there is, see :func:`memory_for_builds` (bytes).
    :returns: at most half of what is free, but never so little that nothing builds.
    """
    share = max(int(free * _SHARE) // MB, LEAST_WORKSPACE)
    return Limits(min(workspace, share), share)


def memory_for_builds(free_on_gpu: int, integrated: bool, root: Path = Path('/')) -> int:
    """
    Find how much memory there is for a build.

    :param free_on_gpu: as CUDA says (bytes).
    :param integrated: whether that is the processor's memory too: then what other programs can
        be asked to give back counts, and what they need does not.
    :param root: of the file system.
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
    Recognize a build that ran out of memory.

    TensorRT says so, or it skips every tactic of a layer with a warning each and then says that
    it has no implementation. (The third shape is the kernel killing the process.)

    :param errors: what was logged.
    :param warnings: what was logged.
    :returns: bytes that were asked for, 0 where that is not known; None: it is another failure.
    """
    starved = _NO_TACTIC.search(errors) and _NO_MEMORY.search(warnings)
    if not (starved or _NO_MEMORY.search(errors)):
        return None
    return max((int(n) for n in _REQUESTED.findall(f'{errors} {warnings}')), default=0)


def build_within(
    attempt: Callable[[Limits], _T], limits: Limits, warn: Callable[[str], None]
) -> _T:
    """
    Build, with less memory again when it does not suffice.

    :param attempt: builds within limits.
    :param limits: to begin with.
    :param warn: takes one line for each further try.
    :returns: what `attempt` returns.
    :raises NoMemoryError: not even the least is little enough.
    :raises EngineError: as `attempt`.
    """
    try:
        return attempt(limits)
    except OutOfMemoryError as error:
        smaller = limits.halved()
        if smaller is None:
            asked = f' It asked for {error.requested / 1e6:.0f} MB.' if error.requested else ''
            raise NoMemoryError(
                'There is not enough memory to build the engine, even with '
                f'{limits.workspace} MB of workspace: {error.problem}{asked}',
                'Close other programs, add swap, or take a smaller model.input_size.',
            ) from error
        warn(
            f'Out of memory with {limits.workspace} MB of workspace ({error.problem}); '
            f'trying with {smaller.workspace} MB.'
        )
    return build_within(attempt, smaller, warn)
