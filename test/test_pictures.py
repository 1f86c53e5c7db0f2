"""`make pictures`: what the pictures of the README show, on a smaller camera."""

from __future__ import annotations

import importlib.util
from pathlib import Path
import re
from types import ModuleType

import cv2
import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.evaluation.report import error_picture
from depth_node.image.color import bar_height, colorize
from depth_node.image.color_range import color_range
from depth_node.output.sheet import GAP
from depth_node.sources.frames import open_source

ROOT = Path(__file__).resolve().parents[1]
SIZE = (160, 120)


@pytest.fixture(scope='module')
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location('pictures', ROOT / 'tools' / 'pictures.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def made(tool: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    pytest.importorskip('open3d', reason='Open3D has no wheel for this Python')
    folder = tmp_path_factory.mktemp('images') / 'new'
    drawn = tool.map_picture
    tool.PICTURES['map.png'] = lambda size: drawn(size, frames=24)
    tool.main(folder, size=SIZE)
    assert {path.name for path in folder.iterdir()} == set(tool.PICTURES)
    return {path.name: cv2.imread(str(path)) for path in folder.iterdir()}


def panel(page: np.ndarray, row: int, column: int) -> np.ndarray:
    """Cut a panel of two rows out, as int."""
    width, height = SIZE
    pitch = (page.shape[0] - GAP) // 2
    bottom = GAP + (row + 1) * pitch - GAP - bar_height(height)
    left = GAP + column * (width + GAP)
    return page[bottom - height:bottom, left:left + width].astype(int)


def test_the_sheet_shows_a_room_its_depth_truth_and_error(
    tool: ModuleType, made: dict[str, np.ndarray]
) -> None:
    frame, depth = tool.look(tool.ROOM, SIZE)
    same = next(iter(open_source(tool.ROOM, Camera.from_hfov(*SIZE, tool.HFOV_DEG))))
    np.testing.assert_array_equal(frame.rgb, same.rgb)
    ends = color_range(depth, frame.depth)
    expected = [
        [frame.rgb[..., ::-1], colorize(depth, *ends)],
        [colorize(frame.depth, *ends), error_picture(depth, frame.depth)],
    ]
    for row in (0, 1):
        for column in (0, 1):
            shown = panel(made['depth.png'], row, column)
            np.testing.assert_allclose(shown, expected[row][column].astype(int), atol=2)


def test_the_cloud_is_the_room_in_its_colors(
    tool: ModuleType, made: dict[str, np.ndarray]
) -> None:
    """Both views have ink in the middle, the scan is red, and the paper is blank at the edge."""
    page = made['cloud.png'].astype(int)
    width = SIZE[0]
    behind = page[-GAP - SIZE[1]:-GAP, GAP:GAP + width]
    above = page[-GAP - SIZE[1]:-GAP, -GAP - width:-GAP]
    for view in (behind, above):
        assert 0.05 < (view.min(-1) < 240).mean() < 0.95
    red = (above[..., 2] - above[..., :2].max(-1)) > 150
    assert 20 < red.sum() < 0.2 * red.size
    assert not ((behind[..., 2] - behind[..., :2].max(-1)) > 150).any()


def test_the_map_shows_the_room_and_where_it_is_free(made: dict[str, np.ndarray]) -> None:
    page = made['map.png'].astype(int)
    plan = page[-GAP - SIZE[1]:-GAP, -GAP - SIZE[0]:-GAP]
    free, occupied = plan.min(-1) > 240, plan.max(-1) < 10
    assert 0.1 < free.mean() < 0.8
    assert 0.003 < occupied.mean() < 0.3
    assert (np.abs(plan - 130) < 4).all(-1).mean() > 0.1, 'nothing is unknown'
    mesh = page[-GAP - SIZE[1]:-GAP, GAP:GAP + SIZE[0]]
    assert 0.1 < (mesh.min(-1) < 240).mean() < 0.9


def test_a_surface_seen_from_its_back_is_left_out(tool: ModuleType) -> None:
    """A wall between us and a floor, which faces away, hides nothing."""
    v, u = np.mgrid[-1:1:60j, -1:1:60j].reshape(2, -1)
    floor = np.column_stack([u, np.ones_like(u), 3 + v]).astype(np.float32)
    wall = np.column_stack([u, v, np.full_like(u, 1.9)]).astype(np.float32)
    points = np.vstack([floor, wall])
    colors = np.repeat(np.array([[0, 200, 0], [200, 0, 0]], np.uint8), 3600, 0)
    normals = np.repeat([[0.0, -1, 0], [0, 0, 1]], 3600, 0)
    red = (tool.from_behind(points, colors, (200, 150)) == (0, 0, 200)).all(-1)
    assert red.sum() > 2000
    view = tool.from_behind(points, colors, (200, 150), normals)
    assert not (view == (0, 0, 200)).all(-1).any()
    assert (view == (0, 200, 0)).all(-1).sum() > 2000


def test_a_point_lies_where_it_is_seen_from_behind(tool: ModuleType) -> None:
    """What is left is left, what is high is high, and what is near hides what is far."""
    places, inks = [], []
    corners = {(-1, -1): (255, 0, 0), (1, -1): (0, 255, 0), (-1, 1): (0, 0, 255)}
    corners |= {(1, 1): (0, 0, 0), (0, 0): (90, 90, 90)}  # the middle stays where it is
    for (x, y), ink in corners.items():
        places.append((x, y, 3.0))
        inks.append(ink)
    points = np.repeat(np.array(places, np.float32), 500, 0)
    colors = np.repeat(np.array(inks, np.uint8), 500, 0)
    view = tool.from_behind(points, colors, (200, 150))

    def middle(*bgr: int) -> np.ndarray:
        return np.argwhere((view == bgr).all(-1)).mean(0)

    (top, left), (_, right), (bottom, _) = middle(0, 0, 255), middle(0, 255, 0), middle(255, 0, 0)
    assert left < right - 80
    assert top < bottom - 80
    # on the line of sight from the place behind through a corner: half as far, drawn first
    eye = tool.eye(points)
    near = (eye + (points[:1] - eye) / 2).astype(np.float32)
    view = tool.from_behind(
        np.vstack([near, points]), np.vstack([[[10, 20, 30]], colors]).astype(np.uint8), (200, 150)
    )
    assert (view == (30, 20, 10)).all(-1).any()
    assert not (view == (0, 0, 255)).all(-1).any()


def test_a_picture_that_is_too_large_is_not_written(tool: ModuleType, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600, 800, 3), np.uint8)
    with pytest.raises(SystemExit, match='expected at most'):
        tool.write(tmp_path / 'x.png', noise)
    assert not list(tmp_path.iterdir())


def test_the_readme_shows_them(tool: ModuleType) -> None:
    """Every picture near the top, by a relative link, small, and no other file in the folder."""
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    links = re.findall(r'!\[[^\]]+\]\((doc/images/[^)]+)\)', text)
    assert {Path(link).name for link in links} >= set(tool.PICTURES)
    assert text.index('doc/images/') < text.index('## On a robot')
    for link in links:
        assert (ROOT / link).stat().st_size <= tool.MOST_BYTES
    stored = {path.name for path in (ROOT / 'doc' / 'images').iterdir()}
    assert stored == {Path(link).name for link in links}
