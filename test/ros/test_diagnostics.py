"""What /diagnostics holds, against what its page promises."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
import re

import numpy as np
from rig import Rig

from depth_node.camera import Camera

CAMERA = Camera.from_hfov(64, 48, 70.0)
PAGE = Path(__file__).parents[2] / 'doc' / 'diagnostics.md'


def values(rig: Rig) -> dict[str, str]:
    """Return the last values of both statuses, by key."""
    return {item.key: item.value for s in rig.statuses.values() for item in s.values}


def test_every_value_is_there_and_explained(rig: Rig, network: Callable[..., Path]) -> None:
    """With depth flowing: rates, drops, latency, engine, its verification, scale, NaN, errors."""
    path = network()
    path.with_suffix('.json').write_text(json.dumps({
        'format': 1, 'kind': 'relative_depth', 'mean': [0, 0, 0], 'std': [1, 1, 1],
    }))
    rgb = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    rig.listen('depth/image', 'depth/points')
    rig.start(path, scale__source='fixed', scale__value=2.0, engine__name='onnxruntime')
    rig.until('depth/points', rgb, CAMERA)
    broken = rgb[..., 0].copy()
    assert rig.until_hears('depth', 'encoding', broken, CAMERA, encoding='nonsense')
    rig.until('depth/points', rgb, CAMERA)
    rig.statuses.clear()
    assert rig.until_hears('depth', 'active', rgb, CAMERA)
    found = values(rig)
    for key in (
        'rate in (Hz)', 'rate out (Hz)', 'dropped: error', 'latency p50 (ms)', 'latency p99 (ms)',
        'engine', 'engine choice', 'engine verified', 'invalid pixels (%)', 'calibration',
        'last error', 'errors', 'lifecycle', 'model',
    ):
        assert key in found
    assert found['engine choice'].startswith('engine.name is onnxruntime; not onnxruntime with')
    assert found['engine verified'] == 'not needed: the unmodified network in fp32'
    assert 'nonsense' in found['last error']
    page = PAGE.read_text()
    for key in found:
        name = re.sub(r'^dropped: |( p50| p99)? \(.*\)$', '', key)
        assert f'`{name}' in page, f'{key} is not in the table'
