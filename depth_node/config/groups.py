"""
The parameters, by group: the only place that defines defaults, units and bounds.

Add a parameter by adding a field here. The node declares it, ``make generate`` rewrites
``config/mono.yaml`` and the documentation, and lint fails until they are up to date.
"""

from __future__ import annotations

from dataclasses import dataclass

from depth_node.config.fields import param

ENGINES = ('auto', 'tensorrt', 'openvino', 'onnxruntime')
PRECISIONS = ('auto', 'fp32', 'fp16', 'bf16', 'int8')
KINDS = (
    '',
    'metric_depth',
    'canonical_depth',
    'relative_depth',
    'sigmoid_disparity',
    'relative_disparity',
)

@dataclass(frozen=True)
class ModelConfig:
    """The network, and the description of a file without a sidecar."""

    name: str = param(
        'depth_anything_v2_metric_indoor_small',
        'Catalogue name (`depth-node models`) or path of an ONNX file with a sidecar.',
        live=False,
    )
    accept_licence: bool = param(
        False,
        'Accept a licence that does not allow every use. The answer is stored per model.',
        live=False,
    )
    input_size: str = param(
        'auto',
        'Network size. WIDTHxHEIGHT: this size. auto: the fixed size of the network, or the '
        "aspect ratio of the first frame at the model's nominal area. A single number like 308: "
        'the aspect ratio of the first frame at the area of 308x308. Sides are rounded to the '
        'multiple that the network needs.',
        unit='px',
        live=False,
    )
    kind: str = param(
        '',
        'Meaning of the output, for an ONNX file without a sidecar. Empty: as in the sidecar.',
        choices=KINDS,
        live=False,
    )
    mean: list[float] = param(
        [],
        'Three per-channel means (of values 0 to 1), for an ONNX file without a sidecar.',
        low=-1000.0, high=1000.0,
        live=False,
    )
    std: list[float] = param(
        [],
        'Three per-channel standard deviations (of values 0 to 1), for an ONNX file without a '
        'sidecar.',
        low=1e-6, high=1000.0,
        live=False,
    )
    bgr: bool = param(
        False,
        'Use the channel order blue, green, red, for a network trained on OpenCV images.',
        live=False,
    )
    scale: float = param(
        0.0,
        'Factor from the output to metres, for weights that have one (5.4 for stereo-trained '
        'Monodepth2). 0: as in the sidecar.',
        low=0.0, high=1e6,
        live=False,
    )
    min_depth: float = param(
        0.0,
        'Smallest depth of a sigmoid disparity. 0: as in the sidecar.',
        unit='m', low=0.0, high=10000.0,
        live=False,
    )
    max_depth: float = param(
        0.0,
        'Largest depth of a sigmoid disparity. 0: as in the sidecar.',
        unit='m', low=0.0, high=10000.0,
        live=False,
    )
    train_focal: float = param(
        0.0,
        'Vertical focal length of the training data, at network size. 0: as in the sidecar.',
        unit='px', low=0.0, high=1e6,
        live=False,
    )
    canonical_focal: float = param(
        0.0,
        'Focal length at which a canonical depth is in metres, at network size (1000 for '
        'Metric3D). 0: as in the sidecar, or 300.',
        unit='px', low=0.0, high=1e6,
        live=False,
    )
    output: str = param(
        '',
        'Name of the depth output, for an ONNX file with several outputs. Empty: as in the '
        'sidecar.',
        live=False,
    )


