"""`depth-node train`: train a network for a robot on its own recordings."""

from __future__ import annotations

import argparse
from collections.abc import Callable
import dataclasses
from pathlib import Path
from typing import Any, TYPE_CHECKING, TypeAlias

from depth_node.catalogue.opening import open_model
from depth_node.cli.numbers import real
from depth_node.cli.progress import progress
from depth_node.cli.results import output_file, output_folder, write_json
from depth_node.config.fields import ParamSpec, specs
from depth_node.errors import ConfigError
from depth_node.image.size import Size
from depth_node.model import OutputKind

if TYPE_CHECKING:
    from depth_node.training.config import TrainConfig
    from depth_node.training.data.recording import Recording
    from depth_node.training.processes import Processes

Say: TypeAlias = Callable[[str], None]

_SOURCE = (
    'LAYOUT:WHERE[,option=value...]; layouts: folder, video, bag, kitti, rgbd, world, scenes; '
    'see doc/training.md'
)


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Add the options of this verb, including those of `TrainConfig`.

    :param parser: the parser of this verb.
    :raises ConfigError: torch is not installed.
    """
    try:
        from depth_node.training.config import TrainConfig
    except ImportError as error:
        raise ConfigError(
            f'Training needs torch ({error}).', "Install it: pip install 'depth_node[training]'."
        ) from error
    parser.add_argument(
        'sources', nargs='+', metavar='SOURCE', help=f'recording to train on: {_SOURCE}',
    )
    parser.add_argument(
        '--validation', nargs='+', default=[], metavar='SOURCE',
        help='recording to validate on; without it the last tenth of every recording is held out',
    )
    parser.add_argument(
        '--out', type=Path, required=True, metavar='DIR',
        help='output folder for best.pt, last.pt, validation.png (depth and truth of the latest '
             'validation), report.html, metrics.json and TensorBoard files',
    )
    parser.add_argument(
        '--cache', type=Path, metavar='DIR',
        help='folder for recordings at network size; without it `recordings` in --out',
    )
    parser.add_argument('--resume', action='store_true', help='continue from last.pt in --out')
    parser.add_argument(
        '--ablation', action='store_true',
        help='also train without each part of the self-supervised loss, and write a table',
    )
    parser.add_argument(
        '--least-motion', type=real(0.0, 1e4), default=1.0, metavar='PX',
        help='drop frames whose corners have moved less since the last one kept (pixels at '
        'network size); 0: keep all',
    )
    parser.add_argument(
        '--crop', action='store_true',
        help='keep the aspect ratio and crop the longer side instead of stretching',
    )
    parser.add_argument(
        '--json', metavar='FILE', type=output_file, help='also write the best metrics as JSON'
    )
    group = parser.add_argument_group('run')
    default = TrainConfig()
    for name, spec in specs(default).items():
        _add(group, name, getattr(default, name), spec)


def _add(group: Any, name: str, default: object, spec: ParamSpec) -> None:
    text = (f'{spec.doc} [{spec.unit}]' if spec.unit else spec.doc).replace('%', '%%')
    option = f'--{name.replace("_", "-")}'
    if isinstance(default, bool):
        group.add_argument(
            option, action=argparse.BooleanOptionalAction, default=default, help=text
        )
    else:
        group.add_argument(
            option, type=type(default), default=default, choices=spec.choices or None, help=text,
            metavar=None if spec.choices else name.rpartition('_')[2].upper(),
        )


def run(args: argparse.Namespace) -> None:
    """
    Read the recordings, run the teacher, train, and print the result.

    :param args: the parsed options.
    :raises DepthNodeError: wrong options, unusable recordings, or a diverging run.
    """
    from depth_node.training.config import config_from, TrainConfig
    from depth_node.training.processes import joined

    refuse_existing(args.out, resume=args.resume)
    config = config_from({f.name: getattr(args, f.name) for f in dataclasses.fields(TrainConfig)})
    with joined(config.device) as processes:
        figures = _trained(args, config, processes, _say if processes.first else _hush)
        if processes.first:
            write_json(args.json, figures)


def refuse_existing(out: Path, *, resume: bool) -> None:
    """
    Refuse a folder that holds a run, whose checkpoints would be overwritten.

    :param out: of `--out`.
    :param resume: whether the run in it is to be continued.
    :raises ConfigError: there is one, and it is not.
    """
    names = ('last.pt', 'best.pt')
    found = [path for name in names for path in (out / name, *out.glob(f'*/{name}'))]
    existing = next((path for path in found if path.exists()), None)
    if existing is not None and not resume:
        raise ConfigError(
            f'{existing}: a run is there already, and would be overwritten.',
            'Continue it with --resume, give another --out, or delete it.',
        )


def _trained(
    args: argparse.Namespace, config: TrainConfig, processes: Processes, say: Say
) -> dict[str, Any]:
    """Read, run the teacher, and train; return the content of the JSON file."""
    from depth_node.training.ablation import ablate, table
    from depth_node.training.run import train
    from depth_node.training.teacher import lesson_kind, taught

    out = output_folder(args.out)
    lesson = OutputKind.METRIC_DEPTH
    with processes.one_by_one():
        training = _recordings(args.sources, args, config.network_size, say)
        validation = _recordings(args.validation, args, config.network_size, say)
        if config.objective == 'distill':
            teacher = open_model(config.teacher)
            lesson = lesson_kind(teacher)
            say(f'Teacher {teacher.spec.name}: {lesson.value}.')
            training = taught(training, teacher, _frames)
            validation = taught(validation, teacher, _frames)
    if args.ablation:
        results = ablate(
            config, training, validation, out, processes, resume=args.resume, say=say
        )
        say(table(results))
        return {name: r.progress.validations[-1] for name, r in results.items()}
    result = train(
        config, training, validation, out, processes, resume=args.resume, say=say, lesson=lesson
    )
    for name, value in result.figures.items():
        say(f'{name:16} {value:.4f}')
    say(f'{out / "best.pt"}: export it with depth-node export. Report: {out / "report.html"}')
    return {**result.figures, 'step': result.progress.best_step}


def _recordings(
    texts: list[str], args: argparse.Namespace, size: Size, say: Say
) -> list[Recording]:
    from depth_node.training.data.prepare import RecordingOptions
    from depth_node.training.data.sources import read_source, Source

    cache = output_folder(args.cache or args.out / 'recordings')
    how = RecordingOptions(size, args.crop, args.least_motion)
    recordings = []
    for text in texts:
        source = Source.parse(text)
        recording = read_source(
            source, cache, how, lambda shots: progress(shots, None, 'frame')
        )
        say(f'{text}: {recording.counts}')
        recordings.append(recording)
    return recordings


def _frames(frames: Any, total: int) -> Any:
    return progress(frames, total, 'frame')


def _say(line: str) -> None:
    print(line, flush=True)


def _hush(_: str) -> None:
    """Print nothing, in all processes but one."""
