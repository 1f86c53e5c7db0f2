"""What training minimises: looking alike after a warp, agreeing with depth, or with a teacher."""

from depth_node.training.losses.self_supervised import (
    self_supervised_loss,
    SelfSupervision,
    Source,
    Terms,
)
from depth_node.training.losses.supervised import (
    affine_invariant_loss,
    Penalty,
    supervised_loss,
    Supervision,
)

__all__ = [
    'Penalty',
    'SelfSupervision',
    'Source',
    'Supervision',
    'Terms',
    'affine_invariant_loss',
    'self_supervised_loss',
    'supervised_loss',
]
