"""Engines that are imported leave no file of theirs behind, and ask no server."""

from __future__ import annotations

import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

CODE = """
import sys
from pathlib import Path
import numpy as np
from depth_node import DepthEstimator, open_model
from depth_node.config import Config
config = Config().replaced({'engine.name': sys.argv[2], 'engine.cache_dir': sys.argv[3]})
estimator = DepthEstimator(open_model(sys.argv[1]), config)
estimator.estimate(np.zeros((24, 32, 3), np.uint8))
estimator.close()
"""


@pytest.mark.parametrize('engine', ['onnxruntime', 'openvino'])
def test_nothing_appears_in_the_home_folder(network, tmp_path: Path, engine: str) -> None:
    """`CI` hides it, and with it set a test would prove nothing."""
    path = network()
    path.with_suffix('.json').write_text(json.dumps({
        'format': 1, 'kind': 'metric_depth', 'mean': [0, 0, 0], 'std': [1, 1, 1],
        'max_depth': 10.0,
    }))
    home = tmp_path / 'home'
    home.mkdir()
    hidden = ('CI', 'ORT_DISABLE_TELEMETRY', 'XDG_CACHE_HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME')
    env = {key: value for key, value in os.environ.items() if key not in hidden}
    env |= {'HOME': str(home), 'TMPDIR': str(home), 'PYTHONDONTWRITEBYTECODE': '1'}
    subprocess.run(
        [sys.executable, '-c', CODE, str(path), engine, str(tmp_path / 'engines')],
        env=env, check=True, timeout=120, cwd=home,
    )
    assert [str(found.relative_to(home)) for found in home.rglob('*')] == []
