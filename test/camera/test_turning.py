"""A turned camera sees a turned point at the turned pixel."""

from __future__ import annotations

import numpy as np
import pytest

from depth_node.camera import Camera, Distortion
from depth_node.camera.turning import turned_camera
from depth_node.errors import DataError
from depth_node.image.orientation import Turn, turned

PRISM = (-0.2, 0.05, 0.003, -0.002, 0.01, 0.1, 0.02, 0.003, 0.004, -0.001, 0.002, 0.003)


@pytest.mark.parametrize(('distortion', 'coefficients'), [
    (Distortion.NONE, ()), (Distortion.PLUMB_BOB, (-0.2, 0.05, 0.003, -0.002)),
    (Distortion.PLUMB_BOB, (-0.2, 0.05, 0.003, -0.002, 0.01)), (Distortion.RATIONAL, PRISM),
    (Distortion.RATIONAL, (*PRISM, 0.0, 0.0)),
    (Distortion.EQUIDISTANT, (-0.01, 0.03, -0.03, 0.005)),
])
@pytest.mark.parametrize('mirrored', [False, True])
@pytest.mark.parametrize('quarters', range(4))
def test_rays_turn_with_the_image(distortion, coefficients, mirrored, quarters) -> None:
    camera = Camera(64, 48, 50.0, 52.0, 30.0, 25.0, distortion, coefficients)
    turn = Turn(mirrored, quarters)
    found = turned_camera(camera, turn).rays()
    expected = turned(camera.rays(), turn)
    x, y = expected[..., 0], expected[..., 1]
    if mirrored:
        x = -x
    for _ in range(quarters):
        x, y = -y, x
    np.testing.assert_allclose(found, np.dstack([x, y]), atol=2e-6)


def test_a_tilted_sensor_is_refused() -> None:
    camera = Camera(64, 48, 50.0, 52.0, 30.0, 25.0, Distortion.RATIONAL, (*PRISM, 0.1, 0.0))
    with pytest.raises(DataError, match='tilted sensor'):
        turned_camera(camera, Turn(mirrored=False, quarters=1))
