"""
Write something again and again, be killed at a random moment, and look at what is left.

``python killed_writers.py WRITER FOLDER ROUNDS [URL]`` forks a process for every round, kills it
with SIGKILL while it writes, and starts afresh in another one. It prints how many rounds left an
unfinished file, and exits with 0 when every fresh start was clean.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
import hashlib
import os
from pathlib import Path
import random
import signal
import sys
import time
import traceback

import numpy as np
import pytest

from depth_node.image.size import Size
from depth_node.model import Model, ModelSpec, OutputKind

SIZE = Size(32, 24)


class Writer(ABC):
    """
    One kind of file.

    :param folder: of its own.
    :param url: of the server with the file to be fetched.
    """

    seconds = 0.3
    """When it is killed at the latest."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url

    @abstractmethod
    def write(self, count: int) -> None:
        """Write version `count`; may be slower than usual, so that more is hit."""

    @abstractmethod
    def check(self) -> None:
        """Start afresh: what is there is whole, and writing works."""

    def unfinished(self) -> int:
        """Count the files under temporary names."""
        return sum('.part' in path.name for path in self.folder.rglob('*'))


class Cache(Writer):
    """Compiled engines, whoever builds them: also int8's."""

    def write(self, count: int) -> None:
        self._cache().store('net', self._key(), self._plan(count), {'count': count})

    def check(self) -> None:
        found = self._cache().load('net', self._key())
        if found is not None:
            assert found[0] == self._plan(found[1]['count'])
        self.write(-1)
        assert self._cache().load('net', self._key())[0] == self._plan(-1)

    def _cache(self):
        from depth_node.engine.cache import EngineCache

        return EngineCache(self.folder)

    @staticmethod
    def _key():
        from depth_node.engine.cache import Key

        return Key('a' * 64, 'int8', 'CPU', '', 'int8', {})

    @staticmethod
    def _plan(count: int) -> bytes:
        return hashlib.sha256(str(count).encode()).digest() * 100_000


class Engine(Writer):
    """A build with the pretended TensorRT, on a slow disk."""

    seconds = 1.0

    def write(self, count: int) -> None:
        machine = self._machine()
        for plan in machine.plans():
            plan.unlink()
        slow_disk()
        machine.open().close()

    def check(self) -> None:
        from fake_machine import frame

        machine = self._machine()
        engine = machine.open()
        assert not machine.warnings, machine.warnings
        out = engine.buffers(120, 160)
        engine.infer(frame(120, 160), out)
        assert np.isfinite(out.values).all()
        assert hashlib.sha256(machine.plans()[0].read_bytes()).hexdigest() == (
            machine.metadata()['plan_sha256']
        )

    def _machine(self):
        from dummy_networks import write_network
        from fake_machine import few_frames, Machine

        patch = pytest.MonkeyPatch()
        patch.setattr('depth_node.engine.tensorrt.job.sample_frames', few_frames)
        path = self.folder / 'tiny.onnx'
        return Machine(patch, self.folder, path if path.exists() else write_network(path))


class OpenVino(Writer):
    """OpenVINO's own cache of compiled networks."""

    seconds = 1.0

    def write(self, count: int) -> None:
        for blob in self.folder.rglob('*.blob'):
            blob.unlink()
        self._infer(self.folder / 'cache')

    def check(self) -> None:
        np.testing.assert_array_equal(self._infer(self.folder / 'cache'), self._infer(None))

    def _infer(self, cache: Path | None):
        from dummy_networks import write_network

        from depth_node.engine.openvino import open_openvino

        path = self.folder / 'tiny.onnx'
        if not path.exists():
            write_network(path)
        engine = open_openvino(
            Model(path, ModelSpec('tiny', OutputKind.RELATIVE_DEPTH)), SIZE, cache=cache
        )
        out = engine.buffers(48, 64)
        engine.infer(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8), out)
        engine.close()
        return out.values


