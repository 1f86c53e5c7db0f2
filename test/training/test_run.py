import csv
import json
from pathlib import Path
import re
import sys

import numpy as np
import pytest
from tiny import config, recording
import torch

from depth_node.cli.main import main
from depth_node.errors import ConfigError
from depth_node.image.size import Size
from depth_node.model import Model, ModelSpec, OutputKind
from depth_node.training.ablation import ablate, table, variants
from depth_node.training.checkpoint import read_checkpoint
from depth_node.training.config import SWITCHES
from depth_node.training.processes import Processes
from depth_node.training.report import chart
from depth_node.training.run import split, train
from depth_node.training.teacher import lesson_kind, taught
from depth_node.training.validation import judged

ALONE = Processes(0, 1, torch.device('cpu'))
TINY = [
    '--size', '64x32', '--network', 'small', '--pose-network', 'small', '--steps', '2', '--batch',
    '2', '--threads', '1', '--least-motion', '0', '--validate-every', '1', '--log-every', '1',
]


def test_the_command_line_trains_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'out'
    words = [
        'train', 'world:seed=3,seconds=3,fps=4', '--out', str(out), *TINY, '--odometry', '0.5',
        '--kind', 'metric_depth', '--json', str(tmp_path / 'figures.json'),
    ]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert '12 read, 12 kept' in said
    saved = read_checkpoint(out / 'last.pt')
    assert saved.metric
    assert saved.progress.step == 2
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert {'loss', 'abs_rel', 'abs_rel_median', 'a1', 'rmse', 'step'} <= figures.keys()
    report = (out / 'report.html').read_text()
    assert report.count('<polyline') >= 3
    assert 'data:image/png;base64,' in report
    # one file: nothing is fetched from elsewhere
    assert not re.search(r'(src|href)="(?!data:)', report)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(out / 'tensorboard'))
    board.Reload()
    assert len(board.Scalars('training/loss')) == 2
    assert 'validation/0' in board.Tags()['images']
    assert main([*words, '--resume']) == 0
    assert 'Resuming at step 2' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('words', 'text'),
    [
        (['tape:x'], 'not a source'),
        (['world:', '--size', '50x50'], 'multiples of 32'),
        (['world:seconds=3,fps=4', '--kind', 'metric_depth'], 'is metric'),
    ],
)
def test_wrong_usage_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], text: str
) -> None:
    assert main(['train', '--out', str(tmp_path), *TINY, *words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert text in lines[0]


def test_without_torch_the_remedy_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'depth_node.training.config', None)
    assert main(['train', 'world:', '--out', str(tmp_path)]) == 2
    assert "pip install 'depth_node[training]'" in capsys.readouterr().err


def test_an_ablation_switches_each_part_off_once(tmp_path: Path) -> None:
    chosen = config(objective='self_supervised', steps=1, validate_every=1)
    runs = variants(chosen)
    assert len(runs) == 1 + len(SWITCHES)
    for name in SWITCHES:
        changed = runs[f'without {name}']
        assert [n for n in vars(chosen) if getattr(changed, n) != getattr(chosen, n)] == [name]
    results = ablate(
        chosen, [recording(tmp_path / 'r', 12)], [], tmp_path / 'out', ALONE, say=lambda _: None
    )
    rows = (tmp_path / 'out' / 'ablation.md').read_text().splitlines()
    assert rows[0].startswith('| loss | abs_rel_median |')
    assert len(rows) == 2 + len(runs)
    assert table(results).splitlines() == rows
    with pytest.raises(ConfigError):
        variants(config())


def test_the_last_tenth_is_held_out(tmp_path: Path) -> None:
    made = recording(tmp_path / 'r', 20)
    learned, held_out = split([made], [])
    assert (len(learned[0]), len(held_out[0])) == (18, 2)
    np.testing.assert_array_equal(held_out[0].frames[0], made.frames[18])
    assert [len(part[0]) for part in split([made], [], 3)] == [17, 3]
    assert split([made], [made]) == ([made], [made])


def test_a_teacher_is_asked_once(tmp_path: Path, network: object) -> None:
    path = network('teacher', width=64, height=32)
    spec = ModelSpec('teacher', OutputKind.RELATIVE_DISPARITY, input_size=Size(64, 32))
    model = Model(path, spec)
    assert lesson_kind(model) is OutputKind.RELATIVE_DISPARITY
    made = recording(tmp_path / 'r', 10)
    asked: list[int] = []

    def watch(frames: range, total: int) -> range:
        asked.append(total)
        return frames

    first = taught([made], model, watch)[0]
    again = taught([made], model, watch)[0]
    assert asked == [10]
    assert first.lesson is not None
    np.testing.assert_array_equal(first.lesson, again.lesson)
    # the dummy: sigmoid of a 3x3 convolution, as onnxruntime computes it
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    image = made.frames[4].transpose(2, 0, 1)[None].astype(np.float32) / 255
    expected = session.run(None, {'image': image})[0].squeeze()
    np.testing.assert_allclose(first.lesson[4], expected, atol=1e-4)
    chosen = config(objective='distill', teacher='teacher', steps=1, kind='relative_disparity')
    result = train(
        chosen, [first], [], tmp_path / 'out', ALONE, say=lambda _: None,
        lesson=OutputKind.RELATIVE_DISPARITY,
    )
    assert np.isfinite(result.figures['loss'])
    assert not read_checkpoint(tmp_path / 'out' / 'last.pt').metric


def test_a_teacher_with_a_scale_teaches_metres(tmp_path: Path, network: object) -> None:
    path = network('teacher', width=64, height=32)
    spec = ModelSpec(
        'teacher', OutputKind.SIGMOID_DISPARITY, input_size=Size(64, 32), scale=5.4,
        train_focal=50.0,
    )
    assert lesson_kind(Model(path, spec)) is OutputKind.METRIC_DEPTH
    made = taught([recording(tmp_path / 'r', 2)], Model(path, spec))[0]
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    image = made.frames[0].transpose(2, 0, 1)[None].astype(np.float32) / 255
    disparity = session.run(None, {'image': image})[0].squeeze()
    metres = 5.4 / (0.01 + 9.99 * disparity) * made.cameras[0, 1] / 50
    edges = np.isfinite(made.lesson[0])  # the node's own filters may take flying pixels out
    assert edges.mean() > 0.5
    np.testing.assert_allclose(made.lesson[0][edges], metres[edges], rtol=1e-3)


def test_judging_forgives_a_factor_only_where_it_says_so() -> None:
    truth = np.linspace(1, 9, 200, dtype=np.float32).reshape(10, 20)
    figures = judged(2 * truth, truth, 80.0)
    assert figures['abs_rel'] == pytest.approx(1.0)
    assert figures['abs_rel_median'] == pytest.approx(0.0, abs=1e-6)
    assert figures['a1'] == 0.0
    nothing = judged(truth, np.full_like(truth, np.nan), 80.0)
    assert all(np.isnan(v) for v in nothing.values())


def test_a_chart_puts_the_largest_value_on_top() -> None:
    svg = chart({'loss': [(0, 1.0), (5, 3.0), (10, 2.0)]})
    points = re.search(r'points="([^"]*)"', svg)
    assert points is not None
    rows = list(csv.reader(points[1].split()))
    heights = [float(y) for _, y in rows]
    assert heights[1] < heights[2] < heights[0]  # SVG counts down
    assert 'No values' in chart({'loss': []})
    assert 'No values' in chart({'loss': [(0, float('nan'))]})
