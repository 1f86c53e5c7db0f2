"""Known distances of a single frame: those of another frame are refused."""

from __future__ import annotations

import numpy as np
import pytest
import simple_scene as scene

from depth_node.errors import DataError
from depth_node.model import OutputKind
from depth_node.scale.offline import check_anchors, depth_anchors


def depth():
    """A wall on the left, which runs away to the right, and the floor."""
    away = np.linspace(1.5, 6.0, 320)[None].repeat(240, 0)
    return np.minimum(scene.depth(), away)


@pytest.mark.parametrize('kind', list(OutputKind))
@pytest.mark.parametrize('seed', range(3))
def test_distances_of_the_frame_belong_to_it(kind, seed):
    """Also those of a quarter of it, and where the network is wrong by 15 %."""
    random = np.random.default_rng(seed)
    wrong = np.kron(random.normal(0, 0.15, (6, 8)), np.ones((40, 40)))
    frame = scene.frame(kind, depth() * np.exp(wrong))
    check_anchors(frame, depth_anchors(frame, depth().astype(np.float32)))
    part = depth().astype(np.float32)
    part[:, 160:] = np.nan
    check_anchors(frame, depth_anchors(frame, part, share=0.05))


@pytest.mark.parametrize('kind', list(OutputKind))
@pytest.mark.parametrize('change', [
    lambda z: z[:, ::-1],
    lambda z: z[::-1, ::-1],
    lambda z: np.where(z > 2.0, 65.535, z),  # a sensor that saturates
    lambda z: np.random.default_rng(0).permutation(z.ravel()).reshape(z.shape),
], ids=['mirrored', 'turned', 'saturated', 'shuffled'])
def test_distances_of_something_else_are_refused(kind, change):
    frame = scene.frame(kind, depth())
    with pytest.raises(DataError, match='cannot be aligned'):
        check_anchors(frame, depth_anchors(frame, change(depth()).astype(np.float32)))
