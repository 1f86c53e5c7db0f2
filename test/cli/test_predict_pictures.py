"""`depth-node predict`: its sheets and pictures, pixel by pixel."""


import cv2
import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.cli.main import main
from depth_node.evaluation.report import error_picture
from depth_node.image.color import bar_height, colorize
from depth_node.image.color_range import color_range
from depth_node.model import OutputKind
from depth_node.scale.align import relative_colors
from depth_node.sources.frames import open_source

NETWORK = ['--kind', 'metric_depth', '--mean', '0,0,0', '--std', '1,1,1', '--engine',
           'onnxruntime']
CAMERA = Camera(64, 48, 60.0, 61.0, 30.0, 25.0)


def predict(tmp_path, *words):
    """Run the verb; return the folder it wrote to."""
    assert main(['predict', *map(str, words), '--out', str(tmp_path / 'out')]) == 0
    return tmp_path / 'out'


def test_a_sheet_of_the_world_has_truth_and_error(network, tmp_path):
    """Two rows of two; only with `--write sheet`, and every panel is what it says."""
    words = ['--frames', '1', '--color-range', '0.1,8', '--write', 'sheet,npy',
             '--edge-threshold', '0']
    out = predict(tmp_path, 'world:1', *words, '--model', network(), *NETWORK)
    assert {p.name for p in out.iterdir()} == {'000000_depth.npy', '000000_sheet.png'}
    depth, page = np.load(out / '000000_depth.npy'), cv2.imread(str(out / '000000_sheet.png'))
    frame = next(iter(open_source('world:1')))
    height, width = depth.shape
    bar, gap = bar_height(height), 8
    label = (page.shape[0] - 3 * gap) // 2 - height - bar
    assert page.shape[1] == 2 * (width + gap) + gap

    def panel(row, column):
        top = gap + row * (height + bar + label + gap) + label
        left = gap + column * (width + gap)
        return page[top:top + height, left:left + width]

    np.testing.assert_array_equal(panel(0, 0), frame.rgb[..., ::-1])
    np.testing.assert_array_equal(panel(0, 1), colorize(depth, 0.1, 8.0))
    np.testing.assert_array_equal(panel(1, 0), colorize(frame.depth, 0.1, 8.0))
    np.testing.assert_array_equal(panel(1, 1), error_picture(depth, frame.depth))


def test_a_sheet_without_a_truth_is_a_pair(network, tmp_path, picture):
    """In metres with a scale bar; without a scale in relative colors, and without one."""
    path, rgb = picture
    height, width = rgb.shape[:2]
    relative = ['--kind', 'relative_disparity', *NETWORK[2:]]
    pages = []
    for kind in (NETWORK, relative):
        out = predict(tmp_path, path, '--model', network(), *kind, '--write', 'sheet,color')
        page = cv2.imread(str(out / 'photo_sheet.png'))
        assert page.shape[1] == 2 * (width + 8) + 8
        pages.append(page)
        colors = cv2.imread(str(out / 'photo_color.png'))
        right = page[-8 - len(colors):-8, -8 - width:-8]
        np.testing.assert_array_equal(right, colors)
    assert len(pages[0]) == len(pages[1]) + bar_height(height)


@pytest.mark.parametrize('kind', ['relative_disparity', 'sigmoid_disparity', 'relative_depth'])
def test_colors_without_a_scale_show_the_picture(network, tmp_path, picture, kind):
    """Near is bright, far is dark; for disparities it was one single black."""
    model = network(kind)
    words = ['--model', model, *NETWORK[2:], '--kind', kind, '--write', 'color,npy']
    out = predict(tmp_path, picture[0], *words)
    colors = cv2.imread(str(out / 'photo_color.png'))
    values = np.load(out / 'photo_relative.npy')
    light = cv2.cvtColor(colors, cv2.COLOR_BGR2GRAY)[:values.shape[0]]
    assert len(np.unique(colors.reshape(-1, 3), axis=0)) > 50
    large, small = values > np.percentile(values, 90), values < np.percentile(values, 10)
    near, far = (small, large) if kind == 'relative_depth' else (large, small)
    assert light[near].min() > light[far].max() + 50


