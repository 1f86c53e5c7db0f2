"""The network that the benchmarks run: the real one of 1.2 M parameters, or the embedded one."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT.parent / 'shared' / 'data' / 'weights' / 'rtmonodepth_s_ms_640_192.onnx'


def words() -> list[str]:
    """Give it as options of `depth-node`."""
    if not WEIGHTS.is_file():
        return ['--model', 'embedded']
    return [
        '--model', os.path.relpath(WEIGHTS, ROOT), '--kind', 'sigmoid_disparity',
        '--mean', '0,0,0', '--std', '1,1,1', '--scale', '5.4',
    ]


def parameters() -> dict[str, object]:
    """Give it as parameters of the node, which makes an organized, colored cloud."""
    cloud: dict[str, object] = {'points.voxel_size': 0.0, 'points.max_points': 0}
    if not WEIGHTS.is_file():
        return {'model.name': 'embedded', **cloud}
    return {
        'model.name': str(WEIGHTS), 'model.kind': 'sigmoid_disparity',
        'model.mean': [0.0, 0.0, 0.0], 'model.std': [1.0, 1.0, 1.0],
        'scale.source': 'fixed', 'scale.value': 5.4, **cloud,
    }


def fastest_precision() -> str:
    """Return bf16 where the processor has it in hardware, else fp32."""
    flags = Path('/proc/cpuinfo').read_text(encoding='utf-8')
    return 'bf16' if 'amx_bf16' in flags or 'avx512_bf16' in flags else 'fp32'
