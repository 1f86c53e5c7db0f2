"""`depth-node export`: convert trained weights to an ONNX file with a sidecar."""

from __future__ import annotations

import argparse
from pathlib import Path

from depth_node.cli.numbers import real
from depth_node.errors import ModelError


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Add the options of this verb.

    :param parser: the parser of this verb.
    """
    parser.add_argument(
        'weights', type=Path,
        help='a checkpoint of `depth-node train`, or a folder with the encoder.pth and '
        'depth.pth of a Monodepth2 release',
    )
    parser.add_argument(
        '--out', type=Path, required=True, metavar='NAME.onnx',
        help='the network; its sidecar NAME.json is written next to it',
    )
    parser.add_argument(
        '--size', default='', metavar='WxH',
        help='network size in pixels, multiples of 32; empty: the size of training',
    )
    parser.add_argument(
        '--focal', type=real(0.0, 1e6), default=0.0, metavar='PX',
        help='Monodepth2: vertical focal length of the training data at network size, in pixels '
        '(KITTI at 640x192: about 370); 0: unknown',
    )
    parser.add_argument(
        '--half', action='store_true', help='store the weights in half precision'
    )


def run(args: argparse.Namespace) -> None:
    """
    Export, compare with torch, and print what was written.

    :param args: the parsed options.
    :raises DepthNodeError: torch is missing, or the weights cannot be exported.
    """
    if args.out.suffix != '.onnx':
        raise ModelError(f'{args.out}: expected a name that ends in .onnx.')
    try:
        from depth_node.training import export
    except ImportError as error:
        raise ModelError(
            f'Exporting needs torch ({error}).', "Install it: pip install 'depth_node[export]'."
        ) from error
    if args.weights.is_dir():
        spec = export.export_monodepth2(
            args.weights, args.out, size=args.size, focal=args.focal, half=args.half
        )
    elif args.focal:
        raise ModelError(
            '--focal is for Monodepth2 only: a checkpoint contains its focal length. Omit it.',
        )
    else:
        spec = export.export_checkpoint(args.weights, args.out, size=args.size, half=args.half)
    print(f'{args.out}: {spec.kind.value} at {spec.input_size}, equal to torch within 1e-4.')
    print(f'Run it: ros2 launch depth_node mono.launch.py model:={args.out}')
