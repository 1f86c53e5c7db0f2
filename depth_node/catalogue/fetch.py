"""
Download of the catalogue's files, which get their names only when complete and verified.

Files are downloaded over HTTPS, or copied from the cache of the Hugging Face Hub. A download has a
temporary name and gets its own name only after its size and hash have been verified.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import errno
import json
import logging
import os
from pathlib import Path
import shutil

from depth_node.catalogue.download import download, UnreachableError, Watch
from depth_node.catalogue.entry import HubFile, WebFile
from depth_node.catalogue.hub import cached, token
from depth_node.errors import DataError, ModelError
from depth_node.files import locked, read_text, replacing
from depth_node.model.hashes import hash_of
from depth_node.process import never

log = logging.getLogger(__name__)

_PINS = 'pins.json'
_OFF = ('', '0', 'false', 'no', 'off')


def model_cache_root() -> Path:
    """
    Return the folder for downloaded models and written graphs.

    :returns: ``depth_node/models`` under $XDG_CACHE_HOME or ``~/.cache``.
    :raises ModelError: neither is known.
    """
    # the XDG specification: relative values are to be ignored
    home = Path(os.environ.get('XDG_CACHE_HOME', ''))
    try:
        base = home if home.is_absolute() else Path.home() / '.cache'
    except RuntimeError as error:  # a user without a home, as containers have them
        raise ModelError('The user has no home folder.', 'Set HOME or XDG_CACHE_HOME.') from error
    return base / 'depth_node' / 'models'


def is_offline() -> bool:
    """
    Return whether the user has forbidden network access.

    :returns: whether $HF_HUB_OFFLINE is set, as in huggingface_hub.
    """
    return os.environ.get('HF_HUB_OFFLINE', '').lower() not in _OFF


def fetch(
    file: HubFile | WebFile, folder: Path, *, offline: bool = False, watch: Watch | None = None
) -> Path:
    """
    Return a file after downloading it if needed, complete and verified.

    :param file: the file and its properties.
    :param folder: the target folder, created if missing.
    :param offline: never use the network.
    :param watch: callbacks for cancelling and progress.
    :returns: the path of the verified file, in `folder`.
    :raises UnreachableError: it is not on this machine and cannot be downloaded.
    :raises ModelError: not found, no disk space, or not the expected file.
    :raises CancelledError: it was cancelled.
    """
    target = folder / file.name
    if target.exists():  # then nothing is written, and the folder may be read-only
        _check(file, target, folder)
        return target
    with _lock(folder, file.name, watch):
        if target.exists():  # another process was quicker
            _check(file, target, folder)
            return target
        part = folder / f'{file.name}.part'
        with _disk_errors(file, part):
            if not _from_cache(file, part, folder):
                if offline or is_offline():
                    raise UnreachableError(
                        file.name, 'network access is forbidden',
                        'Fetch it without --offline and without HF_HUB_OFFLINE.',
                    )
                _download(file, part, watch)
                _check_arrived(file, part, folder)
            part.replace(target)
    return target


def is_here(file: HubFile | WebFile, folder: Path) -> bool:
    """
    Return whether a file is available without the network.

    :param file: the file.
    :param folder: the target folder.
    :returns: whether it is there, or in the cache of the Hugging Face Hub.
    """
    return (folder / file.name).exists() or (isinstance(file, HubFile) and bool(cached(file)))


def known_hash(file: HubFile | WebFile, folder: Path) -> str:
    """
    Return the hash of a file that :func:`fetch` has verified.

    :param file: the file.
    :param folder: its folder.
    :returns: its SHA-256.
    """
    return file.sha256 or _read_pins(folder)[file.name]


def _download(file: HubFile | WebFile, part: Path, watch: Watch | None) -> None:
    size = f'{file.size / 1e6:.0f} MB' if file.size else 'of unknown size'
    log.info('Downloading %s (%s) from %s', file.name, size, file.place)
    secret = token() if isinstance(file, HubFile) else ''
    download(file.url, part, size=file.size, token=secret, watch=watch)


def _from_cache(file: HubFile | WebFile, part: Path, folder: Path) -> bool:
    """Copy a file from the cache of the Hugging Face Hub, if it is the expected one."""
    path = cached(file) if isinstance(file, HubFile) else None
    if path is None:
        return False
    part.unlink(missing_ok=True)
    # not a link: onnx refuses weights with a second name, which could be changed under it
    shutil.copyfile(path, part)
    try:
        _check_arrived(file, part, folder)
    except ModelError as error:
        log.warning('%s: %s', path, error)
        return False
    return True


def _check_arrived(file: HubFile | WebFile, part: Path, folder: Path) -> None:
    try:
        _check(file, part, folder)
    except ModelError:
        part.unlink(missing_ok=True)
        raise


def _check(file: HubFile | WebFile, path: Path, folder: Path) -> None:
    """Verify size and hash; store the hash if the catalogue has none."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        raise _wrong(file, path, f'{size} bytes', f'{file.size}')
    if isinstance(file, WebFile) and file.md5 is not None:
        found = hash_of(path, 'md5')
        if found != file.md5:
            raise _wrong(file, path, f'MD5 {found}', file.md5)
    pins = _read_pins(folder)
    expected = file.sha256 or pins.get(file.name)
    found = hash_of(path)
    if expected is None:
        _pin(folder, {**pins, file.name: found})
        log.warning(
            '%s: no hash is published; pinned on this first use as %s', file.name, found
        )
    elif found != expected:
        raise _wrong(file, path, f'SHA-256 {found}', expected)


