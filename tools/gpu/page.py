"""
Write the tables of a run to doc/measurements/gpu.md, next to those of other devices.

    python tools/gpu/page.py [RESULTS]

RESULTS is the folder that `gpu_run.py` named: rows of one device, and what it is. By default the
newest one of this repository.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
import json
from pathlib import Path
import re
import sys
import textwrap
from typing import Any

from networks import CAMERAS, NETWORKS, PRECISIONS, SHORT
from rows import Journal, MACHINE, NOT_MADE, Row, ROWS

from depth_node.errors import DataError, DepthNodeError
from depth_node.files import read_text, replacing

PAGE = Path(__file__).resolve().parents[2] / 'doc' / 'measurements' / 'gpu.md'
RESULTS = PAGE.parents[2] / 'gpu-run' / 'results'
WIDTH = 99
_END = '<!-- end of device -->'
_CAMERA_BYTES, _DEPTH_BYTES = 3, 4
"""Bytes of a pixel that go up and come down."""
_HALF = {'fp16': 2, 'fp32': 4}
"""Bytes of a number by precision."""

Rows = Mapping[str, Row]


def render(machine: Mapping[str, Any], rows: Rows, late: Sequence[str]) -> str:
    """
    Return the section of one device.

    :param machine: what was measured on.
    :param rows: key to row.
    :param late: keys of rows that were not made for lack of time.
    :returns: Markdown, with its markers.
    """
    packages = ', '.join(f'{name} {version}' for name, version in machine['packages'].items())
    about = f'{machine["date"]}; Python {machine["python"]}; {packages}.'
    parts = [
        _marker(machine['device']), f'## {machine["device"]}', _wrapped(about),
        '' if machine['cuda'] else _wrapped(_ON_A_CPU),
        '### What the machine can do', _table(_machine(rows)),
        '### ONNX Runtime', _table(_onnxruntime(rows)), _wrapped(_EXPLAINED),
        '### PyTorch', _table(_torch(rows)),
        '### TensorRT', _table(_tensorrt(rows)), *_self_tests(rows),
        '### The node', _table(_node(rows)),
        '### What was not made', '\n'.join(_missing(rows, late)), _END,
    ]
    return '\n\n'.join(part for part in parts if part)


_ON_A_CPU = (
    "**A check of the run itself on a CPU**: the same steps, with ONNX Runtime's CPU provider and "
    'Depth Anything at a smaller size. Its times say nothing about a GPU.'
)
_EXPLAINED = (
    'Medians in ms. *Alone*: the network on a tensor that stays on the device. *Engine*: bytes of '
    'a frame to depth at its size. *Frame*: to metres and a colored, organized cloud. *Rest*: '
    'share of the frame that is not the network. *Copies*: the bytes of frame and depth alone. '
    '*Floor*: what the network needs at least, the larger of its operations at the rate of a '
    'large matrix product and of its weights at the bandwidth of the memory, as measured here. '
    '*Error*: against fp32 on the CPU, median and 99th percentile.'
)


def _machine(rows: Rows) -> Iterator[Sequence[str]]:
    yield 'what', 'measured'
    memory = rows.get('machine/memory', {})
    for name in ('rtx', 'tensorrt'):
        if 'library' in (found := rows.get(f'library/{name}', {})):
            yield 'library', found['library']
    yield 'copy within the memory, bytes read and written', _value(memory, 'gb_per_s', ' GB/s', 0)
    for precision in PRECISIONS:
        row = rows.get(f'machine/arithmetic/{precision}', {})
        name = 'fp32, TF32 allowed' if precision == 'fp32' else precision
        yield f'matrix product, {name}', _value(row, 'tflop_per_s', ' TFLOP/s', 2)
    for camera in CAMERAS:
        row = rows.get(f'machine/copies/{camera}', {})
        count = camera.width * camera.height * (_CAMERA_BYTES + _DEPTH_BYTES)
        what = f'frame up and depth down, {camera}, {count / 1e6:.1f} MB'
        yield what, _lap(row, 'lap_ms', ' ms')


def _onnxruntime(rows: Rows) -> Iterator[Sequence[str]]:
    yield ('network', 'camera', 'size', 'precision', 'alone', 'floor', 'engine', 'copies', 'frame',
           'rest', 'error')
    for name in NETWORKS:
        for camera in CAMERAS:
            for precision in PRECISIONS:
                row = rows.get(f'onnxruntime/{name}/{camera}/{precision}', {})
                bare, frame = (row.get(key, {}).get('median') for key in ('bare_ms', 'frame_ms'))
                agrees = row.get('agrees')
                yield (
                    SHORT[name], str(camera), row.get('network', '–'), precision,
                    _lap(row, 'bare_ms'), _floor(rows, name, str(camera), precision),
                    _lap(row, 'engine_ms'), _lap(row, 'copies_ms'), _lap(row, 'frame_ms'),
                    f'{max(0.0, 1 - bare / frame):.0%}' if bare and frame else '–',
                    _error(agrees),
                )


def _floor(rows: Rows, name: str, camera: str, precision: str) -> str:
    work = rows.get(f'work/{name}/{camera}', {})
    rate = rows.get(f'machine/arithmetic/{precision}', {}).get('tflop_per_s')
    memory = rows.get('machine/memory', {}).get('gb_per_s')
    if 'operations' not in work or not rate or not memory:
        return '–'
    arithmetic = work['operations'] / rate / 1e9
    weights = work['parameters'] * _HALF[precision] / memory / 1e6
    return _ms(max(arithmetic, weights))


def _torch(rows: Rows) -> Iterator[Sequence[str]]:
    yield ('network', 'camera', 'precision', 'eager alone', 'compiled alone', 'eager frame',
           'compiled frame', 'ONNX Runtime alone', 'our engine')
    for name in NETWORKS:
        for camera in CAMERAS:
            for precision in PRECISIONS:
                ways = [rows.get(f'torch/{name}/{camera}/{precision}/{way}', {})
                        for way in ('eager', 'compiled')]
                ours = rows.get(f'onnxruntime/{name}/{camera}/{precision}', {})
                yield (
                    SHORT[name], str(camera), precision,
                    *(_lap(way, 'bare_ms') for way in ways),
                    *(_lap(way, 'frame_ms') for way in ways),
                    _lap(ours, 'bare_ms'), _lap(ours, 'engine_ms'),
                )


def _tensorrt(rows: Rows) -> Iterator[Sequence[str]]:
    yield ('library', 'built for', 'network', 'precision', 'built', 'loaded and run', 'alone',
           'engine', 'error')
    for key, built in rows.items():
        if not key.startswith('build/'):
            continue
        library, target, name, precision = key.split('/')[1:]
        run = rows.get(key.replace('build/', 'run/', 1), {})
        agrees = run.get('agrees')
        outcome = '–' if not run else 'no' if NOT_MADE in run else (
            'agrees' if agrees and agrees['good'] else f'WRONG: {(agrees or {}).get("reason")}'
        )
        yield (
            'TensorRT for RTX' if library == 'rtx' else 'TensorRT', target, SHORT.get(name, name),
            precision,
            'no' if NOT_MADE in built else f'{built["bytes"] / 1e6:.1f} MB, {built["build_s"]} s',
            outcome, _lap(run, 'bare_ms'), _lap(run, 'engine_ms'), _error(agrees),
        )


def _self_tests(rows: Rows) -> Iterator[str]:
    for key, row in rows.items():
        if key.startswith('self-test/') and NOT_MADE not in row:
            name = 'TensorRT for RTX' if key.endswith('rtx') else 'TensorRT'
            lines = [('check', 'held', 'seconds', 'detail')] + [
                (f['name'], 'yes' if f['held'] else '**no**', f'{f["seconds"]:.1f}', f['detail'])
                for f in row['findings']
            ]
            yield f'`depth-node build --self-test` with {name}:\n\n{_table(lines)}'


def _node(rows: Rows) -> Iterator[Sequence[str]]:
    yield ('network', 'camera', 'engine', 'camera Hz', 'depth delivered', 'cloud delivered',
           'latency of depth p50 / p99 ms', 'of the cloud', 'node MiB', 'cores')
    for name in NETWORKS:
        for camera in CAMERAS:
            row = rows.get(f'node/{name}/{camera}', {})
            late = row.get('latency_ms', {})
            yield (
                SHORT[name], str(camera), row.get('engine', '–'),
                _value(row, 'camera_fps', '', 1), *(
                    f'{row[key]:.1%}' if row.get(key) is not None else '–'
                    for key in ('delivered', 'delivered_points')
                ), *(
                    f'{late[topic]["median"]:.1f} / {late[topic]["p99"]:.1f}'
                    if topic in late else '–' for topic in ('depth/image', 'depth/points')
                ), _value(row, 'node_memory_mb', '', 0), _value(row, 'node_cpu', '', 2),
            )


def _missing(rows: Rows, late: Sequence[str]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for key, row in rows.items():
        if NOT_MADE in row:
            reasons.setdefault(' '.join(row[NOT_MADE].split()), []).append(key)
    if late:
        reasons['no time was left'] = list(late)
    for reason, keys in reasons.items():
        names = ', '.join(f'`{key}`' for key in keys)
        yield _wrapped(f'- {reason.rstrip(".")}: {names}', '  ')
    if not reasons:
        yield 'Nothing.'


def _table(lines: Iterable[Sequence[str]]) -> str:
    head, *rest = lines
    cells = [head, ['---'] * len(head), *rest]
    return '\n'.join(
        '| ' + ' | '.join(' '.join(str(c).split()).replace('|', '/') for c in row) + ' |'
        for row in cells
    )


def _wrapped(text: str, indent: str = '') -> str:
    return textwrap.fill(
        text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _ms(value: float) -> str:
    return f'{value:.3g}' if value < 100 else f'{value:.0f}'


def _lap(row: Row, key: str, unit: str = '') -> str:
    return f'{_ms(row[key]["median"])}{unit}' if key in row else '–'


def _value(row: Row, key: str, unit: str, digits: int) -> str:
    value = row.get(key)
    return '–' if value is None else f'{value:.{digits}f}{unit}'


def _error(agrees: Mapping[str, Any] | None) -> str:
    return '–' if agrees is None else f'{agrees["median"]:.3%}, {agrees["p99"]:.3%}'


def _marker(device: str) -> str:
    return f'<!-- device: {device} -->'


def placed(page: str, section: str) -> str:
    """
    Put the section of a device into the page: in place of its older one, or at the end.

    :param page: the page.
    :param section: the result of :func:`render`.
    :returns: the new page.
    """
    marker = section.partition('\n')[0]
    old = re.compile(re.escape(marker) + '.*?' + re.escape(_END), re.DOTALL)
    if old.search(page):
        return old.sub(lambda _: section, page, count=1)
    return page.rstrip('\n') + '\n\n' + section + '\n'


def _newest() -> Path:
    found = sorted(RESULTS.glob(f'*/{ROWS}'), key=lambda path: path.stat().st_mtime)
    if not found:
        raise DataError(f'There are no results in {RESULTS}.', 'Run make gpu first.')
    return found[-1].parent


def main() -> int:
    """
    Write the page.

    :returns: the exit code.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('results', type=Path, nargs='?')
    parser.add_argument('--page', type=Path, default=PAGE)
    args = parser.parse_args()
    try:
        results = args.results or _newest()
        try:
            machine = json.loads(read_text(results / MACHINE))
        except ValueError as error:
            raise DataError(f'{results / MACHINE}: is no JSON ({error}).') from error
        journal = Journal(results / ROWS)
        section = render(machine, journal.rows(), journal.late())
        text = placed(read_text(args.page), section)
        with replacing(args.page) as target:
            target.write_text(text, encoding='utf-8')
    except DepthNodeError as error:
        print(f'gpu: {error}', file=sys.stderr)
        return 2
    print(f'wrote {args.page}')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
