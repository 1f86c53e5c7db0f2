"""
Find and run a verb.

A verb is a module of this package with ``configure(parser)`` and ``run(args)``. It is imported
only when called, so `depth-node --help` needs none of its dependencies.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import contextlib
import importlib
import io
import logging
import os
import sys
from typing import NoReturn

from depth_node.cli import interrupts
from depth_node.errors import DepthNodeError, unexpected
from depth_node.text import printable

VERBS = {
    'models': 'list the catalogue: name, kind, licence, size, what is cached',
    'fetch': 'download models ahead of time, or use weights from a file',
    'predict': 'convert images, folders, videos or bags to depth images and clouds',
    'process': 'add depth, clouds and scans to rosbags, many at a time',
    'reconstruct': 'fuse frames with poses into a mesh, a cloud and a map for navigation',
    'view': 'look at camera, depth, cloud and scan in Rerun',
    'evaluate': 'compare predictions with ground truth',
    'build': 'build, verify and cache an engine; list or prune cached ones',
    'train': 'train a network on recordings: self-supervised, supervised, or with a teacher',
    'export': 'convert trained weights to an ONNX file for the node',
    'calibrate': 'recover the scale from known distances, as a file for the node',
    'marker': 'print a marker of known size, for scale.source marker',
    'benchmark': 'measure engine and frame times on this machine',
    'doctor': 'check this machine: engines, models, middleware, cameras, calibration files',
}


_LONGEST_REASON = 500
_LONGEST = 40
"""Characters of a verb that messages repeat."""


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command line.

    :param argv: arguments without the program name; None: those of the process.
    :returns: 0 on success, 1 if some of the input could not be used or on a bug, 2 on wrong
        usage or input, 130 after Ctrl-C.
    """
    # before OpenCV is imported: what it cannot read, we say, in one line
    os.environ.setdefault('OPENCV_LOG_LEVEL', 'SILENT')
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    _show_log()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files need not be text
            stream.reconfigure(errors='backslashreplace')
    words = list(sys.argv[1:] if argv is None else argv)
    # only the verb that is called is imported
    called = printable(next((word for word in words if not word.startswith('-')), ''), _LONGEST)
    interrupted = f'depth-node {called}: interrupted'
    try:
        ours = argv is None  # or else signals are the caller's
        with interrupts.ending(interrupted) if ours else contextlib.nullcontext():
            return _call(called, words) or 0
    except DepthNodeError as error:
        print(f'depth-node {called}: {error}', file=sys.stderr)
        return 2
    except SystemExit as end:  # of argparse: its usage, or --help
        return end.code if isinstance(end.code, int) else 2
    except BrokenPipeError:
        return 0
    except OSError as error:  # a disk, a permission: nothing that a traceback would explain
        print(f'depth-node {called}: {printable(str(error), _LONGEST_REASON)}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return interrupts.CODE
    except MemoryError:
        print(f'depth-node {called}: not enough memory for this input.', file=sys.stderr)
        return 2
    except Exception as error:  # noqa: BLE001  one line, whatever it is
        print(f'depth-node {called}: {unexpected(error)}', file=sys.stderr)
        return 1


class _ToStderr(logging.Handler):
    """Prints what is logged on the stderr of the moment."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


def _show_log() -> None:
    """Show what is being downloaded, and under which licence, on stderr."""
    log = logging.getLogger('depth_node.catalogue')
    if not log.handlers:
        log.addHandler(_ToStderr())
        log.setLevel(logging.INFO)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        text = printable(message.removesuffix('.'), _LONGEST_REASON)
        self.exit(2, f'{self.prog}: {text}. See {self.prog} --help.\n')


def _call(called: str, words: list[str]) -> int | None:
    parser = _Parser(
        prog='depth-node', description='Depth from one camera, for robots.'
    )
    verbs = parser.add_subparsers(dest='verb', metavar='VERB', required=True)
    module = None
    for verb, summary in VERBS.items():
        sub = verbs.add_parser(
            verb,
            help=summary,
            description=summary[0].upper() + summary[1:] + '.',
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        if verb == called:
            module = importlib.import_module(f'depth_node.cli.{verb}')
            module.configure(sub)
    args = parser.parse_args(words)
    assert module is not None
    return module.run(args)
