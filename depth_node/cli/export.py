"""`depth-node export`: trained weights to an ONNX file that `model: path` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from depth_node.errors import ModelError


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the arguments.

    :param parser: of this verb.
    """
    parser.add_argument(
        'weights', type=Path,
        help='a checkpoint of `depth-node train`, or a folder with the encoder.pth and '
        'depth.pth of a Monodepth2 release',
    )
    parser.add_argument(
        '--out', type=Path, required=True, metavar='NAME.onnx',
        help='the network; its description is written beside it as NAME.json',
    )
    parser.add_argument(
        '--size', default='', metavar='WxH',
        help='network size in pixels, multiples of 32; empty: the size of training',
    )
    parser.add_argument(
        '--focal', type=float, default=0.0, metavar='PX',
        help='Monodepth2: vertical focal length at network size that its depth belongs to, in '
        'pixels (KITTI at 640x192: about 370); 0: unknown',
    )
    parser.add_argument(
        '--half', action='store_true', help='store the weights in half precision'
    )


def run(args: argparse.Namespace) -> None:
    """
    Export, compare with torch, and say what was written.

    :param args: see :func:`configure`.
    :raises DepthNodeError: torch is missing, or the weights cannot be exported.
    """
    if args.out.suffix != '.onnx':
        raise ModelError(f'{args.out}: the name of a network ends in .onnx.')
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
        raise ModelError('--focal is for Monodepth2; a checkpoint knows its own.')
    else:
        spec = export.export_checkpoint(args.weights, args.out, size=args.size, half=args.half)
    print(f'{args.out}: {spec.kind.value} at {spec.input_size}, equal to torch within 1e-4.')
    print(f'Run it: ros2 launch depth_node mono.launch.py model:={args.out}')
