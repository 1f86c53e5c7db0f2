"""The Python of a run: the one that is there, and above it what was packed and is absent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
import os
from pathlib import Path
import re
import site
import subprocess
import sys
import venv

from parts import Arrival, Group

from depth_node.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
_CPYTHON = re.compile(r'cp3(\d+)')


@dataclass(frozen=True)
class Environment:
    """
    How the sections are started.

    :param python: the interpreter.
    :param variables: the environment of the processes.
    :param notes: what was installed, and what was not and why.
    """

    python: Path
    variables: Mapping[str, str]
    notes: tuple[str, ...]


def prepare(groups: Sequence[Group], arrival: Arrival, kept: Path, folder: Path) -> Environment:
    """
    Install what is packed and absent in a virtual environment above this Python's packages.

    :param groups: those of the pack.
    :param arrival: what is there of it.
    :param kept: where the wheels are.
    :param folder: for the virtual environment; one of an earlier call is used again.
    :returns: the interpreter to use and its environment.
    :raises DataError: the environment cannot be made.
    """
    notes = [
        f'{name}: not carried ({len(parts)} parts are missing)'
        for name, parts in arrival.missing.items()
    ]
    wanted: dict[str, Path] = {}
    before = [str(_packages(folder))]
    for group in groups:
        if group.name not in arrival.complete:
            continue
        wheels = [kept / group.name / file.name for file in group.files]
        fitting = [wheel for wheel in wheels if fits(wheel.name)]
        absent = [wheel for wheel in fitting if not installed(wheel.name)]
        # a wheel may be in two groups, and may have been installed by an earlier call
        wanted |= {wheel.name: wheel for wheel in absent if not installed(wheel.name, before)}
        others = len(wheels) - len(fitting)
        notes.append(
            f'{group.name}: {len(absent)} wheels packed, '
            f'{len(fitting) - len(absent)} already there'
            + (f', {others} for another Python than {_version()}' if others else '')
        )
    if wanted:
        _install(wanted.values(), folder)
    made = _interpreter(folder)
    python = made if made.exists() else Path(sys.executable)
    return Environment(python, _variables(python), tuple(notes))


def fits(wheel: str, minor: int = sys.version_info.minor) -> bool:
    """
    Return whether a wheel for Linux x86-64 is for this version of Python.

    :param wheel: its file name.
    :param minor: minor version of Python 3.
    :returns: whether it is for any Python 3, for this CPython, or for its stable ABI.
    """
    tag, abi = wheel.removesuffix('.whl').split('-')[-3:-1]
    found = [int(number) for number in _CPYTHON.findall(tag)]
    if not found:
        return 'py3' in tag
    return minor in found or (abi == 'abi3' and min(found) <= minor)


def installed(wheel: str, path: Sequence[str] | None = None) -> bool:
    """
    Return whether this Python has a distribution, in whatever version.

    :param wheel: file name of its wheel.
    :param path: folders to look in; None: those of this Python.
    :returns: whether it is there.
    """
    name = wheel.split('-', maxsplit=1)[0]
    found = metadata.distributions(name=name, path=list(sys.path if path is None else path))
    return next(iter(found), None) is not None


def _version() -> str:
    return f'{sys.version_info.major}.{sys.version_info.minor}'


def _interpreter(folder: Path) -> Path:
    return folder / 'bin' / 'python'


def _install(wheels: Iterable[Path], folder: Path) -> None:
    """Install wheels in the virtual environment, with this Python's packages below its own."""
    python = _interpreter(folder)
    if not python.exists():
        venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    below = _packages(folder)
    outer = [path for path in (*site.getsitepackages(), site.getusersitepackages())
             if Path(path).is_dir()]
    (below / 'below.pth').write_text('\n'.join(outer) + '\n', encoding='utf-8')
    command = [
        sys.executable, '-m', 'pip', '--python', str(python), 'install', '--quiet', '--no-index',
        '--no-deps', '--no-compile', '--disable-pip-version-check', '--no-cache-dir',
        *map(str, wheels),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise DataError(
            f'The packed wheels cannot be installed: {done.stderr.strip()[-400:]}',
            'pip 22.3 or newer is needed.',
        )


def _packages(folder: Path) -> Path:
    """Return the folder for packages of a virtual environment."""
    return folder / 'lib' / f'python{_version()}' / 'site-packages'


def _variables(python: Path) -> dict[str, str]:
    """Let the libraries of CUDA that come with PyTorch be found by everyone."""
    folders = [Path(path) for path in site.getsitepackages()]
    folders.append(_packages(python.parents[1]))
    libraries = [str(path) for folder in folders for path in sorted(folder.glob('nvidia/*/lib'))]
    before = os.environ.get('LD_LIBRARY_PATH', '')
    return {
        **os.environ,
        'PYTHONPATH': os.pathsep.join(filter(None, (str(ROOT), os.environ.get('PYTHONPATH')))),
        'LD_LIBRARY_PATH': os.pathsep.join(filter(None, (*libraries, before))),
        'ORT_DISABLE_TELEMETRY': '1',
    }
