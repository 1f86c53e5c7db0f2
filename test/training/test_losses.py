"""Losses against closed forms, torch's own, scikit-image's formula, and what they are for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

torch = pytest.importorskip('torch')

from depth_node.errors import ConfigError  # noqa: E402
from depth_node.training.losses import (  # noqa: E402
    affine_invariant_loss,
    Penalty,
    self_supervised_loss,
    SelfSupervision,
    SourceView,
    supervised_loss,
    Supervision,
)
from depth_node.training.losses.self_supervised import (  # noqa: E402
    dissimilarity,
    length_error,
    photometric_error,
    smoothness,
)
from depth_node.training.losses.supervised import aligned  # noqa: E402
from depth_node.training.view_synthesis import halved, sample, transform  # noqa: E402

DOUBLE = torch.float64


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def pair() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    truth = torch.rand(2, 1, 6, 8, dtype=DOUBLE) * 5 + 1
    depth = truth + torch.randn_like(truth)
    depth = depth.clamp(min=0.2)
    return depth, truth, torch.rand(2, 1, 6, 8) > 0.3


def test_ssim_is_scipys_three_by_three() -> None:
    a, b = torch.rand(2, 1, 1, 9, 11, dtype=DOUBLE)
    x, y = a[0, 0].numpy(), b[0, 0].numpy()

    def mean(z: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(z, 3, mode='mirror')

    mx, my = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    ssim = (2 * mx * my + 1e-4) * (2 * vxy + 9e-4)
    ssim /= (mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4)
    np.testing.assert_allclose(
        dissimilarity(a, b)[0, 0].numpy(), np.clip((1 - ssim) / 2, 0, 1), atol=1e-9
    )


def test_photometric_error_of_two_flat_greys() -> None:
    a, b = (torch.full((1, 3, 4, 4), grey, dtype=DOUBLE) for grey in (0.2, 0.6))
    assert photometric_error(a, b, 0.0).unique().tolist() == pytest.approx([0.4])
    ssim = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    expected = 0.85 * (1 - ssim) / 2 + 0.15 * 0.4
    torch.testing.assert_close(photometric_error(a, b), torch.full_like(a[:, :1], expected))
    assert photometric_error(a, a).abs().max() < 1e-6


def test_smoothness_forgives_slopes_at_edges_and_ignores_scale() -> None:
    depth = torch.ones(1, 1, 4, 8, dtype=DOUBLE)
    depth[..., 4:] = 0.5  # inverse depth 1 and 2, mean 1.5: one step of 2/3 in 7
    flat = torch.zeros(1, 3, 4, 8, dtype=DOUBLE)
    edge = flat.clone()
    edge[..., 4:] = 1.0
    assert smoothness(depth, flat).item() == pytest.approx(2 / 3 / 7, rel=1e-6)
    assert smoothness(depth, edge).item() == pytest.approx(math.exp(-1) * 2 / 3 / 7, rel=1e-6)
    assert smoothness(9 * depth, flat).item() == pytest.approx(2 / 3 / 7, rel=1e-5)


def test_travelled_length() -> None:
    shift = torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]], requires_grad=True)
    error = length_error(shift, torch.tensor([4.0, 0.5, torch.nan]))
    assert error.item() == pytest.approx((1 + 0.5) / 2, rel=1e-5)
    error.backward()
    assert shift.grad.isfinite().all()
    assert shift.grad[2].abs().max() == 0
    assert length_error(shift, torch.full((3,), torch.nan)).item() == 0


def scene(depth: float = 2.0, step: float = 0.1) -> tuple[torch.Tensor, SourceView, torch.Tensor]:
    """Make a wall seen from two places side by side: the target is a shifted read of it."""
    wall = torch.nn.functional.interpolate(torch.rand(1, 3, 8, 12, dtype=DOUBLE), (32, 48))
    wall = torch.nn.functional.avg_pool2d(wall, 5, 1, 2)
    matrix = torch.tensor([[[40, 0, 23.5], [0, 40, 15.5], [0, 0, 1]]], dtype=DOUBLE)
    v, u = torch.meshgrid(torch.arange(32.0), torch.arange(48.0), indexing='ij')
    moved = torch.stack((u + 40 * step / depth, v))[None].double()
    target = sample(wall, moved)
    shift = torch.tensor([[step, 0, 0]], dtype=DOUBLE)
    return target, SourceView(wall, transform(torch.zeros_like(shift), shift)), matrix


def loss_at(
    value: float, options: SelfSupervision, *, extra: tuple[SourceView, ...] = (), scales: int = 4
) -> float:
    target, source, matrix = scene()
    values = [
        torch.full((1, 1, 32 >> s, 48 >> s), value, dtype=DOUBLE) for s in range(scales)
    ]
    terms = self_supervised_loss(
        values, lambda depth: depth, target=target, sources=[source, *extra], intrinsics=matrix,
        options=options,
    )
    return terms.total.item()


@pytest.mark.parametrize(
    'options',
    [
        SelfSupervision(),
        SelfSupervision(full_resolution=False),
        SelfSupervision(auto_mask=False),
        SelfSupervision(minimum=False),
        SelfSupervision(alpha=0.0, smoothness=0.0),
    ],
)
def test_the_right_depth_has_the_smallest_loss(options: SelfSupervision) -> None:
    right = loss_at(2.0, options, scales=1)
    assert right < 0.2 * loss_at(1.2, options, scales=1)
    assert right < 0.2 * loss_at(4.0, options, scales=1)
    assert loss_at(2.0, options) < loss_at(1.5, options)
    assert loss_at(2.0, options) < loss_at(3.0, options)


@pytest.mark.parametrize('scale', [1, 2, 3])
def test_shrunken_scales_keep_the_geometry(scale: int) -> None:
    """A point in the middle of a block of pixels lands in the middle of the averaged pixel."""
    matrix = torch.tensor([[[41, 0, 22.5], [0, 43, 14], [0, 0, 1]]], dtype=DOUBLE)
    block = 2**scale
    middle = torch.tensor([3.0 * block, 2.0 * block, 0.0], dtype=DOUBLE) + (block - 1) / 2
    middle[2] = 1.0
    small = halved(matrix, scale)[0] @ torch.linalg.inv(matrix[0]) @ middle
    torch.testing.assert_close(small, torch.tensor([3.0, 2.0, 1.0], dtype=DOUBLE))


def test_the_minimum_ignores_a_source_that_sees_something_else() -> None:
    _, source, _ = scene()
    covered = SourceView(torch.zeros_like(source.image), source.pose)
    alone = loss_at(2.0, SelfSupervision())
    assert loss_at(2.0, SelfSupervision(), extra=(covered,)) == pytest.approx(alone, abs=1e-3)
    mean = SelfSupervision(minimum=False, auto_mask=False)
    assert loss_at(2.0, mean, extra=(covered,)) > 10 * alone + 0.05


def test_auto_mask_takes_still_pixels_out() -> None:
    """A source equal to the target (the car in front, a stopped robot) says nothing of depth."""
    target, source, matrix = scene()
    still = SourceView(target, source.pose)
    value = torch.full((1, 1, 32, 48), 2.0, dtype=DOUBLE, requires_grad=True)
    grads = {}
    for mask in (True, False):
        terms = self_supervised_loss(
            [value], lambda depth: depth, target=target, sources=[still], intrinsics=matrix,
            options=SelfSupervision(auto_mask=mask, smoothness=0.0),
        )
        (grads[mask],) = torch.autograd.grad(terms.total, value)
        if mask:
            assert terms.used.item() == 0
    assert grads[True].abs().max() == 0
    assert grads[False].abs().max() > 0


def test_odometry_is_added_with_its_weight() -> None:
    target, source, matrix = scene()
    value = torch.full((1, 1, 32, 48), 2.0, dtype=DOUBLE)
    travelled = [(torch.tensor([[3.0, 4.0, 0.0]]), torch.tensor([4.0]))]

    def total(weight: float) -> float:
        return self_supervised_loss(
            [value], lambda depth: depth, target=target, sources=[source], intrinsics=matrix,
            options=SelfSupervision(odometry=weight), travelled=travelled,
        ).total.item()

    assert total(0.5) - total(0.0) == pytest.approx(0.5, rel=1e-5)
    with pytest.raises(ConfigError, match='no travelled lengths'):
        self_supervised_loss(
            [value], lambda depth: depth, target=target, sources=[source], intrinsics=matrix,
            options=SelfSupervision(odometry=1.0),
        )


def test_a_target_nobody_sees_gives_no_nan() -> None:
    target, source, matrix = scene()
    away = torch.tensor([[500.0, 0, 0]], dtype=DOUBLE)
    far = SourceView(source.image, transform(torch.zeros_like(away), away))
    value = torch.full((1, 1, 32, 48), 2.0, dtype=DOUBLE, requires_grad=True)
    terms = self_supervised_loss(
        [value], lambda depth: depth, target=target, sources=[far], intrinsics=matrix,
        options=SelfSupervision(),
    )
    terms.total.backward()
    assert terms.total.item() == pytest.approx(0, abs=1e-9)
    assert value.grad.isfinite().all()


def supervised(penalty: Penalty, **numbers: float) -> tuple[float, torch.Tensor, torch.Tensor]:
    depth, truth, mask = pair()
    found = supervised_loss(depth, truth, mask, Supervision(penalty, **numbers)).item()
    return found, depth[mask], truth[mask]


def test_mse_smooth_l1_and_huber_are_torchs() -> None:
    found, depth, truth = supervised(Penalty.MSE)
    assert found == pytest.approx(torch.nn.functional.mse_loss(depth, truth).item())
    found, depth, truth = supervised(Penalty.SMOOTH_L1, delta=0.7)
    expected = torch.nn.functional.smooth_l1_loss(depth, truth, beta=0.7)
    assert found == pytest.approx(expected.item())
    found, depth, truth = supervised(Penalty.HUBER, delta=0.7)
    expected = torch.nn.functional.huber_loss(depth, truth, delta=0.7)
    assert found == pytest.approx(expected.item())


def test_berhu_by_hand() -> None:
    depth = torch.tensor([1.0, 3.0, 7.0]).view(1, 1, 1, 3)
    truth = torch.tensor([1.5, 2.0, 2.0]).view(1, 1, 1, 3)  # errors 0.5, 1, 5; c is 1
    found = supervised_loss(depth, truth, truth > 0, Supervision(Penalty.BERHU))
    assert found.item() == pytest.approx((0.5 + 1.0 + (25 + 1) / 2) / 3)


def test_si_log_forgives_a_common_factor_as_far_as_lambda_says() -> None:
    _, truth, mask = pair()

    def found(forgiven: float, depth: torch.Tensor) -> float:
        options = Supervision(Penalty.SI_LOG, si_lambda=forgiven)
        return supervised_loss(depth, truth, mask, options).item()

    square = math.log(2) ** 2
    assert found(1.0, 2 * truth) == pytest.approx(0, abs=1e-12)
    assert found(0.5, 2 * truth) == pytest.approx(square / 2)
    assert found(0.0, 2 * truth) == pytest.approx(square)


def test_log_l1() -> None:
    _, truth, mask = pair()
    found = supervised_loss(truth * 1.1, truth, mask, Supervision(Penalty.LOG_L1))
    assert found.item() == pytest.approx(math.log(1.1))


@pytest.mark.parametrize('penalty', list(Penalty))
def test_masked_nan_touches_nothing_and_an_empty_mask_is_zero(penalty: Penalty) -> None:
    depth, truth, mask = pair()
    options = Supervision(penalty)
    clean = supervised_loss(depth, truth, mask, options).item()
    dirty = truth.masked_fill(~mask, torch.nan)
    depth.requires_grad_()
    loss = supervised_loss(depth, dirty, mask, options)
    assert loss.item() == pytest.approx(clean)
    loss.backward()
    assert depth.grad.isfinite().all()
    assert depth.grad[~mask].abs().max() == 0
    empty = supervised_loss(depth, dirty, torch.zeros_like(mask), options)
    assert empty.item() == 0
    empty.backward()


@pytest.mark.parametrize('penalty', list(Penalty))
def test_gradients(penalty: Penalty) -> None:
    depth, truth, mask = pair()
    options = Supervision(penalty, berhu_share=2.0)  # c carries no gradient by design

    def loss(depth: torch.Tensor) -> torch.Tensor:
        return supervised_loss(depth, truth, mask, options)

    assert torch.autograd.gradcheck(loss, depth.requires_grad_())


def test_affine_invariance() -> None:
    teacher = torch.rand(2, 1, 16, 24, dtype=DOUBLE)
    mask = torch.rand(2, 1, 16, 24) > 0.2
    student = 7 * teacher + torch.tensor([3.0, -2.0], dtype=DOUBLE).view(2, 1, 1, 1)
    assert affine_invariant_loss(student, teacher, mask).total.item() < 1e-4
    upside_down = affine_invariant_loss(-student, teacher, mask).total.item()
    noisy = affine_invariant_loss(
        student + torch.rand_like(student), teacher, mask
    ).total.item()
    assert 0.01 < noisy < upside_down


def test_alignment_by_numpy() -> None:
    values = torch.rand(1, 1, 5, 9, dtype=DOUBLE)  # an odd count has one middle
    mask = torch.ones(1, 1, 5, 9, dtype=torch.bool)
    x = values.numpy()
    expected = (x - np.median(x)) / np.mean(abs(x - np.median(x)))
    np.testing.assert_allclose(aligned(values, mask).numpy(), expected, rtol=1e-4)


def test_trimming_forgives_a_few_outliers() -> None:
    teacher = torch.rand(1, 1, 32, 32, dtype=DOUBLE)
    student = teacher.clone()
    student[..., :3, :] += 0.8  # a tenth of the pixels
    mask = torch.ones(1, 1, 32, 32, dtype=torch.bool)
    trimmed = affine_invariant_loss(
        student, teacher, mask, trim=0.2, gradient=0.0
    ).total.item()
    whole = affine_invariant_loss(
        student, teacher, mask, trim=0.0, gradient=0.0
    ).total.item()
    assert trimmed < whole / 2


def test_distillation_without_believed_pixels_is_zero() -> None:
    student = torch.rand(1, 1, 8, 8, requires_grad=True)
    loss = affine_invariant_loss(
        student, torch.rand(1, 1, 8, 8), torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    ).total
    loss.backward()
    assert loss.item() == 0
    assert student.grad.isfinite().all()


def test_wrong_options_are_refused() -> None:
    for wrong in ({'alpha': 1.5}, {'smoothness': -1.0}, {'odometry': -0.1}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            SelfSupervision(**wrong)
    for wrong in ({'delta': 0.0}, {'si_lambda': 2.0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Supervision(**wrong)
