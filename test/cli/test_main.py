"""Whatever is typed: one line and an exit code, never a traceback."""

from __future__ import annotations

import importlib
from pathlib import Path
import signal
import subprocess
import sys

import pytest

from depth_node.cli.main import main, VERBS
from depth_node.cli.numbers import integer, real
from depth_node.errors import ConfigError

BIG = '9' * 5000


@pytest.mark.parametrize('error', [
    ValueError('odd \x1b[2J'), RecursionError('deep'), AssertionError(), KeyError('x' * 10_000),
    MemoryError(), OSError(24, 'Too many open files'),
])
def test_what_nobody_expected_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(importlib.import_module('depth_node.cli.models'), 'run', fail)
    assert main(['models']) in (1, 2)
    said = capsys.readouterr().err
    assert said.startswith('depth-node models: ')
    assert len(said.splitlines()) == 1
    assert len(said) < 2500
    assert '\x1b' not in said


@pytest.mark.parametrize('words', [
    [], [''], ['\x00'], ['nope'], ['--', 'predict'], ['--model', 'x'], ['models', 'x'],
    ['predict', 'a.png', '--out', 'o', '--model', '~nobody_of_that_name/x.onnx'],
    ['predict', 'a.png', '--out', '\x00', '--model', 'embedded'],
    ['predict', 'a.png', '--out', 'o', '--model', 'embedded', '--json', '\x00'],
    ['predict', 'world:1', '--out', 'o', '--model', 'embedded', '--frames', BIG],
    ['predict', 'world:1', '--out', 'o', '--model', 'embedded', '--rate', 'nan'],
    ['predict', 'world:1', '--out', 'o', '--model', 'embedded', '--size', f'{BIG}x{BIG}'],
    ['predict', 'world:1', '--out', 'o', '--model', 'embedded', '--hfov', '1e-300'],
    ['evaluate', 'world', BIG, '--model', 'embedded'],
    ['evaluate', 'world', '0-99999999999', '--model', 'embedded'],
    ['benchmark', '--model', 'embedded', '--set', 'a=2001-13-45'],
    ['benchmark', '--model', 'embedded', '--set', f'points.stride={BIG}'],
    ['benchmark', '--model', 'embedded', '--set', 'a=' + '[' * 5000],
    ['benchmark', '--model', 'embedded', '--camera-size', '1x1'],
    ['fetch', 'embedded', '--frame', BIG],
])
def test_a_wrong_usage_is_said_shortly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if not line.startswith(('usage:', ' '))]
    assert len(lines) == 1
    assert 'Traceback' not in said
    assert 'bug' not in said
    assert len(lines[0]) < 1500
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_no_text_is_printed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File names are bytes; what is not UTF-8 in them cannot be written to a terminal."""
    monkeypatch.chdir(tmp_path)
    assert main(['doctor', '--seconds', '0', '--params-file', '\udcff']) == 1
    assert r'\udcff' in capsys.readouterr().out


def test_help_of_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in VERBS:
        assert main([verb, '--help']) == 0
        assert 'usage' in capsys.readouterr().out


def test_lists_of_numbers_are_not_called_colors(capsys: pytest.CaptureFixture[str]) -> None:
    """The numbers of markers were R,G,B."""
    assert main(['calibrate', '--help']) == 0
    assert '--ids N,N,...' in capsys.readouterr().out


def test_a_reason_ends_with_one_period(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['fetch', 'embedded', '--frame', '0x0']) == 2
    text = capsys.readouterr().err
    assert 'is not a size' in text
    assert '..' not in text


@pytest.mark.parametrize('text', ['nan', 'inf', '-inf', '1e400', '', 'x', BIG, '²', '1_0', '0x1'])
def test_numbers_have_bounds(text: str) -> None:
    for kind in (integer(1, 9), real(1.0, 9.0)):
        with pytest.raises(Exception, match='is not a') as caught:
            kind(text)
        assert len(str(caught.value)) < 100
    assert integer(1, 9)(' 7 ') == 7
    assert real(1.0, 9.0)('7e0') == 7.0


@pytest.mark.parametrize(('option', 'value'), [
    ('--frames', '-1'), ('--rate', '0'), ('--rate', 'nan'), ('--camera-height', '-1'),
    ('--camera-pitch', '500'), ('--port', '99999'), ('--port', '-1'),
])
def test_numbers_of_the_viewer_have_bounds(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused before the viewer is looked for."""
    assert main(['view', 'world:1', '--model', 'embedded', '--web', option, value]) == 2
    text = capsys.readouterr().err
    assert f'argument {option}: ' in text
    assert text.count('\n') == 1


@pytest.mark.parametrize('where', ['last.pt', 'best.pt', 'without_smoothness/last.pt'])
def test_a_run_is_not_overwritten(tmp_path: Path, where: str) -> None:
    pytest.importorskip('torch')
    from depth_node.cli.train import refuse_existing

    refuse_existing(tmp_path, resume=False)
    path = tmp_path / where
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b'weights')
    with pytest.raises(ConfigError, match=r'a run is there already.*--resume'):
        refuse_existing(tmp_path, resume=False)
    refuse_existing(tmp_path, resume=True)
    assert path.read_bytes() == b'weights'


INTERRUPTED = """
import hashlib, os, signal, sys, time
from depth_node.cli import interrupts, main, models
interrupts._PATIENCE_S = 0.3

def deep(_):
    print('begun', flush=True)
    hashlib.pbkdf2_hmac('sha256', b'a', b'b', 2 * 10**9)  # C code, for some minutes

def slow(_):
    try:
        print('begun', flush=True)
        time.sleep(60)
    finally:
        time.sleep(1)
        print('cleaned up', flush=True)

def fork(_):
    child = os.fork()
    if not child:
        print('begun', flush=True)
        time.sleep(60)
    time.sleep(0.5)
    os.kill(child, signal.SIGINT)
    os.waitpid(child, 0)
    time.sleep(1)

models.run = {'deep': deep, 'slow': slow, 'fork': fork}[sys.argv.pop()]
sys.argv[1:] = ['models']
sys.exit(main.main())
"""


@pytest.mark.parametrize(('verb', 'said'), [('deep', ''), ('slow', 'cleaned up\n')])
def test_ctrl_c_ends_a_verb_wherever_it_is(verb: str, said: str) -> None:
    """In a library that never returns, too; but what cleans up has its time."""
    process = subprocess.Popen(
        [sys.executable, '-c', INTERRUPTED, verb], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == 'begun\n'
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert (out, error) == (said, 'depth-node models: interrupted\n')


def test_a_signal_of_a_forked_process_is_its_own() -> None:
    done = subprocess.run(
        [sys.executable, '-c', INTERRUPTED, 'fork'], capture_output=True, text=True, timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == 'depth-node models: interrupted\n'  # of the forked one
