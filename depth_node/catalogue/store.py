"""The models on this machine: from a catalogue entry to an ONNX file."""

from __future__ import annotations

from collections.abc import Callable
import contextlib
from dataclasses import dataclass, field
import logging
import math
from pathlib import Path
import shutil
import zipfile

from depth_node.catalogue.download import UnreachableError, Watch
from depth_node.catalogue.entry import Entry, Form, megabytes
from depth_node.catalogue.fetch import fetch, is_here, known_hash, model_cache_root, write_text
from depth_node.errors import DataError, ModelError
from depth_node.files import read_text, replacing
from depth_node.image.size import Size
from depth_node.model.hashes import hash_of
from depth_node.process import never

log = logging.getLogger(__name__)

EMBEDDED_PATH = Path(__file__).resolve().parents[1] / 'data' / 'embedded.onnx'
FRAME = Size(640, 480)
"""Assumed size of a camera whose size is not known yet (pixels)."""
_OWN = 'own_weights'
_TRANSFORMERS = 'model.safetensors'
"""What transformers calls its weights."""
_ACCEPTED = 'licence_accepted.txt'


@dataclass(frozen=True)
class Request:
    """
    The options for obtaining a model.

    :param accept_licence: whether a licence that is not free is accepted.
    :param cache_dir: folder for models; None:
        :func:`depth_node.catalogue.fetch.model_cache_root`.
    :param offline: never use the network.
    :param input_size: ``auto``, a nominal side like 308, or WIDTHxHEIGHT (pixels).
    :param frame: the camera's size (pixels), whose aspect ratio ``auto`` keeps.
    :param cancelled: called regularly during downloads; returns whether to cancel.
    :param progress: called with the share downloaded (0 to 1) and the stage.
    """

    accept_licence: bool = False
    cache_dir: Path | None = None
    offline: bool = False
    input_size: str = 'auto'
    frame: Size | None = None
    cancelled: Callable[[], bool] = never
    progress: Callable[[float, str], None] = field(default=lambda _share, _stage: None)

    def folder(self, entry: Entry) -> Path:
        """
        Return the folder of a model.

        :param entry: the model.
        :returns: the folder, which may not exist yet.
        """
        return (self.cache_dir or model_cache_root()) / entry.name


def obtain(entry: Entry, request: Request) -> Path:
    """
    Return the ONNX file of a model, after downloading and writing missing files.

    :param entry: the model.
    :param request: the options.
    :returns: the ONNX file.
    :raises ModelError: the licence is not accepted, or the model is not available.
    :raises CancelledError: the download was cancelled.
    """
    if entry.form is Form.EMBEDDED:
        return _embedded()
    if entry.form.is_checkpoint:
        graph_size(entry, request)  # a size that cannot be is refused before the download
    check_licence(entry, request)
    own = own_weights(entry, request)
    if own is not None:
        return _written(entry, request, own, hash_of(own))
    if not entry.form.is_checkpoint:
        from depth_node.catalogue.adapt import adapted

        return adapted(fetch_all(entry, request)[0], entry.spec)
    checkpoint = fetch_all(entry, request)[0]
    return _written(
        entry, request, checkpoint, known_hash(entry.files[0], request.folder(entry))
    )


def install(entry: Entry, request: Request, weights: Path) -> Path:
    """
    Use weights from a file instead of the published ones.

    :param entry: a model with weights.
    :param request: the options.
    :param weights: safetensors, a .pth, or for Monodepth2 a zip; or their folder.
    :returns: the copy that is used from now on: with the published name if it is the published
        file, otherwise until it is removed.
    :raises ModelError: not a checkpoint of this network.
    :raises DataError: the folder cannot be written, or the disk is full.
    """
    from depth_node.catalogue.making import check_config

    if not entry.takes_weights:
        raise ModelError(
            f'{entry.name} is published as a graph and needs no weights.', 'Omit --weights.'
        )
    check_licence(entry, request)
    folder = request.folder(entry)
    source = _one_file(weights) if entry.form is not Form.MONODEPTH2 else weights
    if source.name == _TRANSFORMERS and entry.form is not Form.MONODEPTH2:
        check_config(entry, source.with_name('config.json'))
    if source.is_file():
        found = hash_of(source)
        published = [file for file in entry.files if file.sha256 == found]
        if published and entry.form.is_checkpoint:
            return _copied(source, folder / published[0].name)
    endings = {'.safetensors': '.safetensors', '.zip': '.zip'}
    target = folder / f'{_OWN}{endings.get(source.suffix, ".pth")}'
    if source.is_dir():
        target = _packed(source, target.with_suffix('.zip'))
    else:
        _copied(source, target)
    try:
        _written(entry, request, target, hash_of(target))
    except ModelError:
        target.unlink()
        raise
    for other in folder.glob(f'{_OWN}.*'):
        if other != target:
            other.unlink()
    return target


def own_weights(entry: Entry, request: Request) -> Path | None:
    """
    Return the weights that are used instead of the published ones.

    :param entry: the model.
    :param request: the options.
    :returns: the file from :func:`install`, or None.
    """
    return next(iter(sorted(request.folder(entry).glob(f'{_OWN}.*'))), None)


