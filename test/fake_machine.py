"""A pretended machine with one GPU and TensorRT, for whatever opens engines."""

from __future__ import annotations

from dataclasses import replace
import gc
import json
import sys
from types import SimpleNamespace

from fake_cuda import FakeCuda
from fake_tensorrt import FakeTensorRt
import numpy as np

from depth_node.config import EngineConfig
from depth_node.engine import open_engine
from depth_node.engine.tensorrt.builder import build
from depth_node.engine.tensorrt.library import load_library
from depth_node.image.size import Size
from depth_node.model import Model, ModelSpec, OutputKind

SIZE = Size(32, 24)


class Machine:
    """A pretended machine with one GPU and TensorRT."""

    def __init__(self, monkeypatch, folder, path):
        self.monkeypatch = monkeypatch
        self.config = EngineConfig(name='tensorrt', cache_dir=str(folder))
        self.folder = folder / 'tensorrt'
        self.model = Model(path, ModelSpec('tiny', OutputKind.RELATIVE_DEPTH))
        self.lines, self.warnings, self.progress = [], [], []
        self.cudas = []
        # the process that builds would not see what is pretended here; it has a test of its own
        monkeypatch.setattr('depth_node.engine.tensorrt.job.build_apart', build_here)
        self.install(FakeCuda())

    def install(self, cuda, **options):
        self.cuda, self.trt = cuda, FakeTensorRt(cuda, **options)
        self.cudas.append(cuda)
        bindings = SimpleNamespace(runtime=cuda)
        for name, module in (
            ('tensorrt', self.trt), ('cuda', SimpleNamespace(bindings=bindings)),
            ('cuda.bindings', bindings), ('cuda.bindings.runtime', cuda),
        ):
            self.monkeypatch.setitem(sys.modules, name, module)

    def open(self, **options):
        changes = {k: options.pop(k) for k in tuple(options) if hasattr(self.config, k)}
        return open_engine(
            self.model, replace(self.config, **changes), SIZE,
            on_progress=lambda share, stage: self.progress.append((share, stage)),
            log=self.lines.append, warn=self.warnings.append, **options,
        )

    def faults(self):
        """List what was done that CUDA leaves undefined."""
        gc.collect()
        return [fault for cuda in self.cudas for fault in cuda.faults]

    def leaks(self):
        """Count what has not been given back."""
        gc.collect()
        return sum(cuda.leaks() for cuda in self.cudas)

    def plans(self):
        return sorted(self.folder.glob('*.plan'))

    def metadata(self):
        path, = self.plans()
        return json.loads(path.with_suffix('.json').read_text())


def build_here(graph, settings, limits, *, device=0, **options):
    return build(load_library(), graph.read_bytes(), settings, limits, **options)


def few_frames(given=()):
    return [*given, frame(120, 160), frame(240, 320)]


def frame(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def infer(engine, image):
    """Run an engine on one frame; return what it gives."""
    out = engine.buffers(*image.shape[:2])
    engine.infer(image, out)
    return out
