"""The node end to end: camera, node and subscriber as processes over DDS."""

from __future__ import annotations

from pathlib import Path
import re
import shutil

from device import Device
from networks import CAMERAS, EMBEDDED, made, NETWORKS
from rows import Row, Task

from depth_node.errors import DataError
from depth_node.image.size import Size

RATE = 30.0
"""Of the camera (Hz)."""
SECONDS = {True: 8.0, False: 3.0}
"""Duration of a measurement, on a GPU or not (s)."""
_ENGINE = re.compile(r'Engine \w+: (.+) at \d+x\d+\.')


def section(task: Task) -> None:
    """
    Make the rows.

    :param task: what to measure on and where.
    """
    for name in NETWORKS:
        for camera in CAMERAS:
            task.make(f'node/{name}/{camera}', _row, task.device, task.folder, name, camera)


def _row(device: Device, folder: Path, name: str, camera: Size) -> Row:
    try:
        from depth_node.ros.trial import trio
    except ImportError as error:
        raise DataError(f'The wheels of ROS are not there ({error}).') from error
    model = made(name, camera, folder, nominal=device.nominal)
    parameters: dict[str, object] = {
        'model.name': EMBEDDED if name == EMBEDDED else str(model.path.resolve()),
        'engine.name': 'onnxruntime', 'engine.precision': 'fp16' if device.cuda else 'fp32',
        'points.voxel_size': 0.0, 'points.max_points': 0,
    }
    logs = folder / f'logs-{name}-{camera}'
    shutil.rmtree(logs, ignore_errors=True)
    found = trio.run(trio.Drive(parameters, camera, RATE, SECONDS[device.cuda], logs))
    text = (logs / 'node.log').read_text(encoding='utf-8', errors='replace')
    engine = _ENGINE.search(text)
    return {
        'engine': engine[1] if engine else 'unknown',
        **{key: found.get(key) for key in (
            'camera_fps', 'delivered', 'delivered_points', 'stages_ms', 'node_memory_mb',
            'node_cpu',
        )},
        'latency_ms': {
            topic: found['streams'][topic]['latency_ms']
            for topic in ('depth/image', 'depth/points') if topic in found['streams']
        },
    }
