"""
Ours beside the usual ways, on the same frames, alternating in one run.

(a) The usual Python node, in two ways: torch eager with its own preprocessing and
    postprocessing, or transformers' depth-estimation pipeline around the same module. Before it
    cv_bridge's copy, behind it a cloud made with numpy and sensor_msgs_py's create_cloud. Written
    as its authors would at their best: ``torch.inference_mode``, channels_last, no needless copy
    that they do not make.
(b) Our depth image, and what depth_image_proc does with it, restated in numpy.

The network is the same small one with random weights, in fp32, as torch module and as ONNX; it is
also run alone, since no way can be quicker than its engine. Nothing is published: time ends with
the filled message. ``python bench/peers.py [--json FILE]``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
import argparse
import array
import contextlib
import json
from pathlib import Path
import platform
import tempfile
import time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image, PointCloud2

from depth_node.camera import Camera
from depth_node.cloud.pipeline import PointsPipeline
from depth_node.config import Config
from depth_node.engine import open_engine
from depth_node.errors import EngineError
from depth_node.estimator import DepthEstimator
from depth_node.image.size import Size
from depth_node.model import Model, ModelSpec, OutputKind
from depth_node.ros import messages
from depth_node.ros.kept import Kept
from depth_node.world import World

SIZE, NETWORK = Size(640, 480), Size(640, 192)


class Usual(ABC):
    """What the usual Python nodes have in common: messages in, messages out."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera

    @abstractmethod
    def metres(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network in one way or another."""

    def __call__(self, message: Any) -> tuple[Any, Any]:
        """Make a depth image and a colored cloud of an rgb8 message."""
        # cv_bridge: from the bytes, and a copy into a cv::Mat
        image = np.frombuffer(message.data, np.uint8).reshape(message.height, -1, 3).copy()
        depth = self.metres(image)
        depth_message = messages.image_to_msg(depth, '32FC1', message.header)
        return depth_message, self._cloud(depth, image, message.header)

    def _cloud(
        self, depth: NDArray[np.float32], image: NDArray[np.uint8], header: Any
    ) -> Any:
        """Back-project with numpy and fill a message as sensor_msgs_py's create_cloud does."""
        camera, (height, width) = self._camera, depth.shape
        u, v = np.meshgrid(np.arange(width), np.arange(height))
        x = (u - camera.cx) * depth / camera.fx
        y = (v - camera.cy) * depth / camera.fy
        colors = image.astype(np.uint32)
        packed = (colors[..., 0] << 16) | (colors[..., 1] << 8) | colors[..., 2]
        points = np.empty((height, width), [(name, np.float32) for name in ('x', 'y', 'z', 'rgb')])
        points['x'], points['y'], points['z'] = x, y, depth
        points['rgb'] = packed.view(np.float32)
        cloud = messages.cloud_to_msg(np.zeros((0, 4), np.float32), header)
        cloud.height, cloud.width, cloud.row_step = height, width, 16 * width
        data = array.array('B')
        data.frombytes(memoryview(points).cast('B'))
        cloud.data = data
        return cloud


class Eager(Usual):
    """The network in torch, eager."""

    def __init__(self, network: Any, camera: Camera) -> None:
        import torch

        super().__init__(camera)
        self._torch = torch
        self._network = network.to(memory_format=torch.channels_last)
        self._tensor = torch.zeros(1, 3, NETWORK.height, NETWORK.width).contiguous(
            memory_format=torch.channels_last
        )

    def bare(self) -> None:
        """Run the network alone."""
        with self._torch.inference_mode():
            self._network(self._tensor)

    def metres(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Prepare, run and resize as the examples of such networks do."""
        torch = self._torch
        with torch.inference_mode():
            tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255.0
            tensor = torch.nn.functional.interpolate(
                tensor, (NETWORK.height, NETWORK.width), mode='bilinear', align_corners=False
            )
            tensor = tensor.contiguous(memory_format=torch.channels_last)
            disparity = self._network(tensor)
            disparity = torch.nn.functional.interpolate(
                disparity, image.shape[:2], mode='bilinear', align_corners=False
            )
            metres: NDArray[np.float32] = (5.4 / (0.01 + 9.99 * disparity))[0, 0].numpy()
        return metres


class Piped(Usual):
    """The network in transformers' pipeline, which takes a PIL image and gives its depth."""

    def __init__(self, network: Any, camera: Camera) -> None:
        from PIL import Image
        from transformers import DPTImageProcessor, pipeline

        super().__init__(camera)
        processor = DPTImageProcessor(
            size={'height': NETWORK.height, 'width': NETWORK.width}, keep_aspect_ratio=False,
            resample=2, image_mean=[0.0, 0.0, 0.0], image_std=[1.0, 1.0, 1.0],
        )
        self._picture = Image.fromarray
        self._pipeline = pipeline(
            'depth-estimation', model=as_pretrained(network), image_processor=processor,
            device='cpu',
        )

    def metres(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the pipeline."""
        disparity = self._pipeline(self._picture(image))['predicted_depth'].numpy()
        metres: NDArray[np.float32] = 5.4 / (0.01 + 9.99 * disparity)
        return metres


def as_pretrained(network: Any) -> Any:
    """Give a torch module the face of one of transformers' own."""
    from transformers import PretrainedConfig, PreTrainedModel
    from transformers.modeling_outputs import DepthEstimatorOutput

    class Wrapped(PreTrainedModel):  # type: ignore[misc]
        config_class = PretrainedConfig

        def __init__(self) -> None:
            super().__init__(PretrainedConfig())
            self.network = network
            self.post_init()

        def _init_weights(self, module: Any) -> None:
            """Keep the weights that there are."""

        def forward(self, pixel_values: Any) -> Any:
            return DepthEstimatorOutput(predicted_depth=self.network(pixel_values)[:, 0])

    return Wrapped().eval()


def image_proc(depth: Any, image: Any, camera: Camera) -> Any:
    """Restate depth_image_proc's point_cloud_xyzrgb: read both messages, project, fill a cloud."""
    metres = messages.metres_from_msg(depth)
    rgb = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)
    points = np.empty((*metres.shape, 4), np.float32)
    u = (np.arange(metres.shape[1], dtype=np.float32) - camera.cx) / camera.fx
    v = (np.arange(metres.shape[0], dtype=np.float32) - camera.cy) / camera.fy
    points[..., 0] = metres * u.astype(np.float32)
    points[..., 1] = metres * v.astype(np.float32)[:, None]
    points[..., 2] = metres
    color = points[..., 3].view(np.uint32)
    color[:] = rgb[..., 0].astype(np.uint32) << 16 | rgb[..., 1].astype(np.uint32) << 8
    color |= rgb[..., 2]
    points[~np.isfinite(metres)] = np.nan
    return messages.cloud_to_msg(points, depth.header)


class Ours:
    """Our way, without the node's threads around it."""

    def __init__(self, model: Model, camera: Camera, threads: int, precision: str) -> None:
        self._config = Config().replaced({
            'engine.name': 'openvino', 'engine.threads': threads, 'engine.precision': precision,
            'scale.source': 'fixed', 'scale.value': 5.4, 'points.voxel_size': 0.0,
        })
        self._engine = open_engine(model, self._config.engine, NETWORK)
        self._estimator = DepthEstimator(self._engine, self._config)
        self._camera = camera
        self.bare = self._engine.bare
        self._points = PointsPipeline(camera, self._config)
        self._image, self._cloud = Kept(Image), Kept(PointCloud2)

    def __call__(self, message: Any, *, cloud: bool = True) -> tuple[Any, Any]:
        """Make a depth image, filtered, and a colored cloud of an rgb8 message."""
        rgb = messages.rgb_from_msg(message)
        depth = self._estimator.estimate(rgb, self._camera).depth
        assert depth is not None
        image = messages.depth_to_msg(depth, '32FC1', message.header, self._image)
        if not cloud:
            return image, None
        points = self._points.process(depth, rgb, room=self._cloud.room).points
        assert points is not None
        return image, messages.cloud_to_msg(points, message.header, self._cloud)


def networks(folder: Path) -> tuple[Any, Model]:
    """Make the small network with random weights, as torch module and as ONNX."""
    import torch

    from depth_node.training.export import export_network
    from depth_node.training.networks import Architecture, DepthNetwork, NetworkConfig
    from depth_node.training.networks.depth import FinestOutput

    torch.manual_seed(0)
    config = NetworkConfig(Architecture.SMALL, OutputKind.SIGMOID_DISPARITY, scales=1)
    network = DepthNetwork(config).eval()
    path = folder / 'small.onnx'
    spec = ModelSpec('small', OutputKind.SIGMOID_DISPARITY, input_size=NETWORK)
    export_network(network, spec, path)
    return FinestOutput(network).eval(), Model(path, spec)


def main() -> None:
    """Take turns, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--frames', type=int, default=60, help='of each way')
    parser.add_argument('--threads', type=int, default=0, help='of our engine; 0: its default')
    parser.add_argument('--json', type=Path, help='also write the results as JSON')
    args = parser.parse_args()
    camera = Camera.from_hfov(*SIZE, 75.0)
    rgb, _ = World(7).render(camera, World(7).pose(0.0))
    header = messages.header_of(messages.stamp_of(1), 'camera')
    message = messages.image_to_msg(rgb, 'rgb8', header)
    with tempfile.TemporaryDirectory() as folder:
        module, model = networks(Path(folder))
        ours = Ours(model, camera, args.threads, 'fp32')
        eager, piped = Eager(module, camera), Piped(module, camera)

        def apart() -> None:
            depth, _ = ours(message, cloud=False)
            image_proc(depth, message, camera)

        ways = {
            'ours': lambda: ours(message),
            'usual Python node (a), torch eager': lambda: eager(message),
            "usual Python node (a), transformers' pipeline": lambda: piped(message),
            'our depth, depth_image_proc in numpy (b)': apart,
            'the network alone, our engine': ours.bare,
            'the network alone, torch eager': eager.bare,
        }
        with contextlib.suppress(EngineError):  # a processor without it
            quicker = Ours(model, camera, args.threads, 'bf16')
            ways['ours, bf16'] = lambda: quicker(message)
        took: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(args.frames + 5):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                if turn >= 5:
                    took[name].append(1e3 * (time.perf_counter() - start))
    medians = {name: float(np.median(times)) for name, times in took.items()}
    print(f'{platform.processor() or platform.machine()}, OpenCV {cv2.__version__}, '
          f'{args.frames} frames of {SIZE}, network at {NETWORK}')
    for name, median in medians.items():
        print(f'{name:46} {median:7.2f} ms  {1000 / median:6.1f} fps  '
              f'{median / medians["ours"]:5.2f} of our time')
    if args.json is not None:
        args.json.write_text(json.dumps(medians, indent=2) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
