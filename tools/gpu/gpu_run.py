"""
Measure on a borrowed GPU, without a network, or check the same steps on a CPU: `make gpu`.

    python tools/gpu/gpu_run.py --budget 540

Looks for parts of the pack, keeps them and joins what is complete; installs what the machine
lacks; then makes the rows of the tables, section by section, each in a process of its own. Every
row is saved when it is there, so the command may be cut and given again: it goes on where it was.
Exit code: 0 when nothing is left to do, 1 when rows or parts are missing, 2 for a damaged pack.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
import contextlib
import json
import os
from pathlib import Path
import platform
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the package is not installed there

from device import Device, find_device
from environment import Environment, prepare
from parts import Arrival, MANIFEST, read_manifest, receive
from rows import Journal, MACHINE, ROWS
from section import NAMES

from depth_node.errors import DepthNodeError
from depth_node.files import replacing

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
_RESTARTS = 8
"""Number of times that a section is started again after its process ended."""
_GRACE_S = 10.0
_VARIABLE = 'DEPTH_NODE_TENSORRT'
VARIABLES = {'rtx': {_VARIABLE: 'tensorrt_rtx_bindings'}, 'tensorrt': {_VARIABLE: ''}}
"""Environment of some sections."""
PACKAGES = (
    'onnxruntime-gpu', 'onnxruntime', 'torch', 'transformers', 'tensorrt',
    'tensorrt-rtx-cu13-libs', 'cuda-bindings', 'nvidia-cudnn-cu13', 'ros-rclpy', 'numpy',
)
_VERSIONS = """
import json, sys
from importlib import metadata
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def main(words: Sequence[str] | None = None) -> int:
    """
    Measure.

    :param words: the arguments; None: those of the process.
    :returns: the exit code.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--pack', type=Path, default=ROOT / 'gpu-pack', help='parts that came now')
    parser.add_argument(
        '--kept', type=Path, default=ROOT / 'gpu-run',
        help='parts that came before, and all that is made; stays between calls',
    )
    parser.add_argument(
        '--results', type=Path, default=None, help='folder for the rows; default: in --kept'
    )
    parser.add_argument('--budget', type=float, default=540.0, help='time for all of it [s]')
    parser.add_argument(
        '--sections', nargs='*', default=list(NAMES), choices=NAMES, metavar='SECTION',
        help=f'of {", ".join(NAMES)}; none: only receive parts',
    )
    parser.add_argument('--again', action='store_true', help='forget the rows that are there')
    args = parser.parse_args(words)
    deadline = time.time() + args.budget
    try:
        arrival, environment = _prepared(args.pack, args.kept)
    except DepthNodeError as error:
        print(f'gpu: {error}', file=sys.stderr)
        return 2
    for note in environment.notes:
        print(note)
    device = find_device(environment)
    print(f'measuring on {device.name}', flush=True)
    results: Path = args.results or args.kept / 'results' / ('gpu' if device.cuda else 'cpu')
    results.mkdir(parents=True, exist_ok=True)
    rows = results / ROWS
    if args.again:
        rows.unlink(missing_ok=True)
    _describe(results, device, environment)
    cut = []
    for name in args.sections:
        command = [
            str(environment.python), str(HERE / 'section.py'), name, '--rows', str(rows),
            '--work', str(args.kept / 'work'), '--deadline', str(deadline),
            '--device', device.name, *(['--cuda'] if device.cuda else []),
        ]
        variables = {**environment.variables, **VARIABLES.get(name, {})}
        if not _section(name, command, variables, deadline):
            cut.append(name)
    late = Journal(rows).late()
    print(f'{len(Journal(rows).rows())} rows in {rows}')
    if late:
        print(f'{len(late)} rows were not begun for lack of time; give the command again: '
              f'{", ".join(late[:5])}{" ..." if len(late) > 5 else ""}')
    if cut:
        print(f'these sections were cut: {", ".join(cut)}')
    return 1 if late or cut or arrival.missing else 0


def _prepared(pack: Path, kept: Path) -> tuple[Arrival, Environment]:
    """Receive parts and install wheels; without any pack, use what is there."""
    source = pack if (pack / MANIFEST).exists() else kept
    if not (source / MANIFEST).exists():
        nothing = Arrival((), {})
        found = prepare((), nothing, kept, kept / 'venv')
        return nothing, Environment(
            found.python, found.variables, ('There is no pack: only what is installed is used.',)
        )
    arrival = receive(source, kept)
    groups = read_manifest(source)
    return arrival, prepare(groups, arrival, kept, kept / 'venv')


def _describe(results: Path, device: Device, environment: Environment) -> None:
    """Write what was measured on."""
    done = subprocess.run(
        [str(environment.python), '-c', _VERSIONS, *PACKAGES], check=True, capture_output=True,
        text=True, env=dict(environment.variables),
    )
    content = {
        'device': device.name, 'cuda': device.cuda, 'python': platform.python_version(),
        'packages': json.loads(done.stdout), 'notes': list(environment.notes),
        'date': time.strftime('%Y-%m-%d', time.gmtime()),
    }
    with replacing(results / MACHINE) as target:
        target.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')


def _section(
    name: str, command: Sequence[str], variables: Mapping[str, str], deadline: float
) -> bool:
    """
    Run a section; start it again where its process was ended by a library.

    :returns: whether it came to its end.
    """
    for _ in range(_RESTARTS):
        left = deadline - time.time() + _GRACE_S
        if left <= 0:
            return False
        # a group of its own, so that nothing that it started outlives it
        process = subprocess.Popen(command, env=dict(variables), start_new_session=True)
        try:
            code = process.wait(left)
        except subprocess.TimeoutExpired:
            print(f'{name}: ended at the end of the time')
            return False
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if not code:
            return True
        how = f'signal {-code}' if code < 0 else f'code {code}'
        print(f'{name}: its process ended with {how}; going on with the next row', flush=True)
    return False


if __name__ == '__main__':
    raise SystemExit(main())
