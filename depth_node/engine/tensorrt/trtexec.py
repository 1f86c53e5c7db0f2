"""Timing of a plan with NVIDIA's trtexec, if installed."""

from __future__ import annotations

from pathlib import Path
import re
import shutil
import subprocess

from depth_node.engine.graph import FRAME
from depth_node.image.size import Size

_TOOL = Path('/usr/src/tensorrt/bin/trtexec')
"""Its path in JetPack, which is not in PATH."""
_PATIENCE_S = 60.0
_TIMES = re.compile(
    r'GPU Compute Time:.*?median = ([\d.]+) ms.*?percentile\(99%\) = ([\d.]+) ms'
)


def time_with_trtexec(plan: Path, camera: Size) -> str:
    """
    Measure the time of a plan with trtexec.

    :param plan: file of the engine.
    :param camera: size of the frames (pixels).
    :returns: median and 99th percentile of the GPU's time, or why there are none.
    """
    tool = shutil.which('trtexec') or (str(_TOOL) if _TOOL.is_file() else '')
    if not tool:
        return 'not installed'
    try:
        done = subprocess.run(  # noqa: S603  (NVIDIA's tool)
            [tool, f'--loadEngine={plan}', f'--shapes={FRAME}:{camera.height}x{camera.width}x3',
             '--useCudaGraph', '--noDataTransfers', '--duration=3'],
            capture_output=True, text=True, timeout=_PATIENCE_S, check=False, cwd=plan.parent,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f'failed ({error})'
    return parsed(done.stdout) or f'failed with code {done.returncode}'


def parsed(output: str) -> str:
    """
    Parse the summary of trtexec.

    :param output: its output.
    :returns: median and 99th percentile; empty if they are missing.
    """
    found = _TIMES.search(output)
    return f'{float(found[1]):.2f} ms (p99 {float(found[2]):.2f}) without copies' if found else ''
