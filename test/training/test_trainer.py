from pathlib import Path

import numpy as np
import pytest
from tiny import config, recording
import torch

from depth_node.errors import ConfigError, ModelError
from depth_node.training.checkpoint import read_checkpoint
from depth_node.training.config import TrainConfig
from depth_node.training.data.recording import Recording
from depth_node.training.data.samples import Samples
from depth_node.training.learner import Learner
from depth_node.training.processes import Processes
from depth_node.training.trainer import DivergedError, Trainer
from depth_node.training.validation import validate

ALONE = Processes(0, 1, torch.device('cpu'))


@pytest.fixture(scope='module')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return recording(tmp_path_factory.mktemp('drive') / 'r', 8)


def trainer(drive: Recording, config: TrainConfig, out: Path) -> Trainer:
    out.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    samples = Samples([drive], config)
    learner = Learner(config, samples.focal())
    return Trainer(learner, samples, Samples([drive], config), out, ALONE, metric=True)


@pytest.mark.parametrize('stop', [1, 4])
@pytest.mark.parametrize(
    'changes',
    [
        {'dropout': 0.3},
        {'objective': 'self_supervised', 'accumulate': 2, 'odometry': 0.1},
        {'optimizer': 'adam', 'schedule': 'step', 'precision': 'bf16', 'freeze_after': 3},
    ],
)
def test_a_resumed_run_ends_as_an_unbroken_one(
    drive: Recording, tmp_path: Path, changes: dict[str, object], stop: int
) -> None:
    chosen = config(**changes)
    straight = trainer(drive, chosen, tmp_path / 'a')
    straight.run()
    trainer(drive, chosen, tmp_path / 'b').run(until=stop)
    resumed = trainer(drive, chosen, tmp_path / 'b')
    resumed.resume(tmp_path / 'b' / 'last.pt')
    assert resumed.progress.step == stop
    resumed.run()
    ours = resumed.learner.state_dict()
    for name, value in straight.learner.state_dict().items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=0)
    figures = [[row['loss'] for row in t.progress.validations] for t in (straight, resumed)]
    assert figures[0] == figures[1]
    assert resumed.progress.best_step == straight.progress.best_step


def test_accumulated_gradients_are_those_of_the_whole_batch(
    drive: Recording, tmp_path: Path
) -> None:
    # without batch statistics and with depth everywhere the two are the same sum
    plain = {'batch': 4, 'freeze_norm': True, 'steps': 2, 'clip': 0.0, 'optimizer': 'adam'}
    whole = trainer(drive, config(**plain), tmp_path / 'a')
    parts = trainer(drive, config(**plain, accumulate=2), tmp_path / 'b')
    whole.run()
    parts.run()
    for a, b in zip(whole.progress.curve, parts.progress.curve, strict=True):
        assert a['loss'] == pytest.approx(b['loss'], rel=1e-5)
        assert a['gradient'] == pytest.approx(b['gradient'], rel=1e-4)


def test_norms_freeze_when_it_is_time(drive: Recording, tmp_path: Path) -> None:
    run = trainer(drive, config(freeze_after=2), tmp_path)
    norm = next(m for m in run.learner.modules() if isinstance(m, torch.nn.BatchNorm2d))
    means = [norm.running_mean.clone()]
    for until in (2, 4):
        run.run(until=until)
        means.append(norm.running_mean.clone())
    assert not torch.equal(means[0], means[1])
    torch.testing.assert_close(means[1], means[2], rtol=0, atol=0)


def test_it_learns(drive: Recording, tmp_path: Path) -> None:
    run = trainer(drive, config(steps=40, learning_rate=3e-3, batch=4), tmp_path)
    run.run()
    first, last = run.progress.validations[0], run.progress.validations[-1]
    assert last['abs_rel'] < 0.6 * first['abs_rel']


def test_self_supervision_learns_metres_from_pictures_and_odometry(tmp_path: Path) -> None:
    drive = recording(tmp_path / 'r', 60)
    chosen = config(
        objective='self_supervised', pose_network='alignment', kind='metric_depth', odometry=1.0,
        steps=60, batch=4, learning_rate=2e-3, warmup=10, validate_every=60, smoothness=0.01,
        min_depth=0.5, max_depth=50.0,
    )
    run = trainer(drive, chosen, tmp_path / 'out')
    untrained = validate(run.learner, Samples([drive], chosen), ALONE.device).figures
    run.run()
    learned = run.progress.validations[-1]
    assert untrained['abs_rel'] > 1.5
    assert learned['abs_rel'] < 0.35
    assert learned['abs_rel_median'] < 0.9 * untrained['abs_rel_median']


