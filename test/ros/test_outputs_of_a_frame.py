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
from depth_node.estimator import Estimate
from depth_node.model.prediction import Prediction
from depth_node.ros.health import Health
from depth_node.ros.making import Maker, Scene
from depth_node.ros.notices import Notices
from depth_node.ros.outputs import OUTPUTS, Outputs
from depth_node.ros.pipeline import Pipeline, Predicted
from depth_node.scale import ScaleState
from depth_node.sources.frame import Frame

CAMERA = Camera.from_hfov(64, 48, 70.0)
CONFIG = Config().replaced({'ground.camera_height': 1.0})
FRAME = Frame(np.zeros((48, 64, 3), np.uint8), 1, CAMERA, frame_id='optical')
TOPICS = frozenset(output.topic for output in OUTPUTS)


class Notebook:
    """Stands in for the publishers, and for a logger."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.lines: list[str] = []
        self.warning = self.error = self.info = self._note

    def _note(self, text: str, _key: str = '') -> None:
        self.lines.append(text)

    def create_lifecycle_publisher(self, _kind: Any, topic: str, *_: Any, **__: Any) -> Any:
        """Give a publisher that writes its topic down."""
        return SimpleNamespace(publish=lambda _message: self.sent.append(topic))


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def notices(notebook: Notebook) -> Notices:
    return Notices(Health(), notebook)


@pytest.fixture
def outputs(notebook: Notebook, notices: Notices) -> Outputs:
    transforms: Any = SimpleNamespace(lookup=lambda *_: None, hint='')
    node: Any = notebook
    return Outputs(node, Maker(transforms, notices), notices.health.stages)


def scene(estimate: Estimate, config: Config = CONFIG, wanted: frozenset[str] = TOPICS) -> Scene:
    """A frame of the camera and what was estimated."""
    return Scene(FRAME, estimate, config, wanted)


def result(depth: np.ndarray | None) -> Estimate:
    """A frame with or without metres."""
    prediction = Prediction(np.ones((48, 64), np.float32))
    state = ScaleState(1.0, 0.0, 0.0, 'fixed', usable=depth is not None)
    confidence = None if depth is None else np.ones_like(depth)
    return Estimate(prediction, depth, state, 'no scale yet', confidence=confidence)


def test_planners_come_first(outputs: Outputs, notebook: Notebook) -> None:
    depth = np.full((48, 64), 2.0, np.float32)
    assert outputs.send(scene(result(depth)))
    assert notebook.sent[:3] == ['depth/image_relative', 'depth/points', 'depth/scan']
    assert set(notebook.sent) == TOPICS


def broken(*_: object, **__: object) -> None:
    """Fail as a cloud does that cannot be made."""
    raise DataError('no pixel of this camera has a ray.')


def test_a_cloud_that_cannot_be_made_does_not_take_the_depth_along(
    outputs: Outputs, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PointsPipeline, 'process', broken)
    depth = np.full((48, 64), 2.0, np.float32)
    with pytest.raises(DataError, match='no pixel'):
        outputs.send(scene(result(depth)))
    assert notebook.sent == [
        'depth/image_relative', 'depth/image', 'depth/image/compressedDepth', 'depth/camera_info',
        'depth/confidence', 'depth/image_color',
    ]


def test_conditions_are_those_of_this_frame_also_when_it_cannot_be_sent(
    outputs: Outputs, notices: Notices, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = iter([result(None), result(np.full((48, 64), 2.0, np.float32))])
    estimator: Any = SimpleNamespace(
        configure=lambda *_: None, measure=lambda *_, **__: next(frames), focal_note='',
        spec=SimpleNamespace(kind=SimpleNamespace(value='', has_shift=True)),
    )
    scaling: Any = SimpleNamespace(begin=lambda *_: None, note=lambda *_: None)
    calibration: Any = SimpleNamespace(
        camera=lambda _: CAMERA, assumed='', choice='', doubt=''
    )
    opening: Any = None
    reader: Any = None
    pipeline = Pipeline(opening, reader, calibration, scaling, outputs, notices)
    predicted = Predicted(
        FRAME, result(None).prediction, estimator, CONFIG, TOPICS, 0.0
    )
    pipeline._finish(predicted)
    assert notices.health.problems().keys() == {'scale'}
    monkeypatch.setattr(PointsPipeline, 'process', broken)
    pipeline._finish(predicted)
    assert notices.health.problems().keys() == {'frame'}


def test_what_does_not_concern_the_cloud_rebuilds_nothing(
    outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rays and voxels of a 1080p camera take 0.4 s of CPU: not for every live parameter."""
    made = []
    begin = PointsPipeline.__init__

    def counted(self: PointsPipeline, *arguments: Any) -> None:
        made.append(1)
        begin(self, *arguments)

    monkeypatch.setattr(PointsPipeline, '__init__', counted)
    estimate = result(np.full((48, 64), 2.0, np.float32))
    for changes in (
        {}, {'output.color_bar': True}, {'temporal.enabled': True}, {'scale.value': 2.0},
        {'filter.edge_threshold': 0.2}, {'depth.sky': 'nan'},
    ):
        outputs.send(scene(estimate, CONFIG.replaced(changes)))
    assert len(made) == 1
    for number, changes in enumerate(({'points.stride': 3}, {'scan.max_height': 1.5}), 2):
        outputs.send(scene(estimate, CONFIG.replaced(changes)))
        assert len(made) == number