def test_colors_use_the_range_of_the_picture(network, tmp_path, picture):
    """A range of 0 to 20 m drew a room in one color."""
    words = [picture[0], '--model', network(), *NETWORK, '--write', 'color,npy']
    out = predict(tmp_path, *words, '--edge-threshold', '0')
    depth, drawn = np.load(out / 'photo_depth.npy'), cv2.imread(str(out / 'photo_color.png'))
    ends = color_range(depth)
    assert ends[1] < 2
    np.testing.assert_array_equal(drawn, colorize(depth, *ends, bar=True))
    out = predict(tmp_path, *words, '--edge-threshold', '0', '--color-range', '0.2,1.5')
    drawn = cv2.imread(str(out / 'photo_color.png'))
    np.testing.assert_array_equal(drawn, colorize(depth, 0.2, 1.5, bar=True))


def test_a_video_keeps_the_range_of_its_first_frame_and_pictures_do_not(network, tmp_path):
    """The dummy answers with brightness: frames of growing contrast."""
    ramp = np.tile(np.linspace(0, 1, 64), (48, 1))
    pictures = [np.rint(255 * (0.5 + (ramp - 0.5) * c)).astype(np.uint8) for c in (0.1, 1.0)]
    folder, film = tmp_path / 'folder', tmp_path / 'film.avi'
    folder.mkdir()
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter_fourcc(*'FFV1'), 5.0, (64, 48))
    for number, gray in enumerate(pictures):
        cv2.imwrite(str(folder / f'{number}.png'), gray)
        writer.write(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR))
    writer.release()
    words = ['--model', network(), *NETWORK, '--write', 'color,npy', '--edge-threshold', '0']
    relative = ['--kind', 'relative_disparity', *NETWORK[2:]]
    for source, kept in ((film, True), (folder, False)):
        out = predict(tmp_path, source, *words)
        names = sorted(path.name.removesuffix('_depth.npy') for path in out.glob('*_depth.npy'))
        depths = [np.load(out / f'{name}_depth.npy') for name in names]
        ranges = [color_range(depth) for depth in depths]
        assert ranges[0] != ranges[1]
        drawn = cv2.imread(str(out / f'{names[1]}_color.png'))
        expected = colorize(depths[1], *ranges[0 if kept else 1], bar=True)
        np.testing.assert_array_equal(drawn, expected)
        for path in out.iterdir():
            path.unlink()
        out = predict(tmp_path, source, '--model', network(), *relative, '--write', 'color,npy')
        values = [np.load(out / f'{name}_relative.npy') for name in names]
        ends = relative_colors(values[0 if kept else 1], OutputKind.RELATIVE_DISPARITY)
        drawn = cv2.imread(str(out / f'{names[1]}_color.png'))
        np.testing.assert_array_equal(drawn, colorize(values[1], *ends))


@pytest.mark.parametrize('text', ['5', '5,2', '1,1', '0,nan', '-1,3', 'a,b', '1,2,3', ''])
def test_a_range_that_is_none_is_refused(network, tmp_path, picture, capsys, text):
    words = [str(picture[0]), '--model', str(network()), *NETWORK, f'--color-range={text}']
    assert main(['predict', *words, '--out', str(tmp_path / 'out')]) == 2
    assert '--color-range' in capsys.readouterr().err


def test_a_range_in_metres_is_not_for_a_disparity(network, tmp_path, picture, capsys):
    disparity = tmp_path / 'd.npy'
    np.save(disparity, np.full((48, 64), 9, np.float32))
    words = [str(picture[0]), '--model', str(network()), *NETWORK, '--color-range', '1,2',
             '--align-disparity', str(disparity)]
    assert main(['predict', *words, '--out', str(tmp_path / 'out')]) == 2
    assert '--baseline' in capsys.readouterr().err
