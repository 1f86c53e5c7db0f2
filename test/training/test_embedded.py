"""The embedded network's frames and recipe."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from depth_node.camera import Camera  # noqa: E402
from depth_node.errors import DataError  # noqa: E402
from depth_node.training.embedded import shards  # noqa: E402
from depth_node.training.embedded.ablation import chosen_frames, variants  # noqa: E402
from depth_node.training.embedded.ablation import main as ablate  # noqa: E402
from depth_node.training.embedded.augment import light  # noqa: E402
from depth_node.training.embedded.frames import (  # noqa: E402
    draw_frame,
    draw_world,
    drive_pose,
    driven,
    FIRST_TRAINING_SEED,
    Frames,
    lived_in,
    POSES,
    rendered,
    SIZE,
    stored,
)
from depth_node.training.embedded.loss import depth_loss  # noqa: E402
from depth_node.training.embedded.recipe import batch_of, halved, Recipe, Run  # noqa: E402
from depth_node.training.embedded.shards import finished, Growing, Pool, render_shards  # noqa: E402
from depth_node.world import World  # noqa: E402


def test_frames_are_rendered_once_and_the_same_everywhere(tmp_path: Path) -> None:
    first = rendered(tmp_path / 'a', 6, FIRST_TRAINING_SEED, processes=1, poses=3)
    again = rendered(tmp_path / 'b', 6, FIRST_TRAINING_SEED, processes=2, poses=3)
    assert first.images.shape == (6, SIZE.height, SIZE.width, 3)
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.depths, again.depths)
    stamp = (tmp_path / 'a' / 'images.npy').stat().st_mtime_ns
    rendered(tmp_path / 'a', 6, FIRST_TRAINING_SEED, poses=3)
    assert (tmp_path / 'a' / 'images.npy').stat().st_mtime_ns == stamp
    for count, poses in ((9, 3), (6, 2)):
        with pytest.raises(DataError, match='other frames'):
            rendered(tmp_path / 'a', count, FIRST_TRAINING_SEED, poses=poses)


class Watched(World):
    """A world that remembers the camera it was seen with."""

    camera: Camera
    depth: np.ndarray

    def radiance(self, camera: Camera, *args: object, **options: object) -> tuple:
        self.camera = camera
        light, self.depth = super().radiance(camera, *args, **options)
        return light, self.depth


def test_a_quarter_of_the_worlds_are_plain_and_seen_by_robots_that_drive() -> None:
    seeds = range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + 32)
    some = [seed for seed in seeds if driven(seed)]
    assert [seed - FIRST_TRAINING_SEED for seed in some] == [*range(12, 16), *range(28, 32)]
    assert not any(lived_in(seed) for seed in some)
    assert not any(driven(seed) for seed in range(900_000, 900_100))  # those of validation
    rng = np.random.default_rng(0)
    world = draw_world(rng, some[0])
    poses = [drive_pose(rng, world) for _ in range(60)]
    heights = np.array([pose[2, 3] for pose in poses])
    on_path = np.isclose(heights, world.pose(0.0)[2, 3])
    assert 15 < on_path.sum() < 45
    assert heights.min() >= 0.15
    assert heights.max() <= 1.5
    forward = np.array([pose[:3, 2] for pose in poses])
    assert np.abs(np.arcsin(forward[:, 2])).max() < np.radians(21)  # no robot looks at its feet


def test_canonical_depth_is_metres_over_the_focal_length_at_network_size() -> None:
    world, sizes = Watched(3), set()
    for seed in range(8):
        radiance, canonical = draw_frame(np.random.default_rng(seed), world)
        assert radiance.shape == (SIZE.height, SIZE.width, 3)
        focal = world.camera.fx * SIZE.width / world.camera.width
        metres = np.median(world.depth[np.isfinite(world.depth)])
        found = np.median(canonical[np.isfinite(canonical)]) * focal / 300
        assert found == pytest.approx(metres, rel=0.02)
        sizes.add(world.camera.width)
    assert sizes == {384, 256}


def test_light_is_kept_within_a_few_parts_in_a_hundred() -> None:
    radiance = np.geomspace(0.01, 3.9, 300, dtype=np.float32).reshape(10, 10, 3)
    kept = light(torch.from_numpy(stored(radiance))).numpy()
    np.testing.assert_allclose(kept, radiance, rtol=0.1)
    np.testing.assert_allclose(kept[5:], radiance[5:], rtol=0.02)
    bright = stored(np.full((1, 1, 3), 9, np.float32))
    assert light(torch.from_numpy(bright)).max().item() == pytest.approx(4)


def plain_frames(count: int = 8) -> Frames:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (count, 64, 96, 3), np.uint8)
    return Frames(images, rng.uniform(1, 9, (count, 64, 96)).astype(np.float16))


def test_half_the_size_has_half_the_focal_length() -> None:
    frames = plain_frames()
    images, depths = halved(torch.from_numpy(frames.images), torch.from_numpy(frames.depths))
    assert images.shape == (8, 32, 48, 3)
    np.testing.assert_array_equal(depths, 2 * frames.depths[:, ::2, ::2])
    blocks = frames.images.reshape(8, 32, 2, 48, 2, 3).mean((2, 4))
    np.testing.assert_allclose(images, blocks, atol=0.01)


def test_near_frames_are_drawn_more_often_and_empty_ones_never() -> None:
    depths = np.empty((3, 64, 96), np.float16)
    depths[0], depths[1], depths[2] = 1.0, 4.0, np.inf
    frames = Frames(np.zeros((3, 64, 96, 3), np.uint8), depths)
    assert frames.chances(0.5) == pytest.approx([2 / 3, 1 / 3, 0])
    assert frames.chances(0.0) == pytest.approx([1 / 2, 1 / 2, 0])


def test_the_loss_knows_scale_and_slope() -> None:
    """A common factor costs the metric term alone; a ramp costs slopes; unknown is unknown."""
    truth = torch.full((1, 1, 32, 32), 2.0)
    assert depth_loss(truth, truth, 0.5, 0.5, 0.5) == 0
    factor = depth_loss(truth * np.e, truth, 0.5, 0.5, 0.0).item()
    assert factor == pytest.approx(0.5, rel=1e-5)
    assert depth_loss(truth * np.e, truth, 1.0, 0.5, 0.5).item() == pytest.approx(0, abs=1e-5)
    ramp = torch.linspace(-1, 1, 32).exp() * truth
    assert depth_loss(ramp, truth, 0.0, 0.5, 0.0) > depth_loss(ramp, truth, 0.0, 0.0, 0.0) + 0.01
    holes = truth.clone()
    holes[..., :16] = torch.inf
    found = truth.clone().requires_grad_()
    with torch.no_grad():
        found[..., :16] = 50.0
    loss = depth_loss(found, holes, 0.5, 0.5, 0.5)
    loss.backward()
    assert loss.item() == 0
    assert found.grad is not None
    assert not found.grad.isnan().any()


def test_relative_error_is_what_it_says_and_no_outlier_steers() -> None:
    truth = torch.full((1, 1, 8, 8), 2.0)

    def cost(factor: float) -> float:
        return depth_loss(truth * factor, truth, 0.0, 0.0, 1.0).item()

    assert cost(1.5) == pytest.approx(0.5, rel=1e-5)
    assert cost(0.5) == pytest.approx(0.5, rel=1e-5)
    assert cost(np.e**3) == pytest.approx(3 * np.e - 1, rel=1e-5)


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    pool, recipe = Pool([plain_frames(), plain_frames(5)]), Recipe(batch=4)
    first, again = (batch_of(pool, recipe, 3, half=False) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], batch_of(pool, recipe, 4, half=False)[0])
    assert not torch.equal(first[0], batch_of(pool, Recipe(seed=1, batch=4), 3, half=False)[0])
    assert batch_of(pool, recipe, 3, half=True)[0].shape == (4, 3, 32, 48)


def test_every_shard_is_as_likely_and_near_frames_are_more_likely() -> None:
    depths = np.empty((2, 64, 96), np.float16)
    depths[0], depths[1] = 1.0, 4.0
    many = Frames(np.zeros((2, 64, 96, 3), np.uint8), depths)
    few = Frames(np.full((1, 64, 96, 3), 9, np.uint8), np.full((1, 64, 96), 2.0, np.float16))
    pool, rng = Pool([many, few], nearness=0.5), np.random.default_rng(0)
    images, found = pool.draw(rng, 600)
    assert images.shape == (600, 64, 96, 3)
    drawn = found[:, 0, 0].tolist()
    shares = [drawn.count(depth) / len(drawn) for depth in (1.0, 4.0, 2.0)]
    assert shares == pytest.approx([1 / 3, 1 / 6, 1 / 2], abs=0.06)
    assert len(pool) == 3


def test_a_gpu_keeps_frames_while_half_of_its_memory_is_free(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit is drawn all the same. A stand-in says how much is free."""
    pool, size = Pool(), 10_000
    pool.device = torch.device('cuda')
    for free, kept in ((61_000, True), (60_000, False), (100, False)):
        monkeypatch.setattr(torch.cuda, 'mem_get_info', lambda _device, f=free: (f, 100_000))
        assert pool._holds(size) is kept
    pool.device = torch.device('cpu')
    assert not pool._holds(size)


