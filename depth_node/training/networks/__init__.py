"""Networks for depth and pose; their input is rgb 0 to 1, which they normalize themselves."""

from depth_node.training.networks.correlation import CorrelationPoseNetwork
from depth_node.training.networks.depth import (
    Architecture,
    build_pose_network,
    DepthNetwork,
    FinestOutput,
    NetworkConfig,
    parameter_count,
)
from depth_node.training.networks.heads import CANONICAL_FOCAL, to_depth
from depth_node.training.networks.pose import PoseNetwork
from depth_node.training.networks.weights import load_imagenet, load_monodepth2

__all__ = [
    'CANONICAL_FOCAL',
    'Architecture',
    'CorrelationPoseNetwork',
    'DepthNetwork',
    'FinestOutput',
    'NetworkConfig',
    'PoseNetwork',
    'build_pose_network',
    'load_imagenet',
    'load_monodepth2',
    'parameter_count',
    'to_depth',
]
