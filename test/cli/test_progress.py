"""Progress on a terminal, and none elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from depth_node.cli.progress import ByteBar


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


def test_bytes_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the delay, with the share; the line is free before output, and in the end."""
    tqdm = pytest.importorskip('tqdm')
    made = []

    def at_once(**options: object) -> object:
        made.append(tqdm.std.tqdm(**{**options, 'delay': 0.0, 'mininterval': 0.0}))
        return made[-1]

    monkeypatch.setattr(tqdm, 'tqdm', at_once)
    monkeypatch.setattr(sys, 'stderr', Terminal())
    bar = ByteBar(2000)
    bar.advance(500)
    bar.advance(500)
    assert '50%' in sys.stderr.getvalue()
    bar.clear()
    assert sys.stderr.getvalue().endswith('\r')
    bar.close()
    assert made[0].n == 1000


def test_nothing_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe or a file."""
    bar = ByteBar(10)
    bar.advance(10)
    bar.clear()
    bar.close()
    assert capsys.readouterr() == ('', '')
