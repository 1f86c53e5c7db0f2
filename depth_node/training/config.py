"""
The configuration of a training run: one frozen dataclass, saved with the weights.

The options of `depth-node train` are generated from its fields; defaults, units, bounds and
descriptions are defined here and nowhere else.
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
    """Everything that determines the result of a run, except the recordings."""

    objective: str = param(
        'self_supervised',
        'What the network learns from: neighbouring frames, measured depth, or another network.',
        choices=OBJECTIVES,
    )
    network: str = param('resnet18', 'Architecture to train.', choices=NETWORKS)
    weights: str = param(
        '',
        'Initial weights: a checkpoint of depth-node train, a folder with encoder.pth and '
        'depth.pth (Monodepth2), or torchvision ResNet weights for the encoder. Empty: random '
        'weights.',
    )
    teacher: str = param('', 'Distillation: catalogue name or ONNX path of the teacher.')
    kind: str = param(
        'sigmoid_disparity',
        'Meaning of the output; canonical depth works with cameras of any focal length.',
        choices=tuple(kind.value for kind in OutputKind),
    )
    pose_network: str = param(
        ALIGNMENT,
        'How the motion between frames is estimated. alignment: solved for, without training, so '
        'that the frames agree with the depth. correlation: learns from few frames. Encoders on '
        'stacked frames (the usual method): need very many.',
        choices=(*NETWORKS, CORRELATION, ALIGNMENT),
    )
    size: str = param('640x192', 'Network size, multiples of 32.', unit='px')
    min_depth: float = param(
        0.1, 'Smallest depth that the network can predict.', unit='m', low=1e-3
    )
    max_depth: float = param(
        100.0, 'Largest depth that the network can predict.', unit='m', low=0.1
    )
    focal: float = param(
        0.0,
        'Vertical focal length at network size that the metres refer to; other cameras are '
        'corrected, except for canonical depth. 0: the mean of the recordings.',
        unit='px', low=0.0,
    )
    dropout: float = param(
        0.0, 'Share of the deepest channels that are dropped in training.', low=0.0, high=0.9
    )

    neighbors: int = param(1, 'Source frames on each side of the target.', low=1, high=3)
    stereo: bool = param(True, 'Use the stereo partner, if there is one, as an additional source.')
    flip: float = param(0.5, 'Share of samples that are mirrored.', low=0.0, high=1.0)
    jitter: float = param(
        0.5, 'Share of samples whose network input changes in color.', low=0.0, high=1.0
    )
    brightness: float = param(0.2, 'Largest relative change.', low=0.0, high=0.9)
    contrast: float = param(0.2, 'Largest relative change.', low=0.0, high=0.9)
    saturation: float = param(0.2, 'Largest relative change.', low=0.0, high=0.9)
    hue: float = param(0.1, 'Largest change, in turns of the color circle.', low=0.0, high=0.5)

    minimum: bool = param(
        True,
        'Use the per-pixel minimum of the photometric loss over the sources, otherwise the mean.',
    )
    auto_mask: bool = param(
        True, 'Ignore pixels that an unwarped source explains better than a warped one.'
    )
    mask_outside: bool = param(True, 'Ignore pixels that project outside a source frame.')
    multi_scale: bool = param(
        True, 'Compute the loss on four scales of the decoder, otherwise on one.'
    )
    full_resolution: bool = param(True, 'Compute the loss of coarse scales at full resolution.')
    smoothness: float = param(1e-3, 'Weight of the edge-aware smoothness. 0: off.', low=0.0)
    alpha: float = param(0.85, 'Share of SSIM in the photometric loss.', low=0.0, high=1.0)
    odometry: float = param(
        0.0,
        'Weight of the measured length of the translation between frames, which makes the scale '
        'metric; alignment uses the length itself, whatever the weight. 0: off.',
        low=0.0,
    )
    supervised_loss: str = param(
        'log_l1',
        'Loss against measured depth or that of a metric teacher.',
        choices=tuple(penalty.value for penalty in Penalty),
    )

    huber_delta: float = param(
        Supervision.delta,
        'Error at which huber and smooth_l1 change from quadratic to linear.',
        unit='m', low=1e-3,
    )

    steps: int = param(20000, 'Number of optimizer steps.', low=1)
    batch: int = param(12, 'Samples per optimizer step, over all processes.', low=1)
    accumulate: int = param(
        1, 'Number of parts in which a batch is processed, to save memory.', low=1
    )
    optimizer: str = param('adamw', 'The optimizer.', choices=('adam', 'adamw'))
    learning_rate: float = param(1e-4, 'Maximum learning rate.', low=0.0)
    encoder_rate: float = param(
        1.0, 'Learning rate of the encoder, relative to the rest.', low=0.0, high=1.0
    )
    weight_decay: float = param(1e-2, 'Weight decay (not applied to biases and norms).', low=0.0)
    schedule: str = param(
        'cosine',
        'Learning rate after warm-up. cosine: down to a hundredth. step: a tenth for the last '
        'quarter. constant.',
        choices=('cosine', 'step', 'constant'),
    )
    warmup: int = param(200, 'Steps over which the learning rate rises from zero.', low=0)
    clip: float = param(1.0, 'Maximum gradient norm. 0: no clipping.', low=0.0)
    precision: str = param(
        'fp32', 'Precision of automatic mixed precision.', choices=('fp32', 'bf16', 'fp16')
    )
    channels_last: bool = param(
        True, 'Use the channels-last memory format; faster convolutions on most devices.'
    )
    freeze_norm: bool = param(
        False,
        'Keep the batch-norm statistics of the initial weights; for fine-tuning and tiny batches.',
    )
    freeze_after: int = param(
        0,
        'Freeze the batch-norm statistics from this step on: with small batches they are noisy '
        'and hide small motions. 0: never.',
        low=0,
    )
    device: str = param('auto', 'auto, cpu, cuda, cuda:1, ...')
    seed: int = param(0, 'Seed of weights, order, augmentation and dropout.', low=0)

    validate_every: int = param(500, 'Steps between validations.', low=1)
    select: str = param(
        'auto',
        'Metric that selects best.pt. auto: abs_rel, and the validation loss for '
        'self-supervision.',
        choices=('auto', 'loss', 'abs_rel', 'abs_rel_median'),
    )
    patience: int = param(0, 'Stop after this many validations without improvement. 0: never.')
    save_every: int = param(500, 'Steps between checkpoints.', low=1)
    log_every: int = param(50, 'Steps between TensorBoard scalars.', low=1)
    print_every: int = param(
        100,
        'Steps between printed lines; each validation prints one, too.',
        low=1,
    )
    validation_frames: int = param(
        200, 'Maximum number of frames of a validation, evenly selected.', low=1
    )
    threads: int = param(
        0, "Number of torch's threads. 0: torch decides. Use 1 on a shared machine.", low=0
    )
    workers: int = param(2, 'Number of threads that prepare batches.', low=1, high=64)

    @property
    def network_size(self) -> Size:
        """The size that frames are resized to (pixels)."""
        return Size.parse(self.size)

    @property
    def network_config(self) -> NetworkConfig:
        """The configuration of the depth network; only self-supervision uses coarse outputs."""
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
        """The loss against measured depth."""
        return Supervision(Penalty(self.supervised_loss), self.huber_delta)

    @property
    def selection(self) -> str:
        """The name of the validation metric that selects the best weights."""
        if self.select != 'auto':
            return self.select
        return 'loss' if self.objective == 'self_supervised' else 'abs_rel'

    def check(self) -> None:
        """
        Check the relations between fields.

        :raises ConfigError: values that contradict each other.
        """
        size = self.network_size
        if size.width % 32 or size.height % 32:
            raise ConfigError(f'size is {size}, expected multiples of 32.')
        if self.min_depth >= self.max_depth:
            raise ConfigError(
                f'min_depth is {self.min_depth:g} m, expected less than max_depth, which is '
                f'{self.max_depth:g} m.'
            )
        if self.batch % self.accumulate:
            raise ConfigError(
                f'batch is {self.batch}, expected a multiple of accumulate, {self.accumulate}.'
            )
        if self.huber_delta != Supervision.delta and not self.supervision.penalty.has_delta:
            raise ConfigError(
                f'huber_delta is {self.huber_delta:g} m, but supervised_loss is '
                f'{self.supervised_loss}, which has no such threshold.',
                'Use supervised_loss huber or smooth_l1, or leave out huber_delta.',
            )
        if self.objective == 'distill' and not self.teacher:
            raise ConfigError('Distillation needs a teacher.', 'Add --teacher MODEL.')


def config_from(values: Mapping[str, Any]) -> TrainConfig:
    """
    Return the configuration of plain values, as in a checkpoint or on a command line.

    :param values: field name to value; missing fields have their defaults.
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
            raise ConfigError(f'{name}: no such training option.', hint)
    changes: dict[str, Any] = {
        name: checked(name, value, getattr(default, name), fields[name])
        for name, value in values.items()
    }
    config = dataclasses.replace(default, **changes)
    config.check()
    return config
