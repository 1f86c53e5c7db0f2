"""What is sent when something on the way fails; with a notebook in the place of DDS."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.cloud.pipeline import PointsPipeline
from depth_node.config import Config
from depth_node.errors import DataError
from depth_node.estimator import DepthFrame
from depth_node.model.prediction import Prediction
from depth_node.ros import messages
from depth_node.ros.health import Health
from depth_node.ros.notices import Notices
from depth_node.ros.outputs import TOPICS
from depth_node.ros.pipeline import Pipeline, Predicted
from depth_node.ros.reading import Seen
from depth_node.ros.sending import Sender
from depth_node.scale import ScaleState

CAMERA = Camera.from_hfov(64, 48, 70.0)
CONFIG = Config().replaced({'ground.camera_height': 1.0})
FRAME = Seen(np.zeros((48, 64, 3), np.uint8), messages.header_of(messages.stamp_of(1), 'optical'))


class Notebook:
    """Stands in for the publishers, and for a logger."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.lines: list[str] = []
        self.warning = self.error = self.info = self.lines.append

    def publish(self, topic: str, _message: Any) -> None:
        self.sent.append(topic)


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def notices(notebook: Notebook) -> Notices:
    return Notices(Health(), notebook)


@pytest.fixture
def sender(notebook: Notebook, notices: Notices) -> Sender:
    transforms: Any = SimpleNamespace(lookup=lambda *_: None, hint='')
    outputs: Any = notebook
    return Sender(lambda: CONFIG, outputs, transforms, notices)


def result(depth: np.ndarray | None) -> DepthFrame:
    """A frame with or without metres."""
    prediction = Prediction(np.ones((48, 64), np.float32))
    state = ScaleState(1.0, 0.0, 0.0, 'fixed', usable=depth is not None)
    return DepthFrame(prediction, depth, state.scale, 'no scale yet', state)


def test_planners_come_first(sender: Sender, notebook: Notebook) -> None:
    depth = np.full((48, 64), 2.0, np.float32)
    assert sender.send(frozenset(TOPICS), result(depth), FRAME, CAMERA)
    assert notebook.sent[:3] == ['depth/image_relative', 'depth/points', 'depth/scan']
    assert set(notebook.sent) == set(TOPICS)


def broken(*_: object, **__: object) -> None:
    """Fail as a cloud does that cannot be made."""
    raise DataError('no pixel of this camera has a ray.')


def test_a_cloud_that_cannot_be_made_does_not_take_the_depth_along(
    sender: Sender, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PointsPipeline, 'process', broken)
    depth = np.full((48, 64), 2.0, np.float32)
    with pytest.raises(DataError, match='no pixel'):
        sender.send(frozenset(TOPICS), result(depth), FRAME, CAMERA)
    assert notebook.sent == [
        'depth/image_relative', 'depth/image', 'depth/camera_info', 'depth/image_color',
    ]


def test_conditions_are_those_of_this_frame_also_when_it_cannot_be_sent(
    sender: Sender, notices: Notices, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = iter([result(None), result(np.full((48, 64), 2.0, np.float32))])
    estimator: Any = SimpleNamespace(
        configure=lambda _: None, measure=lambda *_: next(frames), focal_note='',
        spec=SimpleNamespace(kind=SimpleNamespace(value='', has_shift=True)),
    )
    scaling: Any = SimpleNamespace(begin=lambda *_: None, tell=lambda *_: None)
    reader: Any = SimpleNamespace(camera=lambda _: CAMERA)
    opening: Any = None
    pipeline = Pipeline(lambda: CONFIG, opening, reader, scaling, sender, notices)
    predicted = Predicted(FRAME, result(None).prediction, estimator, frozenset(TOPICS), 0.0)
    pipeline._finish(predicted)
    assert notices.health.problems().keys() == {'scale'}
    monkeypatch.setattr(PointsPipeline, 'process', broken)
    pipeline._finish(predicted)
    assert notices.health.problems().keys() == {'frame'}
