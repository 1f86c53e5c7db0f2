"""When an engine is opened, with which frame, and what a frame that nobody has does to that."""

from __future__ import annotations

import time

import pytest

from depth_node.config import Config
from depth_node.errors import ChangedError, DataError, DepthNodeError
from depth_node.image.size import Size
from depth_node.ros import opening as module
from depth_node.ros.opening import Opening

CAMERA = Size(64, 48)


class Logger:
    def __init__(self):
        self.lines = []

    def info(self, line):
        self.lines.append(line)

    warning = error = info


@pytest.fixture
def job(network):
    path = network(width=None, height=None)
    path.with_suffix('.json').write_text(
        '{"format": 1, "kind": "relative_depth", "mean": [0, 0, 0], "std": [1, 1, 1], '
        '"multiple": 8, "nominal_size": [64, 48]}'
    )
    made = Opening(
        Config().replaced({'model.name': str(path), 'engine.name': 'onnxruntime'}), Logger()
    )
    yield made
    made.close(5)


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize('size', [(16384, 1), (1, 480), (0, 0), (0, 48), (2**32 - 1, 1), (640, 8)])
def test_a_frame_of_a_size_no_camera_has_decides_nothing(job, size):
    with pytest.raises(DataError, match='expected sides of at least 16 pixels'):
        job.start(Size(*size))
    assert job.wants_frame
    job.start(CAMERA)
    until(lambda: job.engine is not None or job.error is not None)
    assert job.error is None


def test_after_a_failure_another_size_is_tried_and_the_same_one_is_not(job, monkeypatch):
    """The first frame may have been the reason."""
    asked = []
    real = module.open_for

    def fail_with_the_first(model, config, frame, **options):
        asked.append(frame)
        if frame != CAMERA:
            raise DepthNodeError('No engine takes this size.')
        return real(model, config, frame, **options)

    monkeypatch.setattr(module, 'open_for', fail_with_the_first)
    strange = Size(600, 100)
    job.start(strange)
    until(lambda: job.error is not None)
    assert not job.wants_frame  # at once: every frame would be read for nothing
    monkeypatch.setattr(module, 'AGAIN_S', 0.0)
    job.start(strange)
    assert job.error is not None
    assert asked == [strange]
    job.start(CAMERA)
    until(lambda: job.engine is not None or job.error is not None)
    assert job.error is None
    assert job.error is None
    assert asked == [strange, CAMERA]


def test_a_model_that_was_replaced_while_waiting_for_a_frame_is_not_run(network):
    """It is one error, which stays until the node is configured again."""
    path = network()
    path.with_suffix('.json').write_text(
        '{"format": 1, "kind": "relative_depth", "mean": [0, 0, 0], "std": [1, 1, 1]}'
    )
    config = Config().replaced({'model.name': str(path), 'engine.name': 'onnxruntime'})
    logger = Logger()
    waiting = Opening(config, logger)
    path.write_bytes(path.read_bytes())
    waiting.start(CAMERA)
    until(lambda: waiting.engine is not None or waiting.error is not None)
    assert isinstance(waiting.error, ChangedError)
    assert waiting.engine is None
    line, = (line for line in logger.lines if line.startswith('No engine: '))
    assert str(path) in line
    waiting.close(5)
    again = Opening(config, Logger())
    again.start(CAMERA)
    until(lambda: again.engine is not None or again.error is not None)
    assert again.error is None
    again.close(5)
