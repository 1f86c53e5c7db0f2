"""
Every verb with random argument lists: an exit code of 0, 1 or 2, one line, never a traceback.

Options are those of the verb's own parser, so that a new one is fuzzed without being listed here.
`DEPTH_NODE_LONG=1` runs 2,000 lists for each verb.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
from pathlib import Path
import random
import time

import cv2
from dummy_networks import write_network
import numpy as np
import pytest

from depth_node.cli.main import main, VERBS

LISTS = 2000 if os.environ.get('DEPTH_NODE_LONG') else 25
HANG_S = 60.0
"""No list asks for work of more than seconds on a machine of its own."""
BIG = '9' * 5000
HOSTILE = (
    '', ' ', '-', '--', '\x00', '\x1b[2J', '\udcff', 'x' * 300, BIG, '-1', '0', '7', '²', '0x1',
    '1_0', 'nan', 'inf', '1e400', '1e-320', '-0.0', '0,0', '1,2,3', 'nan,0,0', ',,,', '7x7', '0x0',
    '64x48', f'{BIG}x{BIG}', '100000x100000', 'true', 'auto', 'fp16', 'int8', 'onnxruntime',
    'openvino', 'sigmoid_disparity', 'relative_depth', '[' * 500, '{', '&a [*a]', 'a=b',
    'points.stride=2', 'points.stride=[1', '=', '5,5,1', '1e300,1,1', 'depth', 'npy,png', 'raw',
    '%s %d %n', '~', '..', '~nobody_of_that_name/x', 'file:///x', 'http://127.0.0.1:1/x',
    'gone.png', 'gone.onnx', '*',
)
"""Words for every place; none is an absolute path, since these tests may run as root."""
NEVER = {'--ros', '--help', '-h', '--device', '--workers'}
"""What starts other processes, or ends the parsing."""
ENDS = {
    'doctor': ['--seconds', '0'],
    'fetch': ['--offline'],
    'train': ['--steps', '1', '--size', '32x32', '--network', 'small', '--threads', '1'],
}
"""Added at the end of a list, so that one that happens to be right is soon done."""


def actions_of(verb: str) -> list[argparse.Action]:
    """Options and positional arguments of a verb."""
    parser = argparse.ArgumentParser()
    importlib.import_module(f'depth_node.cli.{verb}').configure(parser)
    return [a for a in parser._actions if not NEVER & set(a.option_strings)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A picture, a network, a folder and files that are none of these."""
    monkeypatch.chdir(tmp_path)
    for name, value in {'HF_HUB_OFFLINE': '1', 'XDG_CACHE_HOME': str(tmp_path / 'cache')}.items():
        monkeypatch.setenv(name, value)
    cv2.imwrite('good.png', np.full((48, 64, 3), 90, np.uint8))
    write_network(Path('good.onnx'), width=32, height=24)
    Path('good.json').write_text(json.dumps({
        'format': 1, 'kind': 'relative_depth', 'mean': [0, 0, 0], 'std': [1, 1, 1],
    }))
    for name in ('folder', 'empty'):
        Path(name).mkdir()
    cv2.imwrite('folder/a.png', np.full((48, 64, 3), 90, np.uint8))
    for name in ('text.png', 'text.mp4', 'text.yaml', 'text.onnx', 'folder/bad.png'):
        Path(name).write_text('hello: [1')
    os.mkfifo('fifo.yaml')
    return tmp_path


USUAL = {
    '--model': 'good.onnx', '--engine': 'onnxruntime', '--out': 'out', '--frames': '1',
    '--hfov': '70', '--kind': 'metric_depth', '--mean': '0,0,0', '--std': '1,1,1',
}
"""What most lists get, or nothing would be reached behind it."""
INPUTS = ('good.png', 'folder', 'world:1', '1')
GOOD = (
    'good.png', 'good.onnx', 'folder', 'empty', 'text.png', 'text.mp4', 'text.yaml', 'text.onnx',
    'fifo.yaml', 'world:1', 'world', 'out', 'out.json', 'embedded',
)


def value_of(rng: random.Random, action: argparse.Action, hostile: float) -> list[str]:
    """What stands behind an option: of its kind, or anything."""
    if action.nargs == 0:
        return []
    if rng.random() < hostile:
        return rng.choices(HOSTILE + GOOD, k=rng.choice((0, 1, 1, 1, 2)))
    if action.choices:
        return [str(rng.choice(list(action.choices)))]
    if action.type in (str, None, Path) or action.default is None:
        return [rng.choice(GOOD)]
    plain = action.default if not isinstance(action.default, list) else '0.5,0.5,0.5'
    return [str(plain)]


def drawn(rng: random.Random, actions: list[argparse.Action]) -> list[str]:
    """One argument list: wholly right, wrong in one place, or wrong in most."""
    hostile = rng.choice((0.0, 0.1, 0.1, 0.3, 0.9))
    words = []
    for action in (a for a in actions if not a.option_strings):
        words += [rng.choice(INPUTS)] if rng.random() > hostile and not action.choices else (
            value_of(rng, action, hostile)
        )
    options = [action for action in actions if action.option_strings]
    for action in rng.sample(options, min(rng.randrange(5), len(options))):
        words += [rng.choice(action.option_strings), *value_of(rng, action, hostile)]
    if hostile > 0.5 and rng.random() < 0.3:
        rng.shuffle(words)
    known = {name for action in options for name in action.option_strings}
    for name, value in USUAL.items():
        if name in known and name not in words and rng.random() > hostile:
            words += [name, value]
    return words


@pytest.mark.timeout(0 if LISTS > 1000 else 300)
@pytest.mark.parametrize('verb', VERBS)
def test_no_list_of_words_shows_a_traceback(folder, capsys, verb):
    if verb in ('train', 'export'):
        pytest.importorskip('torch')
    actions = actions_of(verb)
    rng = random.Random(verb)
    codes = dict.fromkeys((0, 1, 2), 0)
    for _ in range(LISTS):
        words = [verb, *drawn(rng, actions), *ENDS.get(verb, [])]
        begun = time.monotonic()
        code = main(words)
        seconds = time.monotonic() - begun
        said = capsys.readouterr().err
        shown = ' '.join(word[:40] for word in words)
        assert code in codes, (shown, said[-500:])
        assert 'Traceback' not in said, shown
        assert 'report it' not in said, (shown, said[-500:])
        assert seconds < HANG_S, shown
        codes[code] += 1
    with capsys.disabled():
        print(f' {verb}: exit codes {codes}', end='', flush=True)
    assert codes[2] > 0
