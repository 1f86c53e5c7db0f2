"""
Getting files of the catalogue, so that a file under its own name is always whole and checked.

Everything comes by HTTPS; what other programs have fetched from the Hugging Face Hub is taken from
their cache. What arrives goes to a temporary name and gets its own name only after its size and
hash were right.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import errno
import fcntl
import json
import logging
import os
from pathlib import Path
import shutil

from depth_node.catalogue.download import download, UnreachableError, Watch
from depth_node.catalogue.entry import HubFile, WebFile
from depth_node.catalogue.hub import cached, token
from depth_node.errors import DataError, ModelError
from depth_node.files import replacing
from depth_node.model.hashes import hash_of

log = logging.getLogger(__name__)

_PINS = 'pins.json'
_OFF = ('', '0', 'false', 'no', 'off')


def model_cache_root() -> Path:
    """
    Say where fetched and exported models are kept.

    :returns: ``depth_node/models`` under $XDG_CACHE_HOME or ``~/.cache``.
    :raises ModelError: neither is known.
    """
    # the XDG specification: relative values are to be ignored
    home = Path(os.environ.get('XDG_CACHE_HOME', ''))
    try:
        base = home if home.is_absolute() else Path.home() / '.cache'
    except RuntimeError as error:  # a user without a home, as containers have them
        raise ModelError('This user has no home folder.', 'Set HOME or XDG_CACHE_HOME.') from error
    return base / 'depth_node' / 'models'


def is_offline() -> bool:
    """
    Say whether the user forbade the network.

    :returns: whether $HF_HUB_OFFLINE is set, as huggingface_hub reads it.
    """
    return os.environ.get('HF_HUB_OFFLINE', '').lower() not in _OFF


def fetch(
    file: HubFile | WebFile, folder: Path, *, offline: bool = False, watch: Watch | None = None
) -> Path:
    """
    Make sure that a file is there, whole and the right one.

    :param file: what to get, and what is known about it.
    :param folder: where it goes; made when it is missing.
    :param offline: never use the network.
    :param watch: who waits for it.
    :returns: the path of the checked file, in `folder`.
    :raises UnreachableError: it is not here, and cannot be fetched from here.
    :raises ModelError: not found, no room, or not the file it should be; says which.
    :raises CancelledError: `watch` said so.
    """
    target = folder / file.name
    if target.exists():  # then nothing is written, and the folder may be read-only
        _check(file, target, folder)
        return target
    with _lock(folder, file.name):
        if target.exists():  # another process was quicker
            _check(file, target, folder)
            return target
        part = folder / f'{file.name}.part'
        with _disk_errors(file, part):
            if not _from_cache(file, part, folder):
                if offline or is_offline():
                    raise UnreachableError(
                        file.name, 'the network may not be used',
                        'Fetch it without --offline and without HF_HUB_OFFLINE.',
                    )
                _download(file, part, watch)
                _check_arrived(file, part, folder)
            part.replace(target)
    return target


def is_here(file: HubFile | WebFile, folder: Path) -> bool:
    """
    Return whether a file can be had without the network.

    :param file: the file.
    :param folder: where it would go.
    :returns: whether it lies there, or where other programs keep what they fetched.
    """
    return (folder / file.name).exists() or (isinstance(file, HubFile) and bool(cached(file)))


def known_hash(file: HubFile | WebFile, folder: Path) -> str:
    """
    Return the hash of a file that :func:`fetch` has checked.

    :param file: the file.
    :param folder: where it is.
    :returns: its SHA-256.
    """
    return file.sha256 or _read_pins(folder)[file.name]


def _download(file: HubFile | WebFile, part: Path, watch: Watch | None) -> None:
    size = f'{file.size / 1e6:.0f} MB' if file.size else 'of unknown size'
    log.info('Fetching %s (%s) from %s', file.name, size, file.place)
    secret = token() if isinstance(file, HubFile) else ''
    download(file.url, part, size=file.size, token=secret, watch=watch)


def _from_cache(file: HubFile | WebFile, part: Path, folder: Path) -> bool:
    """Take a file that another program has fetched, if it is the right one."""
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
    """Compare size and hash; remember the hash where the catalogue has none."""
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
            '%s: nobody published its hash; pinned on this first use as %s', file.name, found
        )
    elif found != expected:
        raise _wrong(file, path, f'SHA-256 {found}', expected)


def _wrong(file: HubFile | WebFile, path: Path, found: str, expected: str) -> ModelError:
    return ModelError(
        f'{file.name} from {file.place} is not the file it should be: {found}, expected '
        f'{expected}.',
        f'Remove {path.with_name(file.name)} and fetch again; when it happens twice, the file '
        'was changed at its source.',
    )


def _read_pins(folder: Path) -> dict[str, str]:
    try:
        pins = json.loads((folder / _PINS).read_text(encoding='utf-8'))
        return {str(name): str(value) for name, value in pins.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(
            f'{folder / _PINS}: cannot be read ({error}).',
            'It holds the hashes of files fetched before; remove it to trust them anew.',
        ) from error


def _pin(folder: Path, pins: dict[str, str]) -> None:
    try:
        write_text(folder / _PINS, json.dumps(pins, indent=2) + '\n')
    except DataError as error:
        raise ModelError(
            f'{error.problem} The file has no published hash to be checked against.',
            error.remedy or 'Fetch it once where the folder can be written.',
        ) from error


def write_text(path: Path, text: str) -> None:
    """
    Write a small file so that it is either the old one or the whole new one.

    :param path: the file.
    :param text: its content.
    :raises DataError: the folder cannot be written, or the disk is full.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


@contextlib.contextmanager
def _lock(folder: Path, name: str) -> Iterator[None]:
    """Let one process at a time fetch a file; the others find it there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / f'.{name}.lock').open('ab')
    except OSError as error:
        raise ModelError(
            f'{folder}: cannot be written ({error.strerror}).',
            'Set XDG_CACHE_HOME to a folder that can, or mend the permissions.',
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info('%s: another process fetches it; waiting', name)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # the system lets go of the lock however this ends


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