def keep(folder: Path, frames: Frames) -> None:
    folder.mkdir(parents=True)
    np.save(folder / 'images.npy', frames.images)
    np.save(folder / 'depths.npy', frames.depths)
    (folder / 'frames.json').write_text('{}')


def test_shards_that_come_later_are_taken_in_when_they_are_finished(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='no finished shard'):
        Growing(tmp_path, 0.0)
    keep(tmp_path / 'a', plain_frames(3))
    pool = Growing(tmp_path, 0.0)
    keep(tmp_path / 'b', plain_frames(4))
    (tmp_path / 'b' / 'frames.json').rename(tmp_path / 'b' / 'later')
    pool.look()
    assert len(pool) == 3
    (tmp_path / 'b' / 'later').rename(tmp_path / 'b' / 'frames.json')
    pool.look()
    pool.look()
    assert len(pool) == 7


def test_a_shard_is_known_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, 'WORLDS', 1)
    render_shards(tmp_path, range(1, 2), processes=1)
    (found,) = tmp_path.iterdir()
    assert json.loads((found / 'frames.json').read_text())['first_seed'] == FIRST_TRAINING_SEED + 1
    assert len(Growing(tmp_path, 0.8)) == POSES


def test_a_world_that_cannot_be_rendered_costs_its_shard_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, 'WORLDS', 0)  # nothing to stack: every shard fails
    (tmp_path / 'shard0001').write_text('in the way of a folder')
    with pytest.raises((OSError, ValueError)):
        render_shards(tmp_path, range(3), processes=1)
    assert (tmp_path / 'shard0000').is_dir()
    assert (tmp_path / 'shard0002').is_dir()


