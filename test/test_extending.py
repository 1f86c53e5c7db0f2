"""The recipes of doc/extending.md, followed word for word on a copy of the package."""

from __future__ import annotations

import os
from pathlib import Path
import re
import shutil
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r'^```python (\S+)(?: after: ([^\n]*))?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def follow(folder: Path, title: str) -> None:
    """Do what the code blocks of one section say."""
    page = (ROOT / 'doc' / 'extending.md').read_text()
    section = page.split(f'\n## {title}\n', 1)[1].split('\n## ', 1)[0]
    blocks = BLOCK.findall(section)
    assert blocks, f'no code in the section {title!r}'
    for file, after, code in blocks:
        path = folder / file
        if not after:
            assert not path.exists()
            path.write_text(code)
            continue
        lines = path.read_text().splitlines(keepends=True)
        assert lines.count(after + '\n') == 1, f'{file}: {after!r} is not there once'
        at = lines.index(after + '\n') + 1
        path.write_text(''.join([*lines[:at], code, *lines[at:]]))


def python(folder: Path, *words: str) -> str:
    """Run the copy in a process of its own; return what it prints."""
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=120,
        check=False, env={**os.environ, 'PYTHONPATH': str(folder)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package and what is generated from it."""
    ignored = shutil.ignore_patterns('__pycache__', '*.onnx')
    for name in ('depth_node', 'tools', 'config', 'doc'):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(ROOT / 'README.md', tmp_path)
    return tmp_path


def test_a_verb(copy: Path) -> None:
    follow(copy, 'A verb of the command line')
    assert 'print how bright pictures are' in python(copy, '-m', 'depth_node', '--help')
    said = python(copy, '-m', 'depth_node', 'brightness', 'world:3')
    assert re.fullmatch(r'\w+: \d+\.\d\n', said)


def test_a_parameter(copy: Path) -> None:
    follow(copy, 'A parameter')
    pytest.importorskip('rclpy')
    python(copy, 'tools/generate.py')
    assert '\n      color_gain: 1.0\n' in (copy / 'config' / 'mono.yaml').read_text()
    assert '| `output.color_gain` | `1.0` |' in (copy / 'doc' / 'parameters.md').read_text()
    refused = python(
        copy, '-c',
        'from depth_node.config import Config\n'
        'from depth_node.errors import ConfigError\n'
        'assert Config().replaced({"output.color_gain": 2.0}).output.color_gain == 2\n'
        'try: Config().replaced({"output.color_gain": 11.0})\n'
        'except ConfigError as error: print(error)\n',
    )
    assert 'output.color_gain' in refused
    assert '10' in refused


def test_an_output(copy: Path) -> None:
    pytest.importorskip('rclpy')
    follow(copy, 'An output topic')
    python(copy, 'tools/generate.py')
    assert '| `depth/inverse` | Image | 32FC1, 1/m |' in (copy / 'README.md').read_text()
    said = python(
        copy, '-c',
        'import sys\n'
        f'sys.path.insert(0, {str(ROOT / "test" / "ros")!r})\n'
        'from test_outputs_of_a_frame import *\n'
        'notebook = Notebook()\n'
        'messages = []\n'
        'notebook.create_lifecycle_publisher = lambda _kind, topic, *_, **__: SimpleNamespace(\n'
        '    publish=lambda message: messages.append((topic, message)))\n'
        'notices = Notices(Health(), notebook)\n'
        'outputs = Outputs(notebook, Maker(None, notices), notices.health.stages)\n'
        'estimate = result(np.full((48, 64), 2.0, np.float32))\n'
        'assert outputs.send(scene(estimate, wanted=frozenset({"depth/inverse"})))\n'
        '[(topic, message)] = messages\n'
        'values = np.frombuffer(message.data, np.float32)\n'
        'print(topic, message.encoding, values.min(), values.max())\n',
    )
    assert said == 'depth/inverse 32FC1 0.5 0.5\n'


def test_an_engine(copy: Path) -> None:
    follow(copy, 'An engine')
    said = python(
        copy, '-c',
        'from depth_node.engine.table import rows\n'
        'print(rows("auto")[0].name, [row.name for row in rows("mine")])\n',
    )
    assert said == "mine ['mine']\n"
