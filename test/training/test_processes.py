import os
from pathlib import Path
import subprocess
import sys

import one_step
import pytest
from tiny import recording
import torch

from depth_node.errors import ConfigError
from depth_node.training.processes import joined

HERE = Path(__file__).parent


@pytest.mark.timeout(400)  # three times torch, on a machine that may be busy
def test_two_processes_give_the_gradients_of_one(tmp_path: Path) -> None:
    recording(tmp_path / 'r', 8)
    for name in ('one', 'two'):
        (tmp_path / name).mkdir()
    one_step.main(str(tmp_path / 'r'), str(tmp_path / 'one'))
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    environment['PYTHONPATH'] = os.pathsep.join([str(HERE.parents[1]), str(HERE)])
    done = subprocess.run(
        [
            sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2',
            str(HERE / 'one_step.py'), str(tmp_path / 'r'), str(tmp_path / 'two'),
        ],
        check=False, env=environment, capture_output=True, text=True, timeout=360,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for case, _, _ in one_step.CASES:
        one, two = (
            torch.load(tmp_path / name / f'{case}.pt', weights_only=True)
            for name in ('one', 'two')
        )
        assert (one.pop('world'), two.pop('world')) == (1, 2)
        assert len(one) > 50
        for name, gradient in one.items():
            largest = gradient.abs().max().item()
            torch.testing.assert_close(two[name], gradient, rtol=0, atol=1e-5 * largest + 1e-9)


def test_alone_there_is_nobody_to_agree_with() -> None:
    with joined('cpu') as processes:
        assert processes.first
        assert processes.agree(3.0) == 3.0
        assert processes.worst(1.0) == 1.0
        with processes.one_by_one():
            pass


def test_devices_that_are_not_there_are_refused() -> None:
    with pytest.raises(ConfigError, match='unknown to torch'), joined('abacus'):
        pass
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match='no GPU'), joined('cuda'):
            pass
