"""
Checkpoints: weights with their configuration and training state.

One file contains the configuration, the networks and the state of the optimizer. It is written
atomically, so a power cut leaves the old file, and read with ``weights_only``, so it cannot run
code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from depth_node.errors import DataError, ModelError
from depth_node.files import replacing, write_error
from depth_node.training.config import config_from, TrainConfig
from depth_node.training.networks import DepthNetwork
from depth_node.training.networks.weights import fill, read_state

FORMAT = 1


@dataclass
class RunProgress:
    """
    The progress of a run; saved, so that a resumed run gives the same result.

    :param step: optimizer steps done.
    :param best: the best validation metric so far (lower is better).
    :param best_step: when it was reached.
    :param worse: number of validations since then.
    :param seconds: time spent training.
    :param curve: steps and parts of the training loss, as logged.
    :param validations: steps and validation metrics.
    """

    step: int = 0
    best: float = float('inf')
    best_step: int = 0
    worse: int = 0
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)
    validations: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Checkpoint:
    """
    The content of a checkpoint file.

    :param config: configuration of its run.
    :param focal: vertical focal length at network size that the metres refer to (pixels).
    :param metric: whether the output is in metres; otherwise its scale is unknown.
    :param progress: progress of the run.
    :param depth: state of the depth network.
    :param pose: state of the pose network, or empty.
    :param optimizer: state of the optimizer, or empty in a file with weights only.
    :param scaler: state of the gradient scaler (fp16), or empty.
    """

    config: TrainConfig
    focal: float
    metric: bool
    progress: RunProgress
    depth: Mapping[str, Tensor]
    pose: Mapping[str, Tensor]
    optimizer: Mapping[str, Any]
    scaler: Mapping[str, Any]

    def network(self) -> DepthNetwork:
        """
        Return the depth network with its weights.

        :returns: the network, in evaluation mode.
        """
        network = DepthNetwork(self.config.network_config)
        network.load_state_dict(dict(self.depth))
        return network.eval()


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """
    Write a checkpoint atomically.

    :param path: the file.
    :param checkpoint: its content.
    :raises ModelError: it cannot be written.
    """
    fields = {f.name: getattr(checkpoint, f.name) for f in dataclasses.fields(checkpoint)}
    fields['config'] = dataclasses.asdict(checkpoint.config)
    fields['progress'] = dataclasses.asdict(checkpoint.progress)
    try:
        with replacing(path, durable=True) as temporary, temporary.open('wb') as file:
            torch.save({'format': FORMAT, **fields}, file)
    except DataError as error:
        raise ModelError(error.problem, error.remedy) from error
    except RuntimeError as error:  # torch's words for an error of the file it writes to
        if not isinstance(error.__context__, OSError):
            raise
        full = write_error(path, error.__context__)
        raise ModelError(full.problem, full.remedy) from error


def read_checkpoint(path: Path) -> Checkpoint:
    """
    Read a checkpoint.

    :param path: a file written by :func:`write_checkpoint`.
    :returns: its content, on the CPU.
    :raises ModelError: missing, damaged, of a newer format, or not such a checkpoint.
    :raises ConfigError: its configuration is invalid.
    """
    state = dict(read_state(path))
    if 'format' not in state:
        raise ModelError(f'{path}: is not a checkpoint of depth-node train.')
    found = state.pop('format')
    if found != FORMAT:
        raise ModelError(
            f'{path}: has format {found!r}, but this version reads {FORMAT}.',
            'Use the version of depth_node that wrote it, or train again. Networks exported from '
            'it still work.',
        )
    names = {f.name for f in dataclasses.fields(Checkpoint)}
    if set(state) != names:
        raise ModelError(f'{path}: has {_some(state)}, expected {_some(names)}.')
    tables = ('config', 'progress', 'depth', 'pose', 'optimizer', 'scaler')
    wrong = [name for name in tables if not isinstance(state[name], Mapping)]
    wrong += [name for name in ('focal', 'metric') if not isinstance(state[name], (int, float))]
    known = {f.name for f in dataclasses.fields(RunProgress)}
    if wrong or not set(state['progress']) <= known:
        raise ModelError(f'{path}: its {_some(wrong or ["progress"])} has an unexpected type.')
    state['config'] = config_from(state['config'])
    state['progress'] = RunProgress(**state['progress'])
    return Checkpoint(**state)


def _some(names: Iterable[str]) -> str:
    return ', '.join(sorted(names)[:10]) or 'nothing'


def fill_depth(network: DepthNetwork, state: Mapping[str, Tensor], path: Path) -> None:
    """
    Load weights into a depth network, whatever number of coarse outputs they were trained with.

    :param network: the network; output heads that the weights lack are left unchanged.
    :param state: state of a depth network of the same architecture.
    :param path: file of the state, for error messages.
    :raises ModelError: another architecture.
    """
    own = network.state_dict()
    heads = 'decoder.heads.'
    kept = {k: v for k, v in state.items() if not k.startswith(heads) or k in own}
    missing = {k: v for k, v in own.items() if k.startswith(heads) and k not in kept}
    fill(network, {**kept, **missing}, path)
