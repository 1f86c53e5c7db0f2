"""
Every choice of a training run: one frozen dataclass, saved with the weights.

The options of `depth-node train` and the table in the documentation are made from its fields;
each default, unit, bound and description stands here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from dataclasses import dataclass
import difflib
from typing import Any

from depth_node.config.fields import checked, param, specs
from depth_node.errors import ConfigError
from depth_node.image.size import Size
from depth_node.model import OutputKind
from depth_node.training.losses import Penalty, SelfSupervision, Supervision
from depth_node.training.networks import Architecture, NetworkConfig

OBJECTIVES = ('self_supervised', 'supervised', 'distill')
NETWORKS = tuple(architecture.value for architecture in Architecture)
CORRELATION, ALIGNMENT = 'correlation', 'alignment'
SWITCHES = ('minimum', 'auto_mask', 'smoothness', 'multi_scale', 'full_resolution')
"""The parts of the self-supervised loss that an ablation switches off one by one."""


@dataclass(frozen=True)
class TrainConfig:
    """All that decides what comes out of a run, apart from the recordings."""

    objective: str = param(
        'self_supervised',
        'What teaches: neighbouring frames, measured depth, or another network.',
        choices=OBJECTIVES,
    )
    network: str = param(
        'resnet18', 'The network to train.', choices=NETWORKS
    )
    weights: str = param(
        '',
        'Start from these: a checkpoint of ours, a folder with encoder.pth and depth.pth '
        '(Monodepth2), or torchvision ResNet weights for the encoder. Empty: from scratch.',
    )
    teacher: str = param('', 'Distillation: catalogue name or ONNX path of the teacher.')
    kind: str = param(
        'sigmoid_disparity',
        'What the output means; a canonical depth serves cameras of any focal length.',
        choices=tuple(kind.value for kind in OutputKind),
    )
    pose_network: str = param(
        ALIGNMENT,
        'What sees the motion between frames: alignment has nothing to learn, it solves for the '
        'motion at which the frames agree with the depth; correlation learns from few frames; '
        'encoders on stacked frames (the usual way) from very many.',
        choices=(*NETWORKS, CORRELATION, ALIGNMENT),
    )
    size: str = param('640x192', 'Network size, multiples of 32.', unit='px')
    min_depth: float = param(0.1, 'Nearest depth the network can say.', unit='m', low=1e-3)
    max_depth: float = param(100.0, 'Farthest depth the network can say.', unit='m', low=0.1)
    focal: float = param(
        0.0,
        'Vertical focal length at network size that the metres belong to; other cameras are '
        'corrected for, but for a canonical depth. 0: the mean of the recordings.',
        unit='px',
        low=0.0,
    )
    dropout: float = param(
        0.0, 'Share of the deepest channels dropped while training.', low=0.0, high=0.9
    )

    neighbors: int = param(1, 'Source frames on each side of the target.', low=1, high=3)
    stereo: bool = param(True, 'Use the stereo partner as one more source where there is one.')
    flip: float = param(0.5, 'Share of samples mirrored left to right.', low=0.0, high=1.0)
    jitter: float = param(
        0.5, 'Share of samples whose network input changes in color.', low=0.0, high=1.0
    )
    brightness: float = param(0.2, 'Largest relative change.', low=0.0, high=0.9)
    contrast: float = param(0.2, 'Largest relative change.', low=0.0, high=0.9)
    saturation: float = param(0.2, 'Largest relative change.', low=0.0, high=0.9)
    hue: float = param(0.1, 'Largest change, in turns of the color circle.', low=0.0, high=0.5)

    minimum: bool = param(
        True, 'Per-pixel minimum of the photometric loss over the sources, else their mean.'
    )
    auto_mask: bool = param(
        True, 'Leave out pixels that an unwarped source explains better than a warped one.'
    )
    mask_outside: bool = param(True, 'Leave out pixels that land outside a source frame.')
    multi_scale: bool = param(True, 'Compute the loss on four scales of the decoder, else one.')
    full_resolution: bool = param(True, 'Judge coarse scales at full resolution.')
    smoothness: float = param(1e-3, 'Weight of edge-aware smoothness; 0: off.', low=0.0)
    alpha: float = param(0.85, 'Share of SSIM in the photometric loss.', low=0.0, high=1.0)
    odometry: float = param(
        0.0,
        'Weight of the known length of the translation between frames, which makes the scale '
        'metric; alignment takes the length as it is, whatever the weight; 0: off.',
        low=0.0,
    )
    supervised_loss: str = param(
        'log_l1',
        'Loss against measured or metric teacher depth.',
        choices=tuple(penalty.value for penalty in Penalty),
    )

    steps: int = param(20000, 'Optimizer steps.', low=1)
    batch: int = param(12, 'Samples per optimizer step, over all processes.', low=1)
    accumulate: int = param(1, 'Parts a batch is worked through in, to save memory.', low=1)
    optimizer: str = param('adamw', 'The optimizer.', choices=('adam', 'adamw'))
    learning_rate: float = param(1e-4, 'Highest learning rate.', low=0.0)
    encoder_rate: float = param(
        1.0, 'Learning rate of the encoder, relative to the rest.', low=0.0, high=1.0
    )
    weight_decay: float = param(1e-2, 'Weight decay (not on biases and norms).', low=0.0)
    schedule: str = param(
        'cosine',
        'After warm-up: cosine to a hundredth, step (a tenth for the last quarter), constant.',
        choices=('cosine', 'step', 'constant'),
    )
    warmup: int = param(200, 'Steps over which the learning rate rises from zero.', low=0)
    clip: float = param(1.0, 'Largest gradient norm; 0: no clipping.', low=0.0)
    precision: str = param(
        'fp32', 'Automatic mixed precision.', choices=('fp32', 'bf16', 'fp16')
    )
    channels_last: bool = param(True, 'Memory format; faster convolutions on most devices.')
    freeze_norm: bool = param(
        False, 'Keep batch-norm statistics as they are; for fine-tuning and tiny batches.'
    )
    freeze_after: int = param(
        0,
        'Keep batch-norm statistics from this step on: their noise in small batches hides fine '
        'motion; 0: never.',
        low=0,
    )
    device: str = param('auto', 'auto, cpu, cuda, cuda:1, ...')
    seed: int = param(0, 'Of weights, order, augmentation and dropout.', low=0)

    validate_every: int = param(500, 'Steps between validations.', low=1)
    select: str = param(
        'auto',
        'What best.pt is best in; auto: abs_rel, for self-supervision the validation loss.',
        choices=('auto', 'loss', 'abs_rel', 'abs_rel_median'),
    )
    patience: int = param(0, 'Stop after this many validations without a better one; 0: never.')
    save_every: int = param(500, 'Steps between checkpoints.', low=1)
    log_every: int = param(50, 'Steps between TensorBoard scalars.', low=1)
    validation_frames: int = param(200, 'Most frames of one validation, evenly drawn.', low=1)
    threads: int = param(
        0, 'Threads torch computes with; 0: its own choice. 1 on a machine that others use.', low=0
    )
    workers: int = param(2, 'Threads that prepare batches.', low=1, high=64)

    @property
    def network_size(self) -> Size:
        """The size frames are resized to (pixels)."""
        return Size.parse(self.size)

    @property
    def network_config(self) -> NetworkConfig:
        """What the depth network is built from; only self-supervision uses coarse outputs."""
        coarse = self.multi_scale and self.objective == 'self_supervised'
        return NetworkConfig(
            Architecture(self.network),
            OutputKind(self.kind),
            4 if coarse else 1,
            self.dropout,
            self.min_depth,
            self.max_depth,
        )

    @property
    def self_supervision(self) -> SelfSupervision:
        """The parts of the self-supervised loss."""
        return SelfSupervision(
            self.alpha,
            self.minimum,
            self.auto_mask,
            self.mask_outside,
            self.full_resolution,
            self.smoothness,
            self.odometry,
        )

    @property
    def supervision(self) -> Supervision:
        """The loss against given depth."""
        return Supervision(Penalty(self.supervised_loss))

    @property
    def selection(self) -> str:
        """The name of the validation figure that decides which weights are best."""
        if self.select != 'auto':
            return self.select
        return 'loss' if self.objective == 'self_supervised' else 'abs_rel'

    def check(self) -> None:
        """
        Check what no single bound can.

        :raises ConfigError: values that contradict each other.
        """
        size = self.network_size
        if size.width % 32 or size.height % 32:
            raise ConfigError(f'size {size}: expected multiples of 32, which the encoder halves.')
        if self.min_depth >= self.max_depth:
            raise ConfigError(
                f'min_depth {self.min_depth:g} m is not below max_depth {self.max_depth:g} m.'
            )
        if self.batch % self.accumulate:
            raise ConfigError(
                f'batch {self.batch} cannot be divided into {self.accumulate} equal parts.'
            )
        if self.objective == 'distill' and not self.teacher:
            raise ConfigError('Distillation needs a teacher.', 'Give --teacher MODEL.')


def config_from(values: Mapping[str, Any]) -> TrainConfig:
    """
    Make a configuration from plain values, as a checkpoint or a command line has them.

    :param values: field name to value; what is left out has its default.
    :returns: the checked configuration.
    :raises ConfigError: an unknown name, a wrong type, a value out of bounds, or values that
        contradict each other.
    """
    default = TrainConfig()
    fields = specs(default)
    for name in values:
        if name not in fields:
            close = difflib.get_close_matches(name, fields, 1)
            hint = f'Did you mean {close[0]}?' if close else ''
            raise ConfigError(f'{name}: no such choice of a training run.', hint)
    changes: dict[str, Any] = {
        name: checked(name, value, getattr(default, name), fields[name])
        for name, value in values.items()
    }
    config = dataclasses.replace(default, **changes)
    config.check()
    return config
