"""
The engines there are, in the order that ``auto`` tries them.

To add one: a module that opens it, a row here, its value among the choices of ``engine.name``,
and its package as an extra. A test walks the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from depth_node.engine.base import Engine, Log, Request
from depth_node.engine.cache import engine_cache_root, EngineCache, KeptEngine, writable
from depth_node.errors import EngineError


@dataclass(frozen=True)
class Row:
    """
    One engine.

    :param name: for messages; unique.
    :param parameter: the value of ``engine.name`` that asks for it. Where several rows share
        one, the first that works is taken.
    :param needs: what has to be installed, for people.
    :param precisions: values of ``engine.precision`` it runs in.
    :param open: opens it; a library that is missing is an EngineError.
    :param cache: folder of the cache with engines that are kept with a description; empty: none.
    :param current: gives the runtime and the GPUs that kept engines have to be of to load here,
        empty where it does not matter.
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
        Refuse a precision this engine does not run in.

        :param precision: as ``engine.precision`` has it.
        :raises EngineError: not one of :attr:`precisions`.
        """
        if precision not in self.precisions:
            raise EngineError(
                f'{self.name} does not run in {precision}.',
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
"""The order is that of ``auto``: from the fastest where it works to the most portable."""


def rows(name: str) -> tuple[Row, ...]:
    """
    Find the engines a configuration allows, in the order to try them.

    :param name: as ``engine.name`` has it.
    :returns: every engine for ``auto``; otherwise those of that name.
    """
    if name == 'auto':
        return ENGINES
    return tuple(row for row in ENGINES if row.parameter == name)


def kept(root: Path) -> list[KeptEngine]:
    """
    List the engines that are kept with a description.

    :param root: the folder of the cache.
    :returns: those of every engine, in the order of the table.
    """
    return [
        entry for row in ENGINES if row.cache for entry in EngineCache(root / row.cache).entries()
    ]


def prune(root: Path, log: Log) -> list[Path]:
    """
    Delete what no engine of this machine can use any more.

    :param root: the folder of the cache.
    :param log: takes one line where it cannot be known what this machine can use.
    :returns: the files deleted.
    """
    deleted = []
    for row in ENGINES:
        if not row.cache:
            continue
        try:
            runtime, gpus = row.current()
        except EngineError as error:
            log(f'{error} Engines of other versions and GPUs are left.')
            runtime, gpus = '', ()
        deleted += EngineCache(root / row.cache).prune(runtime, gpus)
    return deleted
