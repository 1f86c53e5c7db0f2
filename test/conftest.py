"""What every test may use: the real data beside the project, and tiny networks."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
import signal
import threading

from dummy_networks import write_network
from hypothesis import settings
import pytest

# a busy machine is not a slow function
settings.register_profile('depth_node', deadline=None)
settings.load_profile('depth_node')


def pytest_configure() -> None:
    """Let Ctrl-C through to what tests start, even if a shell started them in the background."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """Real frames and weights; tests skip where the folder is absent."""
    folder = Path(__file__).resolve().parents[2] / 'shared' / 'data'
    if not folder.is_dir():
        pytest.skip('no real data: ../shared/data is absent')
    return folder


@pytest.fixture
def network(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny ONNX network; see ``dummy_networks.write_network`` for the arguments."""
    def make(name: str = 'tiny', **options: object) -> Path:
        return write_network(tmp_path / f'{name}.onnx', **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def model(network: Callable[..., Path]) -> Path:
    """A tiny network that brings a scale."""
    path = network()
    path.with_suffix('.json').write_text(json.dumps({
        'format': 1, 'kind': 'sigmoid_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1],
        'min_depth': 0.5, 'max_depth': 10.0, 'scale': 1.0, 'train_focal': 20.0,
    }))
    return path
