"""Scale and local correction of single frames whose distances are partly known."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from depth_node.depth.metres import Scale
from depth_node.errors import DataError
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale.align import check_belongs
from depth_node.scale.local import Anchors, Field, fit_field
from depth_node.scale.measurement import NotObservable
from depth_node.scale.pixels import ScaleFrame
from depth_node.scale.plausibility import plausible
from depth_node.scale.points import anchors_of, from_anchors, MAX_POINTS, on_edge
from depth_node.scale.unscaled import unscaled
from depth_node.sources.frame import Frame

NO_RAYS = np.zeros((0, 0, 2), np.float32)

MIRRORED = 0.75
"""As in ``align``; distances may be known in one half only, where the network is worse."""
REMEDY = (
    'Use distances of this image, in metres, 0 or NaN where unknown, and check --extrinsic or '
    '--depth-scale.'
)


@dataclass(frozen=True)
class Aligned:
    """
    What the known distances of a frame say.

    :param scale: turns its prediction into metres, without a focal correction.
    :param field: the local correction, or None where it gains nothing.
    :param anchors: how many distances were used.
    :param inliers: how many of them agree with the scale.
    """

    scale: Scale
    field: Field | None
    anchors: int
    inliers: int


def seen(values: NDArray[np.float32], spec: ModelSpec, frame: Frame) -> ScaleFrame:
    """
    Return a frame as sources of scale see it, without a focal correction.

    :param values: float32 (H, W), the network's numbers.
    :param spec: the network.
    :param frame: the frame.
    :returns: the same, without rays.
    """
    return ScaleFrame(frame, values, spec, NO_RAYS)


def point_anchors(
    frame: ScaleFrame, points: NDArray[np.float64], optical_from_sensor: NDArray[np.float64]
) -> Anchors:
    """
    Find the pixels at which points tell the distance.

    :param frame: the frame, with a camera.
    :param points: float64 (N, 3), sensor frame (m).
    :param optical_from_sensor: float64 (4, 4).
    :returns: the anchors.
    :raises DataError: no point is in the view.
    """
    anchors = anchors_of(frame, points, optical_from_sensor)
    if isinstance(anchors, NotObservable):
        raise DataError(f'{frame.frame.name}: {anchors.reason}')
    return anchors


def depth_anchors(
    frame: ScaleFrame, depth: NDArray[np.float32], share: float = 1.0, seed: int = 0
) -> Anchors:
    """
    Take pixels of a registered depth image.

    :param frame: the frame.
    :param depth: float32 (H, W), z-depth (m), NaN where unknown.
    :param share: of the known pixels that are drawn at random; 1: all, evenly thinned.
    :param seed: of the draw.
    :returns: the anchors that are not on edges of the prediction, at most about `MAX_POINTS`.
    :raises DataError: an image of another size, or no pixel is known.
    """
    if depth.shape != frame.values.shape:
        raise DataError(
            f'{frame.frame.name}: the depth is {depth.shape[1]}x{depth.shape[0]}, but the image '
            f'is {frame.values.shape[1]}x{frame.values.shape[0]}.',
            'It has to be registered to the image.',
        )
    with np.errstate(invalid='ignore'):
        rows, columns = np.nonzero(np.isfinite(depth) & (depth > 0))
    if share < 1:
        mine = np.random.default_rng(seed).random(rows.size) < share
        rows, columns = rows[mine], columns[mine]
    if rows.size == 0:
        raise DataError(f'{frame.frame.name}: no distance is known.')
    some = np.linspace(0, rows.size - 1, min(MAX_POINTS, rows.size)).astype(np.int64)
    rows, columns = rows[some], columns[some]
    flat = ~on_edge(frame, rows, columns)
    rows, columns = rows[flat], columns[flat]
    shape = (frame.values.shape[0], frame.values.shape[1])
    return Anchors(rows, columns, depth[rows, columns].astype(np.float64), shape)


def check_anchors(frame: ScaleFrame, anchors: Anchors) -> None:
    """
    Check that known distances belong to a frame: most agree, and not with its mirror image.

    :param frame: the frame.
    :param anchors: its pixels of known distance.
    :raises DataError: they do not.
    """
    check_belongs(
        frame.values, (anchors.rows, anchors.columns), anchors.z, frame.spec, REMEDY, MIRRORED
    )


def align(frame: ScaleFrame, anchors: Anchors) -> Aligned:
    """
    Fit the scale (and shift) of a frame to its anchors, and the local correction.

    :param frame: the frame.
    :param anchors: its pixels of known distance.
    :returns: what makes metres of it.
    :raises DataError: they do not determine the scale.
    """
    found = from_anchors(frame, anchors)
    if not isinstance(found, NotObservable):
        found = plausible(frame.spec, found) or found
    if isinstance(found, NotObservable):
        raise DataError(f'{frame.frame.name}: the distances do not determine the scale: '
                        f'{found.reason}.')
    shift = float(found.value[1]) if found.value.size > 1 else 0.0
    scale = Scale(math.exp(found.value[0]), shift)
    x = unscaled(frame.values[anchors.rows, anchors.columns], frame.spec, frame.focal)
    with np.errstate(divide='ignore', invalid='ignore'):
        metres = scale.scale * x + (shift if frame.spec.kind.has_shift else 0.0)
        if frame.spec.kind is OutputKind.RELATIVE_DISPARITY:
            metres = 1 / metres
        metres = np.where(metres > 0, metres, np.nan)
    field = fit_field(anchors, metres, hold_out=True)
    return Aligned(scale, field, anchors.z.size, found.inliers)
