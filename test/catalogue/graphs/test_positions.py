"""The position embedding at other grids, against torch's bicubic."""

from __future__ import annotations

import numpy as np
import pytest

from depth_node.catalogue.graphs.positions import resized

SIDE = 37


def grid() -> np.ndarray:
    """Return something without symmetry."""
    return np.random.default_rng(0).normal(size=(SIDE, SIDE, 5)).astype(np.float32)


def test_the_trained_grid_is_left_alone() -> None:
    given = grid()
    assert resized(given, SIDE, SIDE) is given


@pytest.mark.parametrize('wanted', [(28, 37), (37, 28), (18, 24), (55, 41), (1, 60)])
def test_as_torch_does_with_the_authors_scale(wanted: tuple[int, int]) -> None:
    torch = pytest.importorskip('torch')
    given = grid()
    planes = torch.from_numpy(given).double().permute(2, 0, 1)[None]
    scale = tuple((n + 0.1) / SIDE for n in wanted)
    expected = torch.nn.functional.interpolate(planes, scale_factor=scale, mode='bicubic')
    found = resized(given, *wanted)
    assert found.shape == (*wanted, 5)
    np.testing.assert_allclose(found, expected[0].permute(1, 2, 0).numpy(), atol=2e-6)


def test_samples_lie_where_the_authors_take_them() -> None:
    # a ramp over the columns: its value is the place it was taken from
    ramp = np.broadcast_to(np.arange(SIDE, dtype=np.float32)[None, :, None], (SIDE, SIDE, 1))
    found = resized(ramp, 18, 24)[9, :, 0]
    places = (np.arange(24) + 0.5) * SIDE / 24.1 - 0.5
    inside = slice(3, -3)  # away from the border, where bicubic meets its own padding
    # cubic with a = -0.75 does not reproduce a ramp exactly
    np.testing.assert_allclose(found[inside], places[inside], atol=0.05)