def test_fine_tuning_first_judges_where_it_starts(drive: Recording, tmp_path: Path) -> None:
    trainer(drive, config(), tmp_path / 'a').run(until=2)
    chosen = config(weights=str(tmp_path / 'a' / 'last.pt'))
    run = trainer(drive, chosen, tmp_path / 'b')
    run.run()
    assert [row['step'] for row in run.progress.validations] == [0, 3, 6]


def test_best_is_the_best_by_validation_and_patience_ends(
    drive: Recording, tmp_path: Path
) -> None:
    # a learning rate that spoils the network
    run = trainer(
        drive,
        config(steps=60, learning_rate=0.5, patience=2, clip=0.0, schedule='constant'),
        tmp_path,
    )
    run.run()
    assert run.progress.step < 60
    assert run.progress.worse == 2
    rows = run.progress.validations
    best = min(rows, key=lambda row: row['abs_rel'])
    assert run.progress.best_step == best['step']
    saved = read_checkpoint(tmp_path / 'best.pt')
    assert saved.progress.step == best['step']
    assert not saved.optimizer


def test_a_loss_that_is_no_number_stops_and_keeps_the_batch(
    drive: Recording, tmp_path: Path
) -> None:
    run = trainer(drive, config(), tmp_path)
    run.run(until=2)
    with torch.no_grad():
        next(run.learner.depth.parameters()).fill_(torch.nan)
    with pytest.raises(DivergedError, match='Step 2'):
        run.run()
    kept = torch.load(tmp_path / 'diverged-2-0.pt', weights_only=True)
    assert kept['batch'][0]['frames'].shape == (2, 1, 32, 64, 3)
    # the last good state is still there
    assert read_checkpoint(tmp_path / 'last.pt').progress.step == 2


def test_a_checkpoint_knows_its_network(drive: Recording, tmp_path: Path) -> None:
    run = trainer(drive, config(kind='canonical_depth'), tmp_path)
    run.run()
    saved = read_checkpoint(tmp_path / 'last.pt')
    assert saved.config == run.config
    assert saved.focal == pytest.approx(drive.cameras[0, 1])
    frame = torch.from_numpy(np.array(drive.frames[:1])).permute(0, 3, 1, 2).float() / 255
    run.learner.eval()
    torch.testing.assert_close(saved.network()(frame)[0], run.learner.depth(frame)[0])


def test_resuming_with_other_choices_is_refused(drive: Recording, tmp_path: Path) -> None:
    trainer(drive, config(), tmp_path).run(until=1)
    other = trainer(drive, config(learning_rate=2e-3), tmp_path)
    with pytest.raises(ConfigError, match='learning_rate'):
        other.resume(tmp_path / 'last.pt')


def test_what_is_printed_may_change_when_a_run_is_resumed(
    drive: Recording, tmp_path: Path
) -> None:
    trainer(drive, config(), tmp_path).run(until=1)
    other = trainer(drive, config(print_every=7), tmp_path)
    other.resume(tmp_path / 'last.pt')
    assert other.progress.step == 1


@pytest.mark.parametrize('content', [b'', b'not a checkpoint', None])
def test_damaged_checkpoints_are_refused(
    drive: Recording, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / 'x.pt'
    if content is None:
        torch.save({'format': 99}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(ModelError):
        read_checkpoint(path)


def test_a_checkpoint_is_replaced_whole_or_not_at_all(
    drive: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(drive, config(), tmp_path)
    run.run(until=1)

    def full(*_: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.fsync', full)
    with pytest.raises(ModelError, match='No space left'):
        run.run(until=2)
    assert read_checkpoint(tmp_path / 'last.pt').progress.step == 1
    assert [p.name for p in tmp_path.iterdir()] == ['last.pt']


def test_half_precision_with_a_scaler(drive: Recording, tmp_path: Path) -> None:
    run = trainer(drive, config(precision='fp16'), tmp_path)
    run.run(until=2)
    resumed = trainer(drive, config(precision='fp16'), tmp_path)
    resumed.resume(tmp_path / 'last.pt')
    assert resumed._scaler.get_scale() == run._scaler.get_scale()
    assert all(np.isfinite(row['loss']) for row in run.progress.curve)


def test_a_batch_that_cannot_be_shared_is_refused(drive: Recording, tmp_path: Path) -> None:
    chosen = config(batch=3)
    samples = Samples([drive], chosen)
    two = Processes(0, 2, torch.device('cpu'))
    with pytest.raises(ConfigError, match='2 processes'):
        Trainer(Learner(chosen, 10.0), samples, samples, tmp_path, two, metric=True)
