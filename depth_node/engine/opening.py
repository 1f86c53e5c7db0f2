"""Choosing and opening an engine."""

from __future__ import annotations

from collections.abc import Callable
import logging
from pathlib import Path

from depth_node.config import EngineConfig
from depth_node.engine.base import Engine, never, no_progress, Progress
from depth_node.engine.cache import cache_root, writable
from depth_node.errors import CancelledError, EngineError
from depth_node.model import Model, Size

_LOGGER = logging.getLogger(__name__)
Log = Callable[[str], None]

LADDER = ('tensorrt', 'onnxruntime with CUDA', 'openvino', 'onnxruntime')
"""What ``auto`` tries, in this order."""


def open_engine(
    model: Model,
    config: EngineConfig,
    network_size: Size,
    *,
    on_progress: Progress = no_progress,  # noqa: ARG001
    cancelled: Callable[[], bool] = never,
    log: Log = _LOGGER.info,
) -> Engine:
    """
    Open the engine the configuration asks for; building one may take minutes.

    ``auto`` takes the first that works and logs why the ones before it did not. A named engine
    is opened or refused. ``onnxruntime`` uses CUDA where it has it.

    :param model: the network.
    :param config: the ``engine`` parameters.
    :param network_size: the size to run at (pixels); see ``network.choose_size``.
    :param on_progress: called with a share from 0 to 1 and the name of the stage.
    :param cancelled: asked now and then; true ends the opening.
    :param log: takes one line at a time.
    :returns: the engine; the caller closes it.
    :raises EngineError: no engine works, or the one named does not; says why.
    :raises ModelError: the file is not a network this package can run.
    :raises CancelledError: `cancelled` said so.
    """
    openers: dict[str, Callable[[], Engine]] = {
        'tensorrt': _tensorrt,
        'onnxruntime with CUDA': lambda: _onnxruntime_cuda(model, config, network_size),
        'openvino': lambda: _openvino(model, config, network_size, log),
        'onnxruntime': lambda: _onnxruntime(model, config, network_size),
    }
    names = {
        'auto': LADDER,
        'onnxruntime': ('onnxruntime with CUDA', 'onnxruntime'),
    }.get(config.name, (config.name,))
    reasons = []
    for name in names:
        if cancelled():
            raise CancelledError('Opening the engine was cancelled.')
        try:
            engine = openers[name]()
        except CancelledError:
            raise
        except EngineError as error:
            reasons.append(f'{name}: {error}')
            if len(names) > 1:
                log(f'Engine {config.name}: not {name}: {error}')
        else:
            log(f'Engine {config.name}: {engine.description} at {network_size}.')
            return engine
    raise EngineError('No engine works. ' + ' '.join(reasons) if len(reasons) > 1 else reasons[0])


def _tensorrt() -> Engine:
    try:
        import tensorrt
    except ImportError as error:
        raise EngineError(f'TensorRT cannot be imported ({error}).') from error
    raise EngineError(f'TensorRT {tensorrt.__version__} is not supported yet.')


def _onnxruntime_cuda(model: Model, config: EngineConfig, size: Size) -> Engine:
    from depth_node.engine.onnxruntime import open_merged

    return open_merged(model, size, threads=config.threads)


def _openvino(model: Model, config: EngineConfig, size: Size, log: Log) -> Engine:
    from depth_node.engine.openvino import open_openvino

    cache: Path | None = None
    try:
        cache = writable(cache_root(config.cache_dir) / 'openvino')
    except EngineError as error:
        log(f'{error} The network is compiled at every start.')
    return open_openvino(
        model, size, precision=config.precision, threads=config.threads, cache=cache
    )


def _onnxruntime(model: Model, config: EngineConfig, size: Size) -> Engine:
    from depth_node.engine.onnxruntime import open_onnxruntime

    return open_onnxruntime(
        model, size, precision=config.precision, threads=config.threads
    )
