"""One step of learning after the other; on a GPU recorded once and played back."""

from __future__ import annotations

from collections.abc import Mapping
import copy
from typing import Any

import torch
from torch import nn, Tensor

from depth_node.errors import DataError
from depth_node.training.embedded.loss import depth_loss
from depth_node.training.muon import Muon
from depth_node.training.networks import DepthNetwork

_WARM = 3  # steps before one is recorded, in which libraries choose and optimizers allocate
_LONGEST = 1.0  # gradient


class Learner:
    """
    A network, its running average and its optimizers.

    A step is some two thousand small operations. On a GPU, which would wait for the processor to
    ask for each of them, a step is recorded as a CUDA graph, one for each size of the frames.

    :param network: to train; moved to the device.
    :param device: to train on.
    :param shape: of the loss, see :func:`depth_loss`.
    :param average: how much of itself the averaged network keeps in a step.
    :param weight_decay: of both optimizers.
    """

    def __init__(
        self, network: DepthNetwork, device: torch.device, *,
        shape: tuple[float, float, float], average: float, weight_decay: float,
    ) -> None:
        self.network = network.to(device, memory_format=torch.channels_last)
        self.averaged = copy.deepcopy(self.network)
        self._device, self._shape, self._average = device, shape, average
        # the first layer sees colors, the last gives one number: neither is a hidden layer
        hidden = [
            p for p in self.network.parameters()
            if p.ndim == 4 and p.shape[0] > 1 and p.shape[1] > 3
        ]
        known = {id(p) for p in hidden}
        rest = [p for p in self.network.parameters() if id(p) not in known]
        recorded = device.type == 'cuda'
        self._rates = [torch.zeros((), device=device) for _ in range(2)]
        self._muon = Muon(hidden, self._rates[0], weight_decay=weight_decay)
        self._adam = torch.optim.AdamW(
            rest, self._rates[1], weight_decay=weight_decay, capturable=recorded,
            foreach=recorded,
        )
        self._graphs: dict[torch.Size, _Recorded] = {}
        self._warm: dict[torch.Size, int] = {}

    def learn(self, images: Tensor, truth: Tensor, rate: float) -> Tensor:
        """
        Learn from a batch.

        :param images: rgb float (B, 3, H, W), 0 to 1.
        :param truth: canonical depth float (B, 1, H, W).
        :param rate: learning rate of Muon; AdamW, for what is no hidden layer, has a third.
        :returns: the loss, a scalar that stays on the device.
        """
        self._rates[0].fill_(rate)
        self._rates[1].fill_(rate / 3)
        images = images.contiguous(memory_format=torch.channels_last)
        size = images.shape
        if self._device.type != 'cuda':
            return self._learn(images, truth)
        done = self._warm.get(size, 0)
        if done < _WARM:
            self._warm[size] = done + 1
            return _Recorded.warm_up(self._learn, images, truth)
        if size not in self._graphs:
            self._graphs[size] = _Recorded(self._learn, self._forget, images, truth)
        return self._graphs[size](images, truth)

    def _forget(self) -> None:
        """Drop the gradients, so that the next step makes its own instead of adding to them."""
        self._muon.zero_grad(set_to_none=True)
        self._adam.zero_grad(set_to_none=True)

    def _learn(self, images: Tensor, truth: Tensor) -> Tensor:
        self.network.train()
        # what autocast keeps would outlive a recording
        with torch.autocast(self._device.type, torch.bfloat16, cache_enabled=False):
            found = self.network(images)[0]
        loss = depth_loss(found, truth, *self._shape)
        self._forget()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), _LONGEST)
        self._muon.step()
        self._adam.step()
        self._follow()
        return loss.detach()

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averaged network towards the present one."""
        pairs = zip(
            self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True
        )
        for averaged, present in pairs:
            if averaged.is_floating_point():
                averaged.lerp_(present, 1 - self._average)

    def state(self) -> dict[str, Any]:
        """Return all that :meth:`restore` needs."""
        return {
            'network': self.network.state_dict(), 'averaged': self.averaged.state_dict(),
            'muon': self._muon.state_dict(), 'adam': self._adam.state_dict(),
        }

    def restore(self, state: Mapping[str, Any], *, weights_only: bool = False) -> None:
        """
        Take over a state; to be called before the first step.

        :param state: from :meth:`state`.
        :param weights_only: leave the optimizers as they are.
        :raises DataError: the state is that of another network.
        """
        try:
            self.network.load_state_dict(state['network'])
            self.averaged.load_state_dict(state['averaged'])
        except (KeyError, RuntimeError) as error:
            raise DataError(
                'The checkpoint is that of another network.',
                'Start from the checkpoint.pt of a run of this command.',
            ) from error
        if not weights_only:
            for optimizer, name, rate in (
                (self._muon, 'muon', self._rates[0]), (self._adam, 'adam', self._rates[1])
            ):
                optimizer.load_state_dict(state[name])
                for group in optimizer.param_groups:
                    group['lr'] = rate


class _Recorded:
    """A step as a CUDA graph: its inputs are copied to where it was recorded with."""

    def __init__(self, step: Any, forget: Any, images: Tensor, truth: Tensor) -> None:
        self._images, self._truth = images.clone(), truth.clone()
        forget()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._loss = step(self._images, self._truth)

    @staticmethod
    def warm_up(step: Any, images: Tensor, truth: Tensor) -> Tensor:
        """Take a step on a stream of its own, as is required before recording."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            loss: Tensor = step(images, truth)
        torch.cuda.current_stream().wait_stream(stream)
        return loss

    def __call__(self, images: Tensor, truth: Tensor) -> Tensor:
        """Take the step again with other frames."""
        self._images.copy_(images)
        self._truth.copy_(truth)
        self._graph.replay()
        return self._loss.clone()
