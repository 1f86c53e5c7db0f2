"""The command that makes the embedded network, as a process."""

from __future__ import annotations

from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip('torch')


def group(leader: int) -> list[str]:
    """Return the states of the processes of a group that have not ended."""
    states = []
    for stat in Path('/proc').glob('[0-9]*/stat'):
        try:
            state, _, of = stat.read_text().rpartition(')')[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(of) == leader and state != 'Z':
            states.append(state)
    return states


def test_who_renders_does_not_outlive_who_trains(tmp_path: Path) -> None:
    """Killed in the middle of rendering: two workers, and the process that hands out worlds."""
    words = [
        sys.executable, '-m', 'depth_node.training.embedded', '--out', str(tmp_path),
        '--meanwhile', '--processes', '2', '--device', 'cpu',
    ]
    run = subprocess.Popen(words, start_new_session=True)
    deadline = time.monotonic() + 90
    while len(group(run.pid)) < 4 or not list(tmp_path.glob('training/*')):
        assert run.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    run.send_signal(signal.SIGKILL)
    run.wait()
    while group(run.pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_start_that_is_no_checkpoint_is_refused_before_anything_is_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from depth_node.training.embedded.__main__ import main

    (tmp_path / 'empty.pt').touch()
    words = ['embedded', '--out', str(tmp_path / 'out'), '--start', str(tmp_path / 'empty.pt')]
    monkeypatch.setattr('sys.argv', words)
    with pytest.raises(SystemExit, match='2'):
        main()
    assert 'empty.pt: is empty' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
