"""Make one training step, as one of several processes or alone, and save the gradients."""

from __future__ import annotations

from pathlib import Path
import sys

from tiny import config
import torch

from depth_node.training.data.recording import open_recording
from depth_node.training.data.samples import Samples
from depth_node.training.learner import Learner
from depth_node.training.processes import joined
from depth_node.training.trainer import Trainer

CASES = (
    ('supervised', 'supervised', 'alignment'),
    ('self_supervised', 'self_supervised', 'small'),
    ('alignment', 'self_supervised', 'alignment'),
)
"""Name, objective and pose network."""


def main(recording: str, out: str) -> None:
    """Train on a stored recording; `out` gets a file of gradients for each objective."""
    torch.set_num_threads(1)
    with joined('cpu') as processes:
        for name, objective, pose_network in CASES:
            # batch statistics of a part are not those of the whole
            chosen = config(
                objective=objective, pose_network=pose_network, batch=4, freeze_norm=True,
                clip=0.0, odometry=0.1,
            )
            samples = Samples([open_recording(Path(recording))], chosen)
            torch.manual_seed(0)
            learner = Learner(chosen, samples.focal())
            trainer = Trainer(learner, samples, samples, Path(out), processes, metric=True)
            trainer.run(until=1)
            if processes.first:
                gradients = {n: p.grad for n, p in learner.named_parameters()}
                gradients['world'] = processes.world
                torch.save(gradients, Path(out) / f'{name}.pt')


if __name__ == '__main__':
    main(*sys.argv[1:])
