from pathlib import Path

import pytest
from tiny import config, recording
import torch

from depth_node.errors import ConfigError, DataError, ModelError
from depth_node.model import OutputKind
from depth_node.training import learner as module
from depth_node.training.checkpoint import Checkpoint, RunProgress, write_checkpoint
from depth_node.training.data.batches import Batch, Loader, Order
from depth_node.training.data.samples import Samples
from depth_node.training.learner import Learner
from depth_node.training.losses import Terms
from depth_node.training.start import start_from
from depth_node.training.view_synthesis import warp

CPU = torch.device('cpu')


def batch_of(path: Path, chosen: object, **options: object) -> tuple[Samples, Batch]:
    samples = Samples([recording(path / 'r', **options)], chosen)
    return samples, Loader(samples, Order(len(samples), 2, 0), 0).make(0)[0].to(CPU)


def test_depth_of_another_focal_length_is_corrected() -> None:
    # twice the focal length: the same picture is twice as far away
    learner = Learner(config(), focal=40.0)
    values = torch.full((2, 1, 4, 4), 0.3)
    depth = learner.read_depth(values, torch.tensor([40.0, 80.0]))
    torch.testing.assert_close(depth[1], 2 * depth[0])
    canonical = Learner(config(kind='canonical_depth'), focal=40.0)
    depth = canonical.read_depth(values, torch.tensor([300.0, 150.0]))
    torch.testing.assert_close(depth[:, 0, 0, 0], torch.tensor([0.3, 0.15]))


def test_sources_see_points_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known motion instead of the estimated one: each source gets its own, the right way round."""
    chosen = config(objective='self_supervised', stereo=True, flip=0.0)
    samples, batch = batch_of(tmp_path, chosen, stereo=True)
    learner = Learner(chosen, samples.focal())
    assert learner.pose is not None
    step = torch.tensor([0.0, 0.0, -0.1])  # driving forward: points come nearer

    def known(first: torch.Tensor, last: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(len(first), 3), step.expand(len(first), 3)

    learner.pose.forward = known
    told: dict[str, list[object]] = {}

    def record(values: object, read: object, **known: object) -> Terms:
        told.update(known)
        zero = torch.zeros(())
        return Terms({'photometric': zero}, zero)

    monkeypatch.setattr(module, 'self_supervised_loss', record)
    learner(batch)
    sources, travelled = told['sources'], told['travelled']
    # a point 2 m ahead is farther from the frame before, nearer to the one after, and to the
    # left in the partner on the right
    ahead = torch.tensor([0.0, 0.0, 2.0, 1.0])
    seen = [(source.pose[0] @ ahead)[:3].tolist() for source in sources]
    assert seen[0] == pytest.approx([0, 0, 2.1])
    assert seen[1] == pytest.approx([0, 0, 1.9])
    assert seen[2] == pytest.approx([-0.1, 0, 2.0])
    assert [tuple(way.shape) for way, _ in travelled] == [(2, 3), (2, 3)]
    torch.testing.assert_close(sources[1].image, batch.frames[:, 2])


def test_alignment_needs_no_pose_network(tmp_path: Path) -> None:
    """The same drive with the right depth looks alike after the warp; lengths are odometry's."""
    chosen = config(
        objective='self_supervised', pose_network='alignment', kind='metric_depth', odometry=1.0,
        flip=0.0, auto_mask=False,
    )
    samples, batch = batch_of(tmp_path, chosen)
    learner = Learner(chosen, samples.focal())
    assert learner.pose is None
    outcome = learner(batch)
    outcome.loss.backward()
    assert float(outcome.parts['odometry']) == pytest.approx(0, abs=1e-5)
    assert all(p.grad is not None for p in learner.depth.parameters())
    assert batch.depth is not None
    motions = learner._aligned(batch, batch.depth)
    for i, (pose, _) in enumerate(motions):
        seen = warp(batch.frames[:, 1 + i], batch.depth, pose, batch.intrinsics)
        warped = ((seen.image - batch.frames[:, 0]).abs() * seen.valid).mean()
        assert warped < 0.5 * (batch.frames[:, 1 + i] - batch.frames[:, 0]).abs().mean()


@pytest.mark.parametrize(
    'switch',
    [{'minimum': False}, {'auto_mask': False}, {'smoothness': 0.0}, {'multi_scale': False},
     {'full_resolution': False}, {'mask_outside': False}, {'odometry': 1.0}, {'alpha': 0.0}],
)
def test_every_switch_changes_the_loss(tmp_path: Path, switch: dict[str, object]) -> None:
    losses = []
    for changes in ({}, switch):
        chosen = config(objective='self_supervised', **changes)
        torch.manual_seed(1)
        samples, batch = batch_of(tmp_path, chosen)
        learner = Learner(chosen, samples.focal()).eval()
        with torch.no_grad():
            # so far that pixels leave the frame
            learner.pose.head.bias.copy_(torch.tensor([0.0, 5.0, 0.0, 10.0, 0.0, 20.0]))
            losses.append(float(learner(batch).loss))
    # more than the rounding of float32
    assert abs(losses[0] - losses[1]) > 5e-6 * abs(losses[0])


