"""Compiled networks that are not used any more do not fill the disk."""

from __future__ import annotations

import os
from pathlib import Path

from depth_node.engine.openvino_cache import (
    KEPT_IN_ALL,
    KEPT_PER_NETWORK,
    prepared,
    prune,
    remember,
)
from depth_node.image.size import Size


def blob(folder: Path, name: str, used: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f'{name}.blob'
    path.write_bytes(name.encode())
    os.utime(path, (used, used))
    return path


def test_the_oldest_of_a_network_go_with_their_hashes(tmp_path: Path) -> None:
    folder = tmp_path / 'net_64x48'
    blobs = [blob(folder, f'b{n}', 1000.0 + n) for n in range(10)]
    remember(folder)
    assert sorted(folder.glob('*.blob')) == blobs[-KEPT_PER_NETWORK:]
    hashes = {path.name.removesuffix('.sha256') for path in folder.glob('*.sha256')}
    assert hashes == {path.name for path in blobs[-KEPT_PER_NETWORK:]}


def test_all_networks_together_are_bounded(tmp_path: Path) -> None:
    for number in range(2 * KEPT_IN_ALL):
        folder = tmp_path / f'net{number}_64x48'
        blob(folder, 'only', 1000.0 + number)
        remember(folder)
    left = sorted(int(p.parent.name[3:].partition('_')[0]) for p in tmp_path.rglob('*.blob'))
    assert left == list(range(KEPT_IN_ALL, 2 * KEPT_IN_ALL))


def test_what_another_process_removes_is_passed_over(tmp_path: Path) -> None:
    gone = tmp_path / 'gone.blob'
    kept = blob(tmp_path, 'kept', 1.0)
    prune([gone, kept], 1)
    assert kept.exists()


def test_a_pipe_in_the_place_of_a_hash_does_not_hold_up_the_start(tmp_path: Path) -> None:
    """Whoever may write into the cache must not be able to freeze the node."""
    folder = prepared(tmp_path, 'net', Size(64, 48))
    assert folder is not None
    made = blob(folder, 'a.blob', 1.0)
    made.with_name('a.blob.sha256').unlink(missing_ok=True)
    os.mkfifo(made.with_name('a.blob.sha256'))
    assert prepared(tmp_path, 'net', Size(64, 48)) == folder
    assert not made.exists()
