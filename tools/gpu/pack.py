"""
Download what the run on a borrowed GPU needs, and cut it into parts: `make gpu-pack`.

The machine with the GPU has no network, so all wheels are carried there. They are those for its
Python and for Linux x86-64. Each group is complete in itself: whoever knows that the machine has
what is in one leaves its parts out. PyTorch, and the CUDA libraries that ONNX Runtime shares with
it, are gigabytes and are not packed: without them those rows of the table are reported as not
made.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
import re
import shutil
import subprocess
import sys
import tempfile

from parts import PART_BYTES, write_pack

from depth_node.errors import DataError, DepthNodeError
from depth_node.files import locked

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'gpu-pack'
PYTHON = '3.12'
"""Python of the machine with the GPU, unless another one is asked for."""
GLIBC = range(17, 40)
"""Minor versions of glibc 2 that wheels name, up to that of Ubuntu 24.04."""
_TOLD = re.compile(r'^ERROR: (.*)$', re.MULTILINE)

GROUPS: dict[str, tuple[str, ...]] = {
    'tensorrt': (
        'tensorrt-rtx-cu13-libs==1.7.1.116', 'tensorrt-rtx-cu13-bindings==1.7.1.116',
        'cuda-bindings', 'cuda-pathfinder',
    ),
    'ros': ('ros-rclpy', 'ros-rmw-fastrtps-cpp', 'ros-common-interfaces'),
    'onnxruntime': ('onnxruntime-gpu', 'flatbuffers', 'protobuf', 'packaging'),
    'base': ('numpy', 'onnx', 'opencv-python-headless', 'PyYAML', 'typing-extensions',
             'ml-dtypes', 'protobuf'),
}
"""Wheels by group, in the order in which they are worth carrying."""
WITH_DEPENDENCIES = {'ros'}
"""Groups with the many small packages of ROS that they need, in the versions installed here."""


def needs(*names: str, prefix: str = 'ros-') -> tuple[str, ...]:
    """
    Return installed packages and those of their dependencies that share a prefix.

    What is left out is needed only to build messages, and has no wheels (empy).

    :param names: of packages.
    :param prefix: of the dependencies that are followed.
    :returns: requirements with exact versions.
    :raises DataError: one is not installed.
    """
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError as error:
            raise DataError(
                f'{name} is not installed here, and its version decides what is packed.',
                'Run make gpu-pack, which installs it first.',
            ) from error
        found[name] = f'{name}=={package.version}'
        needed = (re.split(r'[ ;~=<>!\[(]', text)[0] for text in package.requires or ()
                  if 'extra ==' not in text)
        waiting += [name for name in needed if name.startswith(prefix)]
    return tuple(sorted(found.values()))


def download(group: str, python: str, folder: Path) -> list[Path]:
    """
    Download the wheels of a group.

    :param group: a key of :data:`GROUPS`.
    :param python: version of Python, like 3.12.
    :param folder: the output folder.
    :returns: the wheels, by name.
    :raises DataError: pip failed.
    """
    folder.mkdir(parents=True)
    wanted = needs(*GROUPS[group]) if group in WITH_DEPENDENCIES else GROUPS[group]
    command = [
        sys.executable, '-m', 'pip', 'download', '--quiet', '--disable-pip-version-check',
        '--only-binary=:all:', '--python-version', python, '--implementation', 'cp',
        *(f'--platform=manylinux_2_{minor}_x86_64' for minor in reversed(GLIBC)),
        '--platform=manylinux2014_x86_64', '--no-deps', '--dest', str(folder), *wanted,
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        why = _TOLD.findall(done.stderr) or [done.stderr.strip()[-300:]]
        raise DataError(
            f'The wheels of {group} for Python {python} cannot be downloaded: {why[-1]}',
            'Check the network and the version of Python (--python 3.12).',
        )
    return sorted(folder.glob('*.whl'))


def pack(groups: Sequence[str], python: str, out: Path, *, part_bytes: int = PART_BYTES) -> None:
    """
    Download and cut, and print what was made.

    :param groups: keys of :data:`GROUPS`.
    :param python: version of Python on the machine with the GPU.
    :param out: the output folder.
    :param part_bytes: largest size of a part (bytes).
    :raises DataError: it cannot be downloaded or written.
    """
    out.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix='.wheels-', dir=out))
    try:
        with locked(out / '.lock'):
            wheels = {name: download(name, python, work / name) for name in groups}
            made = write_pack(wheels, out, part_bytes=part_bytes)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for group in made:
        size = sum(part.size for part in group.parts)
        print(
            f'{group.name}: {len(group.files)} wheels, {size / 2**20:.0f} MiB in '
            f'{len(group.parts)} parts'
        )
    count = sum(len(group.parts) for group in made)
    print(f'{count} parts of at most {part_bytes / 2**20:.0f} MiB and a manifest in {out}')


def main() -> int:
    """
    Make the pack.

    :returns: the exit code.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--python', default=PYTHON, help='version on the machine with the GPU')
    parser.add_argument('--out', type=Path, default=FOLDER)
    parser.add_argument(
        '--groups', nargs='+', choices=list(GROUPS), default=list(GROUPS), metavar='GROUP',
        help=f'of {", ".join(GROUPS)}; default: all',
    )
    args = parser.parse_args()
    try:
        pack(args.groups, args.python, args.out)
    except DepthNodeError as error:
        print(f'gpu-pack: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
