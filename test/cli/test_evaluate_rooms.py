"""`depth-node evaluate rooms`: one command over several sets."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.cli.main import main
from depth_node.world import World

CAMERA = Camera.from_hfov(320, 240, 70)
YAML = f"""
image_width: 320
image_height: 240
camera_name: room
camera_matrix: {{rows: 3, cols: 3, data: [{CAMERA.fx}, 0, {CAMERA.cx}, 0, {CAMERA.fy}, {CAMERA.cy}, 0, 0, 1]}}
distortion_model: plumb_bob
distortion_coefficients: {{rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}}
rectification_matrix: {{rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}}
projection_matrix: {{rows: 3, cols: 4, data: [{CAMERA.fx}, 0, {CAMERA.cx}, 0, 0, {CAMERA.fy}, {CAMERA.cy}, 0, 0, 0, 1, 0]}}
"""  # noqa: E501


@pytest.fixture(scope='module')
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets of two frames of the synthetic world, as files."""
    folder = tmp_path_factory.mktemp('rooms')
    for name, seed in (('first', 400), ('second', 401)):
        for part in ('color', 'depth'):
            (folder / name / part).mkdir(parents=True)
        (folder / name / 'camera.yaml').write_text(YAML)
        world = World(seed)
        for n in range(2):
            rgb, depth = world.render(CAMERA, world.pose(3.0 * n))
            cv2.imwrite(str(folder / name / f'color/{n}.png'), rgb[..., ::-1])
            millimetres = np.rint(depth * 1000).astype(np.uint16)
            cv2.imwrite(str(folder / name / f'depth/{n}.png'), millimetres)
    return folder


def test_every_set_is_what_rgbd_gives_and_the_mean_is_theirs(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ['--model', 'embedded', '--engine', 'onnxruntime', '--cap', '12']
    out = tmp_path / 'rooms.json'
    words = ['evaluate', 'rooms', str(sets), *model]
    assert main([*words, '--json', str(out), '--pictures', str(tmp_path / 'sheet')]) == 0
    report = json.loads(out.read_text())
    shown = capsys.readouterr().out
    for name in ('first', 'second'):
        one = tmp_path / f'{name}.json'
        folder = sets / name
        words = ['evaluate', 'rgbd', str(folder), *model, '--camera', str(folder / 'camera.yaml')]
        assert main([*words, '--json', str(one)]) == 0
        metric = json.loads(one.read_text())
        assert report['sets'][name]['metric'] == pytest.approx(metric['abs_rel'], rel=1e-6)
        assert main([*words, '--median-scaling', '--json', str(one)]) == 0
        scaled = json.loads(one.read_text())
        assert report['sets'][name]['scaled'] == pytest.approx(scaled['abs_rel'], rel=1e-6)
        assert report['sets'][name]['a1'] == pytest.approx(scaled['a1'], rel=1e-6)
        assert name in shown
    both = [report['sets'][name]['metric'] for name in ('first', 'second')]
    assert report['sets']['mean']['metric'] == pytest.approx(np.mean(both))
    # in its own world the network beats what looks at nothing, whose constants are the best ones
    assert report['sets']['mean']['metric'] < 0.7 * report['constant']['mean']['metric']
    assert report['sets']['mean']['scaled'] < 0.9 * report['floor_and_wall']['mean']['scaled']
    assert cv2.imread(str(tmp_path / 'sheet/sheet.png')).shape == (4 * 180, 960, 3)


@pytest.mark.parametrize(('words', 'complaint'), [
    (['--median-scaling'], 'by itself'), (['--garg-crop'], 'by itself'),
])
def test_what_makes_no_sense_is_refused(
    sets: Path, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    assert main(['evaluate', 'rooms', str(sets), '--model', 'embedded', *words]) != 0
    assert complaint in capsys.readouterr().err


def test_a_folder_without_sets_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['evaluate', 'rooms', str(tmp_path), '--model', 'embedded']) != 0
    assert 'camera.yaml' in capsys.readouterr().err
    assert main(['evaluate', 'rooms', str(tmp_path / 'none'), '--model', 'embedded']) != 0
    assert 'no such folder' in capsys.readouterr().err
    assert main(['evaluate', 'rooms', str(tmp_path)]) != 0
    assert '--model' in capsys.readouterr().err
