"""Train the embedded network: the small network on synthetic rooms, supervised, one recipe."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
import time

import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from depth_node.model import OutputKind
from depth_node.training.embedded.augment import taken
from depth_node.training.embedded.frames import Frames
from depth_node.training.embedded.loss import depth_loss
from depth_node.training.embedded.shards import Pool
from depth_node.training.muon import Muon
from depth_node.training.networks import Architecture, DepthNetwork, NetworkConfig

CONFIG = NetworkConfig(
    Architecture.WIDE, OutputKind.CANONICAL_DEPTH, scales=1, min_depth=0.1, max_depth=80.0
)


@dataclass(frozen=True)
class Recipe:
    """
    All that decides what comes out, apart from the frames.

    :param seed: of weights, order and augmentation.
    :param steps: length of the run.
    :param minutes: length of the run in minutes of training instead; None: it has `steps`. Then
        what comes out depends on the machine, too.
    :param small: share of the run, at its start, that sees frames of half the size: most of what
        there is to learn shows there, for a quarter of the time.
    :param rates: learning rate of Muon (AdamW, for what is no hidden layer, has a third) at some
        shares of the run, straight lines between them.
    :param batch: frames in a step.
    :param sensor: how much cameras differ, see :func:`depth_node.world.sensor.draw_sensor`.
    :param zoom: the most a frame is zoomed into.
    :param nearness: frames are drawn with chances that fall with this power of their median
        depth; 0: each as often. Real cameras on robots and desks see things from near by.
    :param shape: of the loss: weights of the scale-invariant and the gradient term, and share of
        the relative error, see :func:`depth_loss`.
    :param weight_decay: of both.
    :param average: how much of itself the averaged network keeps in a step.
    :param validate_every: steps between two looks at the validation frames and saves.
    """

    seed: int = 0
    steps: int = 16000
    minutes: float | None = None
    small: float = 0.6
    rates: tuple[tuple[float, float], ...] = (
        (0.0, 0.0), (0.01, 5e-3), (0.6, 1e-3), (0.601, 2.5e-3), (1.0, 0.0),
    )
    batch: int = 32
    sensor: float = 1.0
    zoom: float = 1.5
    nearness: float = 0.8
    shape: tuple[float, float, float] = (0.3, 0.5, 0.5)
    weight_decay: float = 5e-2
    average: float = 0.99
    validate_every: int = 250

    def rate(self, share: float) -> float:
        """
        Return the learning rate at some point of the run.

        :param share: of the run, 0 to 1.
        :returns: the rate of Muon.
        """
        shares, rates = zip(*self.rates, strict=True)
        return float(np.interp(share, shares, rates))


def batch_of(
    pool: Pool, recipe: Recipe, step: int, half: bool
) -> tuple[Tensor, Tensor]:
    """
    Draw an augmented batch; it depends on the frames, the seed and the step alone.

    :param pool: to draw from.
    :param recipe: seed, batch size and cameras.
    :param step: which.
    :param half: at half the size.
    :returns: rgb float (B, 3, H, W), 0 to 1, and canonical depth float (B, 1, H, W).
    """
    rng = np.random.default_rng((recipe.seed, step))
    return tensors([
        taken(*pool.draw(rng, half), rng, recipe.sensor, recipe.zoom)
        for _ in range(recipe.batch)
    ])


def tensors(
    pairs: list[tuple[NDArray[np.uint8], NDArray[np.float32]]]
) -> tuple[Tensor, Tensor]:
    """
    Stack pictures and depths.

    :param pairs: rgb uint8 (H, W, 3) and canonical depth float32 (H, W).
    :returns: rgb float (B, 3, H, W), 0 to 1, and canonical depth float (B, 1, H, W).
    """
    images = torch.from_numpy(np.stack([image for image, _ in pairs]))
    depths = torch.from_numpy(np.stack([depth for _, depth in pairs]))
    return images.permute(0, 3, 1, 2).float() / 255, depths[:, None]


@torch.no_grad()
def absolute_relative_error(network: nn.Module, frames: Frames, batch: int = 32) -> float:
    """
    Measure on frames kept aside: mean of |prediction - truth| / truth, frame by frame.

    :param network: gives canonical depth; put into evaluation mode.
    :param frames: the frames.
    :param batch: how many at once.
    :returns: abs_rel, without any scaling.
    """
    network.eval()
    errors: list[float] = []
    for start in range(0, len(frames), batch):
        chosen = np.arange(start, min(start + batch, len(frames)))
        # the same camera for the same frame every time; it is neither perfect nor bad
        images, truth = tensors([
            taken(frames.images[i], frames.depths[i], np.random.default_rng(i), 0.5, 1.0)
            for i in chosen
        ])
        found = network(images.to(memory_format=torch.channels_last))[0]
        known = truth.isfinite()
        relative = ((found - truth).abs() / truth).masked_fill(~known, 0)
        errors += (relative.sum((1, 2, 3)) / known.sum((1, 2, 3)).clamp(min=1)).tolist()
    return float(np.mean(errors))


class Run:
    """
    A run that can be stopped at any time and goes on from its last save.

    :param recipe: how to train.
    :param folder: holds ``checkpoint.pt`` and ``curve.csv``; read when they are there.
    :param start: checkpoint of another run whose weights this one begins with; None: random ones.
    """

    def __init__(self, recipe: Recipe, folder: Path, start: Path | None = None) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.network = DepthNetwork(CONFIG).to(memory_format=torch.channels_last)
        self.averaged = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(recipe.average), use_buffers=True
        )
        # the first layer sees colors, the last gives one number: neither is a hidden layer
        hidden = [
            p for p in self.network.parameters()
            if p.ndim == 4 and p.shape[0] > 1 and p.shape[1] > 3
        ]
        known = {id(p) for p in hidden}
        rest = [p for p in self.network.parameters() if id(p) not in known]
        decay = recipe.weight_decay
        self.muon = Muon(hidden, 0.0, weight_decay=decay)
        self.adam = torch.optim.AdamW(rest, 0.0, weight_decay=decay)
        self.step, self.seconds = 0, 0.0
        self._saved, self._curve = folder / 'checkpoint.pt', folder / 'curve.csv'
        self._parts = {
            'network': self.network, 'averaged': self.averaged, 'muon': self.muon,
            'adam': self.adam,
        }
        folder.mkdir(parents=True, exist_ok=True)
        if self._saved.is_file():
            state = torch.load(self._saved, weights_only=True)
            for name, part in self._parts.items():
                part.load_state_dict(state[name])
            self.step, self.seconds = state['step'], state['seconds']
        else:
            if start is not None:
                state = torch.load(start, weights_only=True)
                self.network.load_state_dict(state['network'])
                self.averaged.load_state_dict(state['averaged'])
            self._curve.write_text('step,minutes,frames,size,loss,abs_rel\n', encoding='utf-8')

    @property
    def share(self) -> float:
        """How much of the run is done, 0 to 1."""
        if self.recipe.minutes is None:
            return min(self.step / self.recipe.steps, 1.0)
        return min(self.seconds / (60 * self.recipe.minutes), 1.0)

    def train(self, pool: Pool, validation: Frames, until: float = 1.0) -> None:
        """
        Go on.

        :param pool: to learn from.
        :param validation: to measure on, of whole size; never learned from.
        :param until: share of the run to stop after.
        """
        losses: list[float] = []
        half = self.share < self.recipe.small
        kept = validation.halved() if half else validation
        while self.share < until:
            started = time.monotonic()
            if half and self.share >= self.recipe.small:
                half, kept = False, validation
            losses.append(self._learn(*batch_of(pool, self.recipe, self.step, half)))
            self.step += 1
            self.seconds += time.monotonic() - started
            if self.step % self.recipe.validate_every == 0 or self.share >= until:
                error = absolute_relative_error(self.averaged, kept)
                self._note(losses, error, len(pool), kept.depths.shape[2])
                losses = []
                pool.look()

    def _learn(self, images: Tensor, truth: Tensor) -> float:
        rate = self.recipe.rate(self.share)
        self.muon.param_groups[0]['lr'] = rate
        self.adam.param_groups[0]['lr'] = rate / 3
        self.network.train()
        with torch.autocast('cpu', torch.bfloat16):
            found = self.network(images.to(memory_format=torch.channels_last))[0]
        loss = depth_loss(found, truth, *self.recipe.shape)
        self.muon.zero_grad()
        self.adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.muon.step()
        self.adam.step()
        self.averaged.update_parameters(self.network)
        return loss.item()

    def _note(self, losses: list[float], error: float, frames: int, width: int) -> None:
        with self._curve.open('a', encoding='utf-8', newline='') as file:
            csv.writer(file).writerow([
                self.step, f'{self.seconds / 60:.1f}', frames, width, f'{np.mean(losses):.4f}',
                f'{error:.4f}',
            ])
        state = {name: part.state_dict() for name, part in self._parts.items()}
        part = self._saved.with_suffix('.part')
        torch.save({**state, 'step': self.step, 'seconds': self.seconds}, part)
        part.replace(self._saved)


def train(
    pool: Pool, validation: Frames, recipe: Recipe, folder: Path, *, threads: int = 1,
    start: Path | None = None,
) -> DepthNetwork:
    """
    Train, or go on where a run in the same folder stopped.

    :param pool: to learn from.
    :param validation: to measure on; never learned from.
    :param recipe: how.
    :param folder: gets ``checkpoint.pt`` and ``curve.csv``.
    :param threads: of torch.
    :param start: checkpoint of another run whose weights a new run begins with.
    :returns: the averaged network.
    """
    torch.set_num_threads(threads)
    run = Run(recipe, folder, start)
    run.train(pool, validation)
    trained: DepthNetwork = run.averaged.module.eval()
    return trained
