"""
Rows of the tables, which are saved one at a time.

A run may be cut at any moment, and a library may end the process. So every row is written to a
file as soon as it is there, and a line before it says that it was begun: a row that was begun
twice without an end is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
import functools
import json
import math
import os
from pathlib import Path
import statistics
import time
from typing import Any

from device import Device

from depth_node.errors import DepthNodeError

Row = dict[str, Any]
ROWS, MACHINE = 'rows.jsonl', 'machine.json'
"""Files in the folder of results: the rows, and what they were measured on."""
NOT_MADE = 'not_made'
"""Key of the reason in a row without numbers."""
TRIES = 2
_LEAST_S = 5.0
"""Time left below which no row is begun (s)."""


class Journal:
    """
    The rows of one device.

    :param path: the file, one JSON value per line.
    :param deadline: time of the clock (:func:`time.time`) after which no row is begun.
    """

    def __init__(self, path: Path, deadline: float = float('inf')) -> None:
        self._path, self._deadline = path, deadline

    def rows(self) -> dict[str, Row]:
        """
        Return what is known.

        :returns: key to row, in the order in which they were made; those that were given up have
            a reason.
        """
        found: dict[str, Row] = {}
        begun: dict[str, int] = {}
        for line in self._lines():
            key = str(line['key'])
            if 'row' in line:
                found[key] = line['row']
            elif 'late' not in line:
                begun[key] = begun.get(key, 0) + 1
        for key, tries in begun.items():
            if key not in found and tries >= TRIES:
                found[key] = {NOT_MADE: 'the process ended without a message, twice'}
        return found

    def is_made(self, key: str) -> bool:
        """
        Return whether a row has numbers.

        :param key: its name.
        :returns: whether it was made and has no reason why not.
        """
        return NOT_MADE not in self.rows().get(key, {NOT_MADE: ''})

    def late(self) -> list[str]:
        """Return the keys for which no time was left, and which were not made later either."""
        made = self.rows()
        late = dict.fromkeys(str(line['key']) for line in self._lines() if 'late' in line)
        return [key for key in late if key not in made]

    def make(self, key: str, work: Callable[[], Row], *, refused: str = '') -> None:
        """
        Make a row, unless it is there or there is no time left for it.

        :param key: its name, unique in the file.
        :param work: returns it; what it raises becomes the reason why it was not made.
        :param refused: why it is not to be made; empty if it is.
        """
        if key in self.rows():
            return
        if refused:
            self._write(key, {NOT_MADE: refused})
            return
        if time.time() + _LEAST_S > self._deadline:
            self._append({'key': key, 'late': True})
            return
        self._append({'key': key})
        print(f'{key} ...', flush=True)
        start = time.monotonic()
        try:
            row = work()
        except DepthNodeError as error:
            row = {NOT_MADE: str(error)}
        except Exception as error:  # noqa: BLE001  a library raises what it likes
            text = ' '.join(str(error).split())
            row = {NOT_MADE: f'{type(error).__name__}: {text[:300]}'}
        row['seconds'] = round(time.monotonic() - start, 1)
        self._write(key, row)

    def _write(self, key: str, row: Row) -> None:
        self._append({'key': key, 'row': row})
        print(f'{key}: {row.get(NOT_MADE) or "made"}', flush=True)

    def _append(self, line: Row) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open('ab') as file:
            if file.tell() and not self._ends_whole():
                file.write(b'\n')
            file.write((json.dumps(line) + '\n').encode())
            file.flush()
            os.fsync(file.fileno())

    def _ends_whole(self) -> bool:
        """Return whether the last line was written to its end."""
        with self._path.open('rb') as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b'\n'

    def _lines(self) -> Iterator[Row]:
        if not self._path.exists():
            return
        for text in self._path.read_text(encoding='utf-8', errors='replace').splitlines():
            try:
                line = json.loads(text)
            except ValueError:  # it was cut while it was written
                continue
            if isinstance(line, dict) and 'key' in line:
                yield line


@dataclass(frozen=True)
class Task:
    """
    What a section needs.

    :param journal: where its rows are saved.
    :param device: what to measure on.
    :param folder: for networks, engines and logs; stays between calls.
    :param left_out: returns why the row of a key is not made; empty if it is.
    """

    journal: Journal
    device: Device
    folder: Path
    left_out: Callable[[str], str] = lambda _key: ''

    def make(self, key: str, work: Callable[..., Row], *arguments: object) -> None:
        """
        Make a row unless it is there or left out.

        :param key: its name.
        :param work: returns it.
        :param arguments: of `work`.
        """
        self.journal.make(key, functools.partial(work, *arguments), refused=self.left_out(key))


def milliseconds(work: Callable[[], object], seconds: float, least: int) -> dict[str, float]:
    """
    Time something after warming up.

    :param work: done when it returns.
    :param seconds: for how long (s).
    :param least: number of runs in any case.
    :returns: median, p95 (ms) and number of runs.
    """
    for _ in range(max(1, least // 5)):
        work()
    laps: list[float] = []
    end = time.perf_counter() + seconds
    while len(laps) < least or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        laps.append(1e3 * (time.perf_counter() - start))
    laps.sort()
    p95 = laps[math.ceil(0.95 * len(laps)) - 1]
    return {'median': round(statistics.median(laps), 4), 'p95': round(p95, 4), 'runs': len(laps)}
