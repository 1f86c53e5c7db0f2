"""Processes under test: started, watched, ended; nothing of theirs may stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

SHARED_MEMORY = '/dev/shm/'
END_SECONDS = 10.0


class Process:
    """
    One process, whose output goes to a file.

    :param words: the command.
    :param log: where stdout and stderr go, together.
    :param environment: added to that of this process; None as a value takes one out.
    """

    def __init__(
        self, words: Sequence[str], log: Path, environment: Mapping[str, str | None]
    ) -> None:
        env = {**os.environ, 'PYTHONUNBUFFERED': '1', **environment}
        self.log = log
        self.segments: set[Path] = set()
        with log.open('wb') as output:
            self.popen = subprocess.Popen(
                words,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={key: value for key, value in env.items() if value is not None},
            )

    @property
    def output(self) -> str:
        """What the process has written so far."""
        return self.log.read_text(errors='replace')

    def wait_for(self, pattern: str, seconds: float = 30.0) -> re.Match[str]:
        """
        Wait until the output matches.

        :param pattern: regular expression.
        :param seconds: how long at most.
        :returns: the match.
        """
        end = time.monotonic() + seconds
        while True:
            over = self.popen.poll() is not None or time.monotonic() > end
            found = re.search(pattern, self.output)
            if found:
                return found
            if over:
                raise AssertionError(f'no {pattern!r} in the output:\n{self.output}')
            time.sleep(0.02)

    def wait(self, seconds: float = 30.0) -> int:
        """
        Wait for the end.

        :param seconds: how long at most.
        :returns: the exit code, negative for a signal.
        """
        end = time.monotonic() + seconds
        while self.popen.poll() is None:
            self.note_segments()
            if time.monotonic() > end:
                raise AssertionError(f'still running after {seconds:g} s:\n{self.output}')
            time.sleep(0.02)
        return self.popen.wait()

    def stop(self, number: int = signal.SIGTERM, seconds: float = END_SECONDS) -> int:
        """
        Send a signal and wait.

        :param number: the signal.
        :param seconds: how long at most.
        :returns: the exit code, negative for a signal.
        """
        self.note_segments()
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        return self.wait(seconds)

    def note_segments(self) -> None:
        """Remember which shared memory the process has mapped."""
        self.segments |= mapped_segments(self.popen.pid)


class Processes:
    """
    The processes of one test.

    :param folder: where their outputs go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._all: list[Process] = []
        self.leftovers: list[Path] = []

    def python(self, *words: str, env: Mapping[str, str | None] | None = None) -> Process:
        """
        Start Python with some arguments.

        :param words: for example ``'-m', 'depth_node.ros.camera_publisher'``.
        :param env: added to the environment; None takes a variable out.
        :returns: the process.
        """
        return self.start(sys.executable, *words, env=env)

    def start(self, *words: str, env: Mapping[str, str | None] | None = None) -> Process:
        """
        Start a command.

        :param words: the command.
        :param env: added to the environment; None takes a variable out.
        :returns: the process.
        """
        log = self._folder / f'process{len(self._all)}.log'
        process = Process(words, log, env or {})
        self._all.append(process)
        return process

    def end(self) -> None:
        """
        End what still runs, SIGTERM first, and find the shared memory that stayed.

        What a killed process leaves is not its fault: it is removed and not reported.
        """
        for process in self._all:
            process.note_segments()
            if process.popen.poll() is None:
                process.popen.terminate()
        for process in self._all:
            try:
                process.popen.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.popen.kill()
                process.popen.wait()
        seen = set().union(*(process.segments for process in self._all))
        left = sorted(path for path in seen - mapped_segments(os.getpid()) if path.exists())
        for path in left:
            path.unlink(missing_ok=True)
        if not any(process.popen.returncode == -signal.SIGKILL for process in self._all):
            self.leftovers = left


def mapped_segments(pid: int) -> set[Path]:
    """
    List the shared-memory segments of Fast DDS that a process has mapped.

    Its port files are small, numbered, and shared with whoever else runs: nobody's to remove.

    :param pid: process id.
    :returns: their paths; empty when the process has ended.
    """
    try:
        lines = Path(f'/proc/{pid}/maps').read_text().splitlines()
    except OSError:
        return set()
    return {
        Path(line.split(None, 5)[5])
        for line in lines
        if f'{SHARED_MEMORY}fast' in line and '_port' not in line and '(deleted)' not in line
    }


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> bool:
    """
    Poll a condition.

    :param condition: called until it is true.
    :param seconds: how long at most.
    :returns: whether it became true.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())