class Download(Writer):
    """A file from a slow server."""

    def write(self, count: int) -> None:
        (self.folder / 'model.bin').unlink(missing_ok=True)
        self._fetch()

    def check(self) -> None:
        target = self.folder / 'model.bin'
        if target.exists():
            assert hashlib.sha256(target.read_bytes()).hexdigest() == self.sha256
        assert hashlib.sha256(self._fetch().read_bytes()).hexdigest() == self.sha256
        assert not list(self.folder.glob('*.part'))

    @property
    def sha256(self) -> str:
        return self.url.partition('#')[2]

    def _fetch(self) -> Path:
        from depth_node.catalogue.entry import WebFile
        from depth_node.catalogue.fetch import fetch

        url = self.url.partition('#')[0]
        return fetch(WebFile(url, sha256=self.sha256), self.folder)


class Calibration(Writer):
    """A scale, on a slow disk."""

    def write(self, count: int) -> None:
        slow_disk()
        self._write(count)

    def _write(self, count: int) -> None:
        from depth_node.scale import ScaleCalibration, write_scale

        kind = OutputKind.RELATIVE_DEPTH
        write_scale(self.path, ScaleCalibration(
            'tiny', 'a' * 64, kind, float(count), float(-count), ((1e-4, 0.0), (0.0, 1e-4)), 2.0,
            'odometry', f'{count}' * 1000,
        ))

    def check(self) -> None:
        from depth_node.scale.calibration import read_scale

        if self.path.exists():
            found = read_scale(self.path)
            assert found.date == f'{found.scale:.0f}' * 1000
        self._write(5)
        assert read_scale(self.path).scale == 5

    @property
    def path(self) -> Path:
        return self.folder / 'scale.yaml'


class Checkpoint(Writer):
    """A training checkpoint."""

    def write(self, count: int) -> None:
        import torch

        from depth_node.training.checkpoint import Checkpoint, RunProgress, write_checkpoint
        from depth_node.training.config import TrainConfig

        same = {'weights': torch.full((500_000,), float(count))}
        write_checkpoint(self.path, Checkpoint(
            TrainConfig(), 100.0, True, RunProgress(step=count), same, {}, same, {},
        ))

    def check(self) -> None:
        from depth_node.training.checkpoint import read_checkpoint

        if self.path.exists():
            found = read_checkpoint(self.path)
            for state in (found.depth, found.optimizer):
                assert (state['weights'] == found.progress.step).all()
        self.write(-1)
        assert read_checkpoint(self.path).progress.step == -1

    @property
    def path(self) -> Path:
        return self.folder / 'last.pt'


WRITERS: dict[str, type[Writer]] = {
    'cache': Cache, 'engine': Engine, 'openvino': OpenVino, 'download': Download,
    'calibration': Calibration, 'checkpoint': Checkpoint,
}


def slow_disk() -> None:
    """Let fsync take its time, as on an SD card."""
    real = os.fsync

    def slow(handle: int) -> None:
        time.sleep(0.02)
        real(handle)

    if os.fsync.__name__ != 'slow':
        os.fsync = slow


def forked(work: Callable[[], None]) -> int:
    """Run something in a process of its own; exit code 3 when it raises."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(3)
        os._exit(0)
    return pid


def main(name: str, folder: str, rounds: str, url: str = '') -> None:
    writer = WRITERS[name](Path(folder), url)
    rng, unfinished = random.Random(name), 0
    # the modules, not the work: threads would not survive the fork
    import depth_node.catalogue.fetch
    import depth_node.engine
    import depth_node.scale
    if name == 'checkpoint':
        import depth_node.training.checkpoint  # noqa: F401

    def forever() -> None:
        count = 1
        while True:
            writer.write(count)
            count = count % 9 + 1

    for _ in range(int(rounds)):
        pid = forked(forever)
        time.sleep(rng.uniform(0.02, writer.seconds))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status), 'it ended by itself'
        unfinished += bool(writer.unfinished())
        _, status = os.waitpid(forked(writer.check), 0)
        assert status == 0, 'the fresh start was not clean'
        for path in writer.folder.rglob('*.part'):
            os.utime(path, (0, 0))  # as if a minute had passed
    _, status = os.waitpid(forked(writer.check), 0)
    assert status == 0
    left = writer.unfinished()
    print(f'unfinished {unfinished}, left {left}')


if __name__ == '__main__':
    main(*sys.argv[1:])
