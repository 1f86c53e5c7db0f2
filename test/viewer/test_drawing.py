"""What is drawn, read back from a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rrd import columns

from depth_node.camera import Camera
from depth_node.viewer.drawing import Drawing, Entities, Series
from depth_node.viewer.layout import ARRIVAL, blueprint

rerun = pytest.importorskip('rerun')


class Book:
    """A recording in a file, and what is in it once it is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stream: Any = rerun.RecordingStream('test')
        self.stream.save(str(path))

    def read(self) -> dict[str, list[dict[str, Any]]]:
        self.stream.flush()
        self.stream.disconnect()
        return columns(self.path)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / 'book.rrd')


def test_points_without_color_do_not_keep_those_of_the_frame_before(book: Book) -> None:
    """A viewer shows the latest of every component: each cloud has to bring its colors."""
    draw = Drawing(book.stream)
    xyz = np.array([[0, 0, 1], [0, 0, 9], [np.nan, 0, 1]], np.float32)
    draw.at(1)
    draw.cloud(xyz, np.array([0xFF0000, 0x00FF00, 0], np.uint32))
    draw.at(2)
    draw.cloud(xyz)
    draw.at(3)
    draw.cloud(xyz[:0])
    first, second, third = sorted(book.read()['/world/optical/points'], key=_with_points)[-3:]
    np.testing.assert_array_equal(first['Points3D:positions'], xyz[:2])
    assert [color >> 8 for color in first['Points3D:colors']] == [0xFF0000, 0x00FF00]
    assert len(second['Points3D:colors']) == 2
    assert second['Points3D:colors'][0] != second['Points3D:colors'][1], 'near and far differ'
    assert third['Points3D:positions'] == []


def _with_points(row: dict[str, Any]) -> tuple[bool, int]:
    return row.get('Points3D:positions') is not None, row['stamp'] or 0


def test_a_frame_of_another_size_has_its_own_pinhole(book: Book) -> None:
    """The first frames keep theirs."""
    draw = Drawing(book.stream)
    for stamp, (width, height) in enumerate([(64, 48), (32, 24)]):
        draw.at(stamp)
        draw.camera(Camera.from_hfov(width, height, 70.0))
        draw.picture(np.zeros((height, width, 3), np.uint8))
        draw.depth(np.full((height, width), np.nan, np.float32))
    rows = sorted(book.read()['/world/optical/camera'], key=lambda row: row['stamp'])
    assert [row['Pinhole:resolution'][0] for row in rows] == [[64.0, 48.0], [32.0, 24.0]]


def test_what_the_viewer_cannot_draw_is_left_out(book: Book) -> None:
    draw = Drawing(book.stream)
    draw.at(5)
    draw.series(Series.SCALE, float('nan'))
    draw.series(Series.SCALE, 2.0)
    draw.depth(np.array([[np.inf, -np.inf, np.nan, 1.5]], np.float32))
    draw.confidence(np.array([[np.nan, 2.0, 0.5, -1.0]], np.float32))
    found = book.read()
    assert [row['Scalars:scalars'] for row in found['/plots/scale']] == [[2.0]]
    metres = np.frombuffer(
        bytes(found['/world/optical/camera/depth'][0]['DepthImage:buffer'][0]), np.float32
    )
    assert metres.tolist() == [0.0, 0.0, 0.0, 1.5]
    gray = bytes(found['/world/optical/camera/confidence'][0]['Image:buffer'][0])
    assert list(gray) == [0, 255, 127, 0]


@pytest.mark.parametrize(('stamp', 'epoch', 'kind'), [
    (5_000_000, None, 'duration'), (1_700_000_000_000_000_000, None, 'timestamp'),
    (5_000_000, True, 'timestamp'),
])
def test_stamps_are_times_or_durations(
    book: Book, stamp: int, epoch: bool | None, kind: str
) -> None:
    """A bag has dates, a video starts at zero, and a simulated clock starts where it likes."""
    from rerun.chunk import RrdReader

    draw = Drawing(book.stream, epoch=epoch)
    draw.at(stamp)
    draw.note('here')
    assert book.read()['/notes'][0]['stamp'] == stamp
    (chunk,) = (
        c for c in RrdReader(str(book.path)).stream().to_chunks() if c.entity_path == '/notes'
    )
    assert str(chunk.to_record_batch().schema.field('stamp').type).startswith(kind)


def test_two_cameras_do_not_share_an_entity(book: Book) -> None:
    for name in ('front', 'robot/rear'):
        draw = Drawing(book.stream, name)
        draw.at(1)
        draw.pose(np.eye(4))
        draw.note(name)
        draw.series(Series.SCALE, 1.0)
    found = book.read()
    for name in ('front', 'robot/rear'):
        assert f'/world/{name}/optical' in found
        assert f'/plots/{name}/scale' in found
        assert found[f'/notes/{name}'][0]['TextLog:text'] == [name]


def test_the_layout_names_what_is_drawn() -> None:
    """Every view has contents that exist, and the time is the one that the caller follows."""
    for names in ([''], ['front', 'rear']):
        made = blueprint(names, live=True)
        assert made.time_panel.timeline == ARRIVAL
        tabs = made.root_container.contents if len(names) > 1 else [made.root_container]
        assert len(tabs) == len(names)
        for tab, name in zip(tabs, names, strict=True):
            views = list(_views(tab))
            assert {view.name for view in views} == {
                'cloud', 'obstacles', 'world', 'scale', 'latency', 'confidence', 'notes',
                'camera', 'depth',
            }
            entities = Entities(name)
            shown = {path for view in views for path in view.contents}
            drawn = (
                entities.camera, entities.image, entities.points, entities.obstacles,
                entities.scan, entities.depth, entities.relative,
                *(entities.plot(one) for key, one in vars(Series).items() if key.isupper()),
            )
            assert {f'/{path}' for path in drawn} <= shown
            (cloud,) = (view for view in views if view.name == 'cloud')
            assert cloud.origin == entities.optical


def _views(part: Any) -> Any:
    for child in part.contents:
        if hasattr(child, 'root_container') or not hasattr(child, 'origin'):
            yield from _views(child)
        else:
            yield child
