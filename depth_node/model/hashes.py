"""Hashes of files, verified before the files are used."""

from __future__ import annotations

import hashlib
from pathlib import Path

from depth_node.errors import ModelError
from depth_node.files import open_regular

_CHUNK = 1 << 20


def hash_of(path: Path, algorithm: str = 'sha256') -> str:
    """
    Return the hash of a file.

    :param path: the file.
    :param algorithm: its name in hashlib.
    :returns: lower-case hexadecimal digits.
    :raises ModelError: the file cannot be read.
    """
    digest = hashlib.new(algorithm, usedforsecurity=algorithm != 'md5')
    try:
        with open_regular(path, raised=ModelError) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise ModelError(f'{path}: cannot be read ({error.strerror}).') from error
    return digest.hexdigest()


def check_sha256(path: Path, expected: str | None) -> None:
    """
    Compare a file with its expected hash.

    :param path: the file.
    :param expected: 64 hexadecimal digits, or None if unknown.
    :raises ModelError: the hash differs, or the file cannot be read.
    """
    if expected is None:
        return
    found = hash_of(path)
    if found != expected.lower():
        raise ModelError(
            f'{path}: its SHA-256 is {found}, expected {expected.lower()}.',
            'It is damaged or a different file. Fetch it again, or correct the hash in its '
            'sidecar if you changed the file.',
        )
