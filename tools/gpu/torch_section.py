"""PyTorch: what the machine can do at all, and the same networks eager and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from device import Device
from networks import CAMERAS, EMBEDDED, made, NETWORKS, PRECISIONS, size_of, view
from rows import milliseconds, Row, Task

from depth_node.errors import EngineError
from depth_node.image.size import Size

_COPY_BYTES = {True: 2**30, False: 2**26}
_SIDE = {True: 8192, False: 1024}
_SIZES = {
    'v2_vits': (384, 6, (48, 96, 192, 384), 64),
    'v2_vitb': (768, 12, (96, 192, 384, 768), 128),
}
"""Channels, heads, channels of the four resolutions, channels of the fusion."""


def machine(task: Task) -> None:
    """
    Measure what bounds every network.

    :param task: what to measure on and where.
    """
    task.make('machine/memory', _memory, task.device)
    for precision in PRECISIONS:
        task.make(f'machine/arithmetic/{precision}', _arithmetic, task.device, precision)
    for camera in CAMERAS:
        task.make(f'machine/copies/{camera}', _copies, task.device, camera)


def eager(task: Task) -> None:
    """
    Time the networks as modules.

    :param task: what to measure on and where.
    """
    _networks(task, 'eager')


def compiled(task: Task) -> None:
    """
    Time the networks compiled by `torch.compile`.

    :param task: what to measure on and where.
    """
    _networks(task, 'compiled')


def _networks(task: Task, way: str) -> None:
    # the half precision first: what takes long and may be cut is worth most there
    for precision in reversed(PRECISIONS):
        for camera in CAMERAS:
            for name in NETWORKS:
                task.make(
                    f'torch/{name}/{camera}/{precision}/{way}',
                    _row, task, name, camera, precision, way,
                )


def _torch(device: Device) -> Any:
    """Import PyTorch, with TF32 as ONNX Runtime's CUDA provider has it by default."""
    import torch

    if device.cuda and not torch.cuda.is_available():
        raise EngineError(
            f'PyTorch {torch.__version__} has no CUDA here, and is too large to be carried.'
        )
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    return torch


def _timed(device: Device, torch: Any, work: Callable[[], object]) -> dict[str, float]:
    def run() -> None:
        work()
        if device.cuda:
            torch.cuda.synchronize()

    return milliseconds(run, device.seconds, device.least)


def _memory(device: Device) -> Row:
    torch = _torch(device)
    count = _COPY_BYTES[device.cuda]
    source = torch.randint(0, 256, (count,), dtype=torch.uint8, device=device.torch)
    target = torch.empty_like(source)
    lap = _timed(device, torch, lambda: target.copy_(source))
    return {'lap_ms': lap, 'gb_per_s': 2 * count / lap['median'] / 1e6}


def _arithmetic(device: Device, precision: str) -> Row:
    torch = _torch(device)
    side = _SIDE[device.cuda]
    kind = torch.float16 if precision == 'fp16' else torch.float32
    a, b = (torch.randn(side, side, device=device.torch).to(kind) for _ in range(2))
    lap = _timed(device, torch, lambda: a @ b)
    return {'lap_ms': lap, 'tflop_per_s': 2 * side**3 / lap['median'] / 1e9}


def _copies(device: Device, camera: Size) -> Row:
    """Time the bytes of a frame up and those of its depth down, from page-locked memory."""
    torch = _torch(device)
    shape = (camera.height, camera.width)
    frame = torch.randint(0, 256, (*shape, 3), dtype=torch.uint8)
    depth = torch.empty(shape)
    if device.cuda:
        frame, depth = frame.pin_memory(), depth.pin_memory()
    up, down = (torch.empty_like(t, device=device.torch) for t in (frame, depth))

    def both() -> None:
        up.copy_(frame, non_blocking=True)
        depth.copy_(down, non_blocking=True)

    return {'lap_ms': _timed(device, torch, both), 'bytes': frame.nbytes + depth.nbytes}


def _module(torch: Any, name: str) -> Any:
    """Return the network as a module, with random weights."""
    torch.manual_seed(0)
    if name == EMBEDDED:
        from depth_node.training.embedded.recipe import CONFIG
        from depth_node.training.networks import DepthNetwork, FinestOutput

        return FinestOutput(DepthNetwork(CONFIG))
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    channels, heads, stages, fused = _SIZES[NETWORKS[name]]
    backbone = Dinov2Config(
        hidden_size=channels, num_hidden_layers=12, num_attention_heads=heads,
        out_indices=[3, 6, 9, 12], image_size=518, patch_size=14, reshape_hidden_states=False,
        apply_layernorm=True, attn_implementation='sdpa',
    )
    return DepthAnythingForDepthEstimation(DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=channels,
        reassemble_factors=[4, 2, 1, 0.5], neck_hidden_sizes=list(stages),
        fusion_hidden_size=fused, head_hidden_size=32, depth_estimation_type='metric',
        max_depth=20, return_dict=False,
    ))


def _row(task: Task, name: str, camera: Size, precision: str, way: str) -> Row:
    """Time the network alone, and the usual way from a frame to depth at its size."""
    device = task.device
    torch = _torch(device)
    size = size_of(made(name, camera, task.folder, nominal=device.nominal))
    kind = torch.float16 if precision == 'fp16' else torch.float32
    module = _module(torch, name).eval().to(device.torch, kind)
    if way == 'compiled':
        # the way with the least work on the processor: whole graphs, replayed
        module = torch.compile(module, mode='reduce-overhead' if device.cuda else 'default')
    image = torch.rand(1, 3, size.height, size.width, device=device.torch).to(kind)
    rgb = view(camera)[1]
    shape, inner = rgb.shape[:2], (size.height, size.width)

    def plane(tensor: Any) -> Any:
        answer = module(tensor)  # transformers' modules return a tuple
        return answer[0] if isinstance(answer, tuple) else answer

    def frame() -> object:
        up = torch.from_numpy(rgb).to(device.torch).permute(2, 0, 1)[None].to(kind) / 255
        small = torch.nn.functional.interpolate(up, inner, mode='bicubic', antialias=False)
        depth = plane(small).reshape(1, 1, *inner).float()
        return torch.nn.functional.interpolate(depth, shape, mode='bilinear').cpu().numpy()

    with torch.inference_mode():
        bare = _timed(device, torch, lambda: module(image))
        return {'network': str(size), 'bare_ms': bare, 'frame_ms': _timed(device, torch, frame)}
