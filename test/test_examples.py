"""Every example runs as it is written, and does what it says."""

from __future__ import annotations

from pathlib import Path
import re
import runpy
import subprocess
import sys

import cv2
import numpy as np
from posed_bag import write_posed_bag
import pytest
from rrd import columns

import depth_node
from depth_node.camera import Camera
from depth_node.sources.frames import open_source
from depth_node.world import World

EXAMPLES = sorted((Path(__file__).resolve().parents[1] / 'examples').glob('[0-9]*.py'))


def script(name: str) -> Path:
    """Find an example."""
    (path,) = (path for path in EXAMPLES if path.stem.endswith(name))
    return path


def run(name: str, folder: Path, *words: str) -> str:
    """Run an example in a folder; return what it prints."""
    done = subprocess.run(
        [sys.executable, str(script(name)), *words], cwd=folder, capture_output=True, text=True,
        timeout=120, check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_they_are_numbered_and_short() -> None:
    assert [int(path.name[:2]) for path in EXAMPLES] == list(range(1, len(EXAMPLES) + 1))
    for path in EXAMPLES:
        assert len(path.read_text().splitlines()) <= 60, path.name


def test_one_picture(tmp_path: Path) -> None:
    said = run('one_picture', tmp_path)
    middle = float(re.search(r'middle is ([\d.]+) m', said).group(1))
    depth = next(iter(open_source('world:7'))).depth
    assert middle == pytest.approx(depth[depth.shape[0] // 2, depth.shape[1] // 2], rel=0.25)
    picture = cv2.imread(str(tmp_path / 'depth.png'))
    assert picture.shape[1] == 320
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100


def test_a_video(tmp_path: Path) -> None:
    assert '6 frames' in run('video', tmp_path, 'world:7', '70', 'embedded', '6')
    video = cv2.VideoCapture(str(tmp_path / 'depth.avi'))
    frames = [video.read()[1] for _ in range(6)]
    assert all(frame.shape == (240, 640, 3) for frame in frames)
    assert not np.array_equal(frames[0], frames[5])


def test_the_video_is_steadied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It said so, and the default had become not to."""
    seen = []

    class Watched(depth_node.DepthEstimator):
        """Remembers how it was configured."""

        def __init__(self, model: depth_node.Model, config: depth_node.Config | None = None):
            seen.append(config or depth_node.Config())
            super().__init__(model, config)

    monkeypatch.setattr(depth_node, 'DepthEstimator', Watched)
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script('video')))['main'](frames='1')
    assert seen[0].temporal.enabled


def test_the_nearest_obstacle(tmp_path: Path) -> None:
    said = run('nearest_obstacle', tmp_path)
    free = [float(value) for value in re.findall(r': ([\d.]+) m free ahead', said)]
    assert len(free) == 5
    assert all(2.4 < value < 3.6 for value in free), 'what is ahead is 3 m away'
    assert max(free) - min(free) < 0.5, 'the floor flickers in and out of the corridor'


@pytest.mark.parametrize(('distance', 'low', 'high'), [('0.8', 0, 5), ('60', 100, 100)])
def test_augmented_reality(tmp_path: Path, distance: str, low: int, high: int) -> None:
    """A ball before everything is seen whole, one behind the walls not at all."""
    said = run('augmented_reality', tmp_path, 'world:7', 'embedded', distance)
    hidden = int(re.search(r'(\d+) % of it is hidden', said).group(1))
    assert low <= hidden <= high
    orange = cv2.imread(str(tmp_path / 'ball.png')).astype(int)
    assert ((orange[..., 2] > 2 * orange[..., 0] + 60).sum() > 500) == (high < 100)


def test_your_own_network(tmp_path: Path) -> None:
    said = run('your_own_network', tmp_path)
    low, high = map(float, re.search(r': ([\d.]+) to ([\d.]+) m', said).groups())
    assert 1 <= low < high <= 5
    assert (tmp_path / 'tiny.json').exists()


def test_live(tmp_path: Path) -> None:
    """What it draws; the window needs a display, so it records."""
    pytest.importorskip('rerun')
    assert '3 frames' in run('live', tmp_path, 'world:7', 'embedded', '3', 'live.rrd')
    found = columns(tmp_path / 'live.rrd')
    for entity in ('camera/image', 'camera/depth', 'points', 'obstacles', 'scan'):
        assert len(found[f'/world/optical/{entity}']) == 3, entity


def test_a_bag_to_a_map(tmp_path: Path) -> None:
    """With the poses of odometry and TF in a bag, and with those of the world."""
    pytest.importorskip('open3d', reason='Open3D has no wheel for this Python')
    write_posed_bag(tmp_path / 'bag', world=World(7), camera=Camera.from_hfov(160, 120, 75))
    assert '3 frames' in run('bag_to_map', tmp_path, 'bag', 'tf:odom', 'embedded', '9')
    small = cv2.imread(str(tmp_path / 'map.pgm'), cv2.IMREAD_UNCHANGED)
    said = run('bag_to_map', tmp_path)
    free = float(re.search(r'([\d.]+) m2 are free', said).group(1))
    assert 20 < free < 45, 'of the 72 m2 of the room, from a part of a round'
    large = cv2.imread(str(tmp_path / 'map.pgm'), cv2.IMREAD_UNCHANGED)
    assert free == pytest.approx((large == 254).sum() * 0.05**2, abs=0.06)
    assert 0 < (small == 254).sum() < (large == 254).sum()
    assert (tmp_path / 'map.ply').read_bytes().startswith(b'ply')
    assert 'image: map.pgm' in (tmp_path / 'map.yaml').read_text()


def test_train_on_your_bag(tmp_path: Path) -> None:
    """From a bag to a network in metres; odometry is what makes them."""
    pytest.importorskip('torch')
    write_posed_bag(
        tmp_path / 'drive', world=World(7), camera=Camera.from_hfov(96, 72, 75), frames=11
    )
    said = run('train_on_your_bag', tmp_path, 'drive', '/odom', '2')
    assert '11 read' in said
    assert re.search(r'loss \S+ = photometric .* \+ odometry ', said)
    network = tmp_path / 'my_network' / 'network.onnx'
    assert f'model:={network}' in said
    spec = depth_node.open_model(network).spec
    assert spec.kind is depth_node.OutputKind.METRIC_DEPTH
    depth = float(re.search(r'first frame: ([\d.]+) m', said).group(1))
    assert 0.5 <= depth <= 20
    assert cv2.imread(str(tmp_path / 'my_network' / 'validation.png')).shape[1] > 2 * 128
