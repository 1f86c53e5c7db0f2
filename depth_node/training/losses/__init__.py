"""Losses: photometric after a warp, against measured depth, and against a teacher."""

from depth_node.training.losses.self_supervised import (
    self_supervised_loss,
    SelfSupervision,
    SourceView,
)
from depth_node.training.losses.supervised import (
    affine_invariant_loss,
    Penalty,
    supervised_loss,
    Supervision,
)
from depth_node.training.losses.terms import Terms

__all__ = [
    'Penalty',
    'SelfSupervision',
    'SourceView',
    'Supervision',
    'Terms',
    'affine_invariant_loss',
    'self_supervised_loss',
    'supervised_loss',
]