@dataclass(frozen=True)
class EngineConfig:
    """The engine that runs the network."""

    name: str = param(
        'auto',
        'Inference engine. auto: the first that works of tensorrt, onnxruntime with CUDA, '
        'openvino, onnxruntime; the log says why the others were not used.',
        choices=ENGINES,
        live=False,
    )
    precision: str = param(
        'auto',
        'Arithmetic precision of the network. auto: fp16 with tensorrt, verified against fp32 '
        'after the build; fp32 otherwise. fp16: tensorrt, onnxruntime with CUDA. bf16: openvino '
        'on processors that support it (error about 0.2 %, up to three times as fast). int8: '
        'openvino; quantized once with NNCF (see engine.calibration_dir) and verified against '
        'fp32, which is used instead if the error exceeds 3 %.',
        choices=PRECISIONS,
        live=False,
    )
    calibration_dir: str = param(
        '',
        'Folder with images from the robot, for int8: the network is quantized for such images. '
        'Empty: images of the synthetic world, which is less accurate.',
        live=False,
    )
    device: int = param(
        0,
        'CUDA index of the GPU (CUDA_VISIBLE_DEVICES applies). Ignored on a CPU.',
        low=0, high=63,
        live=False,
    )
    threads: int = param(
        0,
        'CPU threads of the engine. 0: one per physical core.',
        low=0, high=256,
        live=False,
    )
    workspace_mb: int = param(
        1024,
        'Scratch memory for TensorRT while building and running; halved automatically if there is '
        'not enough memory.',
        unit='MB', low=64, high=65536,
        live=False,
    )
    optimization_level: int = param(
        3,
        'Effort of TensorRT in finding a fast engine: 0 builds quickest, 5 searches longest.',
        low=0, high=5,
        live=False,
    )
    max_camera_size: str = param(
        '1920x1080',
        'Largest camera image for a TensorRT engine, as WIDTHxHEIGHT, at least 160x120. Smaller '
        'images need no other engine.',
        unit='px',
        live=False,
    )
    cache_dir: str = param(
        '',
        'Folder for compiled engines. Empty: depth_node below $XDG_CACHE_HOME or ~/.cache.',
        at_start=True,
    )
    timeout: float = param(
        30.0,
        'If a frame takes longer than this, the engine is considered to hang: the process exits '
        'with code 70, so that the launch file restarts it.',
        unit='s', low=1.0, high=3600.0,
    )


@dataclass(frozen=True)
class InputConfig:
    """How the messages of the camera are read."""

    rectified: str = param(
        'auto',
        'Whether the image is rectified: then P of CameraInfo applies, otherwise K and D. auto: '
        'true if one of the last two parts of the topic name says so (image_rect, rect/image; '
        'not image_raw, image_unrect).',
        choices=('auto', 'true', 'false'),
        live=False,
    )
    reliability: str = param(
        'auto',
        'Reliability of the image subscription. auto: reliable if every publisher offers it.',
        choices=('auto', 'reliable', 'best_effort'),
        live=False,
    )
    transport: str = param(
        'raw',
        'raw subscribes to `image`, compressed to `image/compressed`.',
        choices=('raw', 'compressed'),
        live=False,
    )
    calibration_file: str = param(
        '',
        'YAML file of camera_calibration, for a camera without CameraInfo.',
        live=False,
    )
    hfov_deg: float = param(
        0.0,
        'Horizontal field of view to assume for an uncalibrated camera. 0: none, and metric '
        'output is refused.',
        unit='deg', low=0.0, high=179.0,
        live=False,
    )


@dataclass(frozen=True)
class DepthConfig:
    """How the output of the network becomes metric depth."""

    focal_correction: bool = param(
        True,
        "Multiply the depth by the ratio of the camera's focal length to that of the training "
        'data.',
    )
    min_range: float = param(
        0.1,
        'Smaller depths are published as -Inf (REP-117).',
        unit='m', low=0.0, high=1000.0,
    )
    max_range: float = param(
        0.0,
        'Larger depths are published as +Inf (REP-117). 0: the range of a metric network, as in '
        'its sidecar (Depth Anything V2: 20 m indoor, 80 m outdoor), and 100 m for other '
        'networks.',
        unit='m', low=0.0, high=10000.0,
    )
    sky: str = param(
        'inf',
        'Value for sky, for networks that detect it. inf: nothing there, so a scan reports free '
        'space. nan: unknown, so a costmap neither marks nor clears.',
        choices=('inf', 'nan'),
    )


@dataclass(frozen=True)
class TemporalConfig:
    """Temporal stabilization."""

    enabled: bool = param(
        False,
        'Align predictions that jump in scale and shift to those before, while camera and scene '
        'stand still; nothing is changed while anything moves. Off by default: a network that '
        'jitters by 10 % can publish what comes nearer slowly up to 9 % beyond its unsteadied '
        'depth (doc/scale.md). Requires stamped frames.',
    )
    time_constant: float = param(
        2.0,
        'How long past frames are taken into account.',
        unit='s', low=0.01, high=60.0,
    )
    max_gap: float = param(
        1.0,
        'After a longer pause between frames the past is discarded.',
        unit='s', low=0.01, high=60.0,
    )
    smoothing: float = param(
        0.0,
        'Weight of the past in every pixel, while camera and scene stand still. 0: off.',
        low=0.0, high=0.95,
    )
