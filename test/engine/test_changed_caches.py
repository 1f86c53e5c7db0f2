"""What engines and caches hold after the files of a model changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
import sys
from typing import Any

from changing_models import answer, Bench, expected, Site, SIZE
from fake_machine import few_frames
import numpy as np
import onnxruntime
import openvino
import pytest

from depth_node.catalogue import opening as catalogue_opening
from depth_node.catalogue.opening import open_model
from depth_node.config import EngineConfig
from depth_node.engine import int8, open_engine
from depth_node.engine.host import HostEngine
from depth_node.engine.tensorrt.job import Job
from depth_node.errors import ChangedError, ModelError


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
