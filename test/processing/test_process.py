"""`depth-node process`: bags in, bags out."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from results import contents
from world_bags import CAMERA, FRAME, record, START

from depth_node.catalogue.opening import open_model
from depth_node.cloud.pipeline import PointsPipeline
from depth_node.config import Config
from depth_node.estimator import DepthEstimator
from depth_node.processing.result_folder import RECORD
from depth_node.processing.worker import jobs_of
from depth_node.sources.frames import open_source

pytest.importorskip('rosbags')
ALL = 'depth,compressed,camera_info,points,scan,confidence,relative'


def estimates(bag: Path, model: Path, config: Config | None = None) -> list[np.ndarray]:
    """Return the depth of every image by the estimator alone."""
    estimator = DepthEstimator(open_model(model), config)
    found = []
    for frame in open_source(bag):
        depth = estimator.estimate(frame).depth
        assert depth is not None
        found.append(depth.copy())
    return found


def left(folder: Path) -> list[str]:
    """Return everything in a folder that is hidden or unfinished."""
    return [path.name for path in folder.iterdir() if path.name.startswith('.')]


def test_depth_is_the_estimators_and_the_rest_is_unchanged(
    tmp_path: Path, model: Path, process: Any
) -> None:
    """Bit for bit, with the stamps and frames of the images."""
    bag = record(tmp_path / 'drive')
    code, [line] = process(bag, '--out', tmp_path / 'out', '--model', model, '--topics', ALL)
    assert (code, line['status'], line['frames'], line['left_out']) == (0, 'done', 4, 0)
    before, after = contents(bag), contents(tmp_path / 'out' / 'drive')
    for topic, messages in before.items():
        assert [(m.when, m.raw) for m in after[topic]] == [(m.when, m.raw) for m in messages]
    added = {topic: len(messages) for topic, messages in after.items() if topic not in before}
    assert added == line['messages'] == dict.fromkeys(added, 4)
    assert len(added) == 7
    images = before['/camera/image_raw']
    for topic in added:
        assert [(m.when, m.stamp) for m in after[topic]] == [(m.when, m.stamp) for m in images]
        frame = 'base_link' if topic == '/depth/scan' else FRAME
        assert {m.message.header.frame_id for m in after[topic]} == {frame}
    expected = estimates(bag, model)
    for message, depth in zip(after['/depth/image'], expected, strict=True):
        assert message.message.encoding == '32FC1'
        np.testing.assert_array_equal(message.image, depth)
    info = after['/depth/camera_info'][0].message
    assert (info.width, info.height, info.k[0], info.p[0]) == (
        64, 48, pytest.approx(CAMERA.fx), pytest.approx(CAMERA.fx)
    )


def test_clouds_are_the_pipelines(tmp_path: Path, model: Path, process: Any) -> None:
    """The same points in the same order, with parameters of the node."""
    bag = record(tmp_path / 'drive', 2)
    config = Config().replaced({'points.voxel_size': 0.0, 'points.organized': False})
    code, _ = process(
        bag, '--out', tmp_path / 'out', '--model', model, '--topics', 'points',
        '--set', 'points.voxel_size=0.0', '--set', 'points.organized=false',
    )
    assert code == 0
    clouds = contents(tmp_path / 'out' / 'drive')['/depth/points']
    pipeline = PointsPipeline(CAMERA, config)
    depths, frames = estimates(bag, model, config), list(open_source(bag))
    for cloud, depth, frame in zip(clouds, depths, frames, strict=True):
        points = pipeline.process(depth, frame.rgb).points
        assert points is not None
        assert cloud.points.tobytes() == points.tobytes()
        assert [field.name for field in cloud.message.fields] == ['x', 'y', 'z', 'rgb']


def test_a_parameter_file_a_namespace_and_nothing_else(
    tmp_path: Path, model: Path, process: Any
) -> None:
    """As the launch files take it; options win over it."""
    file = tmp_path / 'robot.yaml'
    file.write_text(
        '/**:\n  ros__parameters:\n    autostart: false\n    output:\n'
        '      encoding: 16UC1\n      frame_id: eye\n    depth: {max_range: 3.0}\n'
    )
    bag = record(tmp_path / 'drive', 2)
    code, _ = process(
        bag, '--out', tmp_path / 'out', '--model', model, '--topics', 'depth', '--params', file,
        '--namespace', 'front/left', '--no-copy', '--storage', 'sqlite3',
        '--set', 'depth.max_range=2.5',
    )
    assert code == 0
    found = contents(tmp_path / 'out' / 'drive')
    assert list(found) == ['/front/left/depth/image']
    [first, _] = found['/front/left/depth/image']
    assert (first.message.encoding, first.message.header.frame_id) == ('16UC1', 'eye')
    assert 0 < first.image.max() <= 2500
    assert list((tmp_path / 'out' / 'drive').glob('*.db3'))


def test_a_finished_bag_is_skipped(tmp_path: Path, model: Path, process: Any) -> None:
    """With the same model and options; otherwise it is replaced only if that is wanted."""
    bag, out = record(tmp_path / 'drive', 2), tmp_path / 'out'
    process(bag, '--out', out, '--model', model)
    [data] = (out / 'drive').glob('*.mcap')
    made = data.stat().st_mtime_ns
    code, [line] = process(bag, '--out', out, '--model', model)
    assert (code, line['status'], line['frames']) == (0, 'skipped', 2)
    assert data.stat().st_mtime_ns == made
    for other in (('--topics', 'depth'), ('--set', 'depth.max_range=2.0'), ('--namespace', 'a')):
        code, [line] = process(bag, '--out', out, '--model', model, *other)
        assert (code, line['status']) == (2, 'failed')
        assert 'other options' in line['error']
        assert '--overwrite' in line['error']
    assert data.stat().st_mtime_ns == made
    code, [line] = process(bag, '--out', out, '--model', model, '--topics', 'depth', '--overwrite')
    assert (code, line['status']) == (0, 'done')
    assert '/depth/points' not in contents(out / 'drive')
    assert not left(out)


def test_a_changed_model_or_bag_is_not_the_same(
    tmp_path: Path, model: Path, network: Any, process: Any
) -> None:
    """The name of the file says nothing of its content."""
    bag, out = record(tmp_path / 'drive', 2), tmp_path / 'out'
    process(bag, '--out', out, '--model', model)
    network(extras=('confidence',))
    assert process(bag, '--out', out, '--model', model)[1][0]['status'] == 'failed'
    network()
    assert process(bag, '--out', out, '--model', model)[1][0]['status'] == 'skipped'
    sidecar = model.with_suffix('.json')
    sidecar.write_text(sidecar.read_text().replace('"scale": 1.0', '"scale": 1.5'))
    assert process(bag, '--out', out, '--model', model)[1][0]['status'] == 'failed'
    sidecar.write_text(sidecar.read_text().replace('"scale": 1.5', '"scale": 1.0'))
    other = tmp_path / 'other'
    record(other / 'drive', 3)
    _, [line] = process(other / 'drive', '--out', out, '--model', model)
    assert 'another bag' in line['error']


def test_what_is_not_ours_is_not_touched(tmp_path: Path, model: Path, process: Any) -> None:
    """Not even with --overwrite: the folder of the bag itself, for example."""
    bag = record(tmp_path / 'drive', 2)
    before = {path.name: path.read_bytes() for path in bag.iterdir()}
    for more in ((), ('--overwrite',)):
        code, [line] = process(bag, '--out', tmp_path, '--model', model, *more)
        assert code == 2
        assert 'in the place of the bag itself' in line['error']
    assert before == {path.name: path.read_bytes() for path in bag.iterdir()}
    mine = tmp_path / 'out' / 'drive'
    mine.mkdir(parents=True)
    (mine / 'notes.txt').touch()
    _, [line] = process(bag, '--out', mine.parent, '--model', model, '--overwrite')
    assert 'is not a result of depth-node process' in line['error']
    assert [path.name for path in mine.iterdir()] == ['notes.txt']


def test_one_bad_bag_does_not_stop_the_others(tmp_path: Path, model: Path, process: Any) -> None:
    """It is counted, and leaves nothing behind."""
    bags = [record(tmp_path / name, 2, seed=seed) for seed, name in enumerate('abc')]
    [data] = bags[1].glob('*.mcap')
    data.write_bytes(b'no bag at all')
    missing = tmp_path / 'missing'
    file = tmp_path / 'lines.json'
    code, lines = process(
        *bags, missing, '--out', tmp_path / 'out', '--model', model, '--json', file
    )
    assert code == 1
    assert [line['status'] for line in lines] == ['done', 'failed', 'done', 'failed']
    assert 'not a readable rosbag' in lines[1]['error']
    assert 'No such file' in lines[3]['error']
    assert json.loads(file.read_text())['bags'] == lines
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['a', 'c']


@pytest.mark.parametrize(('words', 'error'), [
    (('--topics', 'depth,color'), 'expected some of depth'),
    (('--set', 'depth.max_range'), 'NAME=VALUE'),
    (('--set', 'depth.max_rang=1'), 'Did you mean'),
    (('--compress', '--storage', 'sqlite3'), '--storage mcap'),
    (('--params', '/nowhere.yaml'), '/nowhere.yaml'),
    (('--model', '/nowhere.onnx'), 'nowhere.onnx'),
])
def test_wrong_options(
    tmp_path: Path, model: Path, process: Any, words: tuple[str, ...], error: str
) -> None:
    """One line, exit code 2, and no output."""
    bag = record(tmp_path / 'drive', 1)
    code, lines = process(bag, '--out', tmp_path / 'out', '--model', model, *words)
    assert (code, lines) == (2, [])
    assert error in process.error
    assert len(process.error.splitlines()) == 1


@pytest.mark.parametrize(('words', 'error'), [
    (('--topic', '/nowhere'), 'It has /camera/image_raw'),
    (('--camera-info', '/nowhere'), 'It has /camera/camera_info'),
    (('--scale-source', 'range'), 'needs one topic of sensor_msgs/msg/Range; the bag has none'),
    (('--scale-source', 'points', '--scale-topic', '/x'), 'It has none'),
])
def test_what_a_bag_does_not_have(
    tmp_path: Path, model: Path, process: Any, words: tuple[str, ...], error: str
) -> None:
    """The error says what it has."""
    bag = record(tmp_path / 'drive', 1)
    code, [line] = process(bag, '--out', tmp_path / 'out', '--model', model, *words)
    assert code == 2
    assert error in line['error']


def test_results_are_not_mixed_with_what_was_recorded(
    tmp_path: Path, model: Path, process: Any
) -> None:
    """A result as input has the topics already; another namespace is free."""
    bag = record(tmp_path / 'drive', 1)
    process(bag, '--out', tmp_path / 'one', '--model', model)
    again = tmp_path / 'one' / 'drive'
    code, [line] = process(again, '--out', tmp_path / 'two', '--model', model)
    assert code == 2
    assert '/depth/image' in line['error']
    code, _ = process(
        again, '--out', tmp_path / 'two', '--model', model, '--namespace', 'second',
    )
    assert code == 0
    found = contents(tmp_path / 'two' / 'drive')
    assert found['/second/depth/image'][0].raw == found['/depth/image'][0].raw


def test_a_full_disk(
    tmp_path: Path, model: Path, process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is an error of that bag; nothing half-written stays."""
    from rosbags.rosbag2 import Writer

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    bag = record(tmp_path / 'drive', 2)
    with monkeypatch.context() as patched:
        patched.setattr(Writer, 'write', full)
        code, [line] = process(bag, '--out', tmp_path / 'out', '--model', model)
    assert code == 2
    assert 'cannot be written (No space left on device)' in line['error']
    assert 'Free some space' in line['error']
    assert not list((tmp_path / 'out').iterdir())


