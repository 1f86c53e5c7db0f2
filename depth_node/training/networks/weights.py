"""External weights: torchvision's ImageNet ResNets and the releases of Monodepth2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn, Tensor

from depth_node.errors import ModelError
from depth_node.files import check_regular
from depth_node.image.size import Size
from depth_node.model import OutputKind
from depth_node.training.networks.depth import Architecture, DepthNetwork, NetworkConfig
from depth_node.training.networks.resnet import ResNetEncoder

SAFE_TORCH = (2, 6)
"""The first version of torch in which ``weights_only`` is safe."""


def load_imagenet(encoder: ResNetEncoder, path: Path) -> None:
    """
    Load torchvision's weights, without the classifier, into an encoder.

    :param encoder: an encoder of the same depth, for one or more images.
    :param path: for example ``resnet18-f37072fd.pth``.
    :raises ModelError: not readable, or the weights of another network.
    """
    state = {k: v for k, v in read_state(path).items() if not k.startswith('fc.')}
    first = state.get('conv1.weight')
    if isinstance(first, Tensor) and first.shape[1:2] == (3,) and encoder.images > 1:
        state['conv1.weight'] = encoder.widened(first)
    fill(encoder, state, path)


@dataclass(frozen=True)
class Monodepth2:
    """
    A released Monodepth2 network.

    :param network: the network with its weights, in evaluation mode.
    :param size: its training size (pixels).
    :param stereo: whether it was trained with stereo pairs, so that the factor to metres is 5.4.
    """

    network: DepthNetwork
    size: Size
    stereo: bool


def load_monodepth2(folder: Path) -> Monodepth2:
    """
    Load a released checkpoint.

    :param folder: folder with ``encoder.pth`` and ``depth.pth``.
    :returns: the network, its size, and whether it was trained with stereo pairs.
    :raises ModelError: a file is missing, unreadable, or contains other weights.
    """
    path = folder / 'encoder.pth'
    state = dict(read_state(path))
    facts = {key: state.pop(key, None) for key in ('height', 'width', 'use_stereo')}
    state = {
        key.removeprefix('encoder.'): value
        for key, value in state.items()
        if not key.startswith('encoder.fc.')
    }
    try:
        size = Size(int(facts['width']), int(facts['height']))
    except (TypeError, ValueError):
        raise ModelError(
            f'{path}: width is {facts["width"]!r} and height {facts["height"]!r}, expected '
            'integers.', 'Use the encoder.pth of a Monodepth2 release.'
        ) from None
    # only the deeper ResNets have three convolutions in a block
    deep = 'layer1.0.conv3.weight' in state
    network = DepthNetwork(
        NetworkConfig(
            Architecture.RESNET50 if deep else Architecture.RESNET18,
            OutputKind.SIGMOID_DISPARITY,
        )
    )
    fill(network.encoder, state, path)
    path = folder / 'depth.pth'
    fill(network.decoder, _decoder_names(read_state(path)), path)
    return Monodepth2(network.eval(), size, bool(facts['use_stereo']))


def _decoder_names(state: Mapping[str, Any]) -> dict[str, Any]:
    """Rename the weights: 0 to 9 are the convolutions in order, 10 to 13 the heads."""
    names: dict[str, str] = {}
    for kind in ('weight', 'bias'):
        for index in range(5):
            names[f'decoder.{2 * index}.conv.conv.{kind}'] = f'before.{index}.conv.{kind}'
            names[f'decoder.{2 * index + 1}.conv.conv.{kind}'] = f'after.{index}.conv.{kind}'
        for scale in range(4):
            names[f'decoder.{10 + scale}.conv.{kind}'] = f'heads.{scale}.conv.{kind}'
    return {names.get(key, key): value for key, value in state.items()}


def read_state(path: Path) -> Mapping[str, Any]:
    """
    Read a dictionary of tensors and plain values, without running code in the file.

    :param path: a file written by torch.save.
    :returns: the dictionary.
    :raises ModelError: not readable, or not a dictionary with names; or this torch could run
        code hidden in the file.
    """
    if tuple(int(part) for part in torch.__version__.split('.')[:2]) < SAFE_TORCH:
        raise ModelError(
            f'torch {torch.__version__} can run code hidden in a file of plain weights '
            f'(CVE-2025-32434), so {path} is not read.', 'Install torch 2.6 or later.',
        )
    check_regular(path, raised=ModelError)
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
    except OSError as error:
        raise ModelError(f'{path}: cannot be read ({error.strerror}).') from error
    except Exception as error:  # torch names no common base for a bad file
        with path.open('rb') as file:
            begins = file.read(2)
        if not begins.startswith((b'PK', b'\x80')):  # an archive, or before torch 1.6 a pickle
            what = 'is no file of torch.save' if begins else 'is empty'
            raise ModelError(f'{path}: {what}, expected the weights of a network.') from error
        reason = str(error).partition('\n')[0]
        raise ModelError(
            f'{path}: is not a file of plain weights ({reason}).',
            'Use a file of plain tensors: files that run code are refused.',
        ) from error
    if not isinstance(state, Mapping):
        raise ModelError(f'{path}: contains a {type(state).__name__}, expected a dictionary.')
    if not all(isinstance(name, str) for name in state):
        raise ModelError(f'{path}: contains a dictionary whose keys are not names.')
    return state


def fill(module: nn.Module, state: Mapping[str, Any], path: Path) -> None:
    """
    Load weights into a module after checking every name and shape.

    :param module: the module.
    :param state: its state dict.
    :param path: file of the state, for error messages.
    :raises ModelError: a name is missing or unknown, or a shape differs.
    """
    own = module.state_dict()
    # counters of batch normalisation are absent from older files and not used at run time
    missing = [k for k in own if k not in state and not k.endswith('num_batches_tracked')]
    unknown = [key for key in state if key not in own]
    shapes = [
        f'{key} is {_shape(state[key])}, expected {tuple(own[key].shape)}'
        for key in own
        if key in state and _shape(state[key]) != tuple(own[key].shape)
    ]
    problems = [f'missing {_some(missing)}'] if missing else []
    problems += [f'unknown {_some(unknown)}'] if unknown else []
    problems += [_some(shapes)] if shapes else []
    if problems:
        raise ModelError(
            f'{path}: contains the weights of another network than {type(module).__name__}: '
            + '; '.join(problems) + '.'
        )
    module.load_state_dict(dict(state), strict=False)


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _some(words: list[str]) -> str:
    rest = len(words) - 3
    return ', '.join(words[:3]) + (f' and {rest} more' if rest > 0 else '')