@pytest.mark.parametrize(
    'kind', [OutputKind.METRIC_DEPTH, OutputKind.RELATIVE_DEPTH, OutputKind.RELATIVE_DISPARITY]
)
def test_a_perfect_student_has_nothing_to_learn(tmp_path: Path, kind: OutputKind) -> None:
    chosen = config(objective='distill', teacher='somebody')
    made = recording(tmp_path / 'r')
    object.__setattr__(made, 'lesson', made.depth.astype('float32'))
    samples = Samples([made], chosen)
    learner = Learner(chosen, samples.focal(), kind).eval()
    batch = Loader(samples, Order(len(samples), 2, 0), 0).make(0)[0].to(CPU)
    with torch.no_grad():
        said = learner(batch).depth
    # affine-invariant: the teacher may say it in any scale and shift
    word = {
        OutputKind.METRIC_DEPTH: said,
        OutputKind.RELATIVE_DEPTH: 3 * said + 1,
        OutputKind.RELATIVE_DISPARITY: 5 / said + 2,
    }[kind]
    right = Batch(**{**vars(batch), 'lesson': word})
    wrong = Batch(**{**vars(batch), 'lesson': word.flip(-1)})
    with torch.no_grad():
        assert float(learner(right).loss) < 0.01 * float(learner(wrong).loss)


def test_frozen_norms_stay_frozen() -> None:
    learner = Learner(config(freeze_norm=True), 40.0)
    learner.train()
    assert learner.training
    assert not any(m.training for m in learner.modules() if isinstance(m, torch.nn.BatchNorm2d))


def test_weights_carry_over_to_another_objective(tmp_path: Path) -> None:
    """From self-supervision with four scales to fine-tuning with one."""
    torch.manual_seed(3)
    first = Learner(config(objective='self_supervised'), 40.0)
    state = Checkpoint(
        first.config, 40.0, False, RunProgress(step=7), first.depth.state_dict(),
        first.pose.state_dict(), {}, {},
    )
    write_checkpoint(tmp_path / 'x.pt', state)
    second = Learner(config(), 40.0)
    assert 'step 7' in start_from(second, tmp_path / 'x.pt')
    image = torch.rand(1, 3, 32, 64)
    torch.testing.assert_close(second.eval().depth(image)[0], first.eval().depth(image)[0])
    back = Learner(config(objective='self_supervised'), 40.0)
    start_from(back, tmp_path / 'x.pt')
    torch.testing.assert_close(back.pose.head.weight, first.pose.head.weight)


def test_imagenet_weights_fill_both_encoders(tmp_path: Path) -> None:
    chosen = config(objective='self_supervised', network='resnet18', pose_network='resnet18')
    donor = Learner(chosen, 40.0)
    torch.save(donor.depth.encoder.state_dict(), tmp_path / 'resnet18.pth')
    learner = Learner(chosen, 40.0)
    assert '2 encoders' in start_from(learner, tmp_path / 'resnet18.pth')
    weight = donor.depth.encoder.conv1.weight
    torch.testing.assert_close(learner.depth.encoder.conv1.weight, weight)
    # two frames stacked: half for each
    torch.testing.assert_close(learner.pose.encoder.conv1.weight[:, 3:], weight / 2)
    with pytest.raises(ModelError, match='need a ResNet'):
        start_from(Learner(config(), 40.0), tmp_path / 'resnet18.pth')


@pytest.mark.parametrize(
    ('changes', 'match'),
    [
        ({'size': '100x64'}, 'multiples of 32'),
        ({'min_depth': 5.0, 'max_depth': 2.0}, 'expected less than'),
        ({'batch': 5, 'accumulate': 2}, 'a multiple of accumulate'),
        ({'objective': 'distill'}, 'needs a teacher'),
        ({'learning_rat': 1.0}, 'learning_rate'),
        ({'steps': 0}, 'below the least'),
        ({'objective': 'guess'}, 'not one of'),
    ],
)
def test_contradictions_are_refused(changes: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        config(**changes)


def test_odometry_without_poses_is_refused(tmp_path: Path) -> None:
    made = recording(tmp_path / 'r')
    made.poses[:] = float('nan')
    with pytest.raises(DataError, match='recording has poses'):
        Samples([made], config(objective='self_supervised', odometry=1.0))
