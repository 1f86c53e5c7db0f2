"""Conversion of a network's output to values that are linear in the metric scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_node.depth.metres import Scale, to_metres
from depth_node.model import ModelSpec
from depth_node.model.prediction import Prediction


def unscaled(
    values: NDArray[np.float32], spec: ModelSpec, focal: float
) -> NDArray[np.float64]:
    """
    Apply the part of a kind's formula that needs no scale.

    :param values: float32, any shape, output of the network.
    :param spec: the network.
    :param focal: the factor of ``depth.focal_correction``.
    :returns: float64, same shape: metres at scale 1 for kinds with one unknown (NaN where they
        are undefined), the values themselves for the others.
    """
    if spec.kind.has_shift:
        return np.asarray(values, np.float64)
    out = np.empty(values.shape, np.float32)
    to_metres(Prediction(np.ascontiguousarray(values)), spec, Scale(), focal, out)
    return out.astype(np.float64)
