"""What a run shows while it goes: lines whose parts are the loss, pictures of the last weights."""

from __future__ import annotations

import json
from pathlib import Path
import re

import cv2
import numpy as np
import pytest
from tiny import config, recording
import torch

from depth_node.cli.main import main
from depth_node.errors import ConfigError
from depth_node.image.color import bar_height, colorize
from depth_node.image.color_range import color_range
from depth_node.model import Model, ModelSpec, OutputKind
from depth_node.training.checkpoint import read_checkpoint
from depth_node.training.data.recording import Recording
from depth_node.training.data.samples import Samples
from depth_node.training.learner import Learner
from depth_node.training.losses import Penalty
from depth_node.training.pictures import panels, validation_sheet
from depth_node.training.processes import Processes
from depth_node.training.run import split, train
from depth_node.training.start import start_from
from depth_node.training.teacher import taught
from depth_node.training.validation import Picture, validate

ALONE = Processes(0, 1, torch.device('cpu'))
NUMBER = r'(-?[\d.]+(?:e-?\d+)?)'


def read(line: str) -> tuple[int, float, dict[str, float]]:
    """Take a line apart: step, loss, parts."""
    found = re.match(rf'step (\d+)/\d+ \(epoch [\d.]+\): loss {NUMBER} = (.*?), \d+ % of', line)
    assert found, line
    parts = dict(part.rsplit(' ', 1) for part in found[3].split(' + '))
    return int(found[1]), float(found[2]), {name: float(v) for name, v in parts.items()}


CASES = {
    'self_supervised': (
        {'odometry': 0.3, 'smoothness': 0.05}, {'photometric', 'smoothness', 'odometry'}
    ),
    'supervised': ({'supervised_loss': 'huber', 'huber_delta': 0.2}, {'huber'}),
    'distill': (
        {'teacher': 'teacher', 'kind': 'relative_disparity'}, {'affine_invariant', 'gradient'}
    ),
}


@pytest.mark.parametrize('objective', CASES)
def test_the_parts_of_a_line_add_up_to_its_loss(
    objective: str, tmp_path: Path, network: object
) -> None:
    """With means over the steps between two lines, and with gradients in two parts."""
    changes, names = CASES[objective]
    chosen = config(
        objective=objective, steps=3, validate_every=3, print_every=2, batch=2, accumulate=2,
        **changes,
    )
    made = recording(tmp_path / 'r', 12)
    if objective == 'distill':
        spec = ModelSpec('t', OutputKind.RELATIVE_DISPARITY)
        (made,) = taught([made], Model(network('t', width=64, height=32), spec))
    said: list[str] = []
    train(
        chosen, [made], [], tmp_path / 'out', ALONE, say=said.append,
        lesson=OutputKind.RELATIVE_DISPARITY,
    )
    lines = [line for line in said if line.startswith('step')]
    curve = json.loads((tmp_path / 'out' / 'metrics.json').read_text())['curve']
    assert [read(line)[0] for line in lines] == [2, 3]
    first = 0
    for line in lines:
        step, loss, parts = read(line)
        assert set(parts) == names
        assert sum(parts.values()) == pytest.approx(loss, rel=2e-3)
        rows = curve[first:step]
        assert loss == pytest.approx(np.mean([row['loss'] for row in rows]), rel=1e-3)
        for name, value in parts.items():
            assert value > 0
            mean = np.mean([row[f'loss/{name}'] for row in rows])
            assert value == pytest.approx(mean, rel=1e-3)
        first = step
    for row in curve:
        parts = [value for name, value in row.items() if name.startswith('loss/')]
        assert sum(parts) == pytest.approx(row['loss'], rel=1e-5)
    assert 'validation' not in lines[0]
    assert 'validation: loss ' in lines[1]


def test_a_validation_on_a_later_line_has_its_step(tmp_path: Path) -> None:
    chosen = config(steps=4, validate_every=2, print_every=3)
    said: list[str] = []
    train(chosen, [recording(tmp_path / 'r')], [], tmp_path / 'out', ALONE, say=said.append)
    lines = [line for line in said if line.startswith('step')]
    assert [read(line)[0] for line in lines] == [2, 3, 4]
    saved = read_checkpoint(tmp_path / 'out' / 'last.pt').progress.validations
    words = [f'abs_rel {row["abs_rel"]:.4g}' for row in saved]
    assert words[0] in lines[0].partition('validation: ')[2]
    assert words[0] in lines[1].partition('validation at 2: ')[2]
    assert words[1] in lines[2].partition('validation: ')[2]


