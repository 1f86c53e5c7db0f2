"""`depth-node fetch`: download models ahead of time, and export those published as weights."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from depth_node.catalogue import Entry, find
from depth_node.catalogue.opening import open_model
from depth_node.catalogue.store import (
    check_licence,
    export_path,
    export_size,
    fetch_all,
    obtain,
    Request,
    WANTED,
)
from depth_node.errors import CancelledError, DataError, ModelError
from depth_node.files import locked
from depth_node.image.size import Size
from depth_node.process import end_with_launch, Launch


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Add the options of this verb.

    :param parser: the parser of this verb.
    """
    parser.add_argument(
        'names', nargs='+', metavar='NAME', help='name in the list of `depth-node models`',
    )
    parser.add_argument(
        '--input-size', default='auto', metavar='SIZE',
        help='for a model that is exported: auto, a nominal side like 308, or WIDTHxHEIGHT (px)',
    )
    parser.add_argument(
        '--frame', type=_size, default=Size(640, 480), metavar='WxH',
        help='size of the camera, whose aspect ratio auto keeps (px)',
    )
    parser.add_argument(
        '--weights', type=Path, metavar='FILE',
        help='export these weights (your own copy or training) instead of downloading them',
    )
    parser.add_argument(
        '--accept-licence', action='store_true', help='accept a licence that is not free'
    )
    parser.add_argument(
        '--cache-dir', type=Path, metavar='DIR',
        help='folder for models (default: depth_node/models in the cache of the user)',
    )
    parser.add_argument(
        '--offline', action='store_true', help='use only files that are already on this machine',
    )


def run(args: argparse.Namespace) -> None:
    """
    Download and export the requested models.

    :param args: the parsed options.
    :raises ModelError: a model is not available.
    :raises CancelledError: the node that started this process has ended.
    """
    # a node that waits for an export takes it along when it is killed
    if end_with_launch() is not Launch.HERE and WANTED in os.environ:
        raise CancelledError('The node that requested the model has ended.')
    request = Request(
        args.accept_licence, args.cache_dir, args.offline, args.input_size, args.frame
    )
    for name in args.names:
        entry = find(name)
        if args.weights is not None and not entry.can_export:
            raise ModelError(f'{name} is not exported from weights.', 'Omit --weights.')
        if args.weights is not None:
            check_licence(entry, request)
            _export(entry, request, args.weights)
        elif entry.form.needs_export and not export_path(entry, request).exists():
            check_licence(entry, request)
            _export(entry, request, None)
        path = obtain(entry, request)
        # opened as the node will open it, so that what is wrong shows now
        open_model(
            name, accept_licence=True, cache_dir=args.cache_dir, offline=True,
            input_size=args.input_size, frame=args.frame,
        )
        print(f'{name}: {entry.spec.licence}: {path}')


def _export(entry: Entry, request: Request, weights: Path | None) -> None:
    try:
        from depth_node.training.catalogue_export import export_entry
    except ImportError as error:
        raise ModelError(
            f'{entry.name} must be exported, which needs torch ({error}).',
            "Install it with: pip install 'depth_node[export]'.",
        ) from error
    size, path = export_size(entry, request), export_path(entry, request)
    # two cameras' nodes want the same model at the same time
    with locked(
        path.with_suffix('.lock'),
        waiting=lambda: print(f'{entry.name}: waiting for another process that exports it'),
    ):
        if weights is None and path.exists():
            return
        source = weights if weights is not None else fetch_all(entry, request)[0]
        print(f'{entry.name}: exporting at {size}; this takes about a minute')
        difference = export_entry(entry, source, size, path)
        print(f'{entry.name}: largest difference from torch {difference:.1e}')


def _size(text: str) -> Size:
    try:
        return Size.parse(text)
    except DataError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
