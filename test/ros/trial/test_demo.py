"""The demo as a user starts it: processes over real DDS, pictures and figures at the end."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path

import cv2
import numpy as np
from processes import Processes
import pytest

from depth_node.model import OutputKind
from depth_node.ros.trial.demo import choose_model, main


def test_demo_leaves_pictures_a_cloud_and_figures(
    processes: Processes, network: Callable[..., Path], tmp_path: Path
) -> None:
    """A tiny network without a scale is given one, and every promise of the last lines is kept."""
    model = network()
    model.with_suffix('.json').write_text(json.dumps({
        'format': 1, 'kind': 'sigmoid_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1],
    }))
    out = tmp_path / 'demo'
    demo = processes.python(
        '-m', 'depth_node.ros.trial.demo', '--model', str(model), '--size', '160x120',
        '--seconds', '2', '--out', str(out),
    )
    assert demo.wait(100) == 0, demo.output
    assert 'scale' in demo.output
    assert 'delivered' in demo.output
    assert 'abs_rel' in demo.output
    assert np.load(out / 'depth.npy').shape == (120, 160)
    for name in ('camera.png', 'depth_color.png'):
        assert cv2.imread(str(out / name)).shape == (120, 160, 3)
    assert (out / 'points.ply').read_bytes().startswith(b'ply\n')
    page, camera = (cv2.imread(str(out / name)) for name in ('sheet.png', 'camera.png'))
    assert page.shape[1] > 3 * 160
    assert page.shape[0] > 2 * 120
    # the picture itself is on the page, and the scan in red
    match = cv2.matchTemplate(page, camera, cv2.TM_SQDIFF)
    assert match.min() < 1e-3 * (camera.astype(float) ** 2).sum()
    red = (page[..., 2] == 230) & (page[..., 1] == 40) & (page[..., 0] == 40)
    assert red.any()
    assert demo.output.rstrip().endswith('sheet.png')


def test_the_weights_beside_the_project_need_no_description(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`MODEL=../shared/data/weights/... make demo` is what one tries first."""
    monkeypatch.chdir(Path(__file__).parents[3])
    assert shared_data.is_dir()
    for name in ('rtmonodepth_s_m_640_192', 'rtmonodepth_s_ms_640_192'):
        choice = choose_model(f'../shared/data/weights/{name}.onnx')
        assert choice.model.spec.kind is OutputKind.SIGMOID_DISPARITY
        assert choice.parameters['model.kind'] == 'sigmoid_disparity'
        assert Path(choice.name).is_absolute()


def test_demo_says_what_is_wrong_with_a_model(processes: Processes, tmp_path: Path) -> None:
    """One line and exit code 2."""
    demo = processes.python(
        '-m', 'depth_node.ros.trial.demo', '--model', str(tmp_path / 'no.onnx')
    )
    assert demo.wait(60) == 2
    assert 'no such file' in demo.output
    assert 'Traceback' not in demo.output


def test_demo_needs_a_world_with_exact_depth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder has no truth to compare with."""
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((48, 64, 3), np.uint8))
    assert main(['--source', str(tmp_path)]) == 2
    assert 'no exact depth' in capsys.readouterr().err
