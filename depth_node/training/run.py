"""One run from recordings to weights and report, for `depth-node train`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
from dataclasses import dataclass
import json
from pathlib import Path

import torch

from depth_node.errors import ConfigError
from depth_node.model import OutputKind
from depth_node.training.checkpoint import RunProgress
from depth_node.training.config import TrainConfig
from depth_node.training.data.recording import Recording
from depth_node.training.data.samples import Samples
from depth_node.training.learner import Learner
from depth_node.training.lines import Lines
from depth_node.training.processes import Processes
from depth_node.training.report import write_report
from depth_node.training.start import start_from
from depth_node.training.trainer import Trainer
from depth_node.training.validation import Validation
from depth_node.training.watch import beside_the_bar, watching

HELD_OUT = 0.1


@dataclass(frozen=True)
class Result:
    """
    The result of a run.

    :param progress: progress of the run, with its curves.
    :param figures: metrics of the best validation.
    """

    progress: RunProgress
    figures: dict[str, float]


def split(
    training: Sequence[Recording], validation: Sequence[Recording], least: int = 1
) -> tuple[list[Recording], list[Recording]]:
    """
    Hold out the last tenth of every recording if there is no validation recording.

    :param training: recordings for training.
    :param validation: recordings for validation, or none.
    :param least: minimum number of frames to hold out of a recording.
    :returns: recordings for training and for validation.
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
    Train; write `last.pt`, `best.pt`, `validation.png`, `report.html`, `metrics.json` and curves.

    `validation.png` is replaced by every validation; the curves are TensorBoard's files.

    :param config: the configuration.
    :param training: recordings for training.
    :param validation: recordings for validation; empty: a tenth is held out.
    :param out: the folder for all results, created if missing.
    :param processes: the processes that take part.
    :param resume: continue from `last.pt` if there is one.
    :param say: called with one line of text at a time.
    :param lesson: meaning of the teacher's output, for distillation.
    :returns: the curves and the best metrics.
    :raises ConfigError: the kind is metric, but the data do not determine the scale.
    :raises DataError: recordings without the data that the objective needs.
    :raises DivergedError: the loss is not finite.
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
        f'{len(samples)} samples for training, {len(held_out)} for validation; '
        f'{config.network} at {config.size} on {processes.device}.'
    )
    if config.weights:
        found = start_from(learner, Path(config.weights))
        talk(f'Starting from {found}.')
    metric = is_metric(config, samples, lesson)
    if OutputKind(config.kind).is_metric and not metric:
        raise ConfigError(
            f'kind {config.kind} is metric, but the recordings do not determine the scale.',
            'Use --kind sigmoid_disparity, or --odometry with poses, or stereo pairs.',
        )
    trainer = Trainer(learner, samples, held_out, out, processes, metric=metric)
    if resume and (out / 'last.pt').is_file():
        trainer.resume(out / 'last.pt')
        talk(f'Resuming at step {trainer.progress.step}.')
    watch = None
    if processes.first:
        lines = Lines(beside_the_bar(say), config, len(samples))
        watch = watching(
            out, lines, config.steps, trainer.progress.step, config.log_every, metric=metric
        )
    try:
        progress = trainer.run(watch=watch)
    finally:
        if watch is not None:
            watch.close()
    if processes.first:
        _write(out, config, trainer, [*training, *validation], metric=metric)
    return Result(progress, best_figures(progress))


def is_metric(config: TrainConfig, samples: Samples, lesson: OutputKind) -> bool:
    """
    Return whether the learned depth is in metres.

    :param config: the objective, and the weight of odometry.
    :param samples: the samples, which may have stereo partners.
    :param lesson: meaning of the teacher's output.
    :returns: whether the data determine the scale.
    """
    if config.objective == 'self_supervised':
        return config.odometry > 0 or samples.stereo
    return config.objective == 'supervised' or lesson.is_metric


def best_figures(progress: RunProgress) -> dict[str, float]:
    """
    Return the metrics of the best validation.

    :param progress: progress of a run.
    :returns: metrics by name; empty if there was no validation.
    """
    rows = [row for row in progress.validations if row['step'] == progress.best_step]
    return {name: value for name, value in rows[-1].items() if name != 'step'} if rows else {}


def _write(
    out: Path, config: TrainConfig, trainer: Trainer, recordings: Sequence[Recording], *,
    metric: bool,
) -> None:
    progress = trainer.progress
    last: Validation | None = trainer.validation
    write_report(
        out / 'report.html', config, progress, last.pictures if last else [],
        [(r.name, str(r.counts)) for r in recordings], metric=metric,
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
        'curve': progress.curve,
        'config': dataclasses.asdict(config),
    }
    (out / 'metrics.json').write_text(json.dumps(facts, indent=2) + '\n', encoding='utf-8')


def _silent(_: str) -> None:
    pass