def test_interrupted(tmp_path: Path, model: Path) -> None:
    """Ctrl-C leaves nothing."""
    bag, out = record(tmp_path / 'drive', 60, distinct=4), tmp_path / 'out'
    words = [sys.executable, '-m', 'depth_node', 'process', bag, '--out', out, '--model', model]
    worker = subprocess.Popen(list(map(str, words)), stderr=subprocess.PIPE, text=True)
    part = out / '.drive.part' / 'drive'
    end = time.monotonic() + 60
    while not part.exists() and time.monotonic() < end:
        time.sleep(0.002)
    worker.send_signal(signal.SIGINT)
    _, error = worker.communicate(timeout=60)
    # Python ends by the signal itself if it arrived while a class was made: 130 in a shell, too
    assert worker.returncode in {130, -signal.SIGINT}
    assert error == 'depth-node process: interrupted\n'
    assert not list(out.iterdir())


def test_killed_in_the_middle(tmp_path: Path, model: Path, process: Any) -> None:
    """Nothing half-written has the name of a result, and the next run clears up."""
    bag, out = record(tmp_path / 'drive', 60, distinct=4), tmp_path / 'out'
    words = [sys.executable, '-m', 'depth_node', 'process', bag, '--out', out, '--model', model]
    worker = subprocess.Popen(list(map(str, words)), stdout=subprocess.DEVNULL)
    part = out / '.drive.part' / 'drive'
    end = time.monotonic() + 60
    while not part.exists() and time.monotonic() < end:
        time.sleep(0.002)
    code, [line] = process(bag, '--out', out, '--model', model)
    if worker.poll() is None:
        assert 'another process is writing there' in line['error']
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert not (out / 'drive').exists()
    assert part.exists()
    code, [line] = process(bag, '--out', out, '--model', model)
    assert (code, line['status'], line['frames']) == (0, 'done', 60)
    assert not left(out)


