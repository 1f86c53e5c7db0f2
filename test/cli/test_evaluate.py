"""`depth-node evaluate` on real frames with real weights, and on what is made here."""

import json

import cv2
import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.catalogue.opening import open_model
from depth_node.cli.main import main
from depth_node.config import Config
from depth_node.estimator import DepthEstimator
from depth_node.evaluation.metrics import Crop, crop_window
from depth_node.evaluation.report import error_picture
from depth_node.image.color import bar_height, colorize
from depth_node.image.color_range import color_range
from depth_node.sources.datasets import LayoutOptions, LAYOUTS
from depth_node.sources.kitti import kitti_object

NETWORK = ['--kind', 'sigmoid_disparity', '--mean', '0,0,0', '--std', '1,1,1']
ENGINES = ['openvino', 'onnxruntime']


@pytest.fixture(scope='session')
def weights(shared_data):
    """Real weights: stereo-trained, metric after times 5.4."""
    return shared_data / 'weights' / 'rtmonodepth_s_ms_640_192.onnx'


def evaluate(tmp_path, *words):
    """Run the verb; return its JSON."""
    path = tmp_path / 'out.json'
    assert main(['evaluate', *map(str, words), '--json', str(path)]) == 0
    return json.loads(path.read_text())


@pytest.mark.parametrize('engine', ENGINES)
def test_kitti_reference(shared_data, weights, tmp_path, engine):
    """The published order of steps gives the figures measured for this frame and network."""
    words = ['kitti-object', shared_data / 'kitti' / 'object', '--model', weights, *NETWORK,
             '--engine', engine, '--scale', '5.4', '--garg-crop', '--cap', '80']
    fixed = evaluate(tmp_path, *words)
    assert fixed['abs_rel'] == pytest.approx(0.182, abs=0.01)
    assert (fixed['frames'], fixed['scale']) == (1, 5.4)
    scaled = evaluate(tmp_path, *words, '--median-scaling')
    assert scaled['abs_rel'] == pytest.approx(0.155, abs=0.01)
    assert scaled['si_log'] == pytest.approx(fixed['si_log'], rel=1e-3)


def test_engines_agree(shared_data, weights, tmp_path):
    """To a thousandth, on a real frame."""
    words = ['kitti-object', shared_data / 'kitti' / 'object', '--model', weights, *NETWORK,
             '--scale', '5.4', '--garg-crop']
    one, two = (evaluate(tmp_path, *words, '--engine', engine) for engine in ENGINES)
    for key in ('abs_rel', 'sq_rel', 'rmse', 'rmse_log', 'a1', 'si_log'):
        assert one[key] == pytest.approx(two[key], rel=1e-3)


def test_kinect_frames(shared_data, weights, tmp_path):
    """A driving network in a room: no metres, but every frame is read and compared."""
    found = evaluate(
        tmp_path, 'rgbd', shared_data / 'rgbd', '--model', weights, *NETWORK,
        '--median-scaling', '--crop', 'nyu', '--cap', '10', '--table', tmp_path / 'table.csv',
        '--pictures', tmp_path / 'pictures',
    )
    assert found['frames'] == 5
    assert found['coverage'] == 1
    assert 0 < found['abs_rel'] < 1
    assert len((tmp_path / 'table.csv').read_text().splitlines()) == 6
    for kind in ('error', 'sheet'):
        assert len(list((tmp_path / 'pictures').glob(f'*_{kind}.png'))) == 5


def zoomed(folder, source, zoom):
    """Write a KITTI frame zoomed about its principal point, with K and the lidar to match."""
    text = (source / 'calib' / '000000.txt').read_text().splitlines()
    row = next(line for line in text if line.startswith('P2'))
    projection = np.array(row.split()[1:], float).reshape(3, 4)
    picture = cv2.imread(str(source / 'image_2' / '000000.png'))
    height, width = picture.shape[:2]
    cx, cy = projection[0, 2], projection[1, 2]
    affine = np.array([[zoom, 0, cx - zoom * cx], [0, zoom, cy - zoom * cy]])
    picture = cv2.warpAffine(picture, affine, (width, height), flags=cv2.INTER_LINEAR)
    projection[:2] = affine @ projection
    for name in ('image_2', 'calib', 'velodyne'):
        (folder / name).mkdir(parents=True)
    cv2.imwrite(str(folder / 'image_2' / '000000.png'), picture)
    numbers = ' '.join(f'{value:.12e}' for value in projection.ravel())
    lines = [f'P2: {numbers}' if line.startswith('P2') else line for line in text]
    (folder / 'calib' / '000000.txt').write_text('\n'.join(lines))
    scan = (source / 'velodyne' / '000000.bin').read_bytes()
    (folder / 'velodyne' / '000000.bin').write_bytes(scan)
    return folder


