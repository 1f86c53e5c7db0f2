"""Selection and opening of engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.config import Config, EngineConfig
from depth_node.engine.base import Engine, Log, no_progress, Progress, Request
from depth_node.engine.table import Row, rows
from depth_node.errors import CancelledError, DepthNodeError, DeviceLostError, EngineError
from depth_node.image.size import Size
from depth_node.model import Model
from depth_node.model.network import inspect
from depth_node.model.sizes import choose_size
from depth_node.process import give_back, never

_LOGGER = logging.getLogger(__name__)
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
    :raises CancelledError: it was cancelled.
    """
    request = Request(
        model, config, network_size, on_progress, cancelled, log, warn, frames, camera
    )
    candidates = rows(config.name)
    reasons = []
    for row in candidates:
        if cancelled():
            raise CancelledError('Opening the engine was cancelled.')
        found = _opened(row, request)
        if not isinstance(found, str):
            give_back()
            log(f'Engine {config.name}: {found.description} at {network_size}.')
            return found
        reasons.append(f'{row.name}: {found}')
        on_refused(row.name, found)
        if len(candidates) > 1:
            log(f'Engine {config.name}: not {row.name}: {found}')
    raise EngineError('No engine works. ' + ' '.join(reasons) if len(reasons) > 1 else reasons[0])


def _opened(row: Row, request: Request) -> Engine | str:
    """Open one engine; return it, or why it is not available."""
    try:
        row.check(request.config.precision)
        return row.open(request)
    except (CancelledError, DeviceLostError):
        raise
    except EngineError as error:
        return str(error)
    except DepthNodeError:
        raise  # the network's fault, whichever engine
    except Exception as error:  # noqa: BLE001  a library that is broken: the next may not be
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
    :raises ModelError: an unsupported size.
    :raises EngineError: no engine works.
    """
    size = choose_size(model.spec, inspect(model.path, model.spec), config.model.input_size, frame)
    return open_engine(model, config.engine, size, camera=frame, **options)
