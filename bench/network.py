"""
The networks that the benchmarks run.

The real one of 1.2 M parameters, or the embedded one; and a Depth Anything with random weights,
which change no time.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from depth_node.image.size import Size

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


def depth_anything() -> Any:
    """Build transformers' network of Depth Anything V2 Small with random weights."""
    import torch
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    torch.manual_seed(0)
    backbone = Dinov2Config(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=6, out_indices=[3, 6, 9, 12],
        image_size=518, patch_size=14, reshape_hidden_states=False, apply_layernorm=True,
        attn_implementation='eager',
    )
    network = DepthAnythingForDepthEstimation(DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=384, reassemble_factors=[4, 2, 1, 0.5],
        neck_hidden_sizes=[48, 96, 192, 384], fusion_hidden_size=64, head_hidden_size=32,
    )).eval()
    with torch.no_grad():
        # away from the last ReLU, where a relative error means nothing
        network.head.conv3.bias.fill_(1.0)
    return network


def save_checkpoint(network: Any, path: Path) -> Path:
    """Save its weights."""
    import torch

    torch.save(network.state_dict(), path)
    return path


def write_graph(path: Path, size: Size) -> None:
    """Write its graph unless it is there."""
    from depth_node.catalogue.checkpoints import read_checkpoint, Weights
    from depth_node.catalogue.graphs.depth_anything import NETWORKS, write_depth_anything

    if not path.exists():
        checkpoint = save_checkpoint(depth_anything(), path.with_suffix('.pth'))
        write_depth_anything(
            Weights(read_checkpoint(checkpoint), checkpoint.name), NETWORKS['v2_vits'], size,
            path, checkpoint=checkpoint,
        )
