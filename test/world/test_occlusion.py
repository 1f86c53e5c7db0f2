"""Contact shadows: dark where things touch, nothing where there is space."""

from __future__ import annotations

import numpy as np
import pytest

from depth_node.world import Box, Cylinder, Ellipsoid, Room
from depth_node.world.occlusion import unoccluded
from depth_node.world.shapes import Shape

ROOM = Room((8.0, 6.0, 3.0))
BOX = Box((0.0, 0.0, 0.5), (1.0, 1.0, 1.0))


def share(*places: tuple[float, float, float], up: tuple[float, float, float] = (0, 0, 1),
          shapes: tuple[Shape, ...] = (BOX,)) -> list[float]:
    """Return what is left of the light at places of a surface."""
    points = np.array(places, np.float32).T
    normals = np.broadcast_to(np.array(up, np.float32)[:, None], points.shape)
    return [float(s) for s in unoccluded(ROOM, shapes, points, normals)]


@pytest.mark.parametrize('shape', [
    BOX, Cylinder((0, 0, 0.5), 0.5, 1.0), Ellipsoid((0, 0, 0.5), (0.5, 0.5, 0.5)),
])
def test_it_is_darkest_where_something_stands_and_light_far_from_it(shape: Shape) -> None:
    under, beside, near, far = share(
        (0, 0, 0), (0.51, 0, 0), (0.6, 0, 0), (1.0, 0, 0), shapes=(shape,)
    )
    assert under < 0.6
    assert under <= beside <= near < 1 or isinstance(shape, Ellipsoid)
    assert far == pytest.approx(1.0)


def test_a_top_is_not_dark_because_of_its_own_body_and_high_things_throw_none() -> None:
    assert share((0, 0, 1.0)) == pytest.approx([1.0])
    assert share((0, 0, 0), shapes=(Box((0, 0, 0.75), (1.0, 1.0, 0.04)),)) == pytest.approx([1.0])
    cup = Cylinder((0.2, 0, 1.05), 0.04, 0.1)
    beside, far = share((0.25, 0, 1.0), (-0.3, 0, 1.0), shapes=(BOX, cup))
    assert beside < 0.75
    assert far == pytest.approx(1.0)


def test_corners_of_the_room_and_the_foot_of_a_front_are_darker() -> None:
    corner, wall, middle = share((3.99, 2.99, 0), (3.99, 0, 0), (2.0, 2.0, 0), shapes=())
    assert corner <= wall < 0.9
    assert middle == pytest.approx(1.0)
    foot, chest = share((0.5, 0, 0.01), (0.5, 0, 0.5), up=(1, 0, 0))
    assert foot < 0.9
    assert chest == pytest.approx(1.0)


def test_many_places_keep_their_order() -> None:
    rng = np.random.default_rng(0)
    places = [(float(x), 0.0, 0.0) for x in rng.uniform(0.5, 1.0, 50)]
    assert share(*places) == pytest.approx([share(place)[0] for place in places])
