"""Output files of the verbs; with few imports, because every verb uses it."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from depth_node.errors import DataError
from depth_node.files import reason, replacing


def output_file(text: str) -> Path:
    """
    Check that an output file can be written, before the work starts.

    :param text: value of an option.
    :returns: the path.
    :raises ArgumentTypeError: the file cannot be written.
    """
    if not text or '\0' in text:
        raise argparse.ArgumentTypeError(f'{text!r:.40} is not a path')
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        where = path if path.is_dir() else path.parent
        what = 'is a folder' if path.is_dir() else 'is no folder'
        raise argparse.ArgumentTypeError(f'{where} {what}')
    if path.exists() and not path.is_file():
        raise argparse.ArgumentTypeError(f'{path} is a device, a FIFO or a socket')
    if not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f'{path.parent} cannot be written')
    return path


def output_folder(path: Path) -> Path:
    """
    Create an output folder.

    :param path: the folder, which may exist.
    :returns: the folder.
    :raises DataError: it cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise DataError(f'{path}: cannot be created ({reason(error)}).') from error
    return path


def write_json(path: Path | None, content: dict[str, Any] | list[Any]) -> None:
    """
    Write results as JSON, if a file was requested.

    :param path: file of `--json`, or None.
    :param content: what to write; NaN becomes null.
    :raises DataError: it cannot be written.
    """
    if path is None:
        return
    text = json.dumps(_plain(content), indent=2, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + '\n', encoding='utf-8')


def _plain(value: Any) -> Any:
    """Replace values that JSON does not support."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and value - value != 0 else value
