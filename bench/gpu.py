"""
What a frame costs on a GPU through ONNX Runtime's CUDA provider, and what it cannot go below.

For each camera size and precision: the merged graph as the engine runs it (bytes up, float32
down), the bare network on a tensor that stays on the GPU, and the time the copies alone take,
which is the floor of what can be put around the network. Needs onnxruntime-gpu and a GPU:

    python bench/gpu.py network.onnx --kind sigmoid_disparity --json gpu.json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import json
from pathlib import Path
import subprocess
import time
from typing import Any

import numpy as np
import onnxruntime

from depth_node.catalogue.opening import open_model
from depth_node.engine import graph
from depth_node.engine.onnxruntime import CPU, CUDA, open_graph, open_merged
from depth_node.engine.precision import converted, Precision
from depth_node.engine.verify import compare, sample_frames
from depth_node.image.size import Size
from depth_node.model import Interpolation, Model, ModelSpec, network, OutputKind, sizes

CAMERAS = (Size(640, 480), Size(1280, 720))
PRECISIONS = {'fp32': Precision.FP32, 'fp16': Precision.FP16}


def milliseconds(work: Callable[[], object], rounds: int) -> dict[str, float]:
    """
    Time something after warming up.

    :param work: done when it returns.
    :param rounds: how often.
    :returns: median, p95 and p99 (ms).
    """
    for _ in range(max(rounds // 10, 3)):
        work()
    laps = np.empty(rounds)
    for index in range(rounds):
        start = time.perf_counter()
        work()
        laps[index] = time.perf_counter() - start
    return {
        name: round(float(np.percentile(laps, share)) * 1e3, 4)
        for name, share in (('median', 50), ('p95', 95), ('p99', 99))
    }


def bare(
    model: Model, size: Size, precision: Precision, provider: str, rounds: int
) -> dict[str, float]:
    """Time the network alone, its input and output staying where it runs."""
    info = network.inspect(model.path, model.spec)
    fixed = graph.with_size(network.load(model.path), info, size)
    session = onnxruntime.InferenceSession(
        converted(fixed, precision).SerializeToString(), providers=[provider]
    )
    device = 'cuda' if provider == CUDA else 'cpu'
    image = np.random.default_rng(0).random((1, 3, size.height, size.width), np.float32)
    binding = session.io_binding()
    binding.bind_ortvalue_input(
        info.input, onnxruntime.OrtValue.ortvalue_from_numpy(image, device, 0)
    )
    for name in info.outputs:
        binding.bind_output(name, device)

    def run() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return milliseconds(run, rounds)


def copies(camera: Size, planes: int, provider: str, rounds: int) -> dict[str, float]:
    """Time what has to cross the bus: a byte per channel up, four bytes per pixel down."""
    device = 'cuda' if provider == CUDA else 'cpu'
    frame = np.zeros((camera.height, camera.width, 3), np.uint8)
    depth = np.zeros((planes, camera.height, camera.width), np.float32)
    up = onnxruntime.OrtValue.ortvalue_from_numpy(frame, device, 0)
    down = onnxruntime.OrtValue.ortvalue_from_numpy(depth, device, 0)

    def run() -> None:
        up.update_inplace(frame)
        down.numpy()

    return milliseconds(run, rounds)


def measure(model: Model, size: Size, provider: str, rounds: int) -> list[dict[str, Any]]:
    """Measure every camera and precision."""
    reference = open_merged(model, size, provider=CPU)
    info = network.inspect(model.path, model.spec)
    rows = []
    for name, precision in PRECISIONS.items():
        fixed = graph.with_size(network.load(model.path), info, size)
        whole = graph.merged(converted(fixed, precision), info, model.spec, size)
        engine = open_graph(
            whole.SerializeToString(), model.spec, size, provider=provider, precision=precision
        )
        verdict = compare(engine, reference, sample_frames())
        alone = bare(model, size, precision, provider, rounds)
        for camera in CAMERAS:
            frame = np.random.default_rng(1).integers(
                0, 256, (camera.height, camera.width, 3), np.uint8
            )
            out = engine.buffers(camera.height, camera.width)

            def run(frame: Any = frame, out: Any = out, engine: Any = engine) -> None:
                engine.infer(frame, out)

            rows.append({
                'precision': name,
                'camera': str(camera),
                'network': str(size),
                'engine_ms': milliseconds(run, rounds),
                'bare_ms': alone,
                'copies_ms': copies(camera, len(info.outputs), provider, rounds),
                'agrees': verdict.as_facts(),
            })
        engine.close()
    return rows


def device(provider: str) -> str:
    """Name what was measured."""
    if provider != CUDA:
        return 'CPU'
    command = ['nvidia-smi', '--query-gpu=name,driver_version', '--format=csv,noheader']
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('model', help='catalogue name or path')
    parser.add_argument('--kind', default='', help='for a file without a sidecar')
    parser.add_argument('--size', default='auto', help='of the network, WxH')
    parser.add_argument('--rounds', type=int, default=300)
    parser.add_argument('--provider', default=CUDA)
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    if args.kind:
        spec = ModelSpec(
            Path(args.model).stem, OutputKind(args.kind), interpolation=Interpolation.LINEAR
        )
        model = Model(Path(args.model), spec)
    else:
        model = open_model(args.model)
    size = sizes.choose_size(model.spec, network.inspect(model.path, model.spec), args.size)
    report = {
        'device': device(args.provider),
        'onnxruntime': onnxruntime.__version__,
        'model': model.spec.name,
        'rows': measure(model, size, args.provider, args.rounds),
    }
    for row in report['rows']:
        print(
            f'{row["precision"]} {row["camera"]}: engine {row["engine_ms"]["median"]:.2f} ms, '
            f'bare network {row["bare_ms"]["median"]:.2f} ms, copies alone '
            f'{row["copies_ms"]["median"]:.2f} ms; relative error '
            f'{row["agrees"]["median"]:.2%} (median)'
        )
    if args.json is not None:
        args.json.write_text(json.dumps(report, indent=2) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
