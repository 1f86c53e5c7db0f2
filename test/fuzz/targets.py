"""
What is fuzzed: every parser of something that comes from outside, as a function of bytes.

A target may raise DepthNodeError and nothing else. `test_fuzz.py` runs each for a moment with
Hypothesis; `tools/fuzz.py` for as long as one likes with Atheris, which is guided by coverage.
"""

from __future__ import annotations

from collections.abc import Callable
import contextlib
from dataclasses import dataclass
import json
from pathlib import Path
import struct
import tempfile

import cv2
import numpy as np
import yaml

from depth_node.camera import Camera
from depth_node.camera.calibration_file import read_calibration as read_camera
from depth_node.catalogue.checkpoints import read_checkpoint, StoredTensor
from depth_node.config import Config
from depth_node.errors import DepthNodeError
from depth_node.image.compressed import decode_rgb
from depth_node.image.encodings import (
    COLOR_ENCODINGS,
    DEPTH_ENCODINGS,
    image_view,
    to_metres,
    to_rgb,
)
from depth_node.model import network, OutputKind, read_sidecar
from depth_node.scale.calibration import read_scale, ScaleCalibration, write_scale
from depth_node.sources.frames import open_source
from depth_node.sources.trajectory import read_trajectory

_NAMES = (*COLOR_ENCODINGS, *DEPTH_ENCODINGS, 'nonsense', '')
_LENSES = ('plumb_bob', 'rational_polynomial', 'equidistant', 'none', '')
_IMAGE = struct.Struct('<BIIIB')
_INFO = struct.Struct('<IIBBII9d12d')


@dataclass(frozen=True)
class Target:
    """
    One parser.

    :param parse: takes bytes.
    :param seeds: good input to start from.
    """

    parse: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]


def image(data: bytes) -> None:
    """The header of an image message, and its bytes."""
    if len(data) < _IMAGE.size:
        return
    name, height, width, step, big = _IMAGE.unpack_from(data)
    encoding = _NAMES[name % len(_NAMES)]
    view = image_view(encoding, height, width, step, bool(big & 1), data[_IMAGE.size:])
    if encoding in COLOR_ENCODINGS:
        assert to_rgb(view, encoding).dtype == np.uint8
    else:
        assert to_metres(view, encoding).dtype == np.float32


