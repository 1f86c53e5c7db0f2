from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from tiny import config, noise, recording
import torch

from depth_node.camera import Camera
from depth_node.errors import DataError
from depth_node.training.data.augment import ColorChange, mirrored_camera
from depth_node.training.data.batches import Loader, Order
from depth_node.training.data.samples import Samples
from depth_node.training.view_synthesis import back_project, project


def test_every_epoch_takes_each_sample_once_and_shuffles_anew() -> None:
    order = Order(10, 4, seed=1)
    row = [number for step in range(5) for _, number in order.at(step)]
    assert sorted(row[:10]) == sorted(row[10:]) == list(range(10))
    assert row[:10] != row[10:]


def test_the_order_is_a_function_of_the_step() -> None:
    straight = Order(7, 3, seed=4)
    row = [straight.at(step) for step in range(20)]
    assert Order(7, 3, seed=4).at(17) == row[17]
    assert Order(7, 3, seed=5).at(17) != row[17]


def test_a_batch_is_the_same_whoever_makes_it(tmp_path: Path) -> None:
    samples = Samples([recording(tmp_path / 'r')], config(flip=0.5, jitter=0.5))
    order = Order(len(samples), 4, 0)
    straight = list(islice(Loader(samples, order, 0, workers=3).from_step(0), 6))
    again = Loader(samples, order, 0).make(5)
    for name, tensor in straight[5][0].tensors.items():
        torch.testing.assert_close(again[0].tensors[name], tensor, rtol=0, atol=0)


def test_processes_and_parts_share_a_batch(tmp_path: Path) -> None:
    samples = Samples([recording(tmp_path / 'r')], config())
    order = Order(len(samples), 4, 0)
    whole = Loader(samples, order, 0).make(2)[0].numbers
    shares = [Loader(samples, order, 0, rank=r, world=2).make(2)[0].numbers for r in (0, 1)]
    assert sorted(whole) == sorted(shares[0] + shares[1])
    halves = Loader(samples, order, 0, parts=2).make(2)
    assert halves[0].numbers + halves[1].numbers == whole


def test_flipping_mirrors_the_principal_point() -> None:
    """A mirrored point projects, with the mirrored camera, into the mirrored pixel."""
    camera = Camera(64, 32, 50.0, 48.0, 28.3, 16.1)
    u, v = camera.project([0.4, -0.1, 2.0])
    mirror = mirrored_camera(np.array([50.0, 48.0, 28.3, 16.1]), 64)
    seen = Camera(64, 32, *mirror).project([-0.4, -0.1, 2.0])
    np.testing.assert_allclose(seen, (63 - u, v))


def test_a_flipped_sample_is_consistent(tmp_path: Path) -> None:
    made = recording(tmp_path / 'r', stereo=True)
    plain = Samples([made], config(objective='self_supervised', flip=0.0, jitter=0.0))
    flipped = Samples([made], config(objective='self_supervised', flip=1.0, jitter=0.0))
    a, b = (s.load(2, np.random.default_rng(0)) for s in (plain, flipped))
    np.testing.assert_array_equal(a.frames[:, :, ::-1], b.frames)
    np.testing.assert_array_equal(a.depth[:, ::-1], b.depth)
    assert b.baseline == -a.baseline == -0.1
    assert a.frames.shape == (4, 32, 64, 3)  # target, before, after, partner
    np.testing.assert_array_equal(a.frames[1], made.frames[2])
    np.testing.assert_array_equal(a.frames[0], made.frames[3])
    assert a.lengths[0] == pytest.approx(
        np.linalg.norm(made.poses[2, :3, 3] - made.poses[3, :3, 3])
    )


def test_colors_change_on_the_inputs_only(tmp_path: Path) -> None:
    samples = Samples([recording(tmp_path / 'r')], config(flip=0.0, jitter=1.0))
    clean = samples.load(1)
    changed = samples.load(1, np.random.default_rng(3))
    np.testing.assert_array_equal(clean.frames, changed.frames)
    np.testing.assert_array_equal(clean.inputs, clean.frames)
    assert (changed.inputs != changed.frames).any()


def test_no_change_of_color_changes_nothing() -> None:
    frames = noise(2, 8, 9, 3)
    np.testing.assert_array_equal(ColorChange().apply(frames), frames)


def test_changes_of_color_do_what_they_say() -> None:
    grey = np.full((1, 4, 4, 3), 100, np.uint8)
    assert (ColorChange(brightness=1.2).apply(grey) == 120).all()
    assert (ColorChange(contrast=0.0).apply(grey) == 128).all()
    red = np.zeros((1, 4, 4, 3), np.uint8)
    red[..., 0] = 200
    green = ColorChange(hue=1 / 3).apply(red)[0, 0, 0]
    np.testing.assert_allclose(green, (0, 200, 0), atol=8)
    np.testing.assert_allclose(
        ColorChange(saturation=0.5).apply(red)[0, 0, 0], (200, 100, 100), atol=3
    )


def test_batches_have_field_standard_cameras(tmp_path: Path) -> None:
    made = recording(tmp_path / 'r')
    samples = Samples([made], config(objective='self_supervised', flip=0.0))
    batch = Loader(samples, Order(len(samples), 2, 0), 0).make(0)[0].to(torch.device('cpu'))
    assert batch.frames.shape == (2, 3, 3, 32, 64)
    assert batch.frames.max() <= 1.0
    points = back_project(batch.depth, batch.intrinsics)
    pixels = project(points, batch.intrinsics)
    assert pixels[0, 0, 5, 7].item() == pytest.approx(7, abs=1e-3)
    assert batch.focal[0].item() == pytest.approx(made.cameras[0, 1])


def test_the_threads_end_with_the_loop(tmp_path: Path) -> None:
    import threading

    samples = Samples([recording(tmp_path / 'r')], config())
    before = threading.active_count()
    steps = Loader(samples, Order(len(samples), 2, 0), 0, workers=3).from_step(0)
    next(steps)
    steps.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ('objective', 'match'), [('supervised', 'depth'), ('self_supervised', 'consecutive frames')]
)
def test_recordings_without_what_is_needed_are_refused(
    tmp_path: Path, objective: str, match: str
) -> None:
    made = recording(tmp_path / 'r', 2)
    object.__setattr__(made, 'depth', None)
    with pytest.raises(DataError, match=match):
        Samples([made], config(objective=objective))
