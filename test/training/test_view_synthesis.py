"""The warp against closed forms, SciPy, OpenCV, finite differences, and real frames."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip('torch')
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from depth_node.training import view_synthesis as vs  # noqa: E402

DOUBLE = torch.float64


def camera(fx: float = 40.0, fy: float = 50.0, cx: float = 7.5, cy: float = 5.25) -> torch.Tensor:
    return torch.tensor([[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]], dtype=DOUBLE)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.floats(-1, 1)] * 3),
    st.sampled_from([0.0, 1e-9, 1e-5, 5e-3, 2e-2, 0.1, 1.0, 3.1]),
)
def test_rotation_is_scipys(axis: tuple[float, float, float], angle: float) -> None:
    vector = np.array(axis)
    vector = angle * vector / max(np.linalg.norm(vector), 1e-3)
    found = vs.rotation(torch.tensor(vector, dtype=DOUBLE)).numpy()
    np.testing.assert_allclose(found, Rotation.from_rotvec(vector).as_matrix(), atol=1e-12)


def test_rotation_gradient_holds_at_zero_and_beside_the_series() -> None:
    for length in (0.0, 1e-4, 9.99e-3, 1.001e-2, 0.5, 3.0):
        vector = torch.tensor([0.6, -0.48, 0.64], dtype=DOUBLE) * length
        assert torch.autograd.gradcheck(vs.rotation, vector.requires_grad_())
    vector = torch.zeros(3, requires_grad=True)  # float32, as in training
    vs.rotation(vector)[0, 1].backward()
    assert vector.grad.tolist() == [0.0, 0.0, -1.0]


def test_inverse_undoes_the_transform() -> None:
    generator = torch.Generator().manual_seed(0)
    pose = vs.transform(*torch.randn(2, 5, 3, dtype=DOUBLE, generator=generator))
    identity = torch.eye(4, dtype=DOUBLE).expand(5, 4, 4)
    torch.testing.assert_close(vs.inverse(pose) @ pose, identity)


def test_projection_is_opencvs() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform((-1, -1, 2), (1, 1, 9), (12, 3))
    turn, shift = rng.normal(0, 0.2, (2, 3))
    expected, _ = cv2.projectPoints(points, turn, shift, camera()[0].numpy(), None)
    pose = vs.transform(torch.tensor(turn)[None], torch.tensor(shift)[None])
    grid = torch.tensor(points.T.reshape(1, 3, 3, 4))
    found = vs.project(vs.move(grid, pose), camera())
    np.testing.assert_allclose(found.numpy().reshape(2, 12).T, expected[:, 0], atol=1e-9)


def test_back_projection_undoes_projection() -> None:
    depth = torch.rand(1, 1, 8, 12, dtype=DOUBLE) + 1
    points = vs.back_project(depth, camera())
    torch.testing.assert_close(points[:, 2:], depth)
    torch.testing.assert_close(
        vs.project(points, camera())[0], vs.pixel_grid(8, 12, depth), atol=1e-12, rtol=0
    )


def test_sampling_whole_pixels_halves_and_borders() -> None:
    image = torch.arange(12, dtype=DOUBLE).view(1, 1, 3, 4)
    at = torch.tensor([[0.0, 0], [3, 2], [1.5, 0], [1, 0.5], [-5, 0], [99, 99]], dtype=DOUBLE)
    found = vs.sample(image, at.T.view(1, 2, 1, 6)).flatten()
    torch.testing.assert_close(found, torch.tensor([0, 11, 1.5, 3, 0, 11], dtype=DOUBLE))


def test_a_wall_and_a_sideways_step_shift_the_picture() -> None:
    """At depth 2 m and fx 40, a source 0.15 m to the right sees everything 3 pixels left."""
    source = torch.rand(1, 3, 8, 12, dtype=DOUBLE)
    depth = torch.full((1, 1, 8, 12), 2.0, dtype=DOUBLE)
    aside = torch.tensor([[-0.15, 0, 0]], dtype=DOUBLE)
    pose = vs.transform(torch.zeros_like(aside), aside)
    warped = vs.warp(source, depth, pose, camera())
    torch.testing.assert_close(warped.flow[:, 0], torch.full((1, 8, 12), -3.0, dtype=DOUBLE))
    assert warped.flow[:, 1].abs().max() < 1e-12
    torch.testing.assert_close(warped.image[..., 3:], source[..., :-3])
    assert not warped.valid[..., :3].any()
    assert warped.valid[..., 3:-1].all()


def test_a_turn_about_the_axis_leaves_depth_out() -> None:
    angle = torch.tensor([[0.0, 0.02, 0.0]], dtype=DOUBLE)
    pose = vs.transform(angle, torch.zeros(1, 3, dtype=DOUBLE))
    near, far = (
        vs.warp(torch.rand(1, 1, 8, 12).double(), torch.full((1, 1, 8, 12), d).double(), pose,
                camera()).flow
        for d in (1.0, 50.0)
    )
    torch.testing.assert_close(near, far)
    rays = (vs.pixel_grid(8, 12, near)[0] - 7.5) / 40
    expected = 40 * torch.tan(torch.atan(rays) + 0.02) + 7.5
    torch.testing.assert_close(near[0, 0] + vs.pixel_grid(8, 12, near)[0], expected)


def test_points_behind_the_source_are_not_valid() -> None:
    depth = torch.full((1, 1, 8, 12), 2.0, dtype=DOUBLE)
    pose = vs.transform(torch.zeros(1, 3).double(), torch.tensor([[0.0, 0, -2.5]]).double())
    warped = vs.warp(torch.rand(1, 3, 8, 12).double(), depth, pose, camera())
    assert not warped.valid.any()
    assert warped.image.isfinite().all()


def test_the_whole_warp_passes_gradcheck() -> None:
    generator = torch.Generator().manual_seed(3)
    source = torch.rand(1, 2, 5, 6, dtype=DOUBLE, generator=generator)
    # away from whole pixels, where bilinear reading has its kinks
    depth = 2 + 0.3 * torch.rand(1, 1, 5, 6, dtype=DOUBLE, generator=generator)
    turn = torch.tensor([[0.01, -0.02, 0.015]], dtype=DOUBLE)
    shift = torch.tensor([[0.013, 0.017, -0.05]], dtype=DOUBLE)
    matrix = camera(6.0, 6.5, 2.6, 2.1)

    def warped(
        source: torch.Tensor, depth: torch.Tensor, turn: torch.Tensor, shift: torch.Tensor,
        matrix: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        result = vs.warp(source, depth, vs.transform(turn, shift), matrix)
        return result.image, result.flow

    inputs = [t.requires_grad_() for t in (source, depth, turn, shift, matrix)]
    assert torch.autograd.gradcheck(warped, inputs)
