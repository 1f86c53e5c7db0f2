"""What was verified is what is run, whatever is copied over the files of a model meanwhile."""

from __future__ import annotations

from collections.abc import Callable
import contextlib
import hashlib
import os
from pathlib import Path
import shutil
import sys
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

from depth_node.catalogue import opening as catalogue_opening
from depth_node.catalogue.opening import open_model
from depth_node.config import EngineConfig
from depth_node.engine import int8, open_engine
from depth_node.engine.host import HostEngine
from depth_node.engine.opening import TRIES
from depth_node.engine.tensorrt.job import Job
from depth_node.errors import ChangedError, ModelError
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


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / 'model').mkdir()
    return Site(tmp_path / 'model')


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(cache_dir=str(tmp_path / 'cache'))


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


@pytest.fixture(params=['openvino', 'onnxruntime', 'tensorrt'])
def bench(request, monkeypatch, tmp_path):
    made = Bench(monkeypatch, tmp_path, request.param)
    yield made
    if made.machine is not None:
        assert made.machine.faults() == []


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


CHANGES = ['overwrite', 'overwrite_half', 'rename', 'rewrite_sidecar', 'remove', 'touch']


@pytest.mark.parametrize('when', ['before it is read', 'after it is read'])
@pytest.mark.parametrize('change', CHANGES)
def test_a_model_that_changes_is_refused_and_nothing_of_it_is_cached(
    site: Site, bench: Bench, change: str, when: str
) -> None:
    model = open_model(site.write().path)
    bench.during(getattr(site, change), after=when.startswith('after'))
    with pytest.raises(ChangedError) as caught:
        bench.open(model)
    text = str(caught.value)
    assert str(site.sidecar if change == 'rewrite_sidecar' else site.path) in text
    assert 'Start again when nothing is being copied' in text
    assert '\n' not in text
    assert bench.kept() == []
    assert bench.machine is None or bench.machine.leaks() == 0


@pytest.mark.parametrize('change', ['overwrite_weights', 'remove_weights'])
@pytest.mark.parametrize('hashed', [False, True])
def test_weights_in_another_file_that_change_alone(
    site: Site, bench: Bench, change: str, hashed: bool
) -> None:
    model = open_model(site.write(external=True, hashed=hashed).path)
    bench.during(getattr(site, change))
    with pytest.raises(ChangedError, match=EXTERNAL.replace('.', r'\.')):
        bench.open(model)
    assert bench.kept() == []


@pytest.mark.parametrize('change', ['overwrite', 'overwrite_half', 'rename', 'remove'])
def test_the_hash_decides_about_the_second_version(
    site: Site, bench: Bench, change: str
) -> None:
    model = open_model(site.write(hashed=True).path)
    bench.during(getattr(site, change))
    with pytest.raises(ChangedError, match=r'net\.onnx'):
        bench.open(model)
    assert bench.kept() == []


@pytest.mark.parametrize('change', ['touch', 'copy_again'])
def test_the_same_content_by_its_hash_is_opened_again(
    site: Site, bench: Bench, change: str
) -> None:
    """As if two nodes write the graph of a published model at the same time."""
    model = open_model(site.write(hashed=True).path)
    right = expected(site)
    bench.during(getattr(site, change), TRIES - 1)
    np.testing.assert_allclose(answer(bench.open(model)), right, atol=2e-3)
    again = [line for line in bench.warnings if 'verified again' in line]
    assert len(again) == TRIES - 1


def test_one_that_never_rests_is_refused_in_the_end(site: Site, bench: Bench) -> None:
    model = open_model(site.write(hashed=True).path)
    calls: list[int] = []

    def touch() -> None:
        calls.append(1)
        site.touch()

    bench.during(touch, 100)
    with pytest.raises(ChangedError):
        bench.open(model)
    assert len(calls) == TRIES


def test_a_change_back_to_what_it_was_is_noticed(site: Site, bench: Bench) -> None:
    """The other version is read, and at the end everything looks as at the beginning."""
    model = open_model(site.write().path)
    before = site.path.read_bytes()
    bench.during(site.overwrite)
    with pytest.raises(ChangedError):
        bench.open(model)
    with keeping_dates(site.path):
        site.path.write_bytes(before)
    with pytest.raises(ChangedError):
        bench.open(model)  # not even now: the model has to be opened again
    right = expected(site)
    np.testing.assert_allclose(answer(bench.open(open_model(site.path))), right, atol=2e-3)


