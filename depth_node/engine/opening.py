"""Selection and opening of engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.config import Config, EngineConfig
from depth_node.engine.base import Engine, Log, no_progress, Progress, Request
from depth_node.engine.table import Row, rows
from depth_node.errors import (
    CancelledError,
    ChangedError,
    DepthNodeError,
    DeviceLostError,
    EngineError,
    ModelError,
)
from depth_node.image.size import Size
from depth_node.model import Model
from depth_node.model.file_state import check_unchanged
from depth_node.model.fingerprint import check_fingerprint, files_of
from depth_node.model.network import inspect
from depth_node.model.sizes import choose_size
from depth_node.process import give_back, never

_LOGGER = logging.getLogger(__name__)
TRIES = 3
"""How often a model that changes while it is opened, but has the right hash, is opened."""
Refused = Callable[[str, str], None]
"""Called with the name of an engine that was not used, and the reason."""


def open_engine(
    model: Model,
    config: EngineConfig,
    network_size: Size,
    *,
    on_progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
    log: Log = _LOGGER.info,
    warn: Log = _LOGGER.warning,
    frames: Sequence[NDArray[np.uint8]] = (),
    camera: Size | None = None,
    on_refused: Refused = lambda _name, _reason: None,
) -> Engine:
    """
    Open the engine of a configuration, which may take minutes if it must be built.

    ``auto`` uses the first that works and logs why the previous ones did not. A named engine is
    opened or refused. ``onnxruntime`` uses CUDA if available.

    :param model: the network.
    :param config: the ``engine`` parameters.
    :param network_size: the size to run at (pixels); see ``sizes.choose_size``.
    :param on_progress: called with a share from 0 to 1 and the name of the stage.
    :param cancelled: called regularly; returns whether to cancel.
    :param log: called with one line at a time.
    :param warn: called with important lines.
    :param frames: frames of the user for verification, uint8 (H, W, 3) rgb.
    :param camera: size of the expected frames (pixels), to prepare for them; None if unknown.
    :param on_refused: called with each engine that was not used, and the reason.
    :returns: the engine, to be closed by the caller.
    :raises DeviceLostError: the GPU is not usable by this process any more.
    :raises EngineError: no engine works, or the named one does not.
    :raises ModelError: the file is not a network this package can run.
    :raises ChangedError: files of the model changed since they were verified, again and again or
        to something else. With a ``sha256``, files with other dates and the same content are
        verified and opened again.
    :raises CancelledError: it was cancelled.
    """
    request = Request(
        _with_files(model), config, network_size, on_progress, cancelled, log, warn, frames, camera
    )
    reasons: dict[str, str] = {}

    def refused(name: str, reason: str) -> None:
        reasons[name] = reason
        on_refused(name, reason)
        if len(rows(config.name)) > 1:
            log(f'Engine {config.name}: not {name}: {reason}')

    for attempt in range(1, TRIES + 1):
        candidates = [row for row in rows(config.name) if row.name not in reasons]
        try:
            check_unchanged(request.model.files)
            found = _first(candidates, request, refused)
        except ChangedError as error:
            if attempt == TRIES:
                raise
            request = dataclasses.replace(request, model=_verified_again(request.model, error))
            warn(f'{error.problem} It has been verified again and is opened again.')
            continue
        if found is None:
            break
        give_back()
        log(f'Engine {config.name}: {found.description} at {network_size}.')
        return found
    texts = [f'{name}: {reason}' for name, reason in reasons.items()]
    raise EngineError('No engine works. ' + ' '.join(texts) if len(texts) > 1 else texts[0])


def _with_files(model: Model) -> Model:
    """Return a model that knows its files; one that was not opened here is taken as it is now."""
    return model if model.files else dataclasses.replace(model, files=files_of(model.path))


def _verified_again(model: Model, error: ChangedError) -> Model:
    """Return a model whose files have changed, if by their hash they are still the same."""
    by_content = [state for state in model.files if state.by_content]
    if model.spec.sha256 is None:
        raise error
    check_unchanged(by_content)
    try:
        files = files_of(model.path)
        check_fingerprint(model.path, model.spec.sha256)
    except ModelError:
        raise error from None
    return dataclasses.replace(model, files=files)


def _first(
    candidates: Sequence[Row], request: Request, refused: Refused
) -> Engine | None:
    """Open the first engine that works; raise ChangedError if the model changed meanwhile."""
    for row in candidates:
        if request.cancelled():
            raise CancelledError('Opening the engine was cancelled.')
        found = _opened(row, request)
        if isinstance(found, str):
            refused(row.name, found)
            continue
        try:
            check_unchanged(request.model.files)
        except ChangedError:
            found.close()
            raise
        return found
    return None


def _opened(row: Row, request: Request) -> Engine | str:
    """Open one engine; return it, or why it is not available."""
    try:
        row.check(request.config.precision)
        return row.open(request)
    except (CancelledError, DeviceLostError, ChangedError):
        raise
    except Exception as error:  # also a library that is broken: the next may not be
        check_unchanged(request.model.files)  # or else that is the reason
        if isinstance(error, EngineError):
            return str(error)
        if isinstance(error, DepthNodeError):
            raise  # the network's fault, whichever engine
        return f'{type(error).__name__}: {error}'


def open_for(
    model: Model, config: Config, frame: Size | None = None, **options: Any
) -> Engine:
    """
    Open the engine of a model at the network size for the camera.

    :param model: the network.
    :param config: the configuration, of which the model and engine groups are used.
    :param frame: size of the camera's frames (pixels); None: unknown.
    :param options: further keyword arguments of :func:`open_engine`.
    :returns: the engine.
    :raises ModelError: an unsupported size, or as :func:`open_engine`.
    :raises EngineError: no engine works.
    """
    model = _with_files(model)
    try:
        info = inspect(model.path, model.spec)
        size = choose_size(model.spec, info, config.model.input_size, frame)
    except ModelError:
        check_unchanged(model.files)  # or else that is the reason
        raise
    return open_engine(model, config.engine, size, camera=frame, **options)
