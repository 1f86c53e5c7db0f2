"""ONNX Runtime: the merged graphs as the engine runs them, and what is the least they can take."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

from device import Device
from networks import CAMERAS, fixed, made, NETWORKS, PRECISIONS, size_of, view, whole, work_of
import numpy as np
from rows import milliseconds, Row, Task

from depth_node.camera import Camera
from depth_node.cloud.pipeline import PointsPipeline
from depth_node.config import Config
from depth_node.engine.onnxruntime import CPU, CUDA, open_graph, open_merged
from depth_node.engine.verify import answers, check
from depth_node.estimator import DepthEstimator
from depth_node.image.size import Size
from depth_node.model import Model, network
from depth_node.model.prediction import Prediction

ROUNDS = 3
"""Number of runs of a frame when an engine is compared with fp32 on the CPU."""
ORGANIZED = {'points.voxel_size': 0.0, 'points.max_points': 0}
"""The cloud of the whole frame: every pixel, colored."""


def section(task: Task) -> None:
    """
    Make the rows.

    :param task: what to measure on and where.
    """
    for name in NETWORKS:
        for camera in CAMERAS:
            subject = _Subject(task, name, camera)
            task.make(f'work/{name}/{camera}', subject.counted)
            for precision in PRECISIONS:
                task.make(
                    f'onnxruntime/{name}/{camera}/{precision}', subject.measured, precision
                )


class _Subject:
    """One network for one camera, made when it is first needed."""

    def __init__(self, task: Task, name: str, camera: Size) -> None:
        self._task, self._name, self._camera = task, name, camera

    @functools.cached_property
    def model(self) -> Model:
        return made(
            self._name, self._camera, self._task.folder, nominal=self._task.device.nominal
        )

    @functools.cached_property
    def expected(self) -> list[Prediction]:
        """Its answer in fp32 on the CPU."""
        reference = open_merged(self.model, size_of(self.model), provider=CPU)
        with contextlib.closing(reference):
            return answers(reference, [view(self._camera)[1]])

    def counted(self) -> Row:
        work = work_of(self.model)
        return {
            'network': str(size_of(self.model)), 'operations': work.operations,
            'parameters': work.parameters,
        }

    def measured(self, precision: str) -> Row:
        return _row(self.model, self.expected, self._task.device, self._camera, precision)


def _row(
    model: Model, expected: list[Prediction], device: Device, camera: Size, precision: str
) -> Row:
    provider, chosen = CUDA if device.cuda else CPU, PRECISIONS[precision]
    network_alone = fixed(model, chosen)
    bare = _bare(network_alone, model, provider, device)
    graph = whole(network_alone, model)
    planes = sum(plane is not None for plane in expected[0].planes.values())
    engine = open_graph(graph, model.spec, size_of(model), provider=provider, precision=chosen)
    with contextlib.closing(engine):
        eye, rgb = view(camera)
        verdict = check(engine, [rgb], expected, rounds=ROUNDS if device.cuda else 1)
        out = engine.buffers(camera.height, camera.width)
        alone = milliseconds(lambda: engine.infer(rgb, out), device.seconds, device.least)
        frame = _frame(engine, eye, rgb, device)
    return {
        'network': str(size_of(model)), 'bare_ms': bare, 'engine_ms': alone, 'frame_ms': frame,
        'copies_ms': _copies(camera, planes, provider, device),
        'agrees': verdict.as_facts(precision),
    }


def _bare(proto: Any, model: Model, provider: str, device: Device) -> dict[str, float]:
    """Time the network alone, its input and output staying where it runs."""
    import onnxruntime

    info, size = network.inspect(model.path, model.spec), size_of(model)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=[provider])
    image = np.random.default_rng(0).random((1, 3, size.height, size.width), np.float32)
    binding = session.io_binding()
    binding.bind_ortvalue_input(
        info.input, onnxruntime.OrtValue.ortvalue_from_numpy(image, device.torch, 0)
    )
    for name in info.outputs:
        binding.bind_output(name, device.torch)

    def run() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return milliseconds(run, device.seconds, device.least)


def _copies(camera: Size, planes: int, provider: str, device: Device) -> dict[str, float]:
    """Time what has to cross the bus: a byte per channel up, four bytes per pixel down."""
    import onnxruntime

    place = 'cuda' if provider == CUDA else 'cpu'
    frame = np.zeros((camera.height, camera.width, 3), np.uint8)
    depth = np.zeros((planes, camera.height, camera.width), np.float32)
    up = onnxruntime.OrtValue.ortvalue_from_numpy(frame, place, 0)
    down = onnxruntime.OrtValue.ortvalue_from_numpy(depth, place, 0)

    def run() -> None:
        up.update_inplace(frame)
        down.numpy()

    return milliseconds(run, device.seconds, device.least)


def _frame(engine: Any, eye: Camera, rgb: Any, device: Device) -> dict[str, float]:
    """Time a frame from its bytes to metres and a colored, organized cloud."""
    config = Config().replaced(ORGANIZED)
    estimator, points = DepthEstimator(engine, config), PointsPipeline(eye, config)

    def run() -> None:
        result = estimator.estimate(rgb, eye)
        assert result.depth is not None
        points.process(result.depth, rgb, limits=result.limits)

    return milliseconds(run, device.seconds, device.least)


