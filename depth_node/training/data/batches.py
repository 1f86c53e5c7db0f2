"""
Batches in an order that is a pure function of the seed and the step.

Nothing about the order or the augmentation has to be saved to resume: step 1000 gets the same
batch whether the run came there in one go or not, and whatever the number of processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
import time

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from depth_node.training.data.samples import Sample, Samples


@dataclass(frozen=True)
class Batch:
    """
    Samples stacked; see :class:`Sample`.

    :param frames: float32 (B, S, 3, H, W), 0 to 1.
    :param inputs: float32 (B, S, 3, H, W), 0 to 1.
    :param intrinsics: float32 (B, 3, 3) (pixels).
    :param lengths: float32 (B, sources in time) (m), NaN unknown.
    :param baselines: float32 (B,) (m), or None without stereo.
    :param depth: float32 (B, 1, H, W) (m), NaN where none, or None.
    :param lesson: float32 (B, 1, H, W), or None.
    """

    frames: Tensor
    inputs: Tensor
    intrinsics: Tensor
    lengths: Tensor
    baselines: Tensor | None
    depth: Tensor | None
    lesson: Tensor | None

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.frames)

    @property
    def focal(self) -> Tensor:
        """Vertical focal lengths, float32 (B,) (pixels)."""
        return self.intrinsics[:, 1, 1]


@dataclass(frozen=True)
class Stack:
    """
    A batch as it leaves the loader: on the host, pictures as bytes.

    :param numbers: which samples, for finding them again.
    :param tensors: by the field of :class:`Batch`.
    """

    numbers: tuple[int, ...]
    tensors: dict[str, Tensor]

    def to(self, device: torch.device) -> Batch:
        """
        Move to a device, a byte per channel, and make floats there.

        :param device: where the networks are.
        :returns: the batch.
        """
        moved = {k: t.to(device, non_blocking=True) for k, t in self.tensors.items()}
        for name in ('frames', 'inputs'):
            moved[name] = moved[name].permute(0, 1, 4, 2, 3).float() / 255.0
        # the losses pool over windows, which is several times slower with channels last
        moved['frames'] = moved['frames'].contiguous()
        optional = {name: moved.get(name) for name in ('baselines', 'depth', 'lesson')}
        return Batch(
            moved['frames'], moved['inputs'], moved['intrinsics'], moved['lengths'], **optional
        )


def stacked(samples: list[Sample], numbers: tuple[int, ...]) -> Stack:
    """
    Put samples together.

    :param samples: of one shape.
    :param numbers: which they are.
    :returns: the stack.
    """
    intrinsics = np.zeros((len(samples), 3, 3), np.float32)
    intrinsics[:, 2, 2] = 1.0
    for matrix, sample in zip(intrinsics, samples, strict=True):
        matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2] = sample.camera
    tensors = {
        'frames': torch.from_numpy(np.stack([s.frames for s in samples])),
        'inputs': torch.from_numpy(np.stack([s.inputs for s in samples])),
        'intrinsics': torch.from_numpy(intrinsics),
        'lengths': torch.from_numpy(np.stack([s.lengths for s in samples]).astype(np.float32)),
    }
    if samples[0].baseline:
        tensors['baselines'] = torch.tensor([s.baseline for s in samples], dtype=torch.float32)
    for name in ('depth', 'lesson'):
        planes = [getattr(s, name) for s in samples]
        known = next((p for p in planes if p is not None), None)
        if known is not None:
            blank = np.full_like(known, np.nan)
            planes = [blank if p is None else p for p in planes]
            tensors[name] = torch.from_numpy(np.stack(planes)[:, None])
    return Stack(numbers, tensors)


class Order:
    """
    Which samples come at which step: each epoch its own shuffle.

    :param count: number of samples.
    :param batch: samples per step.
    :param seed: of the shuffles.
    """

    def __init__(self, count: int, batch: int, seed: int) -> None:
        self._count, self._batch, self._seed = count, batch, seed
        self._shuffles: dict[int, NDArray[np.int64]] = {}

    def at(self, step: int) -> list[tuple[int, int]]:
        """
        List the samples of a step.

        :param step: from 0.
        :returns: position in the endless row of samples, and the sample at it.
        """
        positions = range(step * self._batch, (step + 1) * self._batch)
        return [(p, int(self._shuffle(p // self._count)[p % self._count])) for p in positions]

    def _shuffle(self, epoch: int) -> NDArray[np.int64]:
        if epoch not in self._shuffles:
            rng = np.random.default_rng([self._seed, 0, epoch])
            self._shuffles = {
                k: v for k, v in self._shuffles.items() if k >= epoch - 2
            } | {epoch: rng.permutation(self._count)}
        return self._shuffles[epoch]


class Loader:
    """
    Prepares batches ahead in threads, and measures how long they are waited for.

    Pictures come from mapped memory and all work on them is numpy's and OpenCV's, which let go
    of the interpreter; so threads do, and nothing is copied between processes.

    :param samples: what to draw from.
    :param order: which when.
    :param seed: of the augmentation.
    :param parts: how many stacks a step's batch comes in (gradient accumulation).
    :param rank: of this process; it takes every `world`-th sample.
    :param world: number of processes.
    :param workers: threads.
    :param pin: whether to lock the memory, for a GPU's copies.
    """

    def __init__(
        self,
        samples: Samples,
        order: Order,
        seed: int,
        *,
        parts: int = 1,
        rank: int = 0,
        world: int = 1,
        workers: int = 2,
        pin: bool = False,
    ) -> None:
        self._samples, self._order, self._seed = samples, order, seed
        self._parts, self._rank, self._world = parts, rank, world
        self._workers, self._pin = workers, pin
        self.waited = 0.0
        """Seconds the consumer waited for batches, since the beginning."""

    def from_step(self, step: int) -> Generator[list[Stack], None, None]:
        """
        Yield the stacks of each step, without end.

        :param step: the first.
        :returns: a generator; close it to stop the threads.
        """
        with ThreadPoolExecutor(self._workers, 'batch') as pool:
            ahead: deque[Future[list[Stack]]] = deque()
            try:
                while True:
                    while len(ahead) <= self._workers:
                        ahead.append(pool.submit(self.make, step))
                        step += 1
                    began = time.perf_counter()
                    stacks = ahead.popleft().result()
                    self.waited += time.perf_counter() - began
                    yield stacks
            finally:
                for future in ahead:
                    future.cancel()

    def make(self, step: int) -> list[Stack]:
        """
        Make this process's stacks of one step.

        :param step: from 0.
        :returns: as many as there are parts.
        """
        mine = self._order.at(step)[self._rank :: self._world]
        share = len(mine) // self._parts
        stacks = []
        for part in range(self._parts):
            chosen = mine[part * share : (part + 1) * share]
            samples = [
                self._samples.load(number, np.random.default_rng([self._seed, 1, position]))
                for position, number in chosen
            ]
            stack = stacked(samples, tuple(number for _, number in chosen))
            if self._pin:
                for name, tensor in stack.tensors.items():
                    stack.tensors[name] = tensor.pin_memory()
            stacks.append(stack)
        return stacks
