"""What a run measures on, and how long it may take over a number."""

from __future__ import annotations

from dataclasses import dataclass
import os
from pathlib import Path
import subprocess

from environment import Environment

CUDA_NAME = 'import torch; print(torch.cuda.get_device_name(0))'
"""Program that prints the name of the GPU."""


@dataclass(frozen=True)
class Device:
    """
    A GPU, or this machine's processor for the check of the run itself.

    :param name: its name.
    :param cuda: whether it is a GPU.
    """

    name: str
    cuda: bool

    @property
    def seconds(self) -> float:
        """Duration of a measurement (s)."""
        return 1.0 if self.cuda else 0.3

    @property
    def least(self) -> int:
        """Minimum number of runs of a measurement."""
        return 30 if self.cuda else 2

    @property
    def nominal(self) -> int:
        """
        Side of the area at which Depth Anything runs (pixels); 0: as in the node.

        A processor would take minutes: it runs the same graphs at another size.
        """
        return 0 if self.cuda else 140

    @property
    def torch(self) -> str:
        """Name of the device in PyTorch."""
        return 'cuda' if self.cuda else 'cpu'


def find_device(environment: Environment) -> Device:
    """
    Look for an NVIDIA GPU.

    :param environment: whose PyTorch is asked where there is no nvidia-smi.
    :returns: the first GPU with its driver, or the processor.
    """
    query = ['nvidia-smi', '--query-gpu=name,driver_version', '--format=csv,noheader']
    for command in (query, [str(environment.python), '-c', CUDA_NAME]):
        try:
            done = subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=120,
                env=dict(environment.variables),
            )
        except (OSError, subprocess.SubprocessError):
            continue
        line = done.stdout.strip().partition('\n')[0]
        if line:
            name, _, driver = line.partition(', ')
            return Device(name + (f', driver {driver}' if driver else ''), cuda=True)
    return Device(f'CPU ({_processor()}, {os.cpu_count()} cores)', cuda=False)


def _processor() -> str:
    try:
        text = Path('/proc/cpuinfo').read_text(encoding='utf-8', errors='replace')
    except OSError:
        return 'unknown'
    names = (line.partition(':')[2].strip() for line in text.splitlines() if 'model name' in line)
    return next(names, 'unknown')
