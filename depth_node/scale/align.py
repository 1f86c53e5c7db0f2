"""
Alignment of a single frame with ground truth or a stereo disparity.

For evaluation, if the protocol allows it, and for single images with a stereo disparity. On a
robot the scale is recovered over time by the keeper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.depth.metres import Scale
from depth_node.errors import DataError
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale.fit import fit_affine, fit_scale
from depth_node.scale.plausibility import FACTOR, NEAREST
from depth_node.scale.unscaled import unscaled

AGREEMENT = 0.25
"""Relative difference of two depths that count as the same."""
_POINTS = 5000
_LEAST_AGREEMENT = 0.5
_BETTER = 0.15
"""By how much the share that agrees must exceed that of shuffled pixels."""
_FLAT = 1.5
"""Ratio of the far to the near end of a scene without depth."""
_MIRRORED = 0.95
"""Of the error: a mirror image that fits better than this is the right way round."""
_REMEDY = (
    'Use the disparity of this image in the left camera, and check its unit (--disparity-unit).'
)


def least_squares(
    values: NDArray[np.float32], truth: NDArray[np.float32], kind: OutputKind
) -> Scale:
    """
    Fit scale and shift by least squares in the space of the network.

    As in Ranftl et al., Towards robust monocular depth estimation (2020), section 5: inverse
    depth for relative disparity, depth for relative depth.

    :param values: float32 (H, W), the network's output.
    :param truth: float32 (H, W), z-depth (m), NaN where unknown.
    :param kind: a kind with a shift.
    :returns: scale and shift to metres.
    :raises DataError: the kind has no shift, or there are fewer than two different values.
    """
    if not kind.has_shift:
        raise DataError(
            f'{kind.value} has no shift to fit.', 'Use --median-scaling for it.'
        )
    with np.errstate(invalid='ignore'):
        known = np.isfinite(values) & np.isfinite(truth) & (truth > 0)
    x, y = values[known].astype(np.float64), truth[known].astype(np.float64)
    if kind.is_disparity:
        y = 1 / y
    if x.size < 2 or np.ptp(x) == 0:
        raise DataError('The frame has too few known pixels to fit scale and shift.')
    middle = x.mean()
    slope = float(np.mean((x - middle) * y) / np.mean((x - middle) ** 2))
    return Scale(slope, float(y.mean() - slope * middle))


@dataclass(frozen=True)
class Alignment:
    """
    A prediction that was fitted to a disparity, and how well they agree.

    :param scale: what turns the output into metres, without focal correction.
    :param points: pixels compared.
    :param agree: share of them whose depth is within :data:`AGREEMENT`.
    :param abs_rel: median of the relative error of depth.
    """

    scale: Scale
    points: int
    agree: float
    abs_rel: float

    def __str__(self) -> str:
        """Describe the fit in one line."""
        shift = f', shift {self.scale.shift:.4g}' if self.scale.shift else ''
        return (
            f'scale {self.scale.scale:.4g}{shift}, {100 * self.agree:.0f} % of {self.points} '
            f'pixels agree within {100 * AGREEMENT:.0f} %, median error {100 * self.abs_rel:.1f} %'
        )


def to_disparity(
    values: NDArray[np.float32], disparity: NDArray[np.float32], spec: ModelSpec,
    product: float = 1.0,
) -> Alignment:
    """
    Fit a prediction to a stereo disparity robustly, with up to 40 % outliers.

    The fit has to be better than that to the same disparity with its pixels shuffled, unless the
    scene has only one distance and the kind no shift, and as good as that to its mirror images.

    :param values: float32 (H, W), the network's output.
    :param disparity: float32 (H, W) (pixels), NaN where unknown.
    :param spec: the network.
    :param product: focal length times baseline (pixels m); 1: depth is one over the disparity
        in pixels.
    :returns: the fit and its quality.
    :raises DataError: disparity and prediction do not agree, or not about the metres.
    """
    height, width = values.shape
    step = max(1, round((height * width / _POINTS) ** 0.5))
    rows, columns = np.mgrid[step // 2:height:step, step // 2:width:step].reshape(2, -1)
    with np.errstate(invalid='ignore', divide='ignore'):
        z = (product / disparity[rows, columns]).astype(np.float64)
    found = check_belongs(values, (rows, columns), z, spec, _REMEDY)
    _check_metres(found, spec, product, float(np.nanmedian(np.where(z > 0, z, np.nan))))
    return found


def check_belongs(  # noqa: PLR0917
    values: NDArray[np.float32], places: tuple[NDArray[np.int64], NDArray[np.int64]],
    z: NDArray[np.float64], spec: ModelSpec, remedy: str, mirrored: float = _MIRRORED,
) -> Alignment:
    """
    Check that known distances belong to the frame of a prediction.

    See :func:`to_disparity`.

    :param values: float32 (H, W), the network's output.
    :param places: int64 (N,) each, rows and columns of the known distances.
    :param z: float64 (N,), z-depth (m), NaN where unknown.
    :param spec: the network.
    :param remedy: what to do, for the error.
    :param mirrored: a mirror image whose error is less than this times that of the fit belongs
        to it instead.
    :returns: the fit and its quality.
    :raises DataError: they do not belong to it.
    """
    rows, columns = places
    height, width = values.shape
    x = unscaled(values[rows, columns], spec, 1.0)
    found = _fitted(x, z, spec)
    if found is None:
        raise DataError(
            'The prediction cannot be aligned: no rising line fits the distances.', remedy
        )
    if found.agree < _LEAST_AGREEMENT:
        raise DataError(f'The prediction cannot be aligned: {found}.', remedy)
    shuffled = _fitted(x, z[np.random.default_rng(0).permutation(z.size)], spec)
    near, far = np.percentile(z[np.isfinite(z) & (z > 0)], (10, 90))
    flat = far < _FLAT * near and not spec.kind.has_shift
    if not flat and shuffled is not None and found.agree < shuffled.agree + _BETTER:
        raise DataError(
            f'The prediction cannot be aligned: {found}, which is no better than chance.', remedy
        )
    down, across = height - 1 - rows, width - 1 - columns
    for way, there in (
        ('mirrored', (rows, across)), ('upside down', (down, columns)),
        ('turned by 180 deg', (down, across)),
    ):
        turned = _fitted(unscaled(values[there], spec, 1.0), z, spec)
        if turned is not None and turned.abs_rel < found.abs_rel * mirrored:
            raise DataError(
                f'The prediction cannot be aligned: {found}, but the distances fit better '
                f'{way} ({turned}).', remedy,
            )
    return found


def _fitted(
    x: NDArray[np.float64], z: NDArray[np.float64], spec: ModelSpec
) -> Alignment | None:
    """Fit depths (m) to the output without scale, both (N,), NaN where unknown."""
    with np.errstate(invalid='ignore'):
        known = np.isfinite(x) & np.isfinite(z) & (z > 0)
        known &= (x > 0) | spec.kind.has_shift
    x, z = x[known], z[known]
    inverse = spec.kind is OutputKind.RELATIVE_DISPARITY
    y = 1 / z if inverse else z
    if not x.size:
        return None
    fit = fit_affine(x, y, y) if spec.kind.has_shift else fit_scale(x, y)
    if fit is None:
        return None
    line = fit.scale * x + fit.shift
    with np.errstate(divide='ignore'):
        depth = np.where(line > 0, 1 / line if inverse else line, np.inf)
    error = abs(depth / z - 1)
    return Alignment(
        Scale(fit.scale, fit.shift), x.size, float((error < AGREEMENT).mean()),
        float(np.median(error)),
    )


def _check_metres(found: Alignment, spec: ModelSpec, product: float, usual: float) -> None:
    """Refuse metres that are far from those a network brings along, or that no camera sees."""
    if product == 1.0:
        return
    remedy = 'Check --baseline (m), the focal length and --disparity-unit.'
    own = 1.0 if spec.kind.is_metric else spec.scale
    if not NEAREST <= usual <= spec.reach:
        raise DataError(
            f'The disparity makes distances of about {usual:.3g} m, expected {NEAREST:g} to '
            f'{spec.reach:g} m.', remedy,
        )
    if own is None:
        return
    factor = found.scale.scale / own
    if not FACTOR[0] <= factor <= FACTOR[1]:
        raise DataError(
            f'The disparity makes distances {factor:.3g} times those of {spec.name}, expected '
            f'{FACTOR[0]:g} to {FACTOR[1]:g} times.',
            remedy,
        )


def relative_colors(values: NDArray[Any], kind: OutputKind) -> tuple[float, float]:
    """
    Return the values to color as nearest and farthest if there are no metres.

    :param values: output of the network.
    :param kind: meaning of the output.
    :returns: the values of the nearest and of the farthest 2 %.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(finite, (2, 98)))
    high = max(high, low + 1e-6)
    return (high, low) if kind.is_disparity else (low, high)
