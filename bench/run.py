"""
Run the benchmarks and write their tables to doc/measurements/performance.md.

``make bench`` runs this; ``python bench/run.py frame ros`` runs some sections only. Each table
lies between two markers and names its command, the machine, the date and the versions.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime, timezone
import importlib.metadata
import json
import os
from pathlib import Path
import platform
import subprocess
import sys
import tempfile
import textwrap
from typing import Any

import network

ROOT = network.ROOT
PAGE = ROOT / 'doc' / 'measurements' / 'performance.md'
WIDTH = 99
"""Of the pages (characters)."""
PACKAGES = ('openvino', 'onnxruntime', 'numpy', 'opencv-python-headless', 'torch')


def called(*words: str) -> str:
    """Run a command of ours and return what it printed."""
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def measured(*words: str, chosen: list[str] | None = None) -> tuple[str, dict[str, Any]]:
    """Run `depth-node benchmark` and return the command as a user writes it, and its JSON."""
    words = (*(network.words() if chosen is None else chosen), *words)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / 'report.json'
        called('-m', 'depth_node', 'benchmark', *words, '--json', str(report))
        found: dict[str, Any] = json.loads(report.read_text(encoding='utf-8'))
    return ' '.join(['depth-node benchmark', *words]), found


def _shell(command: str) -> str:
    """Return a command as a block of shell, wrapped at the width of the pages."""
    lines = textwrap.wrap(
        command, WIDTH - 2, subsequent_indent='    ', break_long_words=False,
        break_on_hyphens=False,
    )
    return '```sh\n' + ' \\\n'.join(lines) + '\n```'


def frame() -> str:
    """Measure a frame at four sizes and two precisions, without ROS."""
    rows = ['| camera | precision | bare ms | engine ms | frame ms | the rest ms | fps |',
            '|---|---|---|---|---|---|---|']
    command = ''
    for size in ('320x240', '640x480', '1280x720', '1920x1080'):
        for precision in ('fp32', 'bf16'):
            try:
                command, r = measured(
                    '--camera-size', size, '--precision', precision, '--frames', '100'
                )
            except subprocess.CalledProcessError as error:
                rows.append(f'| {size} | {precision} | {error.stderr.strip()[-120:]} |||||')
                continue
            cells = [r[key]['median'] for key in
                     ('bare_ms', 'engine_ms', 'frame_ms', 'overhead_ms')]
            rows.append(f'| {size} | {precision} | ' + ' | '.join(f'{c:.2f}' for c in cells)
                        + f' | {r["fps"]:.1f} |')
    return '\n'.join([*rows, '', _shell(command), '', 'and likewise; medians of 100 frames.'])


def everything() -> str:
    """Measure all that a planner can ask for, and what it costs over the network."""
    rows = ['| network | precision | bare ms | frame ms | the rest ms | temporary KiB |',
            '|---|---|---|---|---|---|']
    command = ''
    for words in (network.words(), ['--model', 'embedded']):
        for precision in ('fp32', 'bf16'):
            try:
                command, r = measured(
                    '--everything', '--precision', precision, '--frames', '150', chosen=words
                )
            except subprocess.CalledProcessError as error:
                rows.append(f'| {precision} | {error.stderr.strip()[-120:]} |||||')
                continue
            cells = [r[key]['median'] for key in ('bare_ms', 'frame_ms', 'overhead_ms')]
            rows.append(f'| {r["model"]} at {r["network_size"]} | {precision} | '
                        + ' | '.join(f'{c:.2f}' for c in cells) + f' | {r["allocated_kb"]:.0f} |')
    return '\n'.join([*rows, '', _shell(command), '',
                      'and likewise; medians of 150 frames of 640x480.'])


def cores() -> str:
    """Measure a frame of 640x480 on one core, two, and all."""
    rows = ['| cores | precision | bare ms | frame ms | fps |', '|---|---|---|---|---|']
    command, every = '', sorted(os.sched_getaffinity(0))
    try:
        for count in sorted({1, 2, 4, len(every)} & set(range(len(every) + 1))):
            os.sched_setaffinity(0, every[:count])  # children inherit it, as from taskset
            for precision in ('fp32', 'bf16'):
                try:
                    command, r = measured('--precision', precision, '--frames', '100')
                except subprocess.CalledProcessError as error:
                    rows.append(f'| {count} | {precision} | {error.stderr.strip()[-120:]} |||')
                    continue
                rows.append(f'| {count} | {precision} | {r["bare_ms"]["median"]:.2f} | '
                            f'{r["frame_ms"]["median"]:.2f} | {r["fps"]:.1f} |')
    finally:
        os.sched_setaffinity(0, every)
    return '\n'.join([*rows, '', _shell(f'taskset -c 0 {command}'), '',
                      'and likewise; medians of 100 frames.'])


def ros() -> str:
    """Measure camera, node and observer as processes, at some rates and precisions."""
    head = ('camera Hz', 'precision, threads', 'clouds Hz', 'share of bare rate', 'delivered',
            'latency median, p99 ms', 'more than the engine', 'node MiB')
    rows = [f'| {" | ".join(head)} |', '|---|---|---|---|---|---|---|---|']
    command = ''
    for rate, precision, threads in (('20', 'fp32', '0'), ('30', 'fp32', '0'), ('30', 'bf16', '0'),
                                     ('70', 'bf16', '0'), ('70', 'bf16', '1')):
        try:
            command, r = measured('--ros', '--rate', rate, '--precision', precision, '--threads',
                                  threads, '--frames', '60', '--seconds', '6')
        except subprocess.CalledProcessError as error:
            rows.append(f'| {rate} | {precision} | {error.stderr.strip()[-120:]} ||||||')
            continue
        latency, more = r['latency_ms'], r['latency_over_engine_ms']
        beside = f'{more["median"]:.1f}, {more["p99"]:.1f}' if more else ''
        rows.append(
            f'| {rate} | {precision}, {threads if threads != "0" else "all"} | {r["fps"]:.1f} | '
            f'{r["ratio_to_bare"]:.2f} | {100 * r["delivered"]:.1f} % | {latency["median"]:.1f}, '
            f'{latency["p99"]:.1f} | {beside} | '
            f'{r["node_memory_mb"]:.0f} |'
        )
    return '\n'.join([*rows, '', _shell(command), '', 'and likewise.'])


def printed(*words: str, markdown: bool = False) -> Callable[[], str]:
    """Make a section of what a script prints."""
    def run() -> str:
        text = called(*words)
        return (text if markdown else f'```\n{text}\n```') + f'\n\n`python {" ".join(words)}`'

    return run


SECTIONS: dict[str, Callable[[], str]] = {
    'frame': frame,
    'cores': cores,
    'everything': everything,
    'ros': ros,
    'transport': printed('bench/transport.py', markdown=True),
    'cameras': printed('bench/cameras.py', markdown=True),
    'footprint': printed('bench/footprint.py', markdown=True),
    'points': printed('bench/points.py'),
    'peers': printed('bench/peers.py'),
    'depth_anything': printed('bench/depth_anything.py'),
    'delivery': printed('bench/delivery.py'),
    'flicker': printed('bench/flicker.py'),
    'world': printed('bench/world.py'),
}


def machine() -> str:
    """Say where and when."""
    info = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
    name = next((li.partition(':')[2].strip() for li in info if li.startswith('model name')), '?')
    versions = [
        f'{found.metadata["Name"]} {found.version}'
        for found in importlib.metadata.distributions()
        if str(found.metadata['Name']).lower() in PACKAGES
    ]
    today = datetime.now(timezone.utc).date().isoformat()
    load = os.getloadavg()[0]
    return textwrap.fill(
        f'{name}, {os.cpu_count()} cores, load {load:.1f} before; {today}; '
        f'Python {platform.python_version()}, {", ".join(versions)}.',
        WIDTH, break_long_words=False, break_on_hyphens=False,
    )


def replaced(page: str, name: str, text: str) -> str:
    """Put a table between its markers, or at the end of the page."""
    start, end = f'<!-- {name} -->', f'<!-- end of {name} -->'
    block = f'{start}\n{text}\n{end}'
    if start not in page:
        return f'{page.rstrip()}\n\n## {name}\n\n{block}\n'
    before, _, rest = page.partition(start)
    return f'{before}{block}{rest.partition(end)[2]}'


def main() -> None:
    """Run sections and rewrite their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('sections', nargs='*', metavar='SECTION', help=', '.join(SECTIONS))
    args = parser.parse_args()
    for name in args.sections or SECTIONS:
        where = machine()
        print(f'{name} ...', flush=True)
        try:
            text = SECTIONS[name]()
        except subprocess.CalledProcessError as error:
            print(f'{name} failed; its table stays as it is:\n{error.stderr[-2000:]}')
            continue
        print(text, flush=True)
        page = replaced(PAGE.read_text(encoding='utf-8'), name, f'{text}\n\n{where}')
        temporary = PAGE.with_suffix('.part')
        temporary.write_text(page, encoding='utf-8')
        temporary.replace(PAGE)


if __name__ == '__main__':
    main()