def is_present(entry: Entry, request: Request) -> bool:
    """
    Return whether a model can be used without the network.

    :param entry: the model.
    :param request: the options.
    :returns: whether its files exist; they are not opened.
    """
    if entry.form is Form.EMBEDDED:
        return EMBEDDED_PATH.exists()
    folder = request.folder(entry)
    fetched = bool(entry.files) and all(is_here(file, folder) for file in entry.files)
    return fetched or own_weights(entry, request) is not None


def check_licence(entry: Entry, request: Request) -> None:
    """
    Log the licence on first use, and check that it is free or accepted.

    :param entry: the model.
    :param request: the options.
    :raises ModelError: it is not free and not accepted.
    """
    note = request.folder(entry) / _ACCEPTED
    licence = entry.spec.licence
    with contextlib.suppress(DataError):  # not there, or nothing that can be read
        if read_text(note).strip() == licence:
            return
    if not entry.is_free and not request.accept_licence:
        raise ModelError(
            f'{entry.name} is under the licence {licence}, which does not allow every use. '
            f'{entry.note}'.strip(),
            'Accept it with model.accept_licence: true or --accept-licence, or choose another '
            'model (`depth-node models`).',
        )
    log.info('%s: its licence is %s', entry.name, licence)
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        write_text(note, licence + '\n')
    except (OSError, DataError) as error:
        raise ModelError(
            f'{note.parent}: cannot be written ({error}).',
            'Set XDG_CACHE_HOME to a writable folder.',
        ) from error


def graph_size(entry: Entry, request: Request) -> Size:
    """
    Return the size of the graph of a model.

    :param entry: a model with weights.
    :param request: the requested size, or the size of the camera.
    :returns: the network size (pixels).
    :raises ModelError: an unsupported size.
    """
    from depth_node.model.network import NetworkInfo
    from depth_node.model.sizes import choose_size

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
    Download all files of a model; see :func:`depth_node.catalogue.fetch.fetch`.

    :param entry: the model.
    :param request: the options.
    :returns: the files, in the order of the entry.
    :raises ModelError: a file is not available, or not the expected one.
    :raises CancelledError: the request was cancelled.
    """
    if not entry.files:
        raise ModelError(
            f'{entry.name} has not been published.',
            f'If you have its weights, run `depth-node fetch {entry.name} --weights FILE`.',
        )
    stage = f'fetching {entry.name} ({megabytes(entry)})'
    watch = Watch(request.cancelled, lambda share: request.progress(share, stage))
    folder = request.folder(entry)
    try:
        return [
            fetch(file, folder, offline=request.offline, watch=watch) for file in entry.files
        ]
    except UnreachableError as error:
        from depth_node.catalogue import caution

        ways = [f'copy {folder} from a machine that has fetched it']
        if entry.takes_weights:
            ways.append(f'use a file: `depth-node fetch {entry.name} --weights FILE`')
        raise ModelError(
            f'{entry.name} ({megabytes(entry)}) is not on this machine, and {error.reason}.',
            f'{error.remedy} Without it, {", or ".join(ways)}; or take the model '
            f'`embedded`, which is in the package: {caution("embedded")}',
        ) from error


def _embedded() -> Path:
    if not EMBEDDED_PATH.exists():
        raise ModelError(
            f'{EMBEDDED_PATH}: the embedded network is not part of this build.',
            'Train it with the command in doc/training.md, or choose another model.',
        )
    return EMBEDDED_PATH


def _written(entry: Entry, request: Request, checkpoint: Path, sha256: str) -> Path:
    """Return the graph of a checkpoint at the requested size."""
    from depth_node.catalogue.making import is_current, write_graph

    size = graph_size(entry, request)
    path = request.folder(entry) / f'{entry.name}_{size}.onnx'
    if not is_current(path, checkpoint, sha256):
        write_graph(entry, checkpoint, sha256, size, path)
    return path


def _one_file(weights: Path) -> Path:
    """Return the weights in a folder of transformers' layout, or the file itself."""
    if not weights.is_dir():
        return weights
    path = weights / _TRANSFORMERS
    if not path.is_file():
        raise ModelError(
            f'{weights}: contains no model.safetensors.',
            'Use the file of weights itself.',
        )
    return path


def _copied(source: Path, target: Path) -> Path:
    with replacing(target) as temporary:
        try:
            shutil.copyfile(source, temporary)
        except shutil.SameFileError:
            return target
    return target


def _packed(folder: Path, target: Path) -> Path:
    """Write the files of a Monodepth2 release to a zip, like its authors."""
    from depth_node.catalogue.making import RELEASE

    missing = [name for name in RELEASE if not (folder / name).is_file()]
    if missing:
        raise ModelError(
            f'{folder}: contains no {" and no ".join(missing)}.',
            'Use the zip or the folder of a Monodepth2 release.',
        )
    with replacing(target) as temporary, zipfile.ZipFile(temporary, 'w') as zipped:
        for name in RELEASE:
            zipped.write(folder / name, name)
    return target
