"""Rays of large images are interpolated; they must be the exact ones."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from depth_node.camera import Camera, Distortion, rays

LENSES = [
    (Distortion.PLUMB_BOB, (-0.3, 0.1, 0.001, -0.001, 0.0)),
    (Distortion.PLUMB_BOB, (-0.5, 0.1, 0.001, -0.001, 0.0)),  # folds inside the image
    (Distortion.RATIONAL, (-4.9, 12.7, 0.0005, -0.0003, -18.0, -5.0, 13.0, -18.5)),
    (Distortion.EQUIDISTANT, (-0.01, 0.03, -0.03, 0.005)),
    (Distortion.EQUIDISTANT, (0.0, 0.0, 0.0, 0.0)),
]


@pytest.mark.parametrize(('distortion', 'coefficients'), LENSES)
@pytest.mark.parametrize('focal', [0.3, 0.7])
def test_large_images_have_the_rays_of_small_ones(
    monkeypatch, distortion, coefficients, focal
) -> None:
    """Also beyond the end of the lens model, and with sides that are no multiple of the step."""
    camera = Camera(965, 603, 965 * focal, 965 * focal, 480.0, 300.0, distortion, coefficients)
    found = camera.rays()
    monkeypatch.setattr(rays, '_LARGE', 2**40)
    exact = camera.rays()
    assert camera.width * camera.height > 2**19
    np.testing.assert_array_equal(np.isnan(found), np.isnan(exact))
    assert np.nanmax(abs(found - exact) / (1 + exact**2)) < 2e-6


@pytest.mark.parametrize('coefficients', [
    (-0.3, 0.1, 0.001, -0.001, 0.0), (1e4, -1e4, 1.0, 1.0, 1e4),
])
def test_memory_is_that_of_the_answer(coefficients) -> None:
    """The worst coefficients that are accepted, too; it was 300 bytes a pixel."""
    camera = Camera(4096, 1024, 2500.0, 2500.0, 2048.0, 512.0, Distortion.PLUMB_BOB, coefficients)
    tracemalloc.start()
    try:
        answer = camera.rays()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - answer.nbytes < 40e6
