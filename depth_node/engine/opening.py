"""Choosing and opening an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import ctypes
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_node.config import EngineConfig
from depth_node.engine.base import Engine, Log, no_progress, Progress
from depth_node.engine.cache import cache_root, writable
from depth_node.errors import CancelledError, DepthNodeError, EngineError
from depth_node.image.size import Size
from depth_node.model import Model
from depth_node.process import never

_LOGGER = logging.getLogger(__name__)
Refused = Callable[[str, str], None]
"""Told the name of an engine that was not taken, and why."""

LADDER = ('tensorrt', 'onnxruntime with CUDA', 'openvino', 'onnxruntime')
"""What ``auto`` tries, in this order."""


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
    on_refused: Refused = lambda _name, _reason: None,
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
    :param warn: takes the lines that must not be missed.
    :param frames: of the user's own, uint8 (H, W, 3) rgb; a built engine is verified on them too.
    :param on_refused: told each engine that was not taken, and why.
    :returns: the engine; the caller closes it.
    :raises EngineError: no engine works, or the one named does not; says why.
    :raises ModelError: the file is not a network this package can run.
    :raises CancelledError: `cancelled` said so.
    """
    def tensorrt() -> Engine:
        from depth_node.engine.tensorrt import open_tensorrt

        return open_tensorrt(
            model, config, network_size, on_progress=on_progress, cancelled=cancelled,
            log=log, warn=warn, frames=frames,
        )

    def openvino() -> Engine:
        if config.precision != 'int8':
            return _openvino(model, config, network_size, log)
        from depth_node.engine.int8 import open_int8

        return open_int8(
            model, config, network_size, on_progress=on_progress, cancelled=cancelled,
            log=log, warn=warn, frames=frames,
        )

    openers: dict[str, Callable[[], Engine]] = {
        'tensorrt': tensorrt,
        'onnxruntime with CUDA': lambda: _onnxruntime_cuda(model, config, network_size),
        'openvino': openvino,
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
            reason = str(error)
        except DepthNodeError:
            raise  # the network's fault, whichever engine
        except Exception as error:  # noqa: BLE001  a library that is broken: the next may not be
            reason = f'{type(error).__name__}: {error}'
        else:
            give_back()
            log(f'Engine {config.name}: {engine.description} at {network_size}.')
            return engine
        reasons.append(f'{name}: {reason}')
        on_refused(name, reason)
        if len(names) > 1:
            log(f'Engine {config.name}: not {name}: {reason}')
    raise EngineError('No engine works. ' + ' '.join(reasons) if len(reasons) > 1 else reasons[0])


def give_back() -> bool:
    """
    Return freed memory to the system, which malloc would keep for later.

    Reading and compiling a network needs several times its weights for a moment: with 100 MB of
    them 180 MB less stay in the process.

    :returns: whether there was any; False without glibc.
    """
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    return bool(trim is not None and trim(0))


def _onnxruntime_cuda(model: Model, config: EngineConfig, size: Size) -> Engine:
    from depth_node.engine import onnxruntime, verify
    from depth_node.engine.precision import Precision

    if config.precision in ('bf16', 'int8'):
        raise EngineError(f'ONNX Runtime with CUDA is not run in {config.precision}.')
    if config.precision != 'fp16':
        return onnxruntime.open_merged(model, size, threads=config.threads)
    engine = onnxruntime.open_merged(
        model, size, precision=Precision.FP16, threads=config.threads
    )
    reference = onnxruntime.open_merged(model, size, provider=onnxruntime.CPU)
    return verify.accepted(engine, reference, 'fp16')


def _openvino(model: Model, config: EngineConfig, size: Size, log: Log) -> Engine:
    from depth_node.engine import verify
    from depth_node.engine.openvino import open_openvino

    cache: Path | None = None
    try:
        cache = writable(cache_root(config.cache_dir) / 'openvino')
    except EngineError as error:
        log(f'{error} The network is compiled at every start.')
    def opened(precision: str) -> Engine:
        return open_openvino(
            model, size, precision=precision, threads=config.threads, cache=cache
        )

    if config.precision != 'bf16':
        return opened(config.precision)
    return verify.accepted(opened('bf16'), opened('fp32'), 'bf16')


def _onnxruntime(model: Model, config: EngineConfig, size: Size) -> Engine:
    from depth_node.engine.onnxruntime import open_onnxruntime

    return open_onnxruntime(
        model, size, precision=config.precision, threads=config.threads
    )
