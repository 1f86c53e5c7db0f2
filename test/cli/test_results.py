"""Where results go: known to be impossible before the work begins, and in one line."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from depth_node.cli.main import main
from depth_node.cli.results import output_file, write_json


def test_a_place_that_can_be_written_is_taken(tmp_path: Path) -> None:
    path = output_file(str(tmp_path / 'new.json'))
    write_json(path, {'a': float('nan'), 'b': [1.5, float('inf')], 'c': (1, 2)})
    assert json.loads(path.read_text()) == {'a': None, 'b': [1.5, None], 'c': [1, 2]}
    write_json(output_file(str(path)), [1])
    assert json.loads(path.read_text()) == [1]
    write_json(None, {})


@pytest.mark.parametrize(('name', 'words'), [
    ('', 'is a folder'), ('absent/f.json', 'absent is no folder'), ('file/f.json', 'no folder'),
])
def test_other_places_are_refused(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / 'file').touch()
    with pytest.raises(argparse.ArgumentTypeError, match=words):
        output_file(str(tmp_path / name))


@pytest.mark.parametrize('words', [
    ['models'], ['evaluate', 'world', '1', '--model', 'embedded'],
    ['predict', 'world:1', '--frames', '1', '--model', 'embedded', '--out', 'o'],
    ['benchmark', '--model', 'embedded'],
])
def test_every_verb_says_so_before_it_works(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main([*words, '--json', '/absent/f.json']) == 2
    said = capsys.readouterr()
    assert 'argument --json: /absent is no folder' in said.err
    assert not said.out


def test_what_the_system_refuses_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a verb has not thought of."""
    def full(*_: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('depth_node.cli.models.run', full)
    assert main(['models']) == 2
    assert 'depth-node models: [Errno 28] No space left' in capsys.readouterr().err
