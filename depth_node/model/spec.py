"""
Description of a network: its files, its input, and the meaning of its output.

A model is an ONNX file and a :class:`ModelSpec`. The spec lives in a sidecar next to the file
(``NAME.onnx``, ``NAME.json``), in the catalogue, or in options; nothing is guessed.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
import enum
import json
import math
from pathlib import Path

from depth_node.errors import ModelError
from depth_node.image.size import Size
from depth_node.model.file_state import FileState

SIDECAR_FORMAT = 1
CANONICAL_FOCAL = 300.0
"""Of Depth Anything 3 (pixels at network size)."""
LARGEST_SIDE = 8192
"""Maximum side of a network's input (pixels); larger values are damaged or malicious."""


class OutputKind(str, enum.Enum):
    """What the numbers of a network mean; `depth.metres.to_metres` has the formula of each."""

    METRIC_DEPTH = 'metric_depth'
    CANONICAL_DEPTH = 'canonical_depth'
    RELATIVE_DEPTH = 'relative_depth'
    SIGMOID_DISPARITY = 'sigmoid_disparity'
    RELATIVE_DISPARITY = 'relative_disparity'

    @property
    def is_metric(self) -> bool:
        """Whether the output is metric without a scale."""
        return self in (OutputKind.METRIC_DEPTH, OutputKind.CANONICAL_DEPTH)

    @property
    def has_shift(self) -> bool:
        """Whether a shift is unknown in addition to the scale."""
        return self in (OutputKind.RELATIVE_DEPTH, OutputKind.RELATIVE_DISPARITY)

    @property
    def is_disparity(self) -> bool:
        """Whether values are larger for nearer points."""
        return self in (OutputKind.SIGMOID_DISPARITY, OutputKind.RELATIVE_DISPARITY)


class Aspect(str, enum.Enum):
    """How frames of another aspect ratio are fitted to a network of fixed size."""

    SQUASH = 'squash'
    """Scale both axes independently, as in Monodepth2."""
    CROP = 'crop'
    """Keep the aspect ratio and crop the longer side."""


class Interpolation(str, enum.Enum):
    """How a frame is resized to the network's size."""

    NEAREST = 'nearest'
    LINEAR = 'linear'
    CUBIC = 'cubic'
    AREA = 'area'
    LANCZOS = 'lanczos'


@dataclass(frozen=True)
class ModelSpec:
    """
    The properties of a network in addition to its weights.

    :param name: catalogue name, or stem of the file name.
    :param kind: meaning of the output.
    :param input_size: the fixed size of the network; None if it is chosen for each camera from
        `nominal_size` and `multiple`.
    :param nominal_size: the training size, whose area `auto` keeps.
    :param multiple: width and height of the network are multiples of this (pixels).
    :param aspect: how frames of another aspect ratio are fitted.
    :param interpolation: interpolation when resizing to the network's size.
    :param mean: per-channel mean of values 0 to 1, in the channel order of the network.
    :param std: per-channel standard deviation, in the channel order of the network.
    :param bgr: whether the channel order of the network is blue, green, red.
    :param min_depth: nearest depth of a sigmoid disparity (m, before the scale).
    :param max_depth: farthest depth of a sigmoid disparity (m, before the scale), or the range
        a metric network can express (m).
    :param scale: factor to metres, for weights that have one (5.4 for stereo-trained
        Monodepth2), or None.
    :param train_focal: vertical focal length of the training data (pixels at network size), or
        None if unknown or irrelevant.
    :param canonical_focal: focal length at which a canonical depth is in metres (pixels at network
        size).
    :param output: name of the depth output of a network with several; empty: the one that is
        neither confidence nor sky.
    :param confidence_output: name of the confidence output; empty: ``confidence``, if present.
    :param sky_output: name of the sky output; empty: ``sky``, if present.
    :param slope_output: name of the output that says what one pixel of vertical focal length at
        network size adds to the depth; empty: there is none.
    :param sky_threshold: sky probability above which a pixel counts as sky, for networks with
        a ``sky`` output.
    :param licence: SPDX identifier, or a short name.
    :param commercial: whether the licence allows commercial use; None if unknown.
    :param sha256: hash of the network (``model.fingerprint``), or None if not pinned.
    """

    name: str
    kind: OutputKind
    input_size: Size | None = None
    nominal_size: Size | None = None
    multiple: int = 1
    aspect: Aspect = Aspect.SQUASH
    interpolation: Interpolation = Interpolation.LINEAR
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    bgr: bool = False
    min_depth: float = 0.1
    max_depth: float = 100.0
    scale: float | None = None
    train_focal: float | None = None
    canonical_focal: float = CANONICAL_FOCAL
    output: str = ''
    confidence_output: str = ''
    sky_output: str = ''
    slope_output: str = ''
    sky_threshold: float = 0.3
    licence: str = 'unknown'
    commercial: bool | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        """Check that the values are possible."""
        for name in ('min_depth', 'max_depth', 'scale', 'train_focal', 'canonical_focal'):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ModelError(f'{self.name}: {name} is {value}, expected a positive number.')
        if self.min_depth >= self.max_depth:
            raise ModelError(
                f'{self.name}: min_depth is {self.min_depth:g} m, expected less than max_depth, '
                f'which is {self.max_depth:g} m.'
            )
        if not 0 <= self.sky_threshold <= 1:
            raise ModelError(
                f'{self.name}: sky_threshold is {self.sky_threshold}, expected 0 to 1.'
            )
        if not all(math.isfinite(m) for m in self.mean):
            raise ModelError(f'{self.name}: mean is {self.mean}, expected three numbers.')
        if not all(math.isfinite(s) and s > 0 for s in self.std):
            raise ModelError(f'{self.name}: std is {self.std}, expected three positive numbers.')
        if self.multiple < 1:
            raise ModelError(f'{self.name}: multiple is {self.multiple}, expected 1 or more.')
        for size in (self.input_size, self.nominal_size):
            if size is not None and not all(0 < side <= LARGEST_SIDE for side in size):
                raise ModelError(f'{self.name}: the size {size} is not possible.')

    @property
    def reach(self) -> float:
        """Maximum depth (m): the range of a metric network, 100 m for others."""
        return self.max_depth if self.kind.is_metric else 100.0

    def to_json(self) -> str:
        """
        Return the spec as the text of a sidecar.

        :returns: JSON text that :func:`read_sidecar` reads back unchanged.
        """
        fields = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(self).items()
            if value is not None
        }
        return json.dumps({'format': SIDECAR_FORMAT, **fields}, indent=2) + '\n'


@dataclass(frozen=True)
class Model:
    """
    A network on disk.

    :param path: the ONNX file.
    :param spec: its description.
    :param files: its files when they were verified (``fingerprint.files_of``); empty: unknown.
    """

    path: Path
    spec: ModelSpec
    files: tuple[FileState, ...] = field(default=(), compare=False, repr=False)
