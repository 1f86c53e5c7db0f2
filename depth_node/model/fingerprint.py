"""The hash of a network: of its ONNX file, and of the weights it keeps in other files."""

from __future__ import annotations

from collections.abc import Mapping
import functools
import hashlib
from pathlib import Path

from depth_node.errors import ModelError
from depth_node.model.external_data import external_places
from depth_node.model.file_state import check_unchanged, content_of, FileState, state_of
from depth_node.model.hashes import check_sha256, hash_of
from depth_node.model.network import load
from depth_node.model.spec import Model


def fingerprint(path: Path, known: Mapping[str, str] | None = None) -> str:
    """
    Return the hash of a network, which changes with its weights wherever they are.

    :param path: the ONNX file.
    :param known: SHA-256 of external files that have just been verified, by name; they are not
        read again.
    :returns: 64 hexadecimal digits: the SHA-256 of the file; for a file with external data, that
        of its SHA-256 and of the names and SHA-256 of those files.
    :raises ModelError: a file cannot be read, or external data lies outside the folder.
    """
    own, places = hash_of(path), external_files(path)
    if not places:
        return own
    digest = hashlib.sha256(own.encode('ascii'))
    for place in places:
        found = (known or {}).get(place) or hash_of(path.parent / place)
        digest.update(f'\0{place}\0{found}'.encode())
    return digest.hexdigest()


def check_fingerprint(path: Path, expected: str | None) -> None:
    """
    Compare a network with its expected hash.

    :param path: the ONNX file.
    :param expected: as :func:`fingerprint` returns it, or None if unknown.
    :raises ModelError: it differs, or covers only the ONNX file and not its external data.
    """
    if expected is None:
        return
    places = external_files(path)
    if not places:
        check_sha256(path, expected)
        return
    found = fingerprint(path)
    if found == expected.lower():
        return
    files = ', '.join(places)
    if hash_of(path) == expected.lower():
        raise ModelError(
            f'{path}: the sha256 of its sidecar covers this file, but not its weights in {files}, '
            'so that other weights would be taken for these.',
            f'Write the hash of both into the sidecar, if the weights are the right ones: {found}',
        )
    raise ModelError(
        f'{path}: its SHA-256 with its weights in {files} is {found}, expected '
        f'{expected.lower()}.',
        'They are damaged or different files. Fetch them again, or correct the hash in the '
        'sidecar if you changed them.',
    )


def files_of(path: Path) -> tuple[FileState, ...]:
    """
    Return the state of all files of a network; call it before they are verified.

    :param path: the ONNX file.
    :returns: the states of the ONNX file, its sidecar, which may be missing, and its external
        data.
    :raises ModelError: it is not an ONNX file, or external data is missing or outside the folder.
    """
    own, sidecar = state_of(path), content_of(path.with_suffix('.json'))
    return own, sidecar, *(state_of(path.parent / place) for place in external_files(path))


def fingerprint_of(model: Model) -> str:
    """
    Return the hash of an opened model, whose files may have changed since.

    :param model: the model.
    :returns: as :func:`fingerprint`, of the files that were verified.
    :raises ChangedError: they have changed, and no hash of them is known.
    :raises ModelError: as :func:`fingerprint`.
    """
    if model.files and model.spec.sha256:  # compared when it was opened
        return model.spec.sha256.lower()
    found = fingerprint(model.path)
    check_unchanged(state for state in model.files if not state.by_content)
    return found


def external_files(path: Path) -> tuple[str, ...]:
    """
    Return the files that hold external data of a network; an unchanged file is read only once.

    :param path: the ONNX file.
    :returns: their names relative to its folder; usually none.
    :raises ModelError: it is not an ONNX file, or external data is missing or outside the folder.
    """
    return _places_in(state_of(path))


@functools.lru_cache(maxsize=8)
def _places_in(state: FileState) -> tuple[str, ...]:
    return tuple(external_places(load(state.path, weights=False)))