def test_bags_of_the_same_name(tmp_path: Path) -> None:
    """Get the folders above them in front, and only they."""
    bags = [tmp_path / name for name in ('a/bag', 'b/bag', 'b/other.mcap', 'b/other.db3', 'c/x')]
    for bag in bags:
        bag.parent.mkdir(exist_ok=True)
        bag.touch()
    names = [job.result.name for job in jobs_of(bags, tmp_path)]
    assert names == ['a_bag', 'b_bag', 'other.mcap', 'other.db3', 'x']
    with pytest.raises(Exception, match='given twice'):
        jobs_of([bags[0], tmp_path / 'a' / '..' / 'a' / 'bag'], tmp_path)


def test_the_record_says_what_was_done(tmp_path: Path, model: Path, process: Any) -> None:
    """For people who find the folder later."""
    bag = record(tmp_path / 'drive', 1)
    process(bag, '--out', tmp_path / 'out', '--model', model)
    found = json.loads((tmp_path / 'out' / 'drive' / RECORD).read_text())
    assert found['options']['parameters']['model.name'] == str(model)
    sizes = {path.name: path.stat().st_size for path in bag.iterdir()}
    assert {name: size for name, (size, _) in found['source'].items()} == sizes
    assert found['report']['frames'] == 1


def test_the_result_is_a_source_of_frames(tmp_path: Path, model: Path, process: Any) -> None:
    """For every verb that reads bags."""
    bag = record(tmp_path / 'drive', 2)
    process(bag, '--out', tmp_path / 'out', '--model', model)
    frames = list(open_source(tmp_path / 'out' / 'drive'))
    assert [frame.stamp for frame in frames] == [START, START + 10**8]
    assert all(frame.camera == CAMERA for frame in frames)


def test_the_viewer_opens_it(tmp_path: Path, model: Path, process: Any) -> None:
    """``depth-node view`` of a result."""
    pytest.importorskip('rerun')
    from depth_node.cli.main import main

    bag = record(tmp_path / 'drive', 2)
    process(bag, '--out', tmp_path / 'out', '--model', model)
    file = tmp_path / 'seen.rrd'
    code = main(['view', str(tmp_path / 'out' / 'drive'), '--model', str(model),
                 '--save', str(file)])
    assert not code
    assert file.stat().st_size > 1000
