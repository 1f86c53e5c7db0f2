"""Files of other versions: today's format is read for ever, others say what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from depth_node.engine.cache import EngineCache, FORMAT, Key
from depth_node.errors import ConfigError, DepthNodeError, ModelError
from depth_node.model import OutputKind, read_sidecar
from depth_node.scale.calibration import read_scale

OTHERS = [0, 2, '1', None]

# as they are written today; a change that cannot read them needs another format number
CALIBRATION = """\
format: {}
model: tiny
sha256: aa
kind: relative_disparity
units: '1/z [1/m] = scale [1/m] * output + shift [1/m]'
scale: 0.5
shift: 0.25
sigma: 0.011314
covariance: [[0.0001, 0.0], [0.0, 0.0001]]
typical: 2.0
source: points
date: '2026-01-02T03:04:05+00:00'
"""
SIDECAR = {
    'name': 'tiny', 'kind': 'sigmoid_disparity', 'mean': [0.0, 0.0, 0.0], 'std': [1.0, 1.0, 1.0],
    'bgr': False, 'multiple': 32, 'aspect': 'squash', 'interpolation': 'linear',
    'min_depth': 0.1, 'max_depth': 100.0, 'scale': 5.4, 'train_focal': 370.0,
}
KEY = Key('a' * 64, 'TensorRT 10.3.0', 'Orin', '8.7', 'fp16', {'optimization_level': 3})


def test_a_calibration_of_today_is_read(tmp_path: Path) -> None:
    path = tmp_path / 'scale.yaml'
    path.write_text(CALIBRATION.format(1))
    found = read_scale(path)
    assert (found.scale, found.shift, found.kind) == (0.5, 0.25, OutputKind.RELATIVE_DISPARITY)


@pytest.mark.parametrize('other', OTHERS)
def test_another_calibration_is_refused(tmp_path: Path, other: object) -> None:
    path = tmp_path / 'scale.yaml'
    path.write_text(CALIBRATION.format(json.dumps(other)))
    with pytest.raises(ConfigError, match='this version reads 1') as refused:
        read_scale(path)
    assert 'Calibrate again' in refused.value.remedy


def test_a_sidecar_of_today_is_read(tmp_path: Path) -> None:
    path = tmp_path / 'tiny.json'
    for head in ({'format': 1}, {}):
        path.write_text(json.dumps({**head, **SIDECAR}))
        assert read_sidecar(path).scale == 5.4


@pytest.mark.parametrize('other', OTHERS)
def test_another_sidecar_is_refused(tmp_path: Path, other: object) -> None:
    path = tmp_path / 'tiny.json'
    path.write_text(json.dumps({'format': other, **SIDECAR}))
    with pytest.raises(ModelError, match='this version reads 1') as refused:
        read_sidecar(path)
    assert 'Update depth_node' in refused.value.remedy


@pytest.mark.parametrize('other', [1, FORMAT, FORMAT + 1, '2', None])
def test_an_engine_of_another_format_is_built_again(tmp_path: Path, other: object) -> None:
    cache = EngineCache(tmp_path)
    path = cache.store('net', KEY, b'plan', {})
    description = path.with_suffix('.json')
    metadata = json.loads(description.read_text())
    assert metadata['format'] == FORMAT
    description.write_text(json.dumps(metadata | {'format': other}))
    found = cache.load('net', KEY)
    assert (found is not None) == (other == FORMAT and isinstance(other, int))
    assert path.exists() == (found is not None), 'what is not used is set aside'


@pytest.mark.parametrize('other', OTHERS)
def test_another_checkpoint_is_refused(tmp_path: Path, other: object) -> None:
    torch = pytest.importorskip('torch')
    from depth_node.training.checkpoint import read_checkpoint

    path = tmp_path / 'last.pt'
    torch.save({'format': other, 'depth': {}}, path)
    with pytest.raises(ModelError, match='this version reads 1') as refused:
        read_checkpoint(path)
    assert 'train again' in refused.value.remedy
    torch.save({'state_dict': {}}, path)
    with pytest.raises(ModelError, match='not a checkpoint of depth-node train'):
        read_checkpoint(path)


@pytest.mark.parametrize('change', [
    {'progress': 3}, {'progress': {'surprise': 1}}, {'config': 'x'}, {'depth': [1]},
    {'focal': 'x'}, {'optimizer': None}, {'surprise': 1}, {7: 1}, {'config': {'surprise': 1}},
])
def test_a_damaged_checkpoint_is_refused_in_one_line(
    tmp_path: Path, change: dict[object, object]
) -> None:
    torch = pytest.importorskip('torch')
    from depth_node.training.checkpoint import read_checkpoint

    path = tmp_path / 'last.pt'
    torch.save({
        'format': 1, 'config': {'size': '64x32'}, 'focal': 50.0, 'metric': True,
        'progress': {'step': 3}, 'depth': {}, 'pose': {}, 'optimizer': {}, 'scaler': {}, **change,
    }, path)
    with pytest.raises(DepthNodeError):
        read_checkpoint(path)


def test_a_torch_that_can_be_tricked_reads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip('torch')
    from depth_node.training.networks.weights import read_state

    path = tmp_path / 'weights.pth'
    torch.save({'a': torch.zeros(1)}, path)
    for version, works in (('2.5.1+cpu', False), ('2.6.0', True), ('3.0.0a0+git', True)):
        monkeypatch.setattr(torch, '__version__', version)
        if works:
            assert 'a' in read_state(path)
        else:
            with pytest.raises(ModelError, match='CVE-2025-32434'):
                read_state(path)


def test_a_checkpoint_of_today_is_read(tmp_path: Path) -> None:
    torch = pytest.importorskip('torch')
    from depth_node.training.checkpoint import read_checkpoint

    path = tmp_path / 'last.pt'
    torch.save({
        'format': 1, 'config': {'size': '64x32', 'network': 'small'}, 'focal': 50.0,
        'metric': True, 'progress': {'step': 3}, 'depth': {'a': torch.zeros(1)}, 'pose': {},
        'optimizer': {}, 'scaler': {},
    }, path)
    found = read_checkpoint(path)
    assert (found.progress.step, found.focal, found.config.size) == (3, 50.0, '64x32')


def test_the_name_of_a_sidecar_is_fit_for_a_log(tmp_path: Path) -> None:
    """It is in warnings and errors, whoever wrote the file."""
    path = tmp_path / 'a.json'
    path.write_text(json.dumps({
        'format': 1, 'kind': 'metric_depth', 'name': '\x1b[2Jx\n../../evil' + 'n' * 10**5,
        'licence': 'MIT\n\x07',
    }))
    spec = read_sidecar(path)
    assert spec.name.startswith('\\x1b[2Jx ../../evil')
    assert len(spec.name) <= 110
    assert spec.licence == 'MIT \\x07'
