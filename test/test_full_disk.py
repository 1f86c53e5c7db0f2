"""A disk without room, and folders that cannot be written: one clear error, nothing half there."""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from depth_node import files
from depth_node.cli.main import main
from depth_node.engine.cache import EngineCache, Key
from depth_node.errors import DepthNodeError
from depth_node.model import OutputKind
from depth_node.output.ply import write_ply
from depth_node.output.writers import write_npy, write_picture
from depth_node.scale import ScaleCalibration, write_scale

FULL = Path('/dev/full')
KEY = Key('a' * 64, 'TensorRT', 'Orin', '8.7', 'fp16', {})


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything that is written go to Linux's device that is always full."""
    if not FULL.exists():
        pytest.skip('this system has no /dev/full')

    def made(suffix: str, prefix: str, folder: Path) -> tuple[int, str]:
        link = Path(folder, f'{prefix}12345678{suffix}')
        link.symlink_to(FULL)
        return os.open(FULL, os.O_WRONLY), str(link)

    monkeypatch.setattr(files.tempfile, 'mkstemp', made)


def calibration(path: Path) -> None:
    kind = OutputKind.RELATIVE_DEPTH
    rows = ((1e-4, 0.0), (0.0, 1e-4))
    write_scale(path, ScaleCalibration('n', 'a', kind, 2.0, 0.0, rows, 2.0, 'odometry'))


def checkpoint(path: Path) -> None:
    torch = pytest.importorskip('torch')
    from depth_node.training.checkpoint import Checkpoint, RunProgress, write_checkpoint
    from depth_node.training.config import TrainConfig

    state = {'weights': torch.zeros(100_000)}
    write_checkpoint(path, Checkpoint(
        TrainConfig(), 1.0, True, RunProgress(), state, {}, {}, {},
    ))


WRITERS: dict[str, Callable[[Path], Any]] = {
    'engine cache': lambda path: EngineCache(path.parent).store('net', KEY, b'x' * 9999, {}),
    'calibration': calibration,
    'checkpoint': checkpoint,
    'npy': lambda path: write_npy(path, np.zeros((50, 50), np.float32)),
    'png': lambda path: write_picture(path, np.zeros((50, 50, 3), np.uint8)),
    'ply': lambda path: write_ply(path, np.zeros((5000, 3), np.float32)),
}


@pytest.mark.parametrize('name', WRITERS)
def test_a_full_disk(name: str, full_disk: None, tmp_path: Path) -> None:
    """Says so, keeps the old file, and leaves nothing."""
    old = tmp_path / 'file'
    old.write_text('old')
    with pytest.raises(DepthNodeError, match='No space left on device') as raised:
        WRITERS[name](old)
    assert 'space' in raised.value.remedy
    assert old.read_text() == 'old'
    assert [path.name for path in tmp_path.iterdir()] == ['file']


@pytest.mark.parametrize('name', WRITERS)
def test_no_folder_to_write_to(name: str, tmp_path: Path) -> None:
    """A home that cannot be written, for root as well: a file lies where the folder should."""
    (tmp_path / 'home').write_text('')
    with pytest.raises(DepthNodeError, match='cannot be written'):
        WRITERS[name](tmp_path / 'home' / 'file')


def test_predict_says_it_in_one_line(
    full_disk: None, tmp_path: Path, network: Any, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And ends with a code that scripts see."""
    import cv2

    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    picture = tmp_path / 'frame.png'
    picture.write_bytes(cv2.imencode('.png', np.zeros((48, 64, 3), np.uint8))[1].tobytes())
    code = main([
        'predict', str(picture), '--model', str(network()), '--kind', 'sigmoid_disparity',
        '--mean', '0,0,0', '--std', '1,1,1', '--scale', '1', '--hfov', '70',
        '--out', str(tmp_path / 'out'),
    ])
    said = capsys.readouterr().err
    assert code == 2, said
    assert 'No space left on device' in said
    assert 'Free some space' in said
    assert 'Traceback' not in said


def test_openvino_does_without_its_cache(network: Any, tmp_path: Path) -> None:
    """
    Its own code writes that cache, so the room ends for a process of its own.

    What was cut off is not believed once there is room again.
    """
    pytest.importorskip('openvino')
    script = """if True:
        import resource, sys
        from pathlib import Path
        import numpy as np
        from depth_node.engine.openvino import open_openvino
        from depth_node.model import Model, ModelSpec, OutputKind
        from depth_node.image.size import Size

        model = Model(Path(sys.argv[1]), ModelSpec('tiny', OutputKind.RELATIVE_DEPTH))
        cache = Path(sys.argv[2])
        frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)

        def depth(cache):
            engine = open_openvino(model, Size(32, 24), cache=cache)
            out = engine.buffers(48, 64)
            engine.infer(frame, out)
            engine.close()
            return out.values

        good = depth(None)
        most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        for room in (0, 100, 1000, most, most):
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))
            np.testing.assert_array_equal(depth(cache), good)
        assert list(cache.rglob('*.blob')), 'nothing was ever kept: the test shows nothing'
    """
    done = subprocess.run(
        [sys.executable, '-c', script, str(network()), str(tmp_path / 'cache')],
        capture_output=True, text=True, timeout=120, check=False,
    )
    assert done.returncode == 0, done.stderr
