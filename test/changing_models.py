"""Models whose files change while an engine opens them, and engines with a hook there."""

from __future__ import annotations

from collections.abc import Callable
import contextlib
import os
from pathlib import Path
import shutil
from typing import Any

from dummy_networks import write_network
from fake_machine import build_here, few_frames, infer, Machine
import numpy as np
from numpy.typing import NDArray
import onnx
from onnx import numpy_helper
import onnxruntime
import openvino
import pytest

from depth_node.config import EngineConfig
from depth_node.engine import open_engine
from depth_node.image.size import Size
from depth_node.model import Model, ModelSpec, OutputKind
from depth_node.model.fingerprint import fingerprint

SIZE = Size(32, 24)
FRAME = np.random.default_rng(3).integers(0, 256, (120, 160, 3), np.uint8)
EXTERNAL = 'weights.bin'


class Site:
    """
    A folder with a model, and next to it another version with the same size in bytes.

    :param folder: of the test.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / 'net.onnx'
        self.weights = folder / EXTERNAL
        self.sidecar = folder / 'net.json'
        self.newer = folder / 'newer'
        self.changes = 0

    def write(self, *, external: bool = False, hashed: bool = False) -> Site:
        self.newer.mkdir()
        for folder, factor in ((self.folder, 1.0), (self.newer, -1.0)):
            place = write_network(folder / 'net.onnx')
            model = onnx.load(place)
            kernel, = (w for w in model.graph.initializer if w.name == 'kernel')
            values = factor * numpy_helper.to_array(kernel)
            kernel.CopyFrom(numpy_helper.from_array(values, 'kernel'))
            onnx.save(
                model, place, save_as_external_data=external,
                location=EXTERNAL if external else None, size_threshold=0,
            )
        assert self.path.stat().st_size == (self.newer / 'net.onnx').stat().st_size
        self.describe(fingerprint(self.path) if hashed else None)
        return self

    def describe(self, sha256: str | None, scale: float = 1.0) -> None:
        spec = ModelSpec('net', OutputKind.SIGMOID_DISPARITY, scale=scale, sha256=sha256)
        self.sidecar.write_text(spec.to_json())

    def overwrite(self) -> None:
        """Like ``cp --preserve=timestamps`` over a file with the same size and dates."""
        with keeping_dates(self.path):
            shutil.copyfile(self.newer / 'net.onnx', self.path)

    def overwrite_half(self) -> None:
        """Cut it: the copying goes on later."""
        self.path.write_bytes((self.newer / 'net.onnx').read_bytes()[:150])

    def overwrite_weights(self) -> None:
        with keeping_dates(self.weights):
            shutil.copyfile(self.newer / EXTERNAL, self.weights)

    def rename(self) -> None:
        """Like rsync."""
        with keeping_dates(self.path):
            part = self.folder / '.net.onnx.part'
            shutil.copyfile(self.newer / 'net.onnx', part)
            part.replace(self.path)

    def rewrite_sidecar(self) -> None:
        self.describe(None, scale=2.0)

    def remove(self) -> None:
        self.path.unlink()

    def remove_weights(self) -> None:
        self.weights.unlink()

    def touch(self) -> None:
        os.utime(self.path)

    def copy_again(self) -> None:
        """Write the same content again."""
        content = self.path.read_bytes()
        self.path.write_bytes(b'')
        self.path.write_bytes(content)


@contextlib.contextmanager
def keeping_dates(path: Path):
    before = path.stat()
    yield
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


class Bench:
    """
    Opens engines, each with a hook at the moment when it reads the model.

    :param monkeypatch: of the test.
    :param tmp_path: of the test.
    :param name: the engine.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
        self.monkeypatch, self.name = monkeypatch, name
        self.config = EngineConfig(name=name, cache_dir=str(tmp_path / 'cache'))
        self.cache = tmp_path / 'cache'
        self.closed = 0
        self.warnings: list[str] = []
        self.machine: Machine | None = None
        if name == 'tensorrt':
            monkeypatch.setattr('depth_node.engine.tensorrt.job.sample_frames', few_frames)
            self.machine = Machine(monkeypatch, self.cache, tmp_path / 'unused.onnx')

    def during(self, change: Callable[[], None], times: int = 1, *, after: bool = False) -> None:
        """Change something before the engine reads the model, or after it."""
        done: list[int] = []

        def hooked(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **options: Any) -> Any:
                found = real(*args, **options) if after else None
                if len(done) < times:
                    done.append(1)
                    change()
                return found if after else real(*args, **options)

            return call

        if self.name == 'openvino':
            verb = 'compile_model' if after else 'read_model'
            self.monkeypatch.setattr(openvino.Core, verb, hooked(getattr(openvino.Core, verb)))
        elif self.name == 'onnxruntime':
            self.monkeypatch.setattr(
                onnxruntime, 'InferenceSession', hooked(onnxruntime.InferenceSession)
            )
        else:
            self.monkeypatch.setattr(
                'depth_node.engine.tensorrt.job.build_apart', hooked(build_here)
            )

    def open(self, model: Model) -> Any:
        return open_engine(model, self.config, SIZE, warn=self.warnings.append)

    def kept(self) -> list[Path]:
        return [p for p in self.cache.rglob('*') if p.suffix in ('.blob', '.plan', '.sha256')]


def answer(engine: Any) -> NDArray[np.float32]:
    depth = infer(engine, FRAME).planes['depth'].copy()
    engine.close()
    return depth


def expected(site: Site) -> NDArray[np.float32]:
    """Return what ONNX Runtime makes of the model as it is now."""
    return answer(open_engine(
        Model(site.path, ModelSpec('net', OutputKind.SIGMOID_DISPARITY)),
        EngineConfig(name='onnxruntime'), SIZE,
    ))
