"""The networks and the loss of an objective as one module."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn, Tensor
from typing_extensions import assert_never

from depth_node.errors import DataError
from depth_node.model import OutputKind
from depth_node.training.alignment import align
from depth_node.training.config import ALIGNMENT, CORRELATION, TrainConfig
from depth_node.training.data.batches import Batch
from depth_node.training.losses import (
    affine_invariant_loss,
    self_supervised_loss,
    SourceView,
    supervised_loss,
    Terms,
)
from depth_node.training.networks import (
    Architecture,
    build_pose_network,
    CorrelationPoseNetwork,
    DepthNetwork,
)
from depth_node.training.view_synthesis import inverse, transform

PRECISIONS = {'bf16': torch.bfloat16, 'fp16': torch.float16}
_CORRECTED = (OutputKind.SIGMOID_DISPARITY, OutputKind.METRIC_DEPTH)


@dataclass(frozen=True)
class Outcome:
    """
    The result of a batch.

    :param loss: the loss, a scalar.
    :param depth: float32 (B, 1, H, W) of the target (m, or up to scale), detached.
    :param parts: the parts whose sum is the loss, by name, detached scalars.
    :param used: share of the pixels that the loss uses, 0 to 1, a detached scalar.
    """

    loss: Tensor
    depth: Tensor
    parts: dict[str, Tensor]
    used: Tensor


class Learner(nn.Module):
    """
    A depth network with the loss of its objective.

    :param config: the objective and the networks; the weights are random.
    :param focal: vertical focal length that the metres refer to (pixels at network size).
    :param lesson: meaning of the teacher's output, for distillation: metric depth, relative
        depth or relative disparity.
    """

    def __init__(
        self,
        config: TrainConfig,
        focal: float,
        lesson: OutputKind = OutputKind.METRIC_DEPTH,
    ) -> None:
        super().__init__()
        self.config = config
        self.focal = focal
        self.lesson = lesson
        self.frozen = config.freeze_norm
        """Whether the batch-norm statistics are frozen."""
        self.depth = DepthNetwork(config.network_config)
        self.pose: nn.Module | None = None
        if config.objective == 'self_supervised' and config.pose_network != ALIGNMENT:
            self.pose = (
                CorrelationPoseNetwork()
                if config.pose_network == CORRELATION
                else build_pose_network(Architecture(config.pose_network))
            )

    def train(self, mode: bool = True) -> Learner:
        """Set training mode; frozen batch norms stay in evaluation mode."""
        super().train(mode)
        if mode and self.frozen:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def read_depth(self, values: Tensor, focal: Tensor) -> Tensor:
        """
        Convert an output to depth for the focal lengths of the cameras.

        :param values: float (B, 1, H, W), an output of the depth network.
        :param focal: vertical focal lengths, float (B,) (pixels at network size).
        :returns: float (B, 1, H, W) (m, or up to scale).
        """
        depth = self.depth.depth(values, focal)
        if self.depth.config.kind in _CORRECTED:
            depth = depth * (focal / self.focal).view(-1, 1, 1, 1)
        return depth

    def forward(self, batch: Batch) -> Outcome:
        """
        Compute the loss of a batch.

        :param batch: the batch, on the device of the networks.
        :returns: the loss, the finest depth and the parts of the loss.
        :raises DataError: the batch lacks data that the objective needs.
        """
        with self._mixed(batch):
            values = self.depth(batch.inputs[:, 0])
        depth = self.read_depth(values[0], batch.focal)
        match self.config.objective:
            case 'self_supervised':
                terms = self._self_supervised(batch, values, depth.detach())
            case 'supervised':
                terms = self._supervised(depth, batch.depth)
            case _:
                terms = self._distill(depth, batch.lesson)
        parts = {name: part.detach() for name, part in terms.parts.items()}
        return Outcome(terms.total, depth.detach(), parts, terms.used)

    def _mixed(self, batch: Batch) -> torch.autocast:
        kind = PRECISIONS.get(self.config.precision)
        device = batch.inputs.device.type
        return torch.autocast(device, kind or torch.bfloat16, enabled=kind is not None)

    def _self_supervised(
        self, batch: Batch, values: list[Tensor], depth: Tensor
    ) -> Terms:
        motions = self._aligned(batch, depth) if self.pose is None else self._estimated(batch)
        sources = [
            SourceView(batch.frames[:, 1 + i], pose) for i, (pose, _) in enumerate(motions)
        ]
        if batch.baselines is not None:
            pose = torch.eye(4, device=depth.device).repeat(len(depth), 1, 1)
            pose[:, 0, 3] = -batch.baselines
            sources.append(SourceView(batch.frames[:, -1], pose))
        travelled = [(way, batch.lengths[:, i]) for i, (_, way) in enumerate(motions)]
        return self_supervised_loss(
            values,
            lambda value: self.read_depth(value, batch.focal),
            target=batch.frames[:, 0],
            sources=sources,
            intrinsics=batch.intrinsics,
            options=self.config.self_supervision,
            travelled=travelled,
        )

    def _estimated(self, batch: Batch) -> list[tuple[Tensor, Tensor]]:
        """Estimate the motion to each neighbor, always from the earlier to the later frame."""
        assert self.pose is not None
        count = batch.lengths.shape[1]
        target = batch.inputs[:, 0]
        pairs = [
            # -1, +1, -2, +2, ...: the even ones are before the target
            (batch.inputs[:, 1 + i], target) if i % 2 == 0 else (target, batch.inputs[:, 1 + i])
            for i in range(count)
        ]
        with self._mixed(batch):
            turns, ways = self.pose(
                torch.cat([first for first, _ in pairs]), torch.cat([last for _, last in pairs])
            )
        motions = []
        for i, (turn, way) in enumerate(
            zip(turns.float().chunk(count), ways.float().chunk(count), strict=True)
        ):
            forward = transform(turn, way)
            motions.append((inverse(forward) if i % 2 == 0 else forward, way))
        return motions

    def _aligned(self, batch: Batch, depth: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Solve for the motion to each neighbor, with the measured length if there is odometry."""
        count = batch.lengths.shape[1]
        poses = align(
            batch.frames[:, :1].expand(-1, count, -1, -1, -1).flatten(0, 1),
            batch.frames[:, 1 : 1 + count].flatten(0, 1),
            depth.repeat_interleave(count, 0),
            batch.intrinsics.repeat_interleave(count, 0),
            batch.lengths.flatten() if self.config.odometry else None,
        )
        return [(pose, pose[:, :3, 3]) for pose in poses.unflatten(0, (-1, count)).unbind(1)]

    def _supervised(self, depth: Tensor, truth: Tensor | None) -> Terms:
        if truth is None:
            raise DataError('The batch has no depth, which supervision needs.')
        mask = truth.isfinite() & (truth > 0) & (truth <= self.config.max_depth)
        loss = supervised_loss(depth, truth, mask, self.config.supervision)
        return Terms({self.config.supervised_loss: loss}, mask.float().mean())

    def _distill(self, depth: Tensor, lesson: Tensor | None) -> Terms:
        if lesson is None:
            raise DataError("The batch has no teacher's prediction, which distillation needs.")
        match self.lesson:
            case OutputKind.METRIC_DEPTH | OutputKind.CANONICAL_DEPTH:
                return self._supervised(depth, lesson)
            case OutputKind.RELATIVE_DEPTH:
                said = depth
            case OutputKind.RELATIVE_DISPARITY | OutputKind.SIGMOID_DISPARITY:
                said = 1.0 / depth
            case _:
                assert_never(self.lesson)
        return affine_invariant_loss(said, lesson.nan_to_num(), lesson.isfinite())
