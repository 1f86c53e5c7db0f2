"""A file that has grown too long is split before it is merged."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST = 350


@pytest.mark.parametrize('folder', ['depth_node', 'test', 'launch', 'examples'])
def test_no_file_is_over_350_lines(folder: str) -> None:
    counted = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding='utf-8').splitlines())
        for path in (ROOT / folder).rglob('*.py')
    }
    assert counted
    assert {path: count for path, count in counted.items() if count > MOST} == {}
