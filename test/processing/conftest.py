"""Models for recordings, and a way to call the verb."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import pytest

from depth_node.cli.main import main


@pytest.fixture
def model(network: Callable[..., Path]) -> Path:
    """A tiny network that brings a scale."""
    path = network()
    path.with_suffix('.json').write_text(json.dumps({
        'format': 1, 'kind': 'sigmoid_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1],
        'min_depth': 0.5, 'max_depth': 10.0, 'scale': 1.0, 'train_focal': 20.0,
    }))
    return path


class Verb:
    """``depth-node process`` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.error = ''

    def __call__(self, *words: object) -> tuple[int, list[dict[str, Any]]]:
        """Return the exit code, and what was said of each bag."""
        self._capsys.readouterr()
        code = main(['process', *map(str, words)])
        out, self.error = self._capsys.readouterr()
        return code, [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def process(capsys: pytest.CaptureFixture[str]) -> Verb:
    """Call the verb."""
    return Verb(capsys)