def test_the_sheet_shows_the_weights_of_the_last_validation(tmp_path: Path) -> None:
    """Drawn again from the checkpoint it is the same, and each validation replaces it."""
    chosen = config(steps=4, validate_every=2, save_every=2, learning_rate=0.02)
    made, sheets = recording(tmp_path / 'r'), []

    def look(line: str) -> None:
        if line.startswith('step'):
            sheets.append(cv2.imread(str(tmp_path / 'out' / 'validation.png')))

    train(chosen, [made], [], tmp_path / 'out', ALONE, say=look)
    assert len(sheets) == 2
    assert not np.array_equal(*sheets)
    np.testing.assert_array_equal(sheets[1], drawn_again(tmp_path / 'out', made))


def drawn_again(out: Path, made: Recording) -> np.ndarray:
    """Validate the saved weights, and draw them."""
    saved = read_checkpoint(out / 'last.pt')
    learner = Learner(saved.config, saved.focal)
    start_from(learner, out / 'last.pt')
    held_out = Samples(split([made], [], 2 * saved.config.neighbors + 1)[1], saved.config)
    result = validate(learner, held_out, ALONE.device)
    words = ', '.join(f'{name} {value:.3g}' for name, value in result.figures.items())
    title = f'step {saved.progress.step}: {words}'
    return validation_sheet(result.pictures, title, metric=saved.metric)


def test_panels_of_a_frame_say_what_they_show() -> None:
    """Metres as they are; without them scaled to the truth, or in relative colors."""
    frame = np.zeros((32, 48, 3), np.uint8)
    depth = np.tile(np.linspace(1, 3, 48, dtype=np.float32), (32, 1))
    truth = 2 * depth
    known = panels(Picture(frame, depth, truth), metric=True)
    assert [p.label for p in known][:3] == ['camera', 'depth', 'true depth']
    ends = color_range(truth)
    np.testing.assert_array_equal(known[1].picture, colorize(depth, *ends, bar=True))
    scaled = panels(Picture(frame, depth, truth), metric=False)
    assert 'scaled to the truth' in scaled[1].label
    np.testing.assert_array_equal(scaled[1].picture, scaled[2].picture)
    assert (scaled[3].picture[:32] > 250).all(), 'an error where there is none'
    for relative in (None, np.full_like(truth, np.nan)):
        _camera, values = panels(Picture(frame, depth, relative), metric=False)
        assert values.picture.shape == frame.shape
        assert 'no metres' in values.label
    _, values = panels(Picture(frame, depth, None), metric=True)
    assert len(values.picture) == 32 + bar_height(32)


def test_a_frame_without_truth_keeps_its_row() -> None:
    frame = np.zeros((32, 48, 3), np.uint8)
    depth = np.tile(np.linspace(1, 3, 48, dtype=np.float32), (32, 1))
    pictures = [Picture(frame, depth, None), Picture(frame, depth, depth)]
    page = validation_sheet(pictures, 'step 3', metric=True)
    alone = validation_sheet(pictures[1:], 'step 3', metric=True)
    assert page.shape[1] == alone.shape[1]
    height = page.shape[0] - alone.shape[0]
    np.testing.assert_array_equal(page[-height:], alone[-height:])


@pytest.mark.parametrize('penalty', [p.value for p in Penalty])
def test_hubers_threshold_is_an_option_of_the_losses_that_have_one(penalty: str) -> None:
    changes = {'supervised_loss': penalty, 'huber_delta': 0.25}
    if penalty in ('huber', 'smooth_l1'):
        assert config(**changes).supervision.delta == 0.25
        return
    with pytest.raises(ConfigError, match='no such threshold'):
        config(**changes)


@pytest.mark.parametrize(('words', 'text'), [
    (['--huber-delta', '0'], 'huber_delta'),
    (['--huber-delta', '-1'], 'huber_delta'),
    (['--huber-delta', 'nan'], 'huber_delta'),
    (['--huber-delta', '0.2'], 'no such threshold'),
    (['--print-every', '0'], 'print_every'),
])
def test_numbers_that_mean_nothing_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], text: str
) -> None:
    assert main(['train', 'world:', '--out', str(tmp_path / 'out'), *words]) == 2
    assert text in capsys.readouterr().err


def test_hubers_threshold_changes_the_loss(tmp_path: Path) -> None:
    made = recording(tmp_path / 'r')
    losses = []
    for delta in (0.05, 1.0):
        chosen = config(supervised_loss='huber', huber_delta=delta, steps=1, print_every=1)
        said: list[str] = []
        train(chosen, [made], [], tmp_path / str(delta), ALONE, say=said.append)
        losses.append(read(next(line for line in said if line.startswith('step')))[1])
    assert losses[0] < 0.5 * losses[1]
