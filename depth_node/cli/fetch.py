"""`depth-node fetch`: download models ahead of time, or use weights from a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from depth_node.catalogue import find
from depth_node.catalogue.opening import open_model
from depth_node.catalogue.store import install, Request
from depth_node.errors import DataError, ModelError
from depth_node.image.size import Size


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
        help='of the network, where it can be chosen: auto, a nominal side like 308, or '
        'WIDTHxHEIGHT (px)',
    )
    parser.add_argument(
        '--frame', type=_size, default=Size(640, 480), metavar='WxH',
        help='size of the camera, whose aspect ratio auto keeps (px)',
    )
    parser.add_argument(
        '--weights', type=Path, metavar='FILE',
        help='use these weights (your own copy or your own training) instead of downloading them: '
        'safetensors, a .pth, a folder with model.safetensors, or the zip or folder of a '
        'Monodepth2 release',
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
    Download the requested models, or use weights from a file.

    :param args: the parsed options.
    :raises ModelError: a model cannot be had.
    """
    request = Request(
        args.accept_licence, args.cache_dir, args.offline, args.input_size, args.frame
    )
    if args.weights is not None and len(args.names) > 1:
        raise ModelError('--weights is one file of weights.', 'Give one NAME with it.')
    for name in args.names:
        entry = find(name)
        if args.weights is not None:
            print(f'{name}: using {install(entry, request, args.weights)}')
        # opened as the node will open it, so that what is wrong shows now
        model = open_model(
            name, accept_licence=args.accept_licence, cache_dir=args.cache_dir,
            offline=args.offline, input_size=args.input_size, frame=args.frame,
        )
        print(f'{name}: {entry.spec.licence}: {model.path}')


def _size(text: str) -> Size:
    try:
        return Size.parse(text)
    except DataError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
