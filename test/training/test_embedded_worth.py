"""What the network in the package is worth."""

from __future__ import annotations

import json
from pathlib import Path
import re

import numpy as np
import pytest

from depth_node.catalogue import caution
from depth_node.catalogue.opening import open_model
from depth_node.cli.main import main
from depth_node.config import Config
from depth_node.estimator import DepthEstimator
from depth_node.evaluation.metrics import score
from depth_node.model import OutputKind
from depth_node.sources.datasets import synthetic

ROOMS = 0.09  # abs_rel on the plain rooms 400 to 411


def test_the_network_in_the_package_knows_rooms_it_has_not_seen() -> None:
    """Metres without any scaling, for fields of view of 50 to 90 degrees, 0.3 to 1.5 m high."""
    model = open_model('embedded')
    assert model.path.stat().st_size < 8e6
    assert model.spec.kind is OutputKind.CANONICAL_DEPTH
    assert model.spec.input_size is not None
    assert model.spec.input_size.width * 3 == model.spec.input_size.height * 4
    estimator = DepthEstimator(model, Config().replaced({'engine.name': 'onnxruntime'}))
    errors = []
    for sample in synthetic(range(400, 412), views=5):
        depth = estimator.estimate(sample).depth
        assert depth is not None
        assert sample.depth is not None
        errors.append(score(depth, sample.depth).metrics.abs_rel)
    estimator.close()
    print(f'abs_rel {np.mean(errors):.3f}, worst of {len(errors)} scenes {max(errors):.3f}')
    assert np.mean(errors) < ROOMS


def test_its_error_on_real_rooms_is_the_one_users_are_warned_of(
    shared_data: Path, tmp_path: Path
) -> None:
    """The warning is true, and the shape of the depth beats guesses with the best constants."""
    out = tmp_path / 'rooms.json'
    words = ['evaluate', 'rooms', str(shared_data / 'rooms'), '--model', 'embedded']
    assert main([*words, '--cap', '12', '--engine', 'onnxruntime', '--json', str(out)]) == 0
    report = json.loads(out.read_text(encoding='utf-8'))
    found = report['sets']['mean']
    warned = [int(number) / 100 for number in re.findall(r'(\d+) %', caution('embedded'))]
    assert [found['metric'], found['scaled']] == pytest.approx(warned, abs=0.01)
    for guess in ('constant', 'floor_and_wall'):
        assert found['metric'] < 0.85 * report[guess]['mean']['metric']
        assert found['scaled'] < 0.75 * report[guess]['mean']['scaled']
        assert found['a1'] > report[guess]['mean']['a1'] + 0.1