def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path) -> None:
    """Also over the change from half to whole size."""
    rates = ((0.0, 1e-3), (0.5, 1e-3), (1.0, 0.0))
    recipe = Recipe(batch=4, validate_every=2, rates=rates, steps=4, small=0.75)
    frames = plain_frames()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    straight = Run(recipe, tmp_path / 'straight')
    straight.train(Pool([frames]), frames)
    Run(recipe, tmp_path / 'broken').train(Pool([frames]), frames, until=0.5)
    resumed = Run(recipe, tmp_path / 'broken')
    assert resumed.step == 2
    resumed.train(Pool([frames]), frames)
    torch.set_num_threads(threads)
    for one, other in zip(
        straight.learner.averaged.state_dict().values(),
        resumed.learner.averaged.state_dict().values(),
        strict=True,
    ):
        assert torch.equal(one, other)
    rows = (tmp_path / 'broken' / 'curve.csv').read_text().splitlines()
    assert [row.split(',')[3] for row in rows] == ['size', '48', '96']


def test_a_run_by_time_ends_in_time_and_another_begins_with_its_weights(tmp_path: Path) -> None:
    frames = plain_frames()
    recipe = Recipe(batch=2, minutes=0.02, rates=((0.0, 1e-3), (1.0, 0.0)), validate_every=99)
    first = Run(recipe, tmp_path / 'first')
    first.train(Pool([frames]), frames)
    assert first.share == 1
    assert first.step > 1
    assert 1.2 <= first.seconds < 10
    second = Run(recipe, tmp_path / 'second', tmp_path / 'first' / 'checkpoint.pt')
    assert second.share == 0
    for one, other in zip(
        first.learner.network.parameters(), second.learner.network.parameters(), strict=True
    ):
        assert torch.equal(one, other)


