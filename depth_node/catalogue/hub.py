"""Files of the Hugging Face Hub, with its errors in words a user can act on."""

from __future__ import annotations

import os
from pathlib import Path

from depth_node.catalogue.entry import HubFile
from depth_node.errors import ModelError

_INSTALL = "Install it with: pip install 'depth_node[fetch]'."


def is_cached(file: HubFile) -> bool:
    """
    Tell whether a file is in the Hub's own cache.

    :param file: the file.
    :returns: whether it is there, right or damaged.
    """
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False
    return isinstance(
        try_to_load_from_cache(file.repo, file.path, revision=file.revision), str
    )


def download(file: HubFile, *, offline: bool = False, anew: bool = False) -> Path:
    """
    Get a file into the Hub's own cache, or find it there.

    $HF_ENDPOINT names a mirror and $HF_HOME the cache, as for every user of huggingface_hub.

    :param file: the file.
    :param offline: only look into the cache.
    :param anew: do not believe the cache.
    :returns: the path in the cache.
    :raises ModelError: huggingface_hub is missing, no network, not found, or not allowed.
    :raises OSError: the disk is full or cannot be written.
    """
    try:
        from huggingface_hub import errors, hf_hub_download
    except ImportError as error:
        raise ModelError(
            f'{file.place} is fetched through huggingface_hub, which is not installed.', _INSTALL
        ) from error
    try:
        path = hf_hub_download(
            file.repo,
            file.path,
            revision=file.revision,
            endpoint=os.environ.get('HF_ENDPOINT') or None,
            local_files_only=offline,
            force_download=anew,
        )
    except errors.GatedRepoError as error:
        raise ModelError(
            f'{file.place}: its owners ask who uses it.',
            'Accept their conditions there, then set HF_TOKEN.',
        ) from error
    except (
        errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.EntryNotFoundError
    ) as error:
        if isinstance(error, errors.LocalEntryNotFoundError):
            raise _unreachable(file, error, offline=offline) from error
        raise ModelError(
            f'{file.place}: there is no {file.path} at revision {file.revision}.',
            'Its owners moved it; update depth_node, or give the path of your own copy.',
        ) from error
    except errors.HfHubHTTPError as error:
        raise ModelError(
            f'{file.place}: the server refused {file.path} ({_first_line(error)}).',
            'Try again later, or set HF_ENDPOINT to a mirror.',
        ) from error
    except OSError as error:
        if error.errno is not None and not isinstance(error, ConnectionError):
            raise  # the disk's, not the network's
        raise _unreachable(file, error, offline=offline) from error
    except Exception as error:
        # network errors of whichever HTTP library this version uses, which share no base
        raise _unreachable(file, error, offline=offline) from error
    return Path(path)


def _unreachable(file: HubFile, error: Exception, *, offline: bool) -> ModelError:
    if offline:
        return ModelError(
            f'{file.path} of {file.place} is not in the cache, and the network may not be used.',
            'Fetch it once without HF_HUB_OFFLINE, or give the path of your own copy.',
        )
    return ModelError(
        f'{file.place}: {file.path} could not be fetched ({_first_line(error)}).',
        'Check the network; what has arrived is kept and continued next time. HF_ENDPOINT names '
        'a mirror.',
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition('\n')[0] or type(error).__name__
