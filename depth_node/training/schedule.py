"""The optimizer, and its learning rate as a pure function of the step."""

from __future__ import annotations

import math

import torch
from torch import nn

from depth_node.errors import ConfigError
from depth_node.training.config import TrainConfig

_LOWEST = 0.01


def learning_rate(config: TrainConfig, step: int) -> float:
    """
    Return the learning rate of a step.

    Linear warm-up, then according to `config.schedule`. It is a pure function, so resuming needs
    no state.

    :param config: maximum rate, schedule, warm-up and number of steps.
    :param step: from 0.
    :returns: the rate.
    """
    rise = min((step + 1) / (config.warmup + 1), 1.0)
    done = min(max(step - config.warmup, 0) / max(config.steps - config.warmup, 1), 1.0)
    match config.schedule:
        case 'cosine':  # Loshchilov and Hutter, "SGDR", 2017, equation 5, without restarts
            fall = _LOWEST + (1 - _LOWEST) * 0.5 * (1 + math.cos(math.pi * done))
        case 'step':
            fall = 1.0 if done < 0.75 else 0.1
        case _:
            fall = 1.0
    return config.learning_rate * rise * fall


def build_optimizer(config: TrainConfig, learner: nn.Module) -> torch.optim.Optimizer:
    """
    Build the optimizer; biases and norms have no weight decay, encoders their own rate.

    :param config: optimizer and weight decay.
    :param learner: the module with the parameters.
    :returns: the optimizer, each group with its `relative` learning rate.
    :raises ConfigError: the optimizer is unknown.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in learner.named_parameters():
        key = ('encoder.' in name, parameter.ndim > 1)
        groups.setdefault(key, []).append(parameter)
    described = [
        {
            'params': parameters,
            'relative': config.encoder_rate if encoder else 1.0,
            'weight_decay': config.weight_decay if decays else 0.0,
        }
        for (encoder, decays), parameters in groups.items()
    ]
    match config.optimizer:
        case 'adam':
            return torch.optim.Adam(described, lr=config.learning_rate)
        case 'adamw':
            return torch.optim.AdamW(described, lr=config.learning_rate)
        case other:
            raise ConfigError(f'optimizer {other!r} is not known, expected adam or adamw.')


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """
    Set the learning rate of every group.

    :param optimizer: from :func:`build_optimizer`.
    :param rate: learning rate of groups whose relative rate is 1.
    """
    for group in optimizer.param_groups:
        group['lr'] = rate * group['relative']
