"""The report of a run: one HTML file with curves, metrics and sample depth images."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import html
import math
from pathlib import Path

import cv2

from depth_node.files import replacing
from depth_node.training.checkpoint import RunProgress
from depth_node.training.config import TrainConfig
from depth_node.training.pictures import validation_sheet
from depth_node.training.validation import Picture
from depth_node.training.watch import PART

_WIDTH, _HEIGHT, _MARGIN = 720, 240, 56
_STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 60em; margin: 2em auto; color: #222; }
table { border-collapse: collapse; } td, th { padding: .15em .8em; text-align: left; }
tr:nth-child(odd) { background: #f4f4f4; } img { display: block; margin: .4em 0; }
svg { background: #fafafa; } svg text { font: 12px sans-serif; fill: #555; }
"""


def write_report(
    path: Path,
    config: TrainConfig,
    progress: RunProgress,
    pictures: Sequence[Picture],
    sources: Sequence[tuple[str, str]],
    *,
    metric: bool,
) -> None:
    """
    Write the report, a self-contained file.

    :param path: the HTML file.
    :param config: configuration of the run.
    :param progress: progress of the run, with its curves.
    :param pictures: validated frames.
    :param sources: name of each recording, and a summary of its frames.
    :param metric: whether the learned depth is in metres.
    """
    best = next((v for v in progress.validations if v['step'] == progress.best_step), {})
    minutes = progress.seconds / 60
    rate = progress.step * config.batch / max(progress.seconds, 1e-9)
    waiting = progress.curve[-1].get('waiting', 0.0) if progress.curve else 0.0
    facts = [
        ('objective', config.objective.replace('_', '-')),
        ('network', f'{config.network} at {config.size}'),
        ('steps', f'{progress.step} of {config.batch} frames, {minutes:.1f} min'),
        ('speed', f'{rate:.1f} images/s, {waiting:.1%} of the time waiting for data'),
        ('best', f'step {progress.best_step}, by {config.selection}'),
    ]
    parts = [
        '<h1>Training report</h1>',
        _table([*facts, *((n, f'{v:.4f}') for n, v in best.items() if n != 'step')]),
        '<h2>Loss</h2>',
        chart({
            'training': _series(progress.curve, 'loss'),
            'validation': _series(progress.validations, 'loss'),
        }),
    ]
    names = [n for n in (progress.curve[-1] if progress.curve else {}) if n.startswith(PART)]
    if len(names) > 1:
        lines = {name.removeprefix(PART): _series(progress.curve, name) for name in names}
        parts += ['<h2>Parts of the training loss</h2>', chart(lines)]
    for name in ('abs_rel', 'abs_rel_median'):
        series = _series(progress.validations, name)
        if series:
            parts += [f'<h2>{name} on validation frames</h2>', chart({name: series})]
    if pictures:
        parts += ['<h2>Validation frames</h2>', _image(pictures, metric=metric)]
    parts += ['<h2>Frames</h2>', _table(sources)]
    parts += ['<h2>Configuration</h2>', _table(
        (name, str(value)) for name, value in dataclasses.asdict(config).items()
    )]
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Training report</title>'
        f'<style>{_STYLE}</style><body>{"".join(parts)}</body></html>\n'
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def chart(lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """
    Draw curves as SVG, with a logarithmic axis if they are positive and span more than 3x.

    :param lines: name to points (step, value); the steps may differ.
    :returns: an svg element.
    """
    points = [p for line in lines.values() for p in line if math.isfinite(p[1])]
    if not points:
        return '<p>No values.</p>'
    last = max(x for x, _ in points) or 1.0
    low, high = min(y for _, y in points), max(y for _, y in points)
    logarithmic = low > 0 and high > 3 * low

    def height(value: float) -> float:
        bounds = (low, high, value)
        a, b, v = map(math.log, bounds) if logarithmic else bounds
        return _HEIGHT - 24 - (v - a) / max(b - a, 1e-12) * (_HEIGHT - 40)

    drawn = []
    for color, (name, line) in zip(('#0a6fb5', '#d1641b', '#3c8d40'), lines.items(), strict=False):
        path = ' '.join(
            f'{_MARGIN + x / last * (_WIDTH - _MARGIN - 10):.1f},{height(y):.1f}'
            for x, y in line
            if math.isfinite(y)
        )
        drawn.append(
            f'<polyline fill="none" stroke="{color}" stroke-width="1.5" points="{path}">'
            f'<title>{html.escape(name)}</title></polyline>'
        )
        place = _WIDTH - 90, 16 + 16 * len(drawn)
        drawn.append(
            f'<text x="{place[0]}" y="{place[1]}" style="fill:{color}">{html.escape(name)}</text>'
        )
    drawn += [
        f'<text x="4" y="{height(value) + 4:.0f}">{value:.4g}</text>' for value in (low, high)
    ]
    drawn.append(f'<text x="{_WIDTH - 60}" y="{_HEIGHT - 4}">step {last:g}</text>')
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}">{"".join(drawn)}</svg>'


def _series(rows: Sequence[Mapping[str, float]], name: str) -> list[tuple[float, float]]:
    return [(row['step'], row[name]) for row in rows if name in row]


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = (f'<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>' for a, b in rows)
    return f'<table>{"".join(cells)}</table>'


def _image(pictures: Sequence[Picture], *, metric: bool) -> str:
    bgr = validation_sheet(pictures, 'the last validation', metric=metric)
    data = base64.b64encode(cv2.imencode('.png', bgr)[1].tobytes()).decode('ascii')
    return f'<img alt="frame and depth" src="data:image/png;base64,{data}">'
