"""`depth-node predict`: what it writes, read back with other programs' eyes."""

import dataclasses
import json
from pathlib import Path
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.camera.calibration_file import write_calibration
from depth_node.catalogue import caution
from depth_node.cli.main import main

NETWORK = ['--kind', 'metric_depth', '--mean', '0,0,0', '--std', '1,1,1', '--engine',
           'onnxruntime']
CAMERA = Camera(64, 48, 60.0, 61.0, 30.0, 25.0)


def predict(tmp_path, *words):
    """Run the verb; return the folder it wrote to."""
    assert main(['predict', *map(str, words), '--out', str(tmp_path / 'out')]) == 0
    return tmp_path / 'out'


def read_ply(path):
    """Read vertices as the header says."""
    header, _, body = path.read_bytes().partition(b'end_header\n')
    lines = header.decode('ascii').splitlines()
    assert lines[1] == 'format binary_little_endian 1.0'
    kinds = {'float': '<f4', 'uchar': 'u1'}
    fields = [(line.split()[2], kinds[line.split()[1]]) for line in lines if 'property' in line]
    vertices = np.frombuffer(body, fields)
    assert f'element vertex {len(vertices)}' in lines
    return vertices


def test_a_broken_input_is_one_line_of_a_process(tmp_path):
    """OpenCV and FFmpeg keep their own lines to themselves."""
    (tmp_path / 'bad.mp4').write_text('hello')
    (tmp_path / 'bad.png').write_bytes(b'\x89PNG\r\n\x1a\n' + bytes(40))
    for name in ('bad.mp4', 'bad.png'):
        words = ['predict', str(tmp_path / name), '--out', str(tmp_path), '--model', 'none.onnx']
        done = subprocess.run(
            [sys.executable, '-m', 'depth_node', *words], capture_output=True, text=True,
            cwd=Path(__file__).parents[2], check=False,
        )
        assert done.returncode == 2
        ours = [line for line in done.stderr.splitlines() if line.startswith('depth-node')]
        assert len(ours) == 1
        assert name in ours[0]
        assert 'Traceback' not in done.stderr
        if not cv2.__version__.startswith('4.5'):  # Humble's lets FFmpeg talk
            assert done.stderr.count('\n') == 1


def test_one_picture(network, tmp_path, picture):
    """Depth in metres and millimetres, colors with a bar, and a cloud that projects back."""
    path, rgb = picture
    CAMERA.to_yaml(tmp_path / 'camera.yaml')
    out = predict(tmp_path, path, '--model', network(), *NETWORK, '--scale', '3', '--camera',
                  tmp_path / 'camera.yaml', '--json', tmp_path / 'out.json',
                  '--edge-threshold', '0')
    assert {p.name for p in out.iterdir()} == {
        'photo_depth.npy', 'photo_depth.png', 'photo_color.png', 'photo.ply',
    }
    depth = np.load(out / 'photo_depth.npy')
    assert depth.dtype == np.float32
    assert depth.shape == (48, 64)
    assert 0.1 < depth.min() < depth.max() < 3
    millimetres = cv2.imread(str(out / 'photo_depth.png'), cv2.IMREAD_UNCHANGED)
    assert millimetres.dtype == np.uint16
    np.testing.assert_allclose(millimetres / 1000, depth, atol=0.0006)
    colors = cv2.imread(str(out / 'photo_color.png'))
    assert colors.shape[1] == 64
    assert colors.shape[0] > 48
    vertices = read_ply(out / 'photo.ply')
    points = np.column_stack([vertices[axis] for axis in 'xyz'])
    column, row = np.rint(CAMERA.project(points)).astype(int).T
    np.testing.assert_allclose(depth[row, column], points[:, 2], rtol=1e-5)
    seen = np.column_stack([vertices[name] for name in ('red', 'green', 'blue')])
    np.testing.assert_array_equal(rgb[row, column], seen)
    assert len(vertices) == depth.size
    [frame] = json.loads((tmp_path / 'out.json').read_text())['frames']
    assert frame['valid'] == 1
    assert frame['depth_median'] == pytest.approx(float(np.median(depth)), rel=1e-6)


