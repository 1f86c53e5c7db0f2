"""One run from sources to weights and report: what `depth-node train` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
from dataclasses import dataclass
import json
from pathlib import Path

import torch

from depth_node.errors import ConfigError
from depth_node.model import OutputKind
from depth_node.training.checkpoint import Progress
from depth_node.training.config import TrainConfig
from depth_node.training.data.recording import Recording
from depth_node.training.data.samples import Samples
from depth_node.training.learner import Learner
from depth_node.training.processes import Processes
from depth_node.training.report import write_report
from depth_node.training.start import start_from
from depth_node.training.trainer import Trainer
from depth_node.training.validation import Validation
from depth_node.training.watch import watching

HELD_OUT = 0.1


@dataclass(frozen=True)
class Result:
    """
    What a run came to.

    :param progress: with the curves.
    :param figures: of the best validation.
    """

    progress: Progress
    figures: dict[str, float]


def split(
    training: Sequence[Recording], validation: Sequence[Recording], least: int = 1
) -> tuple[list[Recording], list[Recording]]:
    """
    Hold out the last tenth of every recording, if nothing is given to validate on.

    :param training: recordings.
    :param validation: recordings, or none.
    :param least: frames held out of a recording too short for a tenth to be of use.
    :returns: what to train on and what to validate on.
    """
    if validation:
        return list(training), list(validation)
    cuts = [(r, len(r) - max(round(len(r) * HELD_OUT), least)) for r in training]
    return [r.part(0, cut) for r, cut in cuts], [r.part(cut, len(r)) for r, cut in cuts]


def train(
    config: TrainConfig,
    training: Sequence[Recording],
    validation: Sequence[Recording],
    out: Path,
    processes: Processes,
    *,
    resume: bool = False,
    say: Callable[[str], None] = print,
    lesson: OutputKind = OutputKind.METRIC_DEPTH,
) -> Result:
    """
    Train, and write `last.pt`, `best.pt`, `report.html`, `metrics.json` and TensorBoard's files.

    :param config: all choices.
    :param training: recordings to learn from.
    :param validation: recordings to judge by; empty: a tenth is held out.
    :param out: the folder for all results, made when it is not there.
    :param processes: who takes part.
    :param resume: go on from `last.pt` where there is one.
    :param say: takes one line at a time.
    :param lesson: what the teacher's numbers mean, for distillation.
    :returns: the curves and the best figures.
    :raises ConfigError: metres are promised that nothing fixes.
    :raises DataError: recordings without what the objective needs.
    :raises DivergedError: the loss is not a number.
    """
    out.mkdir(parents=True, exist_ok=True)
    if config.threads:
        torch.set_num_threads(config.threads)
    learned, judged = split(training, validation, 2 * config.neighbors + 1)
    talk = say if processes.first else _silent
    samples, held_out = Samples(learned, config), Samples(judged, config)
    torch.manual_seed(config.seed)
    focal = config.focal or samples.focal()
    learner = Learner(config, focal, lesson)
    talk(
        f'{len(samples)} samples to learn from, {len(held_out)} to judge by; '
        f'{config.network} at {config.size} on {processes.device}.'
    )
    if config.weights:
        found = start_from(learner, Path(config.weights))
        talk(f'Starting from {found}.')
    metric = is_metric(config, samples, lesson)
    if OutputKind(config.kind).is_metric and not metric:
        raise ConfigError(
            f'kind {config.kind} promises metres, but nothing here says what a metre is.',
            'Use --kind sigmoid_disparity, or --odometry with poses, or stereo pairs.',
        )
    trainer = Trainer(learner, samples, held_out, out, processes, metric=metric)
    if resume and (out / 'last.pt').is_file():
        trainer.resume(out / 'last.pt')
        talk(f'Resuming at step {trainer.progress.step}.')
    watch = None
    if processes.first:
        steps, every = config.steps, config.log_every
        watch = watching(out / 'tensorboard', steps, trainer.progress.step, every)
    try:
        progress = trainer.run(watch=watch)
    finally:
        if watch is not None:
            watch.close()
    if processes.first:
        _write(out, config, trainer, [*training, *validation])
    return Result(progress, best_figures(progress))


def is_metric(config: TrainConfig, samples: Samples, lesson: OutputKind) -> bool:
    """
    Tell whether what is learned is in metres.

    :param config: the objective, and whether odometry counts.
    :param samples: whether there are stereo partners.
    :param lesson: what the teacher's numbers mean.
    :returns: whether something fixes the scale.
    """
    if config.objective == 'self_supervised':
        return config.odometry > 0 or samples.stereo
    return config.objective == 'supervised' or lesson.is_metric


def best_figures(progress: Progress) -> dict[str, float]:
    """
    Find the figures of the best validation.

    :param progress: of a run.
    :returns: figures by name, empty when nothing was validated.
    """
    rows = [row for row in progress.validations if row['step'] == progress.best_step]
    return {name: value for name, value in rows[-1].items() if name != 'step'} if rows else {}


def _write(
    out: Path, config: TrainConfig, trainer: Trainer, recordings: Sequence[Recording]
) -> None:
    progress = trainer.progress
    last: Validation | None = trainer.validation
    write_report(
        out / 'report.html', config, progress, last.pictures if last else [],
        [(r.name, str(r.counts)) for r in recordings],
    )
    last_step = progress.curve[-1] if progress.curve else {}
    facts = {
        'best': best_figures(progress),
        'best_step': progress.best_step,
        'steps': progress.step,
        'seconds': progress.seconds,
        'images_per_s': last_step.get('images_per_s'),
        'waiting': last_step.get('waiting'),
        'validations': progress.validations,
        'config': dataclasses.asdict(config),
    }
    (out / 'metrics.json').write_text(json.dumps(facts, indent=2) + '\n', encoding='utf-8')


def _silent(_: str) -> None:
    pass
