"""Checks on files that came from elsewhere, before anything is run from them."""

from __future__ import annotations

from collections.abc import Iterator
import hashlib
from pathlib import Path
from typing import Any

from depth_node.errors import ModelError

_CHUNK = 1 << 20


def sha256_of(path: Path) -> str:
    """
    Hash a file.

    :param path: the file.
    :returns: its SHA-256 as 64 lower-case hexadecimal digits.
    :raises ModelError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open('rb') as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise ModelError(f'{path}: cannot be read ({error.strerror}).') from error
    return digest.hexdigest()


def check_sha256(path: Path, expected: str | None) -> None:
    """
    Compare a file with the hash it should have.

    :param path: the file.
    :param expected: 64 hexadecimal digits, or None where nothing is known.
    :raises ModelError: the file is another one, or cannot be read.
    """
    if expected is None:
        return
    found = sha256_of(path)
    if found != expected.lower():
        raise ModelError(
            f'{path}: its SHA-256 is {found}, expected {expected.lower()}.',
            'It is damaged or another file; fetch it again, or correct the hash in its sidecar '
            'if the file was changed on purpose.',
        )


def check_external_data(path: Path) -> list[Path]:
    """
    Refuse an ONNX file whose weights lie outside its own folder.

    A graph may name other files for its tensors; a hostile one could name any file of the
    machine, through ``..``, an absolute path or a link.

    :param path: the ONNX file.
    :returns: the files with its weights, all in the folder of `path` or below it.
    :raises ModelError: not ONNX, or weights that are missing or outside.
    """
    import onnx

    try:
        proto = onnx.load(str(path), load_external_data=False)
    except Exception as error:
        raise ModelError(f'{path}: is not an ONNX file ({_one_line(error)}).') from error
    if not proto.graph.node:
        raise ModelError(f'{path}: is not an ONNX file, or one without a single operator.')
    folder = path.parent.resolve()
    files = []
    for location in sorted(set(_locations(proto))):
        target = (folder / location).resolve()
        # links are followed: it is the file that would be read that has to be inside
        if Path(location).is_absolute() or not target.is_relative_to(folder):
            raise ModelError(
                f'{path}: its weights are in {location!r}, outside its own folder; refused.'
            )
        if not target.is_file():
            raise ModelError(
                f'{path}: its weights are in {location!r}, which is missing.',
                'Copy that file beside it.',
            )
        files.append(folder / location)
    return files


def _one_line(error: Exception) -> str:
    return str(error).strip().partition('\n')[0] or type(error).__name__


def _locations(proto: Any) -> Iterator[str]:
    """Walk over every tensor of a model, those of subgraphs and functions too."""
    pending = [proto.graph, *proto.functions]
    while pending:
        graph = pending.pop()
        tensors = list(getattr(graph, 'initializer', []))
        for sparse in getattr(graph, 'sparse_initializer', []):
            tensors += [sparse.values, sparse.indices]
        for node in graph.node:
            for attribute in node.attribute:
                tensors += [attribute.t, *attribute.tensors]
                pending += [g for g in (attribute.g, *attribute.graphs) if g.node]
        for tensor in tensors:
            for entry in tensor.external_data:
                if entry.key == 'location':
                    yield entry.value
