"""
Batches in an order that is a pure function of the seed and the step.

Order and augmentation need not be saved to resume: step 1000 gets the same batch whether the run
was interrupted or not, and for any number of processes.
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

from depth_node.training.data.samples import Samples, TrainingSample


@dataclass(frozen=True)
class Batch:
    """
    Stacked samples; see :class:`TrainingSample`.

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
        """Return the number of samples."""
        return len(self.frames)

    @property
    def focal(self) -> Tensor:
        """Vertical focal lengths, float32 (B,) (pixels)."""
        return self.intrinsics[:, 1, 1]


@dataclass(frozen=True)
class Stack:
    """
    A batch from the loader, in host memory, with images as bytes.

    :param numbers: indices of the samples.
    :param tensors: tensors by field of :class:`Batch`.
    """

    numbers: tuple[int, ...]
    tensors: dict[str, Tensor]

    def to(self, device: torch.device) -> Batch:
        """
        Copy the bytes to a device and convert them to floats there.

        :param device: the device of the networks.
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


def stacked(samples: list[TrainingSample], numbers: tuple[int, ...]) -> Stack:
    """
    Return samples stacked.

    :param samples: samples of one shape.
    :param numbers: their indices.
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
    The samples of every step, shuffled in every epoch.

    :param count: number of samples.
    :param batch: samples per step.
    :param seed: seed of the shuffles.
    """

    def __init__(self, count: int, batch: int, seed: int) -> None:
        self._count, self._batch, self._seed = count, batch, seed
        self._shuffles: dict[int, NDArray[np.int64]] = {}

    def at(self, step: int) -> list[tuple[int, int]]:
        """
        Return the samples of a step.

        :param step: from 0.
        :returns: positions in the endless sequence of samples, and the samples there.
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
    Loads batches ahead in threads, and measures the waiting time.

    Images are read from mapped memory and processed by NumPy and OpenCV, which release the GIL.
    Threads are therefore sufficient, and nothing is copied between processes.

    :param samples: the samples.
    :param order: their order.
    :param seed: seed of the augmentation.
    :param parts: number of stacks per step (gradient accumulation).
    :param rank: rank of this process, which takes every `world`-th sample.
    :param world: number of processes.
    :param workers: number of threads.
    :param pin: whether to use pinned memory, for copies to a GPU.
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
        """Total time that the consumer has waited for batches (s)."""

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
        Return the stacks of one step for this process.

        :param step: from 0.
        :returns: one stack per part.
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
