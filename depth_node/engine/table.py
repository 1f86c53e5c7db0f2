"""
The table of engines, in the order in which ``auto`` tries them.

To add an engine, add a module that opens it, a row here, its value in the choices of
``engine.name``, and its package as an extra. A test iterates over the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from depth_node.engine.base import Engine, Log, Request
from depth_node.engine.cache import EngineCache, KeptEngine
from depth_node.engine.cache_folder import engine_cache_root, writable
from depth_node.errors import EngineError


@dataclass(frozen=True)
class Row:
    """
    One engine.

    :param name: unique name, for messages.
    :param parameter: its value of ``engine.name``. If several rows share one, the first that
        works is used.
    :param needs: what must be installed, as text.
    :param precisions: supported values of ``engine.precision``.
    :param open: opens it; a missing library is an EngineError.
    :param cache: cache folder for engines with a description; empty: none.
    :param current: returns the runtime and the GPUs that cached engines must match, empty if
        irrelevant.
    """

    name: str
    parameter: str
    needs: str
    precisions: tuple[str, ...]
    open: Callable[[Request], Engine]
    cache: str = ''
    current: Callable[[], tuple[str, tuple[str, ...]]] = lambda: ('', ())

    def check(self, precision: str) -> None:
        """
        Check that this engine supports a precision.

        :param precision: value of ``engine.precision``.
        :raises EngineError: it is not one of :attr:`precisions`.
        """
        if precision not in self.precisions:
            raise EngineError(
                f'{self.name} does not support {precision}.',
                f'Set engine.precision to {" or ".join(self.precisions)}.',
            )


def _tensorrt(request: Request) -> Engine:
    from depth_node.engine.tensorrt import open_tensorrt

    return open_tensorrt(request)


def _tensorrt_current() -> tuple[str, tuple[str, ...]]:
    from depth_node.engine.tensorrt import current

    return current()


def _onnxruntime_cuda(request: Request) -> Engine:
    from depth_node.engine import onnxruntime, verify
    from depth_node.engine.precision import Precision

    config = request.config
    precision = Precision.FP16 if config.precision == 'fp16' else Precision.FP32
    engine = onnxruntime.open_merged(
        request.model, request.size, precision=precision, threads=config.threads,
        device=config.device,
    )
    if precision is Precision.FP32:
        return engine
    reference = onnxruntime.open_merged(
        request.model, request.size, provider=onnxruntime.CPU
    )
    return verify.accepted(engine, reference)


def _openvino(request: Request) -> Engine:
    from depth_node.engine import verify
    from depth_node.engine.int8 import open_int8
    from depth_node.engine.openvino import open_openvino

    config = request.config
    if config.precision == 'int8':
        return open_int8(request)
    try:
        cache = writable(engine_cache_root(config.cache_dir) / 'openvino')
    except EngineError as error:
        request.log(f'{error} The network is compiled at every start.')
        cache = None

    def opened(precision: str) -> Engine:
        return open_openvino(
            request.model, request.size, precision=precision, threads=config.threads, cache=cache
        )

    if config.precision != 'bf16':
        return opened(config.precision)
    return verify.accepted(opened('bf16'), opened('fp32'))


def _onnxruntime(request: Request) -> Engine:
    from depth_node.engine.onnxruntime import open_onnxruntime

    return open_onnxruntime(request.model, request.size, threads=request.config.threads)


ENGINES: tuple[Row, ...] = (
    Row(
        'tensorrt', 'tensorrt',
        'an NVIDIA GPU, TensorRT 10.3 or later, cuda-python, onnxruntime',
        ('auto', 'fp16', 'fp32'), _tensorrt, cache='tensorrt',
        current=_tensorrt_current,
    ),
    Row(
        'onnxruntime with CUDA', 'onnxruntime',
        'an NVIDIA GPU, onnxruntime-gpu', ('auto', 'fp16', 'fp32'), _onnxruntime_cuda,
    ),
    Row(
        'openvino', 'openvino', 'openvino', ('auto', 'fp32', 'bf16', 'int8'), _openvino,
        cache='int8',
    ),
    Row('onnxruntime', 'onnxruntime', 'onnxruntime', ('auto', 'fp32'), _onnxruntime),
)
"""The engines, from the fastest to the most portable."""


def rows(name: str) -> tuple[Row, ...]:
    """
    Return the engines of a configuration, in the order to try them.

    :param name: value of ``engine.name``.
    :returns: all engines for ``auto``; otherwise those with that name.
    """
    if name == 'auto':
        return ENGINES
    return tuple(row for row in ENGINES if row.parameter == name)


def kept(root: Path) -> list[KeptEngine]:
    """
    Return the cached engines with a description.

    :param root: the cache folder.
    :returns: the engines, in the order of the table.
    """
    return [
        entry for row in ENGINES if row.cache for entry in EngineCache(root / row.cache).entries()
    ]


def prune(root: Path, log: Log) -> list[Path]:
    """
    Delete files that no engine of this machine can use any more.

    :param root: the cache folder.
    :param log: called with one line if it is not known what this machine can use.
    :returns: the deleted files.
    """
    deleted = []
    for row in ENGINES:
        if not row.cache:
            continue
        try:
            runtime, gpus = row.current()
        except EngineError as error:
            log(f'{error} Engines of other versions and GPUs are kept.')
            runtime, gpus = '', ()
        deleted += EngineCache(root / row.cache).prune(runtime, gpus)
    return deleted