def _wrong(file: HubFile | WebFile, path: Path, found: str, expected: str) -> ModelError:
    return ModelError(
        f'{file.name} from {file.place} is not the expected file: {found}, expected '
        f'{expected}.',
        f'Remove {path.with_name(file.name)} and fetch again. If it happens twice, the file was '
        'changed by its owners.',
    )


def _read_pins(folder: Path) -> dict[str, str]:
    if not (folder / _PINS).exists():
        return {}
    try:
        pins = json.loads(read_text(folder / _PINS))
        return {str(name): str(value) for name, value in pins.items()}
    except (DataError, ValueError, AttributeError) as error:
        raise ModelError(
            f'{folder / _PINS}: cannot be read ({error}).',
            'It contains the hashes of earlier downloads. Remove it to trust the current files.',
        ) from error


def _pin(folder: Path, pins: dict[str, str]) -> None:
    try:
        write_text(folder / _PINS, json.dumps(pins, indent=2) + '\n')
    except DataError as error:
        raise ModelError(
            f'{error.problem} It is needed to store the hash of the file, which is not published.',
            error.remedy or 'Fetch it once with a writable folder.',
        ) from error


def write_text(path: Path, text: str) -> None:
    """
    Write a small file atomically.

    :param path: the file.
    :param text: the content.
    :raises DataError: the folder cannot be written, or the disk is full.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


@contextlib.contextmanager
def _lock(folder: Path, name: str, watch: Watch | None) -> Iterator[None]:
    """Let one process download a file while the others wait for it."""
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(
                folder / f'.{name}.lock',
                cancelled=never if watch is None else watch.cancelled,
                waiting=lambda: log.info(
                    '%s: waiting for another process that downloads it', name
                ),
            ))
        except OSError as error:
            raise ModelError(
                f'{folder}: cannot be written ({error.strerror}).',
                'Set XDG_CACHE_HOME to a writable folder, or correct the permissions.',
            ) from error
        yield


@contextlib.contextmanager
def _disk_errors(file: HubFile | WebFile, part: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise ModelError(f'{part}: cannot be written ({error.strerror}).') from error
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        needed = f' It needs {file.size / 1e6:.0f} MB.' if file.size else ''
        raise ModelError(
            f'{part.parent}: the disk is full.{needed}',
            'Free some space, or set XDG_CACHE_HOME (and HF_HOME) to a larger disk.',
        ) from error
