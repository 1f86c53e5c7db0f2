"""`depth-node marker` and `depth-node calibrate marker`."""

from __future__ import annotations

import re
import struct
import zlib

import cv2
from dummy_networks import write_red_network
import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.cli.main import main
from depth_node.cli.marker import picture
from depth_node.scale import read_scale
from depth_node.scale.marker_finding import MarkerFinder


def test_a_pdf_has_the_true_size(tmp_path):
    out = tmp_path / 'marker.pdf'
    assert main(['marker', '--size', '0.16', '--out', str(out), '--id', '5']) == 0
    data = out.read_bytes()
    assert data.startswith(b'%PDF-1.4')
    rectangles = np.array([
        list(map(float, match.groups())) for match in
        re.finditer(rb'([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re f', data)
    ])
    width = (rectangles[:, 0] + rectangles[:, 2]).max() - rectangles[:, 0].min()
    height = (rectangles[:, 1] + rectangles[:, 3]).max() - rectangles[:, 1].min()
    assert width * 0.0254 / 72 == pytest.approx(0.16, abs=1e-5)
    assert height * 0.0254 / 72 == pytest.approx(0.16, abs=1e-5)
    # every object is where the table says
    table = int(data[data.rindex(b'startxref') + 9:].split()[0])
    assert data[table:table + 4] == b'xref'
    places = [int(line[:10]) for line in data[table:].splitlines()[3:8]]
    for number, place in enumerate(places, 1):
        assert data[place:].startswith(b'%d 0 obj' % number)
    # drawn again from its rectangles, OpenCV finds the marker
    page = np.full((1000, 1000), 255, np.uint8)
    for x, y, w, h in np.rint(rectangles * 1.5).astype(int):
        page[1000 - y - h - 20:1000 - y - 20, x:x + w] = 0
    (found,) = MarkerFinder('apriltag_36h11').find(page, Camera.from_hfov(1000, 1000, 60), 0.16)
    assert found.number == 5


@pytest.mark.parametrize(('size', 'dpi'), [(0.16, 300), (0.05, 150), (0.3, 96)])
def test_a_png_says_how_large_it_is(tmp_path, size, dpi):
    out = tmp_path / 'marker.png'
    assert main(['marker', '--size', str(size), '--out', str(out), '--dpi', str(dpi)]) == 0
    data = out.read_bytes()
    place = data.index(b'pHYs')
    across, down, unit = struct.unpack('>IIB', data[place + 4:place + 13])
    assert struct.unpack('>I', data[place + 13:place + 17])[0] == zlib.crc32(
        data[place:place + 13])
    assert (across, unit) == (down, 1)
    image = cv2.imread(str(out), cv2.IMREAD_GRAYSCALE)
    black = np.flatnonzero((image < 128).any(axis=0))
    assert (black[-1] - black[0] + 1) / across == pytest.approx(size, rel=1e-3)


@pytest.mark.parametrize(('words', 'says'), [
    (['--size', '160'], '--size is 160 m'),
    (['--size', '0.16', '--id', '100000'], '--id is 100000'),
    (['--size', '0.16', '--dpi', '1'], '--dpi'),
])
def test_what_cannot_be_printed_is_one_line(tmp_path, capsys, words, says):
    assert main(['marker', *words, '--out', str(tmp_path / 'm.png')]) == 2
    text = capsys.readouterr().err
    assert says in text
    assert text.count('\n') == 1
    assert main(['marker', '--size', '0.16', '--out', str(tmp_path / 'm.jpg')]) == 2


CAMERA = Camera.from_hfov(320, 240, 70.0)


def write_pictures(folder):
    """Markers before a wall, seen by a network that reads inverse depth from red."""
    printed = picture('apriltag_36h11', 2, 10)
    for index, z in enumerate((1.05, 1.3, 1.7, 2.2)):
        side = 0.16 / z * CAMERA.fx
        count = printed.shape[0] - 20
        square = np.float32([[0, 0], [count, 0], [count, count], [0, count]]) + 10 - 0.5
        middle = np.array([CAMERA.cx + 5, CAMERA.cy - 3])
        corners = np.float32([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * side / 2 + middle
        warp = cv2.getPerspectiveTransform(square, corners.astype(np.float32))
        # four times as fine, then averaged: warping alone has stairs
        fine = np.array([[4, 0, 1.5], [0, 4, 1.5], [0, 0, 1]]) @ warp
        gray = cv2.resize(cv2.warpPerspective(printed, fine, (1280, 960), borderValue=255),
                          (320, 240), interpolation=cv2.INTER_AREA)
        rgb = np.repeat(gray[..., None], 3, axis=2)
        # the network reads the red channel alone: 1/z = 0.9 r + 0.1
        rgb[..., 0] = round(255 * (1 / z - 0.1) / 0.9)
        folder.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f'{index}.png'), rgb[..., ::-1])


def test_calibrate_with_pictures_of_a_marker(tmp_path, capsys):
    write_pictures(tmp_path / 'pictures')
    out = tmp_path / 'scale.yaml'
    model = write_red_network(tmp_path / 'red.onnx')
    code = main(['calibrate', 'marker', str(tmp_path / 'pictures'), '--size', '0.16',
                 '--model', str(model), '--hfov', '70', '--out', str(out)])
    assert code == 0
    found = read_scale(out)
    assert found.source == 'marker'
    assert found.scale == pytest.approx(0.9, rel=0.03)
    assert found.shift == pytest.approx(0.1, abs=0.02)
    # each marker is a little wrong, by its corners: none of them is an outlier
    assert re.search(r'(\d+) of \1 pixels agree', capsys.readouterr().out)


@pytest.mark.parametrize(('words', 'says'), [
    ([], 'side of the black squares'),
    (['--size', '0.16', '--dictionary', 'aruco_4x4_50'], 'no frame shows a marker'),
    (['--size', '0.16', '--ids', '9'], 'no frame shows a marker'),
])
def test_calibrate_without_what_it_needs_is_one_line(tmp_path, capsys, words, says):
    write_pictures(tmp_path / 'pictures')
    model = write_red_network(tmp_path / 'red.onnx')
    code = main(['calibrate', 'marker', str(tmp_path / 'pictures'), '--model', str(model),
                 '--hfov', '70', '--out', str(tmp_path / 'scale.yaml'), *words])
    assert code == 2
    text = capsys.readouterr().err
    assert says in text
    assert text.count('\n') == 1
