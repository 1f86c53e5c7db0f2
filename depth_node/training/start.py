"""Initial weights."""

from __future__ import annotations

from pathlib import Path

from depth_node.errors import ModelError
from depth_node.training.checkpoint import fill_depth, FORMAT, read_checkpoint
from depth_node.training.learner import Learner
from depth_node.training.networks import load_imagenet, load_monodepth2
from depth_node.training.networks.resnet import ResNetEncoder
from depth_node.training.networks.weights import fill, read_state


def start_from(learner: Learner, path: Path) -> str:
    """
    Load initial weights into the networks, as far as the file has them.

    :param learner: the networks.
    :param path: a checkpoint of `depth-node train`, a folder with a Monodepth2 release, or
        torchvision's weights of a ResNet.
    :returns: a description of the weights.
    :raises ModelError: not readable, or of other networks.
    """
    if path.is_dir():
        release = load_monodepth2(path)
        fill_depth(learner.depth, release.network.state_dict(), path)
        return f'a Monodepth2 release trained at {release.size}'
    if read_state(path).get('format') == FORMAT:
        checkpoint = read_checkpoint(path)
        fill_depth(learner.depth, checkpoint.depth, path)
        if learner.pose is not None and checkpoint.pose:
            fill(learner.pose, checkpoint.pose, path)
        return f'a checkpoint of step {checkpoint.progress.step}'
    encoders = [learner.depth.encoder]
    if not isinstance(learner.depth.encoder, ResNetEncoder):
        raise ModelError(
            f'{path}: is not a checkpoint of depth-node train; other weights need a ResNet.',
            'Use --network resnet18 or resnet50.',
        )
    if learner.pose is not None:
        encoder = getattr(learner.pose, 'encoder', None)
        if isinstance(encoder, ResNetEncoder) and encoder.layers == encoders[0].layers:
            encoders.append(encoder)
    for encoder in encoders:
        load_imagenet(encoder, path)
    return f'ImageNet weights for {len(encoders)} encoder{"s" * (len(encoders) > 1)}'