def test_a_sidecar_with_the_same_content_is_no_change(site: Site, bench: Bench) -> None:
    model = open_model(site.write().path)
    text = site.sidecar.read_text()
    bench.during(lambda: [site.sidecar.unlink(), site.sidecar.write_text(text)])
    bench.open(model).close()
    assert bench.warnings == [] or bench.name == 'tensorrt'


def test_a_sidecar_that_appears_is_a_change(site: Site, bench: Bench) -> None:
    site.write().sidecar.unlink()
    described = {'kind': 'sigmoid_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1]}
    model = open_model(site.path, overrides=described)
    bench.during(site.rewrite_sidecar)
    with pytest.raises(ChangedError, match=r'net\.json'):
        bench.open(model)


def test_one_that_changed_since_it_was_opened_is_not_even_compiled(
    site: Site, bench: Bench
) -> None:
    """A node waits for its first frame; compiling may take minutes."""
    model = open_model(site.write().path)
    site.overwrite()

    def never() -> None:
        raise AssertionError('The engine was opened.')

    bench.during(never)
    with pytest.raises(ChangedError):
        bench.open(model)


def test_a_model_that_was_not_opened_here_is_watched_too(site: Site, bench: Bench) -> None:
    model = Model(site.write().path, ModelSpec('net', OutputKind.SIGMOID_DISPARITY))
    bench.during(site.overwrite)
    with pytest.raises(ChangedError):
        bench.open(model)


@pytest.mark.parametrize('external', [False, True])
def test_neither_version_is_later_taken_from_the_cache_for_the_other(
    site: Site, config: EngineConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    external: bool,
) -> None:
    """OpenVINO caches what it compiled under the hash of what it read, maybe a moment earlier."""
    model = open_model(site.write(external=external).path)
    right = expected(site)
    bench = Bench(monkeypatch, tmp_path, 'openvino')
    bench.open(model).close()
    assert len(bench.kept()) == 2  # the blob and its hash
    changed = site.weights if external else site.path
    content = changed.read_bytes()
    blob, = (path for path in bench.kept() if path.suffix == '.blob')
    real = openvino.Core.compile_model

    def torn(self: Any, *args: Any) -> Any:
        """Cache the other version under the key of the first."""
        found = real(self, *args)
        other, = (path for path in bench.kept() if path.suffix == '.blob' and path != blob)
        other.replace(blob)
        digest = hashlib.sha256(blob.read_bytes()).hexdigest()
        blob.with_name(blob.name + '.sha256').write_text(digest)
        return found

    with monkeypatch.context() as patch:
        bench.monkeypatch = patch
        bench.during(site.overwrite_weights if external else site.overwrite)
        patch.setattr(openvino.Core, 'compile_model', torn)
        with pytest.raises(ChangedError):
            bench.open(model)
    assert bench.kept() == []
    other = expected(site)
    assert np.abs(other - right).max() > 0.01
    np.testing.assert_allclose(answer(bench.open(open_model(site.path))), other, atol=1e-4)
    changed.write_bytes(content)
    np.testing.assert_allclose(answer(bench.open(open_model(site.path))), right, atol=1e-4)


def test_int8_of_a_torn_model_is_not_cached(
    site: Site, config: EngineConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = open_model(site.write().path)
    frame = few_frames()[0]
    monkeypatch.setattr(int8, '_world', lambda: [frame])
    monkeypatch.setattr(int8, 'sample_frames', lambda _given: [frame])
    bench = Bench(monkeypatch, tmp_path, 'openvino')
    bench.config = EngineConfig(
        name='openvino', precision='int8', cache_dir=str(tmp_path / 'cache')
    )

    def changing(network: Any, _tensors: Any, **_: Any) -> Any:
        site.overwrite()
        return network

    monkeypatch.setattr(int8, 'quantize', changing)
    with pytest.raises(ChangedError):
        bench.open(model)
    assert bench.kept() == []


def test_a_kept_tensorrt_engine_is_closed_if_the_model_changes_while_it_is_loaded(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = open_model(site.write().path)
    bench = Bench(monkeypatch, tmp_path, 'tensorrt')
    assert bench.machine is not None
    bench.open(model).close()
    real = Job._kept_verdict

    def changing(self: Job, *args: Any) -> Any:
        site.overwrite()
        return real(self, *args)

    monkeypatch.setattr(Job, '_kept_verdict', changing)
    with pytest.raises(ChangedError):
        bench.open(model)
    assert bench.machine.leaks() == 0
    assert bench.machine.faults() == []


def test_the_engine_of_a_changed_model_is_closed(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed: list[HostEngine] = []

    def close(self: HostEngine) -> None:
        closed.append(self)

    monkeypatch.setattr(HostEngine, 'close', close)
    bench = Bench(monkeypatch, tmp_path, 'onnxruntime')
    model = open_model(site.write().path)
    bench.during(site.overwrite, after=True)
    with pytest.raises(ChangedError):
        bench.open(model)
    assert len(closed) == 1


def test_engines_that_are_missing_are_reported_once(
    site: Site, config: EngineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'tensorrt', None)
    monkeypatch.setattr(
        onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider']
    )
    model = open_model(site.write(hashed=True).path)
    real, lines, refused = openvino.Core.read_model, [], []

    def touching(self: Any, *args: Any) -> Any:
        if not lines.count('touched'):
            lines.append('touched')
            site.touch()
        return real(self, *args)

    monkeypatch.setattr(openvino.Core, 'read_model', touching)
    engine = open_engine(
        model, config, SIZE, log=lines.append, warn=lines.append,
        on_refused=lambda name, _reason: refused.append(name),
    )
    assert engine.description.startswith('OpenVINO')
    assert refused == ['tensorrt', 'onnxruntime with CUDA']
    assert sum('not tensorrt' in line for line in lines) == 1


@pytest.mark.parametrize('hashed', [False, True])
def test_a_change_between_the_hash_and_the_engine_is_noticed(
    site: Site, bench: Bench, monkeypatch: pytest.MonkeyPatch, hashed: bool
) -> None:
    real = catalogue_opening.check_fingerprint

    def checked(path: Path, sha256: str | None) -> None:
        real(path, sha256)
        site.overwrite()

    monkeypatch.setattr(catalogue_opening, 'check_fingerprint', checked)
    model = open_model(site.write(hashed=hashed).path)
    with pytest.raises(ChangedError):
        bench.open(model)


def test_a_wrong_hash_of_a_file_that_is_being_copied_is_called_so(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = catalogue_opening.check_fingerprint

    def overwritten(path: Path, sha256: str | None) -> None:
        site.overwrite()
        real(path, sha256)

    with monkeypatch.context() as patch:
        patch.setattr(catalogue_opening, 'check_fingerprint', overwritten)
        with pytest.raises(ChangedError):
            open_model(site.write(hashed=True).path)
    with pytest.raises(ModelError, match='its SHA-256 is') as caught:
        open_model(site.path)
    assert not isinstance(caught.value, ChangedError)


def is_mapped(path: Path) -> bool:
    return str(path) in Path('/proc/self/maps').read_text()


@pytest.mark.parametrize('cut', [False, True])
def test_an_open_engine_does_not_depend_on_its_files_any_more(
    site: Site, bench: Bench, cut: bool
) -> None:
    """ONNX Runtime would keep external weights mapped, run what is written there, or crash."""
    model = open_model(site.write(external=True).path)
    right = expected(site)
    engine = bench.open(model)
    assert not is_mapped(site.weights)
    if cut:
        os.truncate(site.weights, 0)
    else:
        site.overwrite_weights()
        site.overwrite()
    np.testing.assert_allclose(answer(engine), right, atol=2e-3)


@pytest.mark.parametrize('bench', ['openvino', 'tensorrt'], indirect=True)
def test_weights_that_are_cut_while_they_are_compiled_do_not_end_the_process(
    site: Site, bench: Bench
) -> None:
    """A copy begins by cutting the file, and what is mapped ends the process with SIGBUS."""
    model = open_model(site.write(external=True).path)
    mapped = []

    def cut() -> None:
        mapped.append(is_mapped(site.weights))
        if not mapped[-1]:
            os.truncate(site.weights, 0)

    if bench.name == 'openvino':
        real = openvino.Core.compile_model

        def cutting(self: Any, *args: Any) -> Any:
            cut()
            return real(self, *args)

        bench.monkeypatch.setattr(openvino.Core, 'compile_model', cutting)
    else:
        bench.during(cut)
    with pytest.raises(ChangedError):
        bench.open(model)
    assert mapped == [False]
