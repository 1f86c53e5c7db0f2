"""Ablation of the self-supervised loss: the same run without each of its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
from pathlib import Path
from typing import Any

from depth_node.errors import ConfigError
from depth_node.training.config import SWITCHES, TrainConfig
from depth_node.training.data.recording import Recording
from depth_node.training.processes import Processes
from depth_node.training.run import Result, train

FULL = 'everything'
COLUMNS = ('abs_rel_median', 'abs_rel', 'loss')


def variants(config: TrainConfig) -> dict[str, TrainConfig]:
    """
    Return the runs of an ablation.

    :param config: the full loss.
    :returns: name to configuration: the full loss, then without each part that is enabled.
    :raises ConfigError: the run is not self-supervised.
    """
    if config.objective != 'self_supervised':
        raise ConfigError('An ablation needs --objective self_supervised.')
    runs = {FULL: config}
    for name in SWITCHES:
        value = getattr(config, name)
        if value:
            off: dict[str, Any] = {name: 0.0 if isinstance(value, float) else False}
            runs[f'without {name}'] = dataclasses.replace(config, **off)
    return runs


def ablate(
    config: TrainConfig,
    training: Sequence[Recording],
    validation: Sequence[Recording],
    out: Path,
    processes: Processes,
    *,
    resume: bool = False,
    say: Callable[[str], None] = print,
) -> dict[str, Result]:
    """
    Train every variant with the same seed and order, and write `ablation.md`.

    :param config: the full loss.
    :param training: recordings for training.
    :param validation: recordings for validation, with depth for metrics other than the loss;
        empty: a tenth of the training data is held out.
    :param out: the output folder, with a subfolder for each variant.
    :param processes: the processes that take part.
    :param resume: continue after an interruption.
    :param say: called with one line of text at a time.
    :returns: the results by variant.
    """
    results: dict[str, Result] = {}
    for name, variant in variants(config).items():
        say(f'{name}:')
        folder = out / name.replace(' ', '_')
        results[name] = train(
            variant, training, validation, folder, processes, resume=resume, say=say
        )
        (out / 'ablation.md').write_text(table(results), encoding='utf-8')
    return results


def table(results: dict[str, Result]) -> str:
    """
    Return the results as a Markdown table.

    :param results: by name of the variant; the table shows the last validation, so that no
        variant benefits from a lucky earlier one.
    :returns: the table.
    """
    rows = {name: result.progress.validations[-1] for name, result in results.items()}
    columns = [c for c in COLUMNS if all(c in row for row in rows.values())]
    lines = [f'| loss | {" | ".join(columns)} |', '|---' * (len(columns) + 1) + '|']
    lines += [
        f'| {name} | ' + ' | '.join(f'{row[c]:.4f}' for c in columns) + ' |'
        for name, row in rows.items()
    ]
    return '\n'.join(lines) + '\n'
