"""What this machine has for GPU engines: GPUs, driver, TensorRT and the reports about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from depth_node.catalogue.opening import open_model
from depth_node.engine.graph import operators
from depth_node.engine.tensorrt.advisories import advisories, Advisory, known
from depth_node.engine.tensorrt.gpu import Gpu
from depth_node.engine.tensorrt.library import numbers
from depth_node.engine.tensorrt.opening import gpus, version
from depth_node.errors import DepthNodeError
from depth_node.evaluation.checkup import Finding

DRIVER = Path('/proc/driver/nvidia/version')
_GIB = 2**30


def gpu(name: str, driver: Path = DRIVER) -> Iterator[Finding]:
    """
    Look at the GPUs, their driver and TensorRT, and list the public reports that apply to them.

    :param name: the model the node is to run; of one that is not on this machine any operator is
        assumed.
    :param driver: file in which NVIDIA's driver states its version.
    :returns: the findings; one that names the reason where there is no GPU.
    """
    if driver.is_file():
        line = driver.read_text(encoding='utf-8', errors='replace').partition('\n')[0]
        yield Finding('gpu', 'driver', line.removeprefix('NVRM version:').strip())
    found: tuple[Gpu, ...] = ()
    try:
        found = gpus()
    except DepthNodeError as error:
        yield Finding('gpu', 'GPU', f'none: {error.problem}')
    for number, one in enumerate(found):
        memory = f'{one.memory / _GIB:.1f} GiB{" shared with the CPU" if one.integrated else ""}'
        yield Finding(
            'gpu', f'GPU {number}',
            f'{one.name}, compute capability {one.capability}, {memory}, driver for CUDA '
            f'{one.driver}',
        )
    try:
        library = version()
    except DepthNodeError as error:
        yield Finding('gpu', 'TensorRT', f'none: {error.problem}')
        return
    yield Finding('gpu', 'TensorRT', library)
    for advisory in _applying(library, found, name):
        yield Finding('gpu', 'known issue', f'{advisory}. {_what_then(advisory)}')


def _applying(library: str, found: tuple[Gpu, ...], name: str) -> list[Advisory]:
    """Return the reports that apply to one of the GPUs, each once."""
    used = _operators(name)
    of_all = [known(numbers(library), one.capability, used) for one in found]
    return [one for one in advisories() if any(one in some for some in of_all)]


def _operators(name: str) -> set[str]:
    try:
        return operators(open_model(name, offline=True).path.read_bytes())
    except (DepthNodeError, OSError):
        return {operator for advisory in advisories() for operator in advisory.operators}


def _what_then(advisory: Advisory) -> str:
    newer = f'; {advisory.before} or later is not affected' if advisory.before else ''
    return f'Every engine is compared with the network before it is used{newer}.'