def camera_info(data: bytes) -> None:
    """The numbers of a CameraInfo, and rays where they make a camera of a modest size."""
    if len(data) < _INFO.size:
        return
    width, height, lens, rectified, bin_x, bin_y, *numbers = _INFO.unpack_from(data)
    rest = data[_INFO.size:]
    d = struct.unpack(f'<{len(rest) // 8}d', rest[:len(rest) // 8 * 8])
    camera = Camera.from_info(
        width, height, _LENSES[lens % len(_LENSES)], d, numbers[:9], numbers[9:],
        binning_x=bin_x, binning_y=bin_y, rectified=bool(rectified & 1),
    )
    if camera.width * camera.height <= 4096:
        rays = camera.rays()
        assert rays.shape == (camera.height, camera.width, 2)
        assert not np.isinf(rays).any()


def parameters(data: bytes) -> None:
    """A parameter file, below `ros__parameters`."""
    with contextlib.suppress(yaml.YAMLError, ValueError, RecursionError):
        found = yaml.safe_load(data)
        if isinstance(found, dict):
            Config().replaced({str(k): v for k, v in found.items()})


def _of_file(suffix: str, read: Callable[[Path], object]) -> Callable[[bytes], None]:
    folder = Path(tempfile.mkdtemp(prefix='fuzz-'))
    path = folder / f'case{suffix}'

    def parse(data: bytes) -> None:
        path.write_bytes(data)
        read(path)

    return parse


def _frames(path: Path) -> None:
    for number, found in enumerate(open_source(str(path))):
        assert found.rgb.ndim == 3
        if number > 3:
            break


def _image_seeds() -> list[bytes]:
    return [
        _IMAGE.pack(_NAMES.index(name), 4, 6, step, 0) + bytes(range(96)) + bytes(100)
        for name, step in (('rgb8', 18), ('mono16', 12), ('nv12', 6), ('bayer_rggb8', 6),
                           ('yuv422', 12), ('32FC1', 24))
    ]


def _info_seeds() -> list[bytes]:
    camera = Camera.from_hfov(64, 48, 70.0)
    k, p = camera.numbers().k, camera.numbers().p
    plain = _INFO.pack(64, 48, 0, 0, 0, 0, *k, *p)
    return [
        plain, plain + struct.pack('<5d', -0.3, 0.1, 0.001, 0.002, 0.0),
        _INFO.pack(64, 48, 1, 0, 0, 0, *k, *p) + struct.pack('<8d', *[0.01] * 8),
        _INFO.pack(64, 48, 2, 0, 2, 2, *k, *p) + struct.pack('<4d', *[0.01] * 4),
        _INFO.pack(64, 48, 2, 1, 0, 0, *k, *p),
    ]


def _sidecar_seeds() -> list[bytes]:
    return [json.dumps({
        'format': 1, 'kind': 'sigmoid_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1],
        'input_size': [640, 192], 'scale': 5.4, 'licence': 'MIT', 'commercial': True,
    }).encode()]


def _parameter_seeds() -> list[bytes]:
    return [yaml.safe_dump(Config().flat()).encode()]


def _camera_seeds() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'camera.yaml'
        Camera.from_hfov(640, 480, 70.0).to_yaml(path)
        return [path.read_bytes()]


def _scale_seeds() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'scale.yaml'
        found = []
        for kind, covariance in (
            (OutputKind.SIGMOID_DISPARITY, ((1e-4,),)),
            (OutputKind.RELATIVE_DISPARITY, ((1e-4, 0.0), (0.0, 1e-4))),
        ):
            write_scale(path, ScaleCalibration(
                model='net', sha256='a' * 64, kind=kind, scale=5.4, shift=0.0,
                covariance=covariance, typical=1.0, source='ground',
            ))
            found.append(path.read_bytes())
        return found


def _onnx_seeds() -> list[bytes]:
    from dummy_networks import write_network

    with tempfile.TemporaryDirectory() as folder:
        return [
            write_network(Path(folder) / 'a.onnx', extras=extras, rank=rank).read_bytes()
            for extras, rank in (((), 4), (('confidence', 'sky'), 3))
        ]


def _checkpoint(path: Path) -> None:
    for value in read_checkpoint(path).values():
        if isinstance(value, StoredTensor) and value.size <= 1 << 20:
            value.array().sum()


def _checkpoint_seeds() -> list[bytes]:
    from fuzz_checkpoints import checkpoints

    return checkpoints()


def _compressed_seeds() -> list[bytes]:
    picture = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
    return [cv2.imencode(ending, picture)[1].tobytes() for ending in ('.jpg', '.png')]


def _bag_seeds() -> list[bytes]:
    from fuzz_bags import write_bag

    with tempfile.TemporaryDirectory() as folder:
        return [write_bag(Path(folder) / 'bag').read_bytes()]


def _trajectory_seeds() -> list[bytes]:
    return [
        b'# stamp x y z qx qy qz qw\n1.5 0 0 1 0 0 0 1\n2.5 1 0 1 0 0 0.1 0.9\n',
        b'1 0 0 5 0 1 0 6 0 0 1 7\n' * 2, b'1 2 3 0 0 0 1\n',
    ]


TARGETS = {
    'image': Target(image, _image_seeds),
    'camera_info': Target(camera_info, _info_seeds),
    'parameters': Target(parameters, _parameter_seeds),
    'sidecar': Target(_of_file('.json', read_sidecar), _sidecar_seeds),
    'camera_file': Target(_of_file('.yaml', read_camera), _camera_seeds),
    'scale_file': Target(_of_file('.yaml', read_scale), _scale_seeds),
    'onnx': Target(_of_file('.onnx', network.inspect), _onnx_seeds),
    'checkpoint': Target(_of_file('.pth', _checkpoint), _checkpoint_seeds),
    'compressed': Target(decode_rgb, _compressed_seeds),
    'trajectory': Target(_of_file('.txt', read_trajectory), _trajectory_seeds),
    'bag': Target(_of_file('.mcap', _frames), _bag_seeds),
}


def survives(target: Target, data: bytes) -> None:
    """
    Feed a target; whatever it raises that is not a DepthNodeError is a finding.

    :param target: the parser.
    :param data: the input.
    """
    with contextlib.suppress(DepthNodeError):
        target.parse(data)
