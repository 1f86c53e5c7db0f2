"""From an entry of the catalogue to an ONNX file on this machine."""

from __future__ import annotations

from collections.abc import Callable
import contextlib
from dataclasses import dataclass
import importlib.util
import logging
import math
import os
from pathlib import Path
import subprocess
import tempfile

from depth_node.catalogue.entry import Entry, Form
from depth_node.errors import CancelledError, DataError, ModelError
from depth_node.image.size import Size
from depth_node.process import LAUNCH_VARIABLE, own_folder, python

log = logging.getLogger(__name__)

EMBEDDED_PATH = Path(__file__).resolve().parents[1] / 'data' / 'embedded.onnx'
FRAME = Size(640, 480)
"""What is assumed of a camera nobody has seen yet."""

_PAUSE = 0.2
"""Seconds between two looks at an export that is running."""
WANTED = 'DEPTH_NODE_EXPORT'
"""Set where the command is run for somebody who waits for it."""


_ACCEPTED = 'licence_accepted.txt'
_EXPORT = "pip install 'depth_node[export]'"
_NEEDS = {Form.DEPTH_ANYTHING: ('torch', 'transformers'), Form.MONODEPTH2: ('torch',)}


@dataclass(frozen=True)
class Request:
    """
    How somebody wants a model.

    :param accept_licence: whether a licence that is not free is accepted.
    :param cache_dir: where models are kept; None:
        :func:`depth_node.catalogue.fetch.model_cache_root`.
    :param offline: never use the network.
    :param input_size: ``auto``, a nominal side like 308, or WIDTHxHEIGHT (pixels).
    :param frame: the camera's size (pixels), whose aspect ``auto`` keeps.
    :param cancelled: asked now and then while exporting.
    """

    accept_licence: bool = False
    cache_dir: Path | None = None
    offline: bool = False
    input_size: str = 'auto'
    frame: Size | None = None
    cancelled: Callable[[], bool] = lambda: False

    def folder(self, entry: Entry) -> Path:
        """
        Say where everything of one model is kept.

        :param entry: the model.
        :returns: the folder, which may not exist yet.
        """
        from depth_node.catalogue.fetch import model_cache_root

        return (self.cache_dir or model_cache_root()) / entry.name


def obtain(entry: Entry, request: Request) -> Path:
    """
    Have the ONNX file of a model, fetching and exporting what is missing.

    :param entry: the model.
    :param request: how it is wanted.
    :returns: the ONNX file.
    :raises ModelError: licence not accepted, not to be had, or nothing here can export it; says
        what to do.
    :raises CancelledError: the request was cancelled while exporting.
    """
    if entry.form is Form.EMBEDDED:
        return _embedded()
    check_licence(entry, request)
    if entry.can_export:
        path = export_path(entry, request)
        if entry.form.needs_export and not path.exists():
            _export(entry, request, path)
        if path.exists():
            return path
    return _ready(entry, request)


def check_licence(entry: Entry, request: Request) -> None:
    """
    Name a licence on first use, and go on only when it is free or accepted.

    :param entry: the model.
    :param request: whether it was accepted.
    :raises ModelError: it is not free, and nobody accepted it.
    """
    from depth_node.catalogue.fetch import write_text

    note = request.folder(entry) / _ACCEPTED
    licence = entry.spec.licence
    if note.exists() and note.read_text(encoding='utf-8', errors='replace').strip() == licence:
        return
    if not entry.is_free and not request.accept_licence:
        raise ModelError(
            f'{entry.name} is under the licence {licence}, which does not allow every use. '
            f'{entry.note}'.strip(),
            'Accept it with model.accept_licence: true or --accept-licence, or take another '
            'model (`depth-node models`).',
        )
    log.info('%s: its licence is %s', entry.name, licence)
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        write_text(note, licence + '\n')
    except (OSError, DataError) as error:
        raise ModelError(
            f'{note.parent}: cannot be written ({error}).',
            'Set XDG_CACHE_HOME to a folder that can.',
        ) from error


