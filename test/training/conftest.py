"""Without torch, as on a robot, training is left out; test_networks.py says the skip aloud."""

from __future__ import annotations

import importlib.util

import pytest

collect_ignore_glob = [] if importlib.util.find_spec('torch') else ['test_[!n]*.py']


@pytest.fixture(scope='session', autouse=True)
def one_thread() -> None:
    """On pictures of a few pixels torch's threads only wait for each other."""
    if importlib.util.find_spec('torch'):
        import torch

        torch.set_num_threads(1)
