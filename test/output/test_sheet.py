"""Sheets: every panel in its place, an error with its sign, a cloud where it is."""

from __future__ import annotations

import numpy as np

from depth_node.image.color import colorize
from depth_node.output.sheet import (
    depth_panel,
    error_bar,
    error_panel,
    frame_panels,
    GAP,
    Panel,
    relative_panels,
    sheet,
    top_view,
)

SIZE = (120, 90)


def plain(value: int) -> np.ndarray:
    """A picture of one gray."""
    return np.full((SIZE[1], SIZE[0], 3), value, np.uint8)


def test_panels_lie_row_by_row_under_their_labels() -> None:
    page = sheet([Panel(f'panel {n}', plain(50 * n)) for n in (1, 2, 3, 4)], columns=3)
    width, height = SIZE
    label = (page.shape[0] - 3 * GAP) // 2 - height
    for number in range(4):
        row, column = divmod(number, 3)
        top = GAP + row * (height + label + GAP)
        left = GAP + column * (width + GAP)
        inside = page[top + label:top + label + height, left:left + width]
        assert (inside == 50 * (number + 1)).all()
        assert page[top:top + label, left:left + width].min() < 150, 'no label'
    assert page.shape[1] == 3 * (width + GAP) + GAP


def test_a_narrower_panel_is_brought_to_the_width_of_the_first() -> None:
    page = sheet([Panel('a', plain(10)), Panel('b', plain(200)[::3, ::3])], columns=2)
    assert page.shape[1] == 2 * (SIZE[0] + GAP) + GAP
    right = page[-GAP - SIZE[1]:-GAP, GAP + SIZE[0] + GAP:-GAP]
    assert (right == 200).all()


def test_a_long_label_is_not_cut_off() -> None:
    """The last letter is there, at any width: it was beyond the edge of narrow pictures."""
    for width in (160, 240, 640):
        picture = np.zeros((10, width, 3), np.uint8)
        page = sheet([Panel('error: red 1/3 too far, blue too near', picture)])
        label = page[GAP:-GAP - 10, GAP:GAP + width]
        assert label.min() < 240, 'no label'
        assert label[:, -3:].min() > 240, 'the label reaches the edge'


def test_a_frame_has_a_truth_and_an_error_only_where_they_are_known() -> None:
    rgb = np.tile(np.array([250, 120, 10], np.uint8), (SIZE[1], SIZE[0], 1))
    depth = np.full((SIZE[1], SIZE[0]), 2.0, np.float32)
    camera, drawn = frame_panels(rgb, depth, None, 0.3, 8.0)
    assert camera.picture[0, 0].tolist() == [10, 120, 250]
    assert np.array_equal(drawn.picture, colorize(depth, 0.3, 8.0, bar=True))
    panels = frame_panels(rgb, depth, depth / 2, 0.3, 8.0)
    assert [panel.label for panel in panels][:3] == ['camera', 'depth', 'true depth']
    assert np.array_equal(panels[2].picture, colorize(depth / 2, 0.3, 8.0, bar=True))
    assert panels[3].picture[40, 60, 2] > 200 > panels[3].picture[40, 60, 0]


def test_sparse_truth_is_drawn_as_dots_the_nearest_on_top() -> None:
    truth = np.full((SIZE[1], SIZE[0]), np.nan, np.float32)
    truth[40, 60], truth[40, 61], truth[10, 10] = 6.0, 2.0, 4.0
    drawn = frame_panels(None, np.full_like(truth, 2.0), truth, 0.0, 8.0)[1].picture
    near, far, single, nothing = (
        colorize(np.full((1, 1), depth, np.float32), 0.0, 8.0)[0, 0]
        for depth in (2.0, 6.0, 4.0, np.nan)
    )
    assert (drawn[39:42, 60:63] == near).all()
    assert (drawn[39:42, 59] == far).all()
    assert (drawn[9:12, 9:12] == single).all()
    assert (drawn[20, 20] == nothing).all()


def test_the_bar_of_an_error_has_its_colors_and_numbers() -> None:
    bar = error_bar(300, 24).astype(int)
    assert bar[0, 0].tolist() == [255, 0, 0]
    assert bar[0, -1].tolist() == [0, 0, 255]
    assert bar[0, 150].min() > 250
    for columns in (slice(0, 60), slice(140, 160), slice(240, 300)):
        assert bar[12:, columns].max() > 150, 'no number'
    assert bar[12:, 70:130].max() == 0


def test_relative_values_have_no_bar_and_say_so() -> None:
    values = np.tile(np.linspace(0, 1, SIZE[0], dtype=np.float32), (SIZE[1], 1))
    _, drawn = relative_panels(np.zeros((SIZE[1], SIZE[0], 3), np.uint8), values, 1.0, 0.0)
    assert drawn.label == 'relative depth, no metres'
    assert np.array_equal(drawn.picture, colorize(values, 1.0, 0.0))


def test_depth_has_its_colors_and_a_bar() -> None:
    depth = np.tile(np.linspace(0.5, 7, SIZE[0], dtype=np.float32), (SIZE[1], 1))
    panel = depth_panel('depth', depth, 0.3, 8.0)
    assert np.array_equal(panel.picture[:SIZE[1]], colorize(depth, 0.3, 8.0))
    assert panel.picture.shape[0] > SIZE[1]


def test_too_far_is_red_and_too_near_is_blue() -> None:
    truth = np.full((SIZE[1], SIZE[0]), 3.0, np.float32)
    depth = truth.copy()
    depth[:, :40], depth[:, 80:] = 2.0, 4.5
    blue, middle, red = (
        error_panel('error', depth, truth).picture[40, column].astype(int)
        for column in (10, 60, 110)
    )
    assert blue[0] > 200 > blue[2]
    assert middle.min() > 250
    assert red[2] > 200 > red[0]


def test_a_cloud_is_drawn_where_it_is_seen_from_above() -> None:
    """One red point 3 m ahead and 1 m to the right; the one above another hides it."""
    points = np.array([[1, 0.5, 3], [-1, 0.5, 2], [-1, -0.5, 2], [np.nan, 0, 1]], np.float32)
    colors = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]], np.uint8)
    picture = top_view(points, colors, (300, 400), 4.0)
    scale = 100
    assert picture[399 - 3 * scale, 150 + scale].tolist() == [0, 0, 255]
    assert picture[399 - 2 * scale, 150 - scale].tolist() == [255, 0, 0]
    assert (picture[250] >= 200).all()


def test_a_scan_is_drawn_red_and_free_beams_are_not() -> None:
    scan = np.array([[0.0, 2.0], [np.inf, np.inf], [np.nan, np.nan]], np.float32)
    picture = top_view(np.empty((0, 3), np.float32), None, (300, 400), 4.0, scan)
    assert picture[199, 150].tolist() == [40, 40, 230]
    assert (picture[..., 2].astype(int) - picture[..., 0] > 100).sum() < 40
