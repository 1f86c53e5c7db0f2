"""
The training loop.

Order, augmentation, dropout and learning rate are pure functions of the seed and the step, and
the remaining state is in the checkpoint: a resumed run ends with the same weights as an
uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, nullcontext
import math
from pathlib import Path
import time
from typing import Any

import numpy as np
import torch
from torch import nn, Tensor
from torch.nn.parallel import DistributedDataParallel

from depth_node.errors import ConfigError, DepthNodeError
from depth_node.training.checkpoint import (
    Checkpoint,
    read_checkpoint,
    RunProgress,
    write_checkpoint,
)
from depth_node.training.data.batches import Loader, Order, Stack
from depth_node.training.data.samples import Samples
from depth_node.training.learner import Learner, Outcome
from depth_node.training.processes import Processes
from depth_node.training.schedule import build_optimizer, learning_rate, set_learning_rate
from depth_node.training.validation import validate, Validation
from depth_node.training.watch import NullWatch, PART, Watch

_FREE = ('device', 'workers', 'threads', 'print_every')
"""Options that may differ when a run is resumed, because the result does not depend on them."""


class DivergedError(DepthNodeError):
    """The loss or a gradient is not finite."""


class Trainer:
    """
    Trains a learner and writes its checkpoints.

    :param learner: the networks and their loss, on the CPU.
    :param training: samples for training.
    :param validation: samples for validation.
    :param out: folder for `last.pt` and `best.pt`.
    :param processes: the processes that take part.
    :param metric: whether the learned depth is in metres.
    :raises ConfigError: the batch cannot be divided equally.
    """

    def __init__(
        self,
        learner: Learner,
        training: Samples,
        validation: Samples,
        out: Path,
        processes: Processes,
        *,
        metric: bool,
    ) -> None:
        config = learner.config
        share = processes.world * config.accumulate
        if config.batch % share:
            raise ConfigError(
                f'batch {config.batch} cannot be divided equally among {processes.world} '
                f'processes with {config.accumulate} parts each.'
            )
        self.config, self.out, self.processes = config, out, processes
        self.learner = learner.to(processes.device)
        if config.channels_last:
            self.learner = self.learner.to(memory_format=torch.channels_last)
        self.progress = RunProgress()
        self.validation: Validation | None = None
        """The last validation."""
        self._validation_samples = validation
        self._metric = metric
        self._optimizer = build_optimizer(config, self.learner)
        self._scaler = torch.amp.GradScaler(
            processes.device.type, enabled=config.precision == 'fp16'
        )
        self._loader = Loader(
            training,
            Order(len(training), config.batch, config.seed),
            config.seed,
            parts=config.accumulate,
            rank=processes.rank,
            world=processes.world,
            workers=config.workers,
            pin=processes.device.type == 'cuda',
        )

    def resume(self, path: Path) -> None:
        """
        Continue from a checkpoint of the same run.

        :param path: usually `last.pt`.
        :raises ConfigError: it is from a run with other options.
        """
        saved = read_checkpoint(path)
        changed = [
            name
            for name in vars(self.config)
            if getattr(self.config, name) != getattr(saved.config, name)
            and name not in _FREE
        ]
        if changed:
            raise ConfigError(
                f'{path}: was trained with another {", ".join(changed)}.',
                'Resume with the same options, or start a new run with --weights.',
            )
        self.learner.depth.load_state_dict(dict(saved.depth))
        if self.learner.pose is not None:
            self.learner.pose.load_state_dict(dict(saved.pose))
        self._optimizer.load_state_dict(dict(saved.optimizer))
        self._scaler.load_state_dict(dict(saved.scaler))
        self.progress = saved.progress

    def run(self, until: int | None = None, watch: Watch | None = None) -> RunProgress:
        """
        Train to the end, or until there is no improvement; write checkpoints.

        :param until: stop after this step as if interrupted; None: train to the configured end.
        :param watch: called for every step and validation.
        :returns: the progress.
        :raises DivergedError: the loss is not finite; the batch is saved.
        """
        watch = watch or NullWatch()
        end = min(self.config.steps, until or self.config.steps)
        model = self._distributed()
        if self.config.weights and not self.progress.step:
            self._validate(watch)  # what is there to improve on
        self.learner.train()
        waited, began = self._loader.waited, time.perf_counter()
        first = self.progress.step
        with closing(self._loader.from_step(first)) as steps:
            try:
                while self.progress.step < end:
                    figures = self._step(model, next(steps))
                    self.progress.step += 1
                    spent = time.perf_counter() - began
                    done = self.progress.step - first
                    figures['images_per_s'] = done * self.config.batch / spent
                    figures['waiting'] = (self._loader.waited - waited) / spent
                    self._note(figures)
                    over = self._ends(watch)
                    watch.stepped(self.progress.step, figures)
                    if over:
                        break
            except KeyboardInterrupt:
                self._finish(began)
                raise
        self._finish(began)
        return self.progress

    def _finish(self, began: float) -> None:
        self.progress.seconds += time.perf_counter() - began
        self._save('last.pt')

    def _distributed(self) -> nn.Module:
        if self.processes.world == 1:
            return self.learner
        if self.processes.device.type == 'cuda':
            self.learner = nn.SyncBatchNorm.convert_sync_batchnorm(self.learner)
        return DistributedDataParallel(self.learner)

    def _step(self, model: nn.Module, stacks: list[Stack]) -> dict[str, float]:
        """Make one optimizer step."""
        config, step = self.config, self.progress.step
        self._seed(step)
        if config.freeze_after and step >= config.freeze_after and not self.learner.frozen:
            self.learner.frozen = True
            self.learner.train()
        rate = learning_rate(config, step)
        set_learning_rate(self._optimizer, rate)
        self._optimizer.zero_grad(set_to_none=True)
        sums: dict[str, float] = {}
        for number, stack in enumerate(stacks):
            last = number == len(stacks) - 1
            # gradients are exchanged once, with the last part
            quiet = nullcontext() if last or self.processes.world == 1 else model.no_sync()
            with quiet:
                outcome = model(stack.to(self.processes.device))
                self._scaler.scale(outcome.loss / len(stacks)).backward()
            for name, value in _figures(outcome).items():
                sums[name] = sums.get(name, 0.0) + float(value.detach()) / len(stacks)
        self._scaler.unscale_(self._optimizer)
        norm = float(
            nn.utils.clip_grad_norm_(self.learner.parameters(), config.clip or math.inf)
        )
        # with fp16 an infinite gradient is the scaler's business: it skips the step
        lost = not math.isfinite(sums['loss']) or (
            not math.isfinite(norm) and not self._scaler.is_enabled()
        )
        if self.processes.worst(float(lost)):
            self._diverged(stacks, sums['loss'], norm)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return {**sums, 'gradient': norm, 'learning_rate': rate}

    def _seed(self, step: int) -> None:
        """Seed dropout as a function of the step."""
        words = np.random.SeedSequence([self.config.seed, 2, step, self.processes.rank])
        torch.manual_seed(int(words.generate_state(1)[0]))

    def _diverged(self, stacks: list[Stack], loss: float, norm: float) -> None:
        """Save the batch and weights that diverged, and raise the error."""
        path = self.out / f'diverged-{self.progress.step}-{self.processes.rank}.pt'
        torch.save(
            {
                'step': self.progress.step,
                'numbers': [list(stack.numbers) for stack in stacks],
                'batch': [stack.tensors for stack in stacks],
                'learner': self.learner.state_dict(),
            },
            path,
        )
        raise DivergedError(
            f'Step {self.progress.step}: the loss is {loss:g} and the gradient {norm:g}, expected '
            f'finite numbers. The batch is saved in {path}.',
            'Lower --learning-rate, or use --precision fp32 or bf16.',
        )

    def _note(self, figures: Mapping[str, float]) -> None:
        step = self.progress.step
        if step % self.config.log_every == 0 or step == 1:
            self.progress.curve.append({'step': step, **figures})

    def _ends(self, watch: Watch) -> bool:
        """Validate and save if due; return whether to stop early."""
        config, progress = self.config, self.progress
        over = False
        if progress.step % config.validate_every == 0 or progress.step == config.steps:
            self._validate(watch)
            over = bool(config.patience) and progress.worse >= config.patience
            over = bool(self.processes.agree(float(over)))
        if progress.step % config.save_every == 0 and not over:
            self._save('last.pt')
        return over

    def _validate(self, watch: Watch) -> None:
        if not self.processes.first:
            return
        progress = self.progress
        self.validation = validate(
            self.learner, self._validation_samples, self.processes.device
        )
        figures = self.validation.figures
        progress.validations.append({'step': progress.step, **figures})
        watch.validated(progress.step, self.validation)
        value = figures.get(self.config.selection, figures['loss'])
        if value < progress.best:
            progress.best, progress.best_step, progress.worse = value, progress.step, 0
            self._save('best.pt')
        else:
            progress.worse += 1

    def _save(self, name: str) -> None:
        if not self.processes.first:
            return
        pose = self.learner.pose
        whole: dict[str, Any] = {}
        if name == 'last.pt':
            whole = self._optimizer.state_dict()
        write_checkpoint(
            self.out / name,
            Checkpoint(
                self.config,
                self.learner.focal,
                self._metric,
                self.progress,
                self.learner.depth.state_dict(),
                {} if pose is None else pose.state_dict(),
                whole,
                self._scaler.state_dict() if whole else {},
            ),
        )


def _figures(outcome: Outcome) -> dict[str, Tensor]:
    parts = {f'{PART}{name}': part for name, part in outcome.parts.items()}
    return {'loss': outcome.loss, **parts, 'used': outcome.used}
