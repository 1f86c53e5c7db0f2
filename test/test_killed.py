"""SIGKILL at random moments while something is written: every fresh start is clean."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
import random
import subprocess
import sys

from bad_server import serve, Site
from dummy_networks import write_network
import numpy as np
import pytest

from depth_node.files import replacing, sweep
from depth_node.image.size import Size
from depth_node.model import Model, ModelSpec, OutputKind

ROUNDS, SECONDS = (200, 3000) if os.environ.get('DEPTH_NODE_LONG') else (5, 600)
CONTENT = random.Random(3).randbytes(100_000)


def killed(name: str, folder: Path, url: str = '') -> tuple[int, int]:
    """Return how many rounds left an unfinished file, and how many such files there are."""
    script = Path(__file__).with_name('killed_writers.py')
    done = subprocess.run(
        [sys.executable, str(script), name, str(folder), str(ROUNDS), url],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    words = done.stdout.split()
    return int(words[-3].rstrip(',')), int(words[-1])


@pytest.mark.parametrize('name', ['cache', 'calibration', 'checkpoint'])
def test_what_is_written_in_one_go(name: str, tmp_path: Path) -> None:
    """Some were hit in the middle; the next writer of the same file removes what is left."""
    if name == 'checkpoint':
        pytest.importorskip('torch')
    hit = 0
    for attempt in range(10):  # on a quick machine five rounds can all miss the short write
        folder = tmp_path / str(attempt)
        folder.mkdir()
        found, left = killed(name, folder)
        assert left == 0
        hit += found
        if hit:
            break
    assert hit, 'no round hit a write: the test shows nothing'


def test_an_engine_that_is_built(tmp_path: Path) -> None:
    """Whatever the moment, the next start builds or takes a whole one, and warns of nothing."""
    killed('engine', tmp_path)


def test_openvino_and_its_own_cache(tmp_path: Path) -> None:
    """OpenVINO writes its cache in place; the next start gives the same depth all the same."""
    pytest.importorskip('openvino')
    killed('openvino', tmp_path)


def test_a_download_goes_on(tmp_path: Path) -> None:
    """The part that came is continued, the lock is free, the file is the right one."""
    with serve(Site({'/model.bin': CONTENT}, slow=0.002)) as site:
        url = f'{site.url}/model.bin#{hashlib.sha256(CONTENT).hexdigest()}'
        hit, left = killed('download', tmp_path, url)
        assert hit
        assert left == 0
        assert any(asked for _, _, asked in site.seen), 'nothing was continued'


@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_cut_off_file_in_openvinos_cache(tmp_path: Path, share: float) -> None:
    """Is not believed."""
    pytest.importorskip('openvino')
    from depth_node.engine.openvino import open_openvino

    path = write_network(tmp_path / 'tiny.onnx')
    model = Model(path, ModelSpec('tiny', OutputKind.RELATIVE_DEPTH))
    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    values = []
    for _ in range(2):
        engine = open_openvino(model, Size(32, 24), cache=tmp_path / 'cache')
        out = engine.buffers(48, 64)
        engine.infer(frame, out)
        engine.close()
        values.append(out.values)
        blob, = (tmp_path / 'cache').rglob('*.blob')
        whole = blob.read_bytes()
        blob.write_bytes(whole[:int(len(whole) * share)])
    np.testing.assert_array_equal(*values)


def test_only_what_is_abandoned_is_swept(tmp_path: Path) -> None:
    """Files of a living writer, young files and files of others stay."""
    path = tmp_path / 'scale[1].yaml'
    other = tmp_path / '.scale1.yaml-abcdefgh.part'
    other.write_text('')
    os.utime(other, (0, 0))
    young = tmp_path / '.scale[1].yaml-abcdefgh.part'
    young.write_text('half')
    with replacing(path) as temporary:
        temporary.write_text('new')
        os.utime(temporary, (0, 0))
        sweep(path)
        assert temporary.exists()
    assert path.read_text() == 'new'
    assert young.exists()
    os.utime(young, (0, 0))
    folder = tmp_path / '.scale[1].yaml-123.part'
    (folder / 'inside').mkdir(parents=True)
    os.utime(folder, (0, 0))
    sweep(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [other.name, path.name]