def test_focal_correction_holds_metres_under_zoom(shared_data, weights, tmp_path):
    """With it true/predicted stays within 15 %; without it drifts by more than 80 % at 2."""
    spec = {'kind': 'sigmoid_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1], 'scale': 5.4,
            'train_focal': 362.0}
    config = Config().replaced({'depth.max_range': 100.0})
    estimator = DepthEstimator(open_model(weights, overrides=spec), config)
    ratio = {}
    for zoom in (1.0, 1.25, 1.5, 2.0):
        folder = zoomed(tmp_path / f'{zoom}', shared_data / 'kitti' / 'object', zoom)
        [sample] = kitti_object(folder)
        window = crop_window(Crop.GARG, *sample.depth.shape)
        for correction in (True, False):
            estimator.configure(config.replaced({'depth.focal_correction': correction}))
            depth = estimator.estimate(sample.rgb, sample.camera).depth
            ratio[zoom, correction] = np.nanmedian((sample.depth / depth)[window])
    estimator.close()
    for zoom in (1.25, 1.5, 2.0):
        assert ratio[zoom, True] == pytest.approx(ratio[1.0, True], rel=0.15)
    assert ratio[2.0, False] > 1.8 * ratio[1.0, False], ratio


def test_predictions(tmp_path, capsys):
    """Two folders of arrays, and no model."""
    for side, factor in (('predictions', 1.2), ('truth', 1.0)):
        (tmp_path / side).mkdir()
        np.save(tmp_path / side / 'a.npy', np.full((4, 5), 2.0 * factor, np.float32))
    found = evaluate(tmp_path, 'predictions', tmp_path)
    assert found['abs_rel'] == pytest.approx(0.2)
    assert 'interval95' not in found  # of one frame
    assert 'abs_rel' in capsys.readouterr().out


def test_pictures_of_an_evaluation(tmp_path):
    """Depth, truth and error side by side, in one range; scaled depth as it was compared."""
    truth = np.tile(np.linspace(1, 4, 48, dtype=np.float32), (36, 1))
    for side, depth in (('predictions', 0.6 * truth), ('truth', truth)):
        (tmp_path / side).mkdir()
        np.save(tmp_path / side / 'a.npy', depth)
    for words, factor in (([], 0.6), (['--median-scaling'], 1.0)):
        evaluate(tmp_path, 'predictions', tmp_path, '--pictures', tmp_path / 'out', *words)
        page = cv2.imread(str(tmp_path / 'out' / 'a_sheet.png'))
        depth = (factor * truth).astype(np.float32)
        ends = color_range(depth, truth)
        pitch, bar = (page.shape[0] - 8) // 2, bar_height(36)
        expected = [colorize(depth, *ends), colorize(truth, *ends), error_picture(depth, truth)]
        for number, picture in enumerate(expected):
            row, column = divmod(number, 2)
            bottom, left = (row + 1) * pitch - bar, 8 + 56 * column
            shown = page[bottom - 36:bottom, left:left + 48]
            np.testing.assert_allclose(shown.astype(int), picture.astype(int), atol=3)


def test_a_sheet_of_the_world_begins_with_its_frame(network, tmp_path):
    evaluate(
        tmp_path, 'world', '3', '--model', network('metric_depth'), '--kind', 'metric_depth',
        '--mean', '0,0,0', '--std', '1,1,1', '--frames', '1', '--pictures', tmp_path / 'out',
    )
    (path,) = (tmp_path / 'out').glob('*_sheet.png')
    frame = next(iter(LAYOUTS['world'].open('3', LayoutOptions())))
    height, width = frame.rgb.shape[:2]
    page = cv2.imread(str(path))
    bottom = (page.shape[0] - 8) // 2 - bar_height(height)
    shown = page[bottom - height:bottom, 8:8 + width]
    np.testing.assert_array_equal(shown, frame.rgb[..., ::-1])


def test_relative_network_on_the_world(network, tmp_path):
    """A relative network needs an alignment, and says so; with one it is compared."""
    words = ['world', '3', '--model', network(), '--kind', 'relative_disparity', '--mean',
             '0,0,0', '--std', '1,1,1', '--frames', '2']
    assert main(['evaluate', *map(str, words)]) == 2
    found = evaluate(tmp_path, *words, '--affine-alignment')
    assert found['frames'] == 2
    assert 0 < found['abs_rel'] < 2


@pytest.mark.parametrize(('words', 'message'), [
    (['rgbd', 'DIR'], '--model'),
    (['kitti-object', 'DIR', '--model', 'x.onnx'], 'image_2'),
    (['predictions', 'DIR'], 'predictions'),
    (['predictions', 'DIR', '--median-scaling', '--affine-alignment'], 'cannot be combined'),
    (['predictions', 'DIR', '--cap', '0'], 'less than --cap'),
    (['world', 'x', '--model', 'x.onnx'], 'seed'),
])
def test_refusals(tmp_path, capsys, words, message):
    """One line, exit 2, no traceback."""
    assert main(['evaluate', *(str(tmp_path) if word == 'DIR' else word for word in words)]) == 2
    text = capsys.readouterr().err
    assert message in text
    assert text.count('\n') == 1


def test_camera_file_is_read(shared_data, network, tmp_path):
    """With a calibration the focal correction of a sidecar's focal length applies."""
    camera = tmp_path / 'kinect.yaml'
    Camera(640, 480, 518.0, 519.0, 325.5, 253.5).to_yaml(camera)
    words = ['rgbd', shared_data / 'rgbd', '--model', network(), *NETWORK, '--frames', '1',
             '--scale', '1', '--train-focal', '100']
    assert main(['evaluate', *map(str, words)]) == 2  # nobody knows the camera
    corrected = evaluate(tmp_path, *words, '--camera', camera)
    plain = evaluate(tmp_path, *words, '--no-focal-correction')
    assert corrected['frames'] == 1
    assert corrected['abs_rel'] != plain['abs_rel']