def shard(folder: Path, seed: int) -> None:
    """Two worlds; the value of every depth is the number of its world."""
    depths = np.repeat([seed, seed + 1], POSES)[:, None, None] - FIRST_TRAINING_SEED + 1.0
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 255, (2 * POSES, 64, 96, 3), np.uint8)
    keep(folder, Frames(images, (depths * np.ones((64, 96))).astype(np.float16)))
    (folder / 'frames.json').write_text(json.dumps({'first_seed': seed}))


def test_each_part_is_left_out_of_one_run(tmp_path: Path) -> None:
    """Worlds too: plain ones alone, and lived-in ones alone, in the same number."""
    for number in range(4):
        shard(tmp_path / 'training' / f'{number}', FIRST_TRAINING_SEED + 2 * number)
    worlds = range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + 8)
    plain = [seed for seed in worlds if not lived_in(seed)]
    assert 0 < len(plain) < 8
    folders = finished(tmp_path / 'training')
    (only,) = chosen_frames(folders, lambda seed: not lived_in(seed), POSES)
    assert np.unique(only.depths).tolist() == [plain[0] - FIRST_TRAINING_SEED + 1]
    with pytest.raises(DataError, match=f'{len(plain) * POSES} frames'):
        chosen_frames(folders, lambda seed: not lived_in(seed), (len(plain) + 1) * POSES)
    recipe = Recipe(steps=1)
    runs = variants(recipe)
    assert len({(run.recipe, run.worlds) for run in runs.values()}) == len(runs) == 9
    keep(tmp_path / 'validation', plain_frames(2))
    ablate([
        '--out', str(tmp_path), '--steps', '1', '--batch', '2', '--frames', str(POSES),
        '--device', 'cpu',
    ])
    rows = (tmp_path / 'ablation.md').read_text().splitlines()
    assert [row.split('|')[1].strip() for row in rows[2:]] == list(runs)
    assert all(0 < float(row.split('|')[2]) < 10 for row in rows[2:])


def test_the_learning_rate_goes_from_point_to_point() -> None:
    recipe = Recipe(rates=((0.0, 0.0), (0.25, 1.0), (0.5, 1.0), (1.0, 0.0)))
    rates = [recipe.rate(share) for share in (0.0, 0.125, 0.4, 0.75, 1.0)]
    assert rates == pytest.approx([0.0, 0.5, 1.0, 0.5, 0.0])
    usual = Recipe(small=0.6, peak=4.0)
    rates = [usual.rate(share) for share in (0.0, 0.01, 0.6, 0.601, 1.0)]
    assert rates == pytest.approx([0.0, 4.0, 0.8, 2.0, 0.0])
    whole = Recipe(small=0.0, peak=4.0)
    rates = [whole.rate(share) for share in (0.0, 0.011, 0.5055, 1.0)]
    assert rates == pytest.approx([0.0, 2.0, 1.0, 0.0])


def test_the_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    state = Run(Recipe(), tmp_path / 'whole').learner.state()
    name = next(iter(state['network']))
    lacking = {**state, 'network': {k: v for k, v in state['network'].items() if k != name}}
    more = {**state, 'network': {**state['network'], 'more': torch.zeros(1)}}
    for number, wrong in enumerate((lacking, more, {})):
        torch.save(wrong, tmp_path / 'wrong.pt')
        with pytest.raises(DataError, match=r'that of another network'):
            Run(Recipe(), tmp_path / f'{number}', tmp_path / 'wrong.pt')
