"""
Frames per second of a Depth Anything V2 Small sized network at 392x518, side by side in one run.

Our engines from the camera's bytes to depth at the camera's size, against transformers' own
pipeline in PyTorch on the same picture at the same network size, and the bare eager network.
Weights are random: they change no time. The contenders take turns, so that what else the machine
does hits all of them; medians and CPU time are printed, and the ratio to the pipeline.

Run it as ``python bench/depth_anything.py [--int8] [--json FILE]``; int8 quantizes first, which
takes minutes. ``--network FILE.onnx`` keeps the network for the next run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import contextlib
import json
import os
from pathlib import Path
import platform
import statistics
import tempfile
import time

from network import depth_anything, write_graph
import numpy as np

from depth_node.camera import Camera
from depth_node.catalogue import find
from depth_node.config import EngineConfig
from depth_node.engine import int8, open_engine
from depth_node.image.size import Size
from depth_node.model import Model, ModelSpec
from depth_node.world import World


def written(path: Path, size: Size) -> ModelSpec:
    """Write the network unless it is there, and describe it."""
    import dataclasses

    write_graph(path, size)
    spec = find('depth_anything_v2_small').spec
    return dataclasses.replace(spec, input_size=size)


def torch_contenders(rgb: np.ndarray, size: Size) -> dict[str, Callable[[], object]]:
    """Set up transformers' pipeline and the bare eager network."""
    from PIL import Image
    import torch
    from transformers import DPTImageProcessor, pipeline

    network = depth_anything()
    processor = DPTImageProcessor(
        size={'height': size.height, 'width': size.width}, keep_aspect_ratio=False, resample=3,
        image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225],
    )
    estimate = pipeline(
        'depth-estimation', model=network, image_processor=processor, device='cpu'
    )
    picture = Image.fromarray(rgb)
    tensor = torch.zeros(1, 3, size.height, size.width)

    def bare() -> object:
        with torch.inference_mode():
            return network(pixel_values=tensor)

    return {
        "transformers' pipeline, PyTorch": lambda: estimate(picture),
        'bare network, PyTorch eager': bare,
    }


def our_contenders(
    model: Model, rgb: np.ndarray, size: Size, stack: contextlib.ExitStack, *, quantized: bool
) -> dict[str, Callable[[], object]]:
    """Open our engines; int8 is quantized on few frames, enough to time it."""
    int8.WORLD_FRAMES = 4
    configs = {
        'ours, OpenVINO fp32': EngineConfig(name='openvino', precision='fp32'),
        'ours, ONNX Runtime fp32': EngineConfig(name='onnxruntime', precision='fp32'),
    }
    if quantized:
        configs['ours, OpenVINO int8'] = EngineConfig(name='openvino', precision='int8')
    contenders: dict[str, Callable[[], object]] = {}
    for name, config in configs.items():
        engine = open_engine(model, config, size)
        stack.callback(engine.close)
        out = engine.buffers(*rgb.shape[:2])
        if 'int8' in name:
            name = f'ours, {engine.description}'  # noqa: PLW2901 it may have fallen back
        contenders[name] = lambda engine=engine, out=out: engine.infer(rgb, out)
        if name == 'ours, OpenVINO fp32':
            contenders['bare network, OpenVINO fp32'] = engine.bare
    return contenders


def measured(
    contenders: dict[str, Callable[[], object]], rounds: int
) -> dict[str, dict[str, float]]:
    """Let the contenders take turns; times in ms."""
    wall: dict[str, list[float]] = {name: [] for name in contenders}
    cpu: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, work in contenders.items():
            start, used = time.perf_counter(), time.process_time()
            work()
            if turn:  # the first warms up
                wall[name].append((time.perf_counter() - start) * 1e3)
                cpu[name].append((time.process_time() - used) * 1e3)
    return {
        name: {
            'median_ms': statistics.median(wall[name]),
            'least_ms': min(wall[name]),
            'cpu_ms': statistics.median(cpu[name]),
        }
        for name in contenders
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--size', type=Size.parse, default=Size(518, 392))
    parser.add_argument('--rounds', type=int, default=15)
    parser.add_argument('--int8', action='store_true', help='quantize and measure int8 as well')
    parser.add_argument('--network', type=Path, help='where the network is kept')
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    world = World(0)
    rgb = world.render(Camera.from_hfov(640, 480, 70), world.pose(2.0))[0]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = args.network or folder / 'depth_anything_v2_small_random.onnx'
        model = Model(path, written(path, args.size))
        contenders = our_contenders(model, rgb, args.size, stack, quantized=args.int8)
        contenders |= torch_contenders(rgb, args.size)
        results = measured(contenders, args.rounds)
    reference = results["transformers' pipeline, PyTorch"]
    print(f'{platform.processor() or platform.machine()}, {os.cpu_count()} cores, network '
          f'{args.size}, frame 640x480, {args.rounds} rounds, load {os.getloadavg()[0]:.1f}')
    print(f'{"":36s} {"median":>8s} {"least":>8s} {"CPU":>8s}   frames per second against')
    print(f'{"":36s} {"ms":>8s} {"ms":>8s} {"ms":>8s}   the pipeline (median, CPU)')
    for name, row in results.items():
        row['ratio'] = reference['median_ms'] / row['median_ms']
        row['cpu_ratio'] = reference['cpu_ms'] / row['cpu_ms']
        print(f'{name:36s} {row["median_ms"]:8.1f} {row["least_ms"]:8.1f} {row["cpu_ms"]:8.1f}'
              f'   {row["ratio"]:5.2f} {row["cpu_ratio"]:5.2f}')
    if args.json is not None:
        args.json.write_text(json.dumps(results, indent=2) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
