from pathlib import Path

import numpy as np
import pytest
from tiny import noise, recording, SIZE

from depth_node.camera import Camera, Distortion
from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.sources.frame import Frame
from depth_node.training.data.motion import MotionGate
from depth_node.training.data.prepare import prepare, RecordingOptions
from depth_node.training.data.recording import Counts, open_recording, Writer
from depth_node.training.data.view import PinholeView
from depth_node.world import World


def test_a_recording_reads_back_what_was_written(tmp_path: Path) -> None:
    made = recording(tmp_path / 'r', 5, stereo=True)
    back = open_recording(tmp_path / 'r')
    assert len(back) == 5
    assert back.size == SIZE
    np.testing.assert_array_equal(back.frames, made.frames)
    np.testing.assert_array_equal(back.stereo[2], back.frames[2][:, ::-1])
    np.testing.assert_array_equal(back.poses, made.poses)
    assert back.baseline == 0.1
    # half precision costs a thousandth
    _, depth = World(3).render(Camera.from_hfov(*SIZE, 70), World(3).pose(0.4))
    np.testing.assert_allclose(back.depth[2], depth, rtol=1e-3)


def test_a_part_is_the_stretch(tmp_path: Path) -> None:
    made = recording(tmp_path / 'r', 6)
    part = made.part(2, 5)
    assert len(part) == 3
    np.testing.assert_array_equal(part.frames[0], made.frames[2])
    np.testing.assert_array_equal(part.poses[2], made.poses[4])


def test_depth_that_begins_late_is_missing_before(tmp_path: Path) -> None:
    camera = (10.0, 10.0, 5.0, 5.0)
    with Writer(tmp_path / 'r', 'late', Size(8, 4), {}) as writer:
        writer.add(camera, 1, noise(4, 8, 3))
        writer.add(camera, 1, noise(4, 8, 3), depth=np.full((4, 8), 2.0, np.float32))
        made = writer.finish(Counts(2, 2))
    assert made.depth is not None
    assert np.isnan(made.depth[0]).all()
    assert (made.depth[1] == 2).all()
    assert np.isnan(made.poses).all()


def test_an_interrupted_writer_leaves_what_was_there(tmp_path: Path) -> None:
    recording(tmp_path / 'r', 3)

    def interrupted() -> None:
        with Writer(tmp_path / 'r', 'new', SIZE, {}) as writer:
            writer.add((1, 1, 1, 1), 1, noise(32, 64, 3))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(open_recording(tmp_path / 'r')) == 3
    assert [p.name for p in tmp_path.iterdir()] == ['r']


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    recording(tmp_path / 'r', 3)
    with (tmp_path / 'r' / 'frames.bin').open('r+b') as file:
        file.truncate(100)
    with pytest.raises(DataError, match='wrong length'):
        open_recording(tmp_path / 'r')


def test_neighbors_never_cross_a_cut(tmp_path: Path) -> None:
    made = recording(tmp_path / 'r', 7)
    object.__setattr__(made, 'segments', np.array([1, 1, 1, 2, 2, 2, 2]))
    assert made.with_neighbors(1).tolist() == [1, 4, 5]
    assert made.with_neighbors(2).tolist() == []


def _drive(stamps: list[float], times: list[float]) -> list[Frame]:
    world, camera = World(2), Camera.from_hfov(160, 96, 70)
    return [
        Frame(world.render(camera, world.pose(when), noise=1.0)[0], round(stamp * 1e9), camera)
        for stamp, when in zip(stamps, times, strict=True)
    ]


def test_static_frames_are_dropped_and_gaps_cut(tmp_path: Path) -> None:
    # stands for three frames, then a gap of five seconds while it drives on a little
    shots = _drive([0, 0.1, 0.2, 0.3, 0.4, 5.4], [0, 0, 0, 0.3, 0.6, 0.9])
    how = RecordingOptions(Size(160, 96), least_motion=1.0)
    made = prepare(lambda: shots, tmp_path / 'r', 'drive', how, {})
    assert made.counts.read == 6
    assert made.counts.static == 2
    assert made.segments.tolist() == [1, 1, 1, 2]
    assert '2 static dropped' in str(made.counts)


def test_another_scene_is_a_cut() -> None:
    camera = Camera.from_hfov(160, 96, 70)
    gate = MotionGate(1.0)
    frames = [World(s).render(camera, World(s).pose(t))[0] for s, t in ((1, 0), (1, 0.2), (5, 3))]
    assert [gate.judge(frame) for frame in frames] == [
        (False, True), (False, False), (False, True)
    ]


def test_an_unchanged_source_is_not_read_again(tmp_path: Path) -> None:
    shots, read = _drive([0, 0.3], [0, 0.3]), []

    def begin() -> list[Frame]:
        read.append(1)
        return shots

    how = RecordingOptions(Size(64, 32))
    prepare(begin, tmp_path / 'r', 'drive', how, {'changed': 1.0})
    prepare(begin, tmp_path / 'r', 'drive', how, {'changed': 1.0})
    assert len(read) == 1
    prepare(begin, tmp_path / 'r', 'drive', how, {'changed': 2.0})
    assert len(read) == 2


def test_a_source_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='is usable'):
        prepare(list, tmp_path / 'r', 'empty', RecordingOptions(Size(64, 32)), {})
    assert not (tmp_path / 'r').exists()


@pytest.mark.parametrize('crop', [False, True])
def test_the_view_shows_a_point_where_its_camera_says(crop: bool) -> None:
    """A bright dot in a distorted picture lands where the straightened camera projects it."""
    camera = Camera(
        320, 240, 200, 200, 160, 120, Distortion.PLUMB_BOB, (-0.3, 0.1, 0.001, -0.002, 0.0)
    )
    view = PinholeView(camera, Size(192, 96), crop=crop)
    point = np.array([0.3, -0.12, 1.0])
    u, v = camera.project(point)
    rows, columns = np.mgrid[:240, :320]
    dot = 255 * np.exp(-((columns - u) ** 2 + (rows - v) ** 2) / 18)
    seen = view.color(np.repeat(dot[..., None], 3, axis=2).astype(np.uint8))[..., 0].astype(float)
    rows, columns = np.mgrid[:96, :192]
    center = np.array([(seen * columns).sum(), (seen * rows).sum()]) / seen.sum()
    np.testing.assert_allclose(center, view.camera.project(point), atol=0.6)
    assert view.camera.distortion is Distortion.NONE


def test_sparse_depth_keeps_every_nearest_return() -> None:
    camera = Camera.from_hfov(64, 32, 70)
    depth = np.full((32, 64), np.nan, np.float32)
    depth[4, 8], depth[5, 9], depth[20, 40] = 7.0, 5.0, 3.0
    small = PinholeView(camera, Size(16, 8)).depth(depth)
    assert small[1, 2] == 5.0  # two fall together: the nearest
    assert small[5, 10] == 3.0
    assert np.isfinite(small).sum() == 2


def test_dense_depth_is_never_averaged() -> None:
    camera = Camera.from_hfov(64, 32, 70)
    depth = np.where(np.arange(64) < 30, 1.0, 9.0).astype(np.float32) * np.ones((32, 1), 'f')
    small = PinholeView(camera, Size(20, 10)).depth(depth)
    assert set(np.unique(small)) == {1.0, 9.0}


def test_a_picture_of_another_size_is_refused() -> None:
    view = PinholeView(Camera.from_hfov(64, 32, 70), Size(32, 32))
    with pytest.raises(DataError, match='60x32'):
        view.color(noise(32, 60, 3))