def test_range_and_missing_camera(network, tmp_path, picture, capsys):
    """Beyond the range nothing is written; without a calibration there is no cloud."""
    out = predict(tmp_path, picture[0], '--model', network(), *NETWORK, '--scale', '3',
                  '--far', '1.5', '--edge-threshold', '0')
    depth = np.load(out / 'photo_depth.npy')
    assert np.isposinf(depth).any()
    assert depth[np.isfinite(depth)].max() <= 1.5
    millimetres = cv2.imread(str(out / 'photo_depth.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(millimetres == 0, ~np.isfinite(depth))
    assert not list(out.glob('*.ply'))
    assert capsys.readouterr().err.count('--hfov') == 1


def test_flying_pixels_are_no_points(network, tmp_path, picture):
    """The edge filter is on, as in the node, and can be set."""
    words = [picture[0], '--model', network(), *NETWORK, '--hfov', '60', '--write', 'npy,ply']
    whole = predict(tmp_path, *words, '--edge-threshold', '0') / 'photo.ply'
    count = len(read_ply(whole))
    assert count == 48 * 64
    out = predict(tmp_path, *words, '--edge-threshold', '0.01')
    depth = np.load(out / 'photo_depth.npy')
    assert np.isnan(depth).any()
    assert len(read_ply(out / 'photo.ply')) == np.isfinite(depth).sum() < count


def test_no_metres_without_a_scale(network, tmp_path, picture, capsys):
    """A relative network writes its own numbers, nothing that says metres."""
    kind = ['--kind', 'relative_disparity', '--mean', '0,0,0', '--std', '1,1,1']
    out = predict(tmp_path, picture[0], '--model', network(), *kind, '--hfov', '60')
    assert {p.name for p in out.iterdir()} == {'photo_relative.npy', 'photo_color.png'}
    assert 'no metres' in capsys.readouterr().err


def test_the_embedded_network_warns_on_pictures_but_not_in_its_own_world(
    tmp_path, picture, capsys
):
    """With its error, which users have to know before they rely on it."""
    model = ['--model', 'embedded', '--engine', 'onnxruntime', '--hfov', '60']
    predict(tmp_path, picture[0], '--write', 'png', *model)
    warned = capsys.readouterr().err
    assert caution('embedded') in warned
    assert warned.count('%') == 2
    predict(tmp_path / 'world', 'world:1', '--frames', '1', '--write', 'png', *model)
    assert caution('embedded') not in capsys.readouterr().err


def test_several_inputs_keep_their_frames_apart(network, tmp_path, picture):
    """Two worlds have frames of the same names."""
    out = predict(tmp_path, 'world:1', 'world:2', picture[0], '--frames', '2', '--write', 'png',
                  '--model', network(), *NETWORK)
    assert {p.name for p in out.iterdir()} == {
        '000000_depth.png', '000001_depth.png', 'world_2_000000_depth.png',
        'world_2_000001_depth.png', 'photo_depth.png',
    }


def write_pfm(path, values):
    """Write a PFM as its description says: bottom row first."""
    header = f'Pf\n{values.shape[1]} {values.shape[0]}\n-1.0\n'.encode()
    path.write_bytes(header + values[::-1].astype('<f4').tobytes())


@pytest.mark.parametrize('suffix', ['.npy', '.pfm', '.png'])
def test_alignment_to_a_stereo_disparity(network, tmp_path, picture, suffix):
    """A relative prediction takes the scale of a disparity: metres with a baseline."""
    kind = ['--kind', 'relative_disparity', '--mean', '0,0,0', '--std', '1,1,1']
    model = network()
    out = predict(tmp_path, picture[0], '--model', model, *kind)
    relative = np.load(out / 'photo_relative.npy')
    disparity = (40 * relative + 5).astype(np.float32)
    disparity[:, :8] = 0  # as stereo has it at the left edge
    path = tmp_path / f'stereo{suffix}'
    if suffix == '.npy':
        np.save(path, disparity)
    elif suffix == '.pfm':
        write_pfm(path, disparity)
    else:
        cv2.imwrite(str(path), np.rint(disparity * 256).astype(np.uint16))
    words = [picture[0], '--model', model, *kind, '--align-disparity', path]
    found = np.load(predict(tmp_path, *words) / 'photo_disparity.npy')
    np.testing.assert_allclose(found, 40 * relative + 5, rtol=0.01)
    words += ['--baseline', '0.2', '--hfov', '60', '--edge-threshold', '0']
    depth = np.load(predict(tmp_path, *words) / 'photo_depth.npy')
    product = 0.2 * Camera.from_hfov(64, 48, 60).fx
    np.testing.assert_allclose(depth, product / (40 * relative + 5), rtol=0.01)


@pytest.mark.parametrize(('words', 'message'), [
    (['gone.png'], 'no such file'),
    (['world'], '--frames'),
    (['world', '--frames', '-1'], '--frames'),
    (['world', '--frames', '1', '--write', 'xyz'], '--write'),
    (['world', '--frames', '1', '--near', '5', '--far', '2'],
     '--near is 5 m, expected less than --far, which is 2 m'),
    (['world', '--frames', '1', '--rate', '0'], '--rate'),
    (['world', '--frames', '1', '--baseline', '-1'], '--baseline'),
    (['world', '--frames', '1', '--align-disparity', 'gone.npy'], 'gone.npy'),
    (['world', '--frames', '3', '--align-disparity', 'gone'], 'gone: no such file or folder'),
    (['world', '--frames', '3', '--points', 'gone.npy'], 'gone.npy: no such file or folder'),
    (['world', '--frames', '3', '--depth', 'gone'], 'gone: no such file or folder'),
    (['world', '--frames', '3', '--depth', '.', '--depth-scale', 'nan'], '--depth-scale'),
    (['world', '--frames', '3', '--extrinsic', '1,2'], '--extrinsic'),
    (['world', '--frames', '3', '--depth', '.', '--align-disparity', '.'], 'cannot be combined'),
    (['world', '--frames', '1', '--camera', 'gone.yaml'], 'gone.yaml'),
])
def test_refusals(network, tmp_path, capsys, words, message):
    """One line, exit 2, no traceback."""
    words = ['predict', *words, '--out', str(tmp_path / 'out'), '--model', str(network()),
             *NETWORK]
    assert main(words) == 2
    text = capsys.readouterr().err
    assert message in text
    assert text.count('\n') == 1


def test_rectified_pictures_take_p(tmp_path, picture, network):
    """The cloud of a rectified picture spans what P says, that of a raw one what K says."""
    path, _ = picture
    numbers = dataclasses.replace(
        CAMERA.numbers(), p=(30.0, 0, 30, 0, 0, 30.0, 25, 0, 0, 0, 1, 0)
    )
    write_calibration(tmp_path / 'camera.yaml', numbers)
    spans = []
    for rectified in ('auto', 'false', 'true'):
        out = predict(
            tmp_path, path, '--model', network(), *NETWORK, '--camera', tmp_path / 'camera.yaml',
            '--write', 'ply', '--rectified', rectified,
        )
        vertices = read_ply(out / 'photo.ply')
        spans.append(float(np.ptp(vertices['x'] / vertices['z'])))
    assert spans == pytest.approx([63 / 60, 63 / 60, 63 / 30], rel=1e-3)


def run_predict(tmp_path, *words):
    """Run the verb; return its exit code."""
    return main(['predict', *map(str, words), '--out', str(tmp_path / 'out')])


def test_one_bad_picture_among_good_ones(network, tmp_path, picture, capsys):
    """The others are predicted, their report is written, and the exit code is 1."""
    folder = tmp_path / 'in'
    folder.mkdir()
    for name in 'abcd':
        shutil.copy(picture[0], folder / f'{name}.png')
    (folder / 'b.png').write_bytes(picture[0].read_bytes()[:100])
    report = tmp_path / 'r.json'
    words = [folder, '--model', network(), *NETWORK, '--write', 'npy', '--json', report]
    assert run_predict(tmp_path, *words) == 1
    assert {p.name for p in (tmp_path / 'out').iterdir()} == {f'{n}_depth.npy' for n in 'acd'}
    content = json.loads(report.read_text())
    assert [frame['name'] for frame in content['frames']] == list('acd')
    assert len(content['left_out']) == 1
    said = capsys.readouterr().err
    assert said.count('b.png') == 1
    assert '1 of 4 frames were left out' in said


def test_only_bad_pictures(network, tmp_path, capsys):
    """One is one line; several are refused at the end."""
    for count in (1, 3):
        folder = tmp_path / f'in{count}'
        folder.mkdir()
        for number in range(count):
            (folder / f'{number}.jpg').write_bytes(b'\xff\xd8broken')
        assert run_predict(tmp_path, folder, '--model', network(), *NETWORK) == 2
        said = capsys.readouterr().err
        assert said.count('depth-node predict') == (1 if count == 1 else 4)


def test_no_valid_pixel_is_no_success(network, tmp_path, picture, capsys):
    """Everything beyond --far: the files are written, and this is said."""
    words = [picture[0], '--model', network(), *NETWORK, '--near', '90', '--far', '91']
    assert run_predict(tmp_path, *words, '--write', 'npy') == 1
    assert 'no valid pixel' in capsys.readouterr().err
    assert not np.isfinite(np.load(tmp_path / 'out' / 'photo_depth.npy')).any()


def test_a_disparity_that_does_not_fit_is_left_out(network, tmp_path, picture, capsys):
    """The quality of a fit is printed; a shuffled disparity is not used, and the code is 1."""
    folder, disparities = tmp_path / 'in', tmp_path / 'disparity'
    folder.mkdir()
    disparities.mkdir()
    for name in ('good', 'bad'):
        shutil.copy(picture[0], folder / f'{name}.png')
    model = network()
    out = predict(tmp_path, picture[0], '--model', model, *NETWORK, '--write', 'npy')
    disparity = 6.0 / np.load(out / 'photo_depth.npy')
    np.save(disparities / 'good.npy', disparity)
    shuffled = np.random.default_rng(0).permutation(disparity.ravel()).reshape(disparity.shape)
    np.save(disparities / 'bad.npy', shuffled)
    report = tmp_path / 'r.json'
    words = [folder, '--model', model, *NETWORK, '--align-disparity', disparities, '--baseline',
             '0.1', '--hfov', '56', '--write', 'npy', '--json', report]
    assert run_predict(tmp_path, *words) == 1
    said = capsys.readouterr()
    assert 'good: scale' in said.out
    assert 'agree within 25 %' in said.out
    assert 'bad: The prediction cannot be aligned' in said.err
    [frame] = json.loads(report.read_text())['frames']
    assert frame['agree'] > 0.95
    assert not (out / 'bad_depth.npy').exists()


@pytest.mark.parametrize('words', [
    ['--rate', '1e300'], ['--rate', 'nan'], ['--rate', '1e-9'], ['--frames', '9' * 30],
    ['--baseline', 'nan'], ['--baseline', '1e9'], ['--disparity-unit', '-1'],
])
def test_numbers_outside_reason(tmp_path, picture, words, capsys):
    """Refused before a model is opened."""
    assert run_predict(tmp_path, picture[0], '--model', 'none.onnx', *words) == 2
    assert words[0] in capsys.readouterr().err
