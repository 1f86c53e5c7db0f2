"""Distributed training with torchrun, or a single process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
import os

import torch
from torch import distributed

from depth_node.errors import ConfigError

_PATIENCE = timedelta(hours=12)  # the first reads recordings while the others wait


@dataclass(frozen=True)
class Processes:
    """
    The processes of a run.

    :param rank: rank of this process.
    :param world: number of processes.
    :param device: device of this process.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes files and output."""
        return self.rank == 0

    @contextmanager
    def one_by_one(self) -> Iterator[None]:
        """Run the context in the first process before the others, which can use its result."""
        if not self.first:
            distributed.barrier()
        yield
        if self.first and self.world > 1:
            distributed.barrier()

    def agree(self, value: float) -> float:
        """
        Return the value of the first process.

        :param value: the value of this process.
        :returns: the value of the first process.
        """
        if self.world == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        if distributed.get_backend() == 'nccl':
            shared = shared.to(self.device)
        distributed.broadcast(shared, 0)
        return float(shared.item())

    def worst(self, value: float) -> float:
        """
        Return the largest value of all processes.

        :param value: the value of this process.
        :returns: the largest.
        """
        if self.world == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        if distributed.get_backend() == 'nccl':
            shared = shared.to(self.device)
        distributed.all_reduce(shared, distributed.ReduceOp.MAX)
        return float(shared.item())


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """
    Join the other processes started by torchrun, if there are any.

    :param device: device in the configuration: auto, cpu, cuda, cuda:1.
    :returns: the processes, for the duration of the context.
    :raises ConfigError: the device does not exist.
    """
    world = int(os.environ.get('WORLD_SIZE', '1'))
    rank = int(os.environ.get('RANK', '0'))
    local = int(os.environ.get('LOCAL_RANK', '0'))
    chosen = _device(device, local if world > 1 else None)
    if world == 1:
        yield Processes(0, 1, chosen)
        return
    distributed.init_process_group(
        'nccl' if chosen.type == 'cuda' else 'gloo', timeout=_PATIENCE
    )
    try:
        yield Processes(rank, world, chosen)
    finally:
        distributed.destroy_process_group()


def _device(text: str, local: int | None) -> torch.device:
    if text == 'auto':
        text = 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        device = torch.device(text)
    except RuntimeError:
        raise ConfigError(f'device {text!r} is unknown to torch.') from None
    if device.type == 'cuda':
        if not torch.cuda.is_available():
            raise ConfigError('device cuda: torch finds no GPU.', 'Use --device cpu.')
        if local is not None:
            device = torch.device('cuda', local)
        torch.cuda.set_device(device)
    return device
