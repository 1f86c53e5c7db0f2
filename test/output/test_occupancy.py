"""The map for navigation, read back as Nav2's map_server reads one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from depth_node.errors import ConfigError
from depth_node.mapping.floor import Floor
from depth_node.mapping.floor_plan import FloorPlan
from depth_node.output.occupancy import write_map


def load(path: Path) -> tuple[np.ndarray, float, list[float]]:
    """
    Read a map by the rules of map_server's documentation (trinary mode).

    :returns: cells as in nav_msgs/OccupancyGrid, row 0 at the origin; resolution and origin.
    """
    facts = yaml.safe_load(path.read_text())
    assert facts['mode'] == 'trinary'
    assert Path(facts['image']).parent == Path()
    pixels = cv2.imread(str(path.with_name(facts['image'])), cv2.IMREAD_UNCHANGED)
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 2
    shade = pixels / 255
    occupancy = shade if facts['negate'] else 1 - shade
    cells = np.full(pixels.shape, -1)
    cells[occupancy > facts['occupied_thresh']] = 100
    cells[occupancy < facts['free_thresh']] = 0
    return cells[::-1], facts['resolution'], facts['origin']


def test_map_server_reads_what_was_mapped(tmp_path: Path) -> None:
    cells = np.array([[0, 0, 100], [-1, 0, 100]], np.int8)
    write_map(tmp_path / 'room.pgm', FloorPlan(cells, (-4.7, 1.25), 0.05, Floor(0.0)))
    found, resolution, origin = load(tmp_path / 'room.yaml')
    np.testing.assert_array_equal(found, cells)
    assert (resolution, origin) == (0.05, [-4.7, 1.25, 0.0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ['room.pgm', 'room.yaml']


def test_every_reader_takes_unknown_for_unknown(tmp_path: Path) -> None:
    """Also one with the thresholds of ROS 1, or one that ignores ours."""
    write_map(tmp_path / 'a.pgm', FloorPlan(np.full((2, 2), -1, np.int8), (0, 0), 1, Floor(0)))
    occupancy = 1 - cv2.imread(str(tmp_path / 'a.pgm'), cv2.IMREAD_UNCHANGED) / 255
    assert (occupancy > 0.25).all()
    assert (occupancy < 0.65).all()


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'NAME\.pgm'):
        write_map(tmp_path / 'a.png', FloorPlan(np.zeros((2, 2), np.int8), (0, 0), 1, Floor(0)))
    assert not list(tmp_path.iterdir())
