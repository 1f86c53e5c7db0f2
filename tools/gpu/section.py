"""One section of the run, in a process of its own: what ends the process costs no other rows."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
import re

from device import Device
from rows import Journal, Task

Section = Callable[[Task], None]
NAMES = ('machine', 'onnxruntime', 'rtx', 'tensorrt', 'node', 'eager', 'compiled')
"""The sections, in the order in which they are worth the time."""
LEFT_OUT = {
    r'depth_anything.*(_base/1280x720|compiled)|^(node|torch)/.*_base/':
        'left out of the check on a CPU, which it would make minutes longer',
    r'^torch/.*/fp16/': 'PyTorch takes seconds for a frame in fp16 on a CPU',
}
"""What the check on a CPU leaves out: patterns of keys, and the reason."""


def opened(name: str) -> Section:
    """
    Import a section, with the libraries that it needs.

    :param name: of :data:`NAMES`.
    :returns: the function that makes its rows.
    """
    match name:
        case 'machine' | 'eager' | 'compiled':
            import torch_section

            found: Section = getattr(torch_section, name)
        case 'onnxruntime':
            from onnx_section import section as found
        case 'rtx' | 'tensorrt':
            from tensorrt_section import section as found
        case 'node':
            from node_section import section as found
        case _:
            raise ValueError(name)
    return found


def left_out(device: Device) -> Callable[[str], str]:
    """
    Return the rule for rows that are not made.

    :param device: what is measured on.
    :returns: a function from a key to the reason, which is empty if the row is made.
    """
    def rule(key: str) -> str:
        reasons = (reason for pattern, reason in LEFT_OUT.items() if re.search(pattern, key))
        return '' if device.cuda else next(reasons, '')

    return rule


def main() -> None:
    """Make the rows of one section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('name', choices=NAMES)
    parser.add_argument('--rows', type=Path, required=True)
    parser.add_argument('--work', type=Path, required=True)
    parser.add_argument('--deadline', type=float, required=True)
    parser.add_argument('--device', required=True)
    parser.add_argument('--cuda', action='store_true')
    args = parser.parse_args()
    device = Device(args.device, args.cuda)
    journal = Journal(args.rows, args.deadline)
    opened(args.name)(Task(journal, device, args.work, left_out(device)))


if __name__ == '__main__':
    main()
