"""Train the embedded network: the small network on synthetic rooms, supervised, one recipe."""

from __future__ import annotations

import csv
from dataclasses import dataclass
import functools
from pathlib import Path
import time

import numpy as np
import torch
from torch import nn, Tensor
from torch.nn import functional

from depth_node.model import OutputKind
from depth_node.training.embedded.augment import light, taken
from depth_node.training.embedded.cameras import Cameras
from depth_node.training.embedded.frames import Frames
from depth_node.training.embedded.learner import Learner
from depth_node.training.embedded.shards import Pool
from depth_node.training.networks import Architecture, DepthNetwork, NetworkConfig
from depth_node.training.networks.weights import read_state

_WARM = 0.01  # share of a run in which the learning rate rises
_CAMERAS = 20000  # different cameras in a run
_USUAL = 0.5  # how far the cameras of the frames kept aside stray: neither perfect nor bad
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
    :param peak: learning rate of Muon (AdamW, for what is no hidden layer, has a third): up to
        this in a hundredth of the run, down to a fifth of it when the size changes, and from a
        half of it to nothing at the end. A network that is trained already wants less.
    :param rates: learning rates at some shares of the run instead, straight lines between them.
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
    :param look_every: steps between two looks for frames that have been finished meanwhile.
    """

    seed: int = 0
    steps: int = 16000
    minutes: float | None = None
    small: float = 0.6
    peak: float = 5e-3
    rates: tuple[tuple[float, float], ...] | None = None
    batch: int = 32
    sensor: float = 1.0
    zoom: float = 1.5
    nearness: float = 0.8
    shape: tuple[float, float, float] = (0.3, 0.5, 1.0)
    weight_decay: float = 5e-2
    average: float = 0.99
    validate_every: int = 250
    look_every: int = 50

    def rate(self, share: float) -> float:
        """
        Return the learning rate at some point of the run.

        :param share: of the run, 0 to 1.
        :returns: the rate of Muon.
        """
        small, peak = self.small, self.peak
        start = ((0.0, 0.0), (_WARM, peak), (small, peak / 5)) if small > _WARM else ((0.0, 0.0),)
        usual = (*start, (max(small, _WARM) + 1e-3, peak / 2), (1.0, 0.0))
        shares, rates = zip(*(self.rates or usual), strict=True)
        return float(np.interp(share, shares, rates))


def batch_of(pool: Pool, recipe: Recipe, step: int, half: bool) -> tuple[Tensor, Tensor]:
    """
    Draw an augmented batch; it depends on the frames, the seed and the step alone.

    :param pool: to draw from.
    :param recipe: seed, batch size and cameras.
    :param step: which.
    :param half: at half the size.
    :returns: rgb float (B, 3, H, W), 0 to 1, and canonical depth float (B, 1, H, W), on the
        device of the pool.
    """
    rng = np.random.default_rng((recipe.seed, step))
    images, depths = pool.draw(rng, recipe.batch)
    if half:
        images, depths = halved(images, depths)
    generator = torch.Generator(pool.device).manual_seed(int(rng.integers(2**62)))
    cameras = _cameras(recipe.sensor, recipe.seed, pool.device)
    return taken(images, depths, generator, cameras, recipe.zoom)


@functools.lru_cache(maxsize=2)
def _cameras(strength: float, seed: int, device: torch.device) -> Cameras:
    return Cameras.drawn(_CAMERAS, strength, seed, device)


def halved(images: Tensor, depths: Tensor) -> tuple[Tensor, Tensor]:
    """
    Shrink frames to half their size.

    :param images: uint8 (B, H, W, 3).
    :param depths: float (B, H, W), canonical.
    :returns: float (B, H/2, W/2, 3), and canonical depths, which double, as half as long a lens
        makes them.
    """
    small = functional.avg_pool2d(images.permute(0, 3, 1, 2).float(), 2)
    return small.permute(0, 2, 3, 1), 2 * depths[:, ::2, ::2].float()


@torch.no_grad()
def relative_errors(
    network: nn.Module, frames: Frames, device: torch.device, *, half: bool = False,
    batch: int = 32,
) -> tuple[float, float]:
    """
    Measure on frames kept aside: mean of |prediction - truth| / truth, frame by frame.

    :param network: gives canonical depth; put into evaluation mode.
    :param frames: the frames; the same camera takes the same frame every time.
    :param device: of the network.
    :param half: at half the size.
    :param batch: how many at once.
    :returns: abs_rel as it is, and after each prediction was scaled to the median of the truth.
    """
    network.eval()
    errors: list[tuple[float, float]] = []
    cameras = Cameras.drawn(len(frames), _USUAL, 0, device)
    for start in range(0, len(frames), batch):
        chosen = slice(start, min(start + batch, len(frames)))
        images = torch.from_numpy(np.array(frames.images[chosen])).to(device)
        depths = torch.from_numpy(np.array(frames.depths[chosen])).to(device)
        if half:
            images, depths = halved(images, depths)
        generator = torch.Generator(device).manual_seed(start)
        which = torch.arange(chosen.start, chosen.stop, device=device)
        radiance = light(images.permute(0, 3, 1, 2))
        pictures = cameras.chosen(which).pictures(radiance, generator)
        found = network(pictures.to(memory_format=torch.channels_last))[0]
        for prediction, truth in zip(found[:, 0], depths.float(), strict=True):
            known = truth.isfinite()
            if known.any():
                predicted, true = prediction[known], truth[known]
                scaled = predicted * (true.median() / predicted.median())
                errors.append((
                    ((predicted - true).abs() / true).mean().item(),
                    ((scaled - true).abs() / true).mean().item(),
                ))
    metric, scaled_too = np.mean(errors, 0).tolist()
    return metric, scaled_too


class Run:
    """
    A run that can be stopped at any time and goes on from its last save.

    :param recipe: how to train.
    :param folder: holds ``checkpoint.pt`` and ``curve.csv``; read when they are there.
    :param start: checkpoint of another run whose weights this one begins with; None: random ones.
    :param device: to train on.
    """

    def __init__(
        self, recipe: Recipe, folder: Path, start: Path | None = None,
        device: torch.device | None = None,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.device = device or torch.device('cpu')
        self.learner = Learner(
            DepthNetwork(CONFIG), self.device, shape=recipe.shape, average=recipe.average,
            weight_decay=recipe.weight_decay,
        )
        self.step, self.seconds = 0, 0.0
        self._saved, self._curve = folder / 'checkpoint.pt', folder / 'curve.csv'
        folder.mkdir(parents=True, exist_ok=True)
        if self._saved.is_file():
            state = read_state(self._saved)
            self.learner.restore(state)
            self.step, self.seconds = state['step'], state['seconds']
        else:
            if start is not None:
                state = read_state(start)
                self.learner.restore(state, weights_only=True)
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
        recipe = self.recipe
        losses: list[Tensor] = []
        while self.share < until:
            started = time.monotonic()
            half = self.share < recipe.small
            batch = batch_of(pool, recipe, self.step, half)
            losses.append(self.learner.learn(*batch, recipe.rate(self.share)))
            self.step += 1
            self.seconds += time.monotonic() - started
            if self.step % recipe.validate_every == 0 or self.share >= until:
                error, _ = relative_errors(
                    self.learner.averaged, validation, self.device, half=half
                )
                width = validation.depths.shape[2] // (2 if half else 1)
                self._note(torch.stack(losses).mean().item(), error, len(pool), width)
                losses = []
            if self.step % recipe.look_every == 0:
                pool.look()

    def _note(self, loss: float, error: float, frames: int, width: int) -> None:
        with self._curve.open('a', encoding='utf-8', newline='') as file:
            csv.writer(file).writerow([
                self.step, f'{self.seconds / 60:.1f}', frames, width, f'{loss:.4f}',
                f'{error:.4f}',
            ])
        part = self._saved.with_suffix('.part')
        torch.save(
            {**self.learner.state(), 'step': self.step, 'seconds': self.seconds}, part
        )
        part.replace(self._saved)


def train(
    pool: Pool, validation: Frames, recipe: Recipe, folder: Path, *, threads: int = 1,
    start: Path | None = None,
) -> DepthNetwork:
    """
    Train, or go on where a run in the same folder stopped, on the device of the pool.

    :param pool: to learn from.
    :param validation: to measure on; never learned from.
    :param recipe: how.
    :param folder: gets ``checkpoint.pt`` and ``curve.csv``.
    :param threads: of torch.
    :param start: checkpoint of another run whose weights a new run begins with.
    :returns: the averaged network, on the CPU.
    """
    torch.set_num_threads(threads)
    run = Run(recipe, folder, start, pool.device)
    run.train(pool, validation)
    trained: DepthNetwork = run.learner.averaged.cpu().eval()
    return trained