def export_path(entry: Entry, request: Request) -> Path:
    """
    Say where the export of a model at the size wanted is kept.

    :param entry: a model that has to be exported.
    :param request: the size wanted, or the camera it is for.
    :returns: ``FOLDER/NAME_WIDTHxHEIGHT.onnx``.
    :raises ModelError: a size the network cannot have.
    """
    size = export_size(entry, request)
    return request.folder(entry) / f'{entry.name}_{size}.onnx'


def export_size(entry: Entry, request: Request) -> Size:
    """
    Choose the fixed size a model is exported at.

    :param entry: a model that has to be exported.
    :param request: the size wanted, or the camera it is for.
    :returns: the network's size (pixels).
    :raises ModelError: a size the network cannot have.
    """
    from depth_node.model.network import choose_size, NetworkInfo

    fixed = entry.spec.input_size
    width, height = (fixed.width, fixed.height) if fixed else (None, None)
    info = NetworkInfo(Path(entry.name), '', width, height, '', None, None, 0)
    size = choose_size(entry.spec, info, request.input_size, request.frame or FRAME)
    if entry.sides is not None:
        side = math.sqrt(size.width * size.height)
        low, high = entry.sides
        # the area is kept, so that rounding to the multiple may pass the bound a little
        if not low - entry.spec.multiple <= side <= high + entry.spec.multiple:
            raise ModelError(
                f'{entry.name}: {size} has the area of a square of {side:.0f} px, expected '
                f'{low} to {high} px.'
            )
    return size


def fetch_all(entry: Entry, request: Request) -> list[Path]:
    """
    Fetch every file of a model; see :func:`depth_node.catalogue.fetch.fetch`.

    :param entry: the model.
    :param request: where to, and whether the network may be used.
    :returns: the files, in the entry's order.
    :raises ModelError: a file cannot be had, or is not the right one.
    """
    from depth_node.catalogue.fetch import fetch

    return [
        fetch(file, request.folder(entry), offline=request.offline) for file in entry.files
    ]


def _embedded() -> Path:
    if not EMBEDDED_PATH.exists():
        raise ModelError(
            f'{EMBEDDED_PATH}: the embedded network is not part of this build.',
            'Train it with the command of doc/training.md, or take another model.',
        )
    return EMBEDDED_PATH


def _ready(entry: Entry, request: Request) -> Path:
    from depth_node.catalogue.adapt import adapted

    return adapted(fetch_all(entry, request)[0])


def _export(entry: Entry, request: Request, path: Path) -> None:
    """
    Export in a process of its own: torch stays out of this one, and out of the core.

    It runs the command a user would.
    """
    size = export_size(entry, request)
    command = f'depth-node fetch {entry.name} --input-size {size}'
    missing = [name for name in _NEEDS[entry.form] if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(
            f'{entry.name} has to be exported once, which needs {" and ".join(missing)}.',
            f'{_EXPORT}, then: {command}. Or run that on another machine and copy {path} and '
            f'its .json from there to here.',
        )
    log.info('%s: exporting at %s; this happens once', entry.name, size)
    words = [
        *python(), '-m', 'depth_node', 'fetch', entry.name, '--input-size', str(size),
        '--cache-dir', os.path.abspath(path.parent.parent),  # noqa: PTH100 - links stay links
    ]
    words += ['--offline'] if request.offline else []
    status, errors = _run(words, request.cancelled)
    if status or not path.exists():
        lines = errors.strip().splitlines() or [f'exit status {status}']
        raise ModelError(
            f'{entry.name}: the export failed: {lines[-1].removeprefix("depth-node fetch: ")}',
            f'Try it by hand: {command}.',
        )


def _run(words: list[str], cancelled: Callable[[], bool]) -> tuple[int, str]:
    """Run a command; return its status and what it wrote as errors."""
    with tempfile.TemporaryFile('w+', encoding='utf-8') as errors:
        # our own command, no shell
        process = subprocess.Popen(  # noqa: S603
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
            cwd=own_folder(),
            env={**os.environ, WANTED: '1', LAUNCH_VARIABLE: str(os.getpid())},
        )
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    status = process.wait(_PAUSE)
                    break
                if cancelled():
                    raise CancelledError('The export was cancelled.')
        finally:
            process.kill()
            process.wait()
        errors.seek(0)
        return status, errors.read()
