"""Folders of results: whole or not at all."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
import threading

import pytest

from depth_node.errors import DataError
from depth_node.processing.result_folder import (
    RECORD,
    recorded,
    remove_leftovers,
    result_folder,
    write_record,
)


def made(folder: Path, text: str, *, replace: bool = False) -> None:
    """Write a result."""
    with result_folder(folder, replace=replace) as place:
        place.mkdir()
        (place / 'data').write_text(text)
        write_record(place, {'text': text})


def test_it_appears_when_it_is_complete(tmp_path: Path) -> None:
    """And not before."""
    folder = tmp_path / 'result'
    with result_folder(folder) as place:
        place.mkdir()
        assert not folder.exists()
    assert folder.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ['result']


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    """Also where there was a result before: that stays."""
    folder = tmp_path / 'result'
    made(folder, 'first')
    with pytest.raises(TypeError):
        made(folder, None, replace=True)  # type: ignore[arg-type]
    assert recorded(folder) == {'text': 'first'}
    made(folder, 'second', replace=True)
    assert recorded(folder) == {'text': 'second'}
    assert [path.name for path in tmp_path.iterdir()] == ['result']


def test_leftovers_of_the_dead_are_removed_and_the_living_are_not_disturbed(
    tmp_path: Path,
) -> None:
    """A lock says which is which."""
    folder, part = tmp_path / 'result', tmp_path / '.result.part'
    (part / 'result').mkdir(parents=True)
    (part / 'result' / 'half').write_text('half')
    living = os.open(part, os.O_RDONLY)
    fcntl.flock(living, fcntl.LOCK_EX)
    with pytest.raises(DataError, match='another process'):
        made(folder, 'mine')
    assert not remove_leftovers(folder, 0.1)
    assert (part / 'result' / 'half').exists()
    threading.Timer(0.2, os.close, [living]).start()
    assert remove_leftovers(folder, 20.0)
    assert not part.exists()
    (part / 'result').mkdir(parents=True)
    made(folder, 'mine')
    assert recorded(folder) == {'text': 'mine'}
    assert remove_leftovers(folder)


def test_what_else_may_be_there(tmp_path: Path) -> None:
    """Nothing, a file, another folder, or a record that is none."""
    assert recorded(tmp_path / 'nothing') is None
    (tmp_path / 'file').touch()
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'odd').mkdir()
    (tmp_path / 'odd' / RECORD).write_text('[1, 2')
    (tmp_path / 'link').symlink_to(tmp_path / 'nowhere')
    for name in ('file', 'folder', 'odd', 'link'):
        with pytest.raises(DataError, match='is not a result of depth-node process'):
            recorded(tmp_path / name)
