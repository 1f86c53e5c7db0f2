"""The benchmark measures what it says: parts add up, and a slow part is found where it is."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
import time

import pytest

from depth_node.catalogue.opening import open_model
from depth_node.cli.main import main
from depth_node.config import Config
from depth_node.engine.host import HostEngine
from depth_node.evaluation.benchmark import benchmark
from depth_node.image.size import Size
from depth_node.model import Model
from depth_node.timing import Quantiles, Stages

SIDECAR = {'format': 1, 'kind': 'sigmoid_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1]}
ONNXRUNTIME = {'engine.name': 'onnxruntime', 'engine.threads': 1}


@pytest.fixture
def model(network: Callable[..., Path]) -> Model:
    """A tiny network."""
    path = network()
    path.with_suffix('.json').write_text(json.dumps(SIDECAR))
    return open_model(path)


def test_a_slow_network_is_not_called_overhead(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty milliseconds in the network are in bare, engine and frame, and not in overhead."""
    from depth_node.engine.onnxruntime import OnnxRuntimeNetwork

    run = OnnxRuntimeNetwork.run

    def slow(self: OnnxRuntimeNetwork) -> None:
        time.sleep(0.02)
        run(self)

    monkeypatch.setattr(OnnxRuntimeNetwork, 'run', slow)
    result = benchmark(model, Config().replaced(ONNXRUNTIME), Size(64, 48), 10)
    assert result.bare_ms.median >= 20
    assert result.engine_ms.median >= 20
    assert result.frame_ms.median >= 20
    assert result.overhead_ms.median < result.bare_ms.median
    assert set(result.stages_ms) == {'engine', 'metres', 'filters', 'cloud'}


def test_a_slow_preparation_is_overhead(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty milliseconds around the network are in engine and overhead, and not in bare."""
    infer = HostEngine.infer

    def slow(self: HostEngine, *arguments: object) -> None:
        time.sleep(0.02)
        infer(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(HostEngine, 'infer', slow)
    result = benchmark(model, Config().replaced(ONNXRUNTIME), Size(64, 48), 10)
    assert result.engine_ms.median >= 20
    assert result.overhead_ms.median >= 20 > result.bare_ms.median


def test_json_has_what_scripts_rely_on(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The keys of the public interface, finite and in order of size."""
    report = tmp_path / 'b.json'
    code = main([
        'benchmark', '--model', str(model.path), '--engine', 'onnxruntime', '--frames', '5',
        '--camera-size', '64x48', '--set', 'points.stride=2', '--json', str(report),
    ])
    assert code == 0
    assert 'outside the network' in capsys.readouterr().out
    found = json.loads(report.read_text())
    assert found['device'] == 'CPU'
    assert found['precision'] == 'fp32'
    for key in ('bare_ms', 'engine_ms', 'frame_ms', 'overhead_ms'):
        assert found[key]['median'] <= found[key]['p95'] <= found[key]['p99']
    assert found['fps'] > 0


@pytest.mark.parametrize('words', [
    ['--set', 'nonsense'], ['--set', 'points.strid=2'], ['--camera-size', 'big'],
    ['--frames', '0'],
])
def test_wrong_words_are_one_line(
    model: Model, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and what was wrong."""
    assert main(['benchmark', '--model', str(model.path), *words]) == 2
    assert words[1].partition('=')[0] in capsys.readouterr().err


def test_laps_of_a_stopwatch() -> None:
    """Laps follow each other, and quantiles are those of the values."""
    stages = Stages()
    for _ in range(3):
        stages.begin()
        time.sleep(0.002)
        stages.lap('sleep')
        stages.lap('nothing')
    found = stages.summary()
    assert list(found) == ['sleep', 'nothing']
    assert found['sleep'].median >= 2 > found['nothing'].median
    assert Quantiles.of(range(101)) == Quantiles(50.0, 95.0, 99.0)
    stages.clear()
    assert not stages.summary()


def test_everything_adds_what_planners_ask_for(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One flag turns on obstacles, voxels, scan and the color picture."""
    report = tmp_path / 'b.json'
    code = main([
        'benchmark', '--model', str(model.path), '--engine', 'onnxruntime', '--frames', '3',
        '--camera-size', '64x48', '--everything', '--json', str(report),
    ])
    assert code == 0
    assert 'color' in capsys.readouterr().out
    assert set(json.loads(report.read_text())['stages_ms']) == {
        'engine', 'metres', 'filters', 'cloud', 'color'
    }
