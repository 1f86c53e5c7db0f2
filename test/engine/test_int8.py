"""Quantizing: that it helps only when it is right, is kept, and says what it needs."""

from __future__ import annotations

import builtins
from concurrent.futures import ThreadPoolExecutor
import dataclasses
from pathlib import Path
import shutil
import tempfile

import cv2
from dummy_networks import write_network
import numpy as np
import pytest

from depth_node.catalogue.opening import open_model
from depth_node.config import EngineConfig
from depth_node.engine import int8, open_engine
from depth_node.engine.int8 import calibration_frames
from depth_node.engine.verify import relative_error, sample_frames
from depth_node.errors import CancelledError, DataError, EngineError
from depth_node.image.size import Size
from depth_node.model import Model, ModelSpec, OutputKind

SIZE = Size(32, 24)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Write a network small enough to quantize in a test."""
    path = write_network(tmp_path / 'tiny.onnx', width=SIZE.width, height=SIZE.height)
    return Model(path, ModelSpec('tiny', OutputKind.SIGMOID_DISPARITY, input_size=SIZE))


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    """Ask for int8, with a cache of the test's own."""
    return EngineConfig(name='openvino', precision='int8', cache_dir=str(tmp_path / 'cache'))


@pytest.fixture
def one_frame(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Look at one frame only, which is quick."""
    frame = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    monkeypatch.setattr(int8, '_world', lambda: [frame])
    monkeypatch.setattr(int8, 'sample_frames', lambda _given: [frame])
    return frame


@pytest.fixture
def quantizations(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Write down how often is quantized, and what is left out."""
    calls: list[tuple[int, int]] = []
    real = int8.quantize

    def counted(network: object, tensors: list[np.ndarray], *, first: int, last: int) -> object:
        calls.append((first, last))
        # the only convolution of the network would be the one that is left out
        return real(network, tensors)

    monkeypatch.setattr(int8, 'quantize', counted)
    return calls


def test_it_is_done_once_and_says_how_far_off_it_is(
    model: Model, config: EngineConfig, one_frame: np.ndarray,
    quantizations: list[tuple[int, int]],
) -> None:
    results = []
    for _ in range(2):
        engine = open_engine(model, config, SIZE)
        assert engine.description.startswith('OpenVINO')
        assert 'int8 (' in engine.description
        assert '% from fp32)' in engine.description
        out = engine.buffers(48, 64)
        engine.infer(one_frame, out)
        results.append(out.values.copy())
        engine.close()
    assert quantizations == [(0, 1)]
    np.testing.assert_array_equal(*results)
    exact = open_engine(model, dataclasses.replace(config, precision='fp32'), SIZE)
    out = exact.buffers(48, 64)
    exact.infer(one_frame, out)
    error = relative_error(results[0], out.values)
    assert 0 < np.median(error) < int8.MEDIAN_BOUND  # it is another arithmetic, and a good one


def test_nodes_that_start_together_quantize_once(
    model: Model, config: EngineConfig, one_frame: np.ndarray,
    quantizations: list[tuple[int, int]],
) -> None:
    with ThreadPoolExecutor(3) as pool:
        opening = [pool.submit(open_engine, model, config, SIZE) for _ in range(3)]
    engines = [each.result() for each in opening]
    assert quantizations == [(0, 1)]
    assert all('int8 (' in engine.description for engine in engines)
    for engine in engines:
        engine.close()


def test_a_cache_that_can_only_be_read_serves_in_silence(
    model: Model, config: EngineConfig, one_frame: np.ndarray,
    quantizations: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_engine(model, config, SIZE).close()

    def refused(**_: object) -> None:
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(tempfile, 'TemporaryFile', refused)
    lines: list[str] = []
    engine = open_engine(model, config, SIZE, log=lines.append, warn=lines.append)
    assert 'int8 (' in engine.description
    engine.close()
    assert not [line for line in lines if 'cannot be written' in line]
    # and one that is empty is missed once, by who wanted to keep something
    shutil.rmtree(config.cache_dir)
    open_engine(model, config, SIZE, warn=lines.append).close()
    assert [line for line in lines if 'every start quantizes it' in line]
    assert len(quantizations) == 2


def test_what_does_not_hold_is_not_used(
    model: Model, config: EngineConfig, one_frame: np.ndarray,
    quantizations: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(int8, 'MEDIAN_BOUND', 1e-9)
    warnings: list[str] = []
    for _ in range(2):
        engine = open_engine(model, config, SIZE, warn=warnings.append)
        assert engine.description.endswith('fp32')
        engine.close()
    assert quantizations == [(0, 1), (2, 5)]  # not again at the second start
    assert len(warnings) == 2
    assert all('int8 is not accurate enough for tiny: relative error' in line for line in warnings)


def test_another_calibration_is_another_network(
    model: Model, config: EngineConfig, one_frame: np.ndarray,
    quantizations: list[tuple[int, int]], tmp_path: Path,
) -> None:
    open_engine(model, config, SIZE).close()
    folder = tmp_path / 'pictures'
    folder.mkdir()
    cv2.imwrite(str(folder / 'a.png'), one_frame[::-1])
    mine = dataclasses.replace(config, calibration_dir=str(folder))
    open_engine(model, mine, SIZE).close()
    open_engine(model, mine, SIZE).close()
    assert len(quantizations) == 2


def test_it_can_be_cancelled(
    model: Model, config: EngineConfig, one_frame: np.ndarray
) -> None:
    asked = iter([False, True, True, True])
    with pytest.raises(CancelledError):
        open_engine(model, config, SIZE, cancelled=lambda: next(asked))


def test_without_nncf_the_package_is_named(
    model: Model, config: EngineConfig, one_frame: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object, **options: object) -> object:
        if name.startswith('nncf'):
            raise ImportError('No module named nncf')
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(EngineError, match=r"pip install 'depth_node\[int8\]'"):
        open_engine(model, config, SIZE)


@pytest.mark.parametrize('engine', ['onnxruntime', 'tensorrt'])
def test_other_engines_refuse(model: Model, config: EngineConfig, engine: str) -> None:
    with pytest.raises(EngineError, match='int8'):
        open_engine(model, dataclasses.replace(config, name=engine), SIZE)


def test_pictures_of_the_robot(tmp_path: Path) -> None:
    picture = np.zeros((6, 8, 3), np.uint8)
    picture[..., 2] = 200  # red, as OpenCV writes it
    for index in range(3):
        cv2.imwrite(str(tmp_path / f'{index}.png'), picture)
    (tmp_path / 'notes.txt').write_text('not a picture')
    frames = calibration_frames(str(tmp_path))
    assert len(frames) == 6  # each in another light as well
    assert tuple(frames[0][0, 0]) == (200, 0, 0)
    again = calibration_frames(str(tmp_path))
    assert all(np.array_equal(a, b) for a, b in zip(frames, again, strict=True))


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='contains no images'):
        calibration_frames(str(tmp_path))
    with pytest.raises(DataError, match='cannot be read'):
        calibration_frames(str(tmp_path / 'nothing'))


@pytest.mark.slow
def test_a_real_network_holds(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / 'weights' / 'rtmonodepth_s_ms_640_192.onnx'
    model = open_model(path, overrides={
        'kind': 'sigmoid_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1], 'scale': 5.4,
        'input_size': [640, 192],
    })
    size = Size(640, 192)
    config = EngineConfig(name='openvino', precision='int8', cache_dir=str(tmp_path))
    engine = open_engine(model, config, size)
    exact = open_engine(model, dataclasses.replace(config, precision='fp32'), size)
    assert 'int8' in engine.description
    # never seen while quantizing: real frames, where the world's are synthetic
    color = sorted((shared_data / 'rgbd' / 'color').glob('*.png'))[:2]
    frames = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in color]
    for frame in [*frames, *sample_frames()[:1]]:
        ours, theirs = engine.buffers(*frame.shape[:2]), exact.buffers(*frame.shape[:2])
        engine.infer(frame, ours)
        exact.infer(frame, theirs)
        error = relative_error(ours.values, theirs.values)
        assert np.median(error) < 0.08
