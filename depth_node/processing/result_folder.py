"""Folders of results: written whole or not at all, and known again as finished."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
from contextlib import contextmanager
import fcntl
import json
import os
from pathlib import Path
import shutil
import time
from typing import Any

from depth_node.errors import DataError
from depth_node.files import PART, read_text, write_error

RECORD = 'depth_node.json'
"""File in the folder of a result that says what it is the result of."""
_PAUSE_S = 0.05


def recorded(folder: Path) -> dict[str, Any] | None:
    """
    Return what a folder is the result of.

    :param folder: the folder.
    :returns: the content of its record; None if the folder does not exist.
    :raises DataError: something else is there.
    """
    if not os.path.lexists(folder):
        return None
    try:
        content = json.loads(read_text(folder / RECORD))
    except (DataError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise DataError(
            f'{folder} exists and is not a result of depth-node process.',
            'Choose another --out, or remove it.',
        )
    return content


@contextmanager
def result_folder(folder: Path, *, replace: bool = False) -> Iterator[Path]:
    """
    Return a place for the content of a folder, which gets its name when it is complete.

    Meanwhile it lies in a hidden ``.NAME.part`` next to it. What a killed process left there is
    removed by the next one; a living process is not disturbed.

    :param folder: the final path, which does not exist.
    :param replace: whether a folder of that name is replaced.
    :returns: a path that does not exist yet, to be created as a folder.
    :raises DataError: another process writes it, the disk is full, or it cannot be written.
    """
    part = folder.with_name(f'.{folder.name}{PART}')
    try:
        handle = _locked(part)
    except OSError as error:
        raise write_error(part, error) from error
    try:
        inner = part / folder.name
        yield inner
        if replace and folder.exists():
            folder.rename(part / 'replaced')
        inner.rename(folder)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        os.close(handle)


def remove_leftovers(folder: Path, patience: float = 0.0) -> bool:
    """
    Remove what killed processes left of a result, if no process writes it.

    :param folder: its final path.
    :param patience: how long to wait for a process to end that holds the lock (s).
    :returns: whether nothing is left.
    """
    part = folder.with_name(f'.{folder.name}{PART}')
    end = time.monotonic() + patience
    while part.is_dir():
        with contextlib.suppress(DataError, OSError):
            handle = _locked(part)
            shutil.rmtree(part, ignore_errors=True)
            os.close(handle)
            return not part.exists()
        if time.monotonic() >= end:
            return False
        time.sleep(_PAUSE_S)
    return True


def write_record(folder: Path, content: dict[str, Any]) -> None:
    """
    Write what a folder is the result of.

    :param folder: the folder, which is not complete yet.
    :param content: what :func:`recorded` will return.
    """
    text = json.dumps(content, indent=2)
    (folder / RECORD).write_text(text + '\n', encoding='utf-8')


def _locked(part: Path) -> int:
    """Create an empty folder and lock it; return the file descriptor of the lock."""
    while True:
        part.mkdir(parents=True, exist_ok=True)
        handle = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise DataError(
                f'{part}: another process is writing there.', 'Wait for it, or end it.'
            ) from error
        except OSError:
            pass  # a file system without locks
        # the process that held the lock may have removed the folder since it was opened
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), part.stat()):
                break
        os.close(handle)
    for leftover in part.iterdir():
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()
    return handle
