"""Models for recordings, and a way to call the verb."""

from __future__ import annotations

import json
from typing import Any

import pytest

from depth_node.cli.main import main


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
