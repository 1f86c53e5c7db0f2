"""One bag from its first message to its last, as the node would have processed it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
import dataclasses
from dataclasses import dataclass
from typing import Any

from depth_node.camera import Camera
from depth_node.cloud.pipeline import Planned
from depth_node.cloud.planner import Planner, Sight
from depth_node.engine.base import Engine
from depth_node.errors import DataError
from depth_node.estimator import DepthEstimator, Estimate
from depth_node.image.message import rgb_of_message
from depth_node.model import Model
from depth_node.model.prediction import Prediction
from depth_node.processing.bag_topics import BagTopics
from depth_node.processing.bag_writer import BagWriter, Head
from depth_node.processing.lookahead import looking_ahead, Stored
from depth_node.processing.options import Options
from depth_node.processing.outputs import Output, OUTPUTS, PLANNED, Scene, topic_name
from depth_node.processing.report import Report
from depth_node.processing.tf_buffer import TransformBuffer
from depth_node.scale import keeper_for, ScaleKeeper
from depth_node.scale.floor_watch import FloorWatch, known_floor
from depth_node.scale.opening import find_floor
from depth_node.scale.receiving import Receiver
from depth_node.sources.bag import INFO
from depth_node.sources.calibration import Calibration
from depth_node.sources.frame import Frame, nanoseconds_of, SECOND
from depth_node.sources.rosbag_opening import raw_messages

EARLY = 400
"""Maximum number of readings that are kept for the first image."""
Opener = Callable[[Frame], 'tuple[Engine, Model]']
"""Returns the engine for a frame, and its model."""


@dataclass(frozen=True)
class OpenBag:
    """
    A bag that is read, and the one that is written.

    :param reader: of :func:`depth_node.sources.rosbag_opening.opened`.
    :param topics: its topics.
    :param writer: writes the other one.
    """

    reader: Any
    topics: BagTopics
    writer: BagWriter


class BagRun:
    """
    Processes the messages of one bag.

    :param bag: the bag, and where messages are written.
    :param options: what is done.
    :param open_engine: opens the engine at the first frame.
    :param report: receives what happened.
    :param on_read: called with the size of every message that was processed (bytes).
    """

    def __init__(
        self, bag: OpenBag, options: Options, open_engine: Opener, report: Report,
        on_read: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self._on_read = on_read
        self._reader, self._topics, self._writer = bag.reader, bag.topics, bag.writer
        self._options, self._config = options, options.config
        self._open_engine = open_engine
        self._report = report
        self._outputs = {
            name: (OUTPUTS[name], topic_name(options.namespace, OUTPUTS[name]))
            for name in options.topics
        }
        report.messages |= {topic: 0 for _, topic in self._outputs.values()}
        self._transforms = TransformBuffer()
        self._calibration = Calibration(options.config.input, patience=0.0)
        self._calibration.topic = bag.topics.info
        self._calibration.image_topic = bag.topics.image
        self._receiver = Receiver(
            options.config.scale, self._transforms, self._take, report.note
        )
        self._planner = Planner(self._transforms)
        self._floor_watch, self._floor_note = FloorWatch(), ''
        self._estimator: DepthEstimator | None = None
        self._keeper: ScaleKeeper | None = None
        self._readings: deque[tuple[float, Any]] = deque(maxlen=EARLY)
        self._prediction: Prediction | None = None
        self._optical = ''

    def run(self) -> None:
        """
        Process the bag.

        :raises DepthNodeError: the model, the parameters or the disk cannot be used.
        """
        self._prepare()
        for connection, when, raw in looking_ahead(self._stored(), self._look):
            if self._options.copied:
                self._writer.copy(connection, when, raw)
            if (connection.topic, connection.msgtype) == (self._topics.image, self._topics.kind):
                self._image(when, raw)
            self._on_read(len(raw))
        for reason in self._writer.not_copied.values():
            self._report.leave_out(reason)

    def _stored(self) -> Iterator[Stored]:
        """Iterate over the messages; damage ends it, after what could be read."""
        connections = self._reader.connections
        if not self._options.copied:
            used = {
                self._topics.image, self._topics.info, self._topics.scale,
                self._topics.scale_info, *self._topics.moving,
            }
            connections = [c for c in connections if c.topic in used]
        yield from self._readable(connections, self._report.leave_out)
        if self._reader.truncated:
            self._report.leave_out('the bag has no end and was read as far as it goes')

    def _readable(
        self, connections: list[Any], damaged: Callable[[str], None]
    ) -> Iterator[Stored]:
        """Iterate over messages until the bag cannot be read any further."""
        messages = raw_messages(self._reader, connections)
        while True:
            try:
                message = next(messages)
            except StopIteration:
                return
            except Exception as error:  # noqa: BLE001 - of any parser of rosbags
                text = f'{type(error).__name__}: {error}'
                damaged(f'the bag is damaged and was read up to there ({text})')
                return
            yield message

    def _prepare(self) -> None:
        """Read what holds for the whole bag, wherever it was recorded."""
        for message in self._read(self._topics.static):
            self._add_transforms(message, static=True)
        for topic in (self._topics.info, self._topics.scale_info):
            for message in self._read(frozenset({topic}) - {''}, INFO):
                if topic == self._topics.info:
                    self._calibration.remember(message)
                else:
                    self._receiver.info = message
                break

    def _read(self, names: frozenset[str], kind: str = '') -> Iterator[Any]:
        """Iterate over the messages of some topics that can be read."""
        connections = [
            c for c in self._reader.connections
            if c.topic in names and kind in {'', c.msgtype}
        ]
        for connection, _, raw in self._readable(connections, self._report.note):
            message = self._decoded(connection, raw)
            if message is not None:
                yield message

    def _decoded(self, connection: Any, raw: bytes) -> Any:
        """Return a message, or None if it is damaged."""
        try:
            return self._reader.deserialize(raw, connection.msgtype)
        except Exception as error:  # noqa: BLE001 - of any parser of rosbags
            self._report.note(
                f'a message of {connection.topic} is not a {connection.msgtype} '
                f'({type(error).__name__}: {error})'
            )
            return None

    def _look(self, stored: Stored) -> None:
        """Take what frames need out of a message that comes next."""
        connection, when, raw = stored
        name, topics = connection.topic, self._topics
        if name in topics.moving:
            message = self._decoded(connection, raw)
            if message is not None:
                self._add_transforms(message, static=False)
                self._receiver.retry(when / SECOND)
        if name == topics.info and connection.msgtype == INFO:
            message = self._decoded(connection, raw)
            if message is not None:
                self._calibration.remember(message)
        if name and name == topics.scale_info and connection.msgtype == INFO:
            self._receiver.info = self._decoded(connection, raw) or self._receiver.info
        source = self._receiver.source
        if name and name == topics.scale and connection.msgtype == source.message:
            message = self._decoded(connection, raw)
            if message is not None:
                self._receiver.receive(message, when / SECOND)
        if not self._optical and (name, connection.msgtype) == (topics.image, topics.kind):
            message = self._decoded(connection, raw)
            if message is not None:
                self._see_from(self._frame_id(message))

    def _add_transforms(self, message: Any, *, static: bool) -> None:
        try:
            self._transforms.add(message, static=static)
        except DataError as error:
            self._report.note(str(error))

    def _see_from(self, optical: str) -> None:
        self._optical = optical
        self._receiver.see_from(optical)

    def _frame_id(self, message: Any) -> str:
        return self._config.output.frame_id or str(message.header.frame_id)

    def _take(self, stamp: float, reading: Any) -> None:
        """Give a reading to the keeper, once there is one."""
        if self._keeper is None:
            self._readings.append((stamp, reading))
        else:
            self._keeper.add(stamp, reading)

    def _image(self, when: int, raw: bytes) -> None:
        """Estimate an image, and write what is wanted of it."""
        number = self._report.images
        self._report.images += 1
        try:
            message = self._reader.deserialize(raw, self._topics.kind)
            rgb = rgb_of_message(message, self._topics.kind)
        except Exception as error:  # noqa: BLE001 - of any parser of rosbags
            self._report.leave_out(f'image {number} of {self._topics.image}: {error}')
            return
        frame = Frame(
            rgb, nanoseconds_of(message.header.stamp), name=f'{number:06d}',
            frame_id=self._frame_id(message),
        )
        if frame.frame_id != self._optical:
            self._see_from(frame.frame_id)
        frame = dataclasses.replace(frame, camera=self._camera(frame))
        estimator = self._ready(frame)
        assert self._keeper is not None
        find_floor(self._keeper, self._config, frame, self._transforms)
        prediction = self._prediction = estimator.predict(frame, self._prediction)
        estimate = estimator.measure(
            prediction, frame, confidence=self._wants_confidence(),
        )
        self._report.note(estimator.focal_note)
        self._check_floor(frame, estimate)
        self._write(when, frame, estimate)

    def _check_floor(self, frame: Frame, estimate: Estimate) -> None:
        """Note a height of the camera that the metres contradict, once."""
        assert self._keeper is not None
        # the scale that a height gives agrees with the height
        if estimate.depth is None or frame.camera is None or self._keeper.source.floor:
            return
        note = self._floor_watch.look(
            (frame.stamp or 0) / SECOND,
            lambda: known_floor(self._config.ground, frame, self._transforms),
            estimate.depth, frame.camera,
        )
        if not self._floor_note:
            self._floor_note = note
            self._report.note(note)

    def _wants_confidence(self) -> bool:
        return 'confidence' in self._outputs or (
            self._config.points.confidence and 'points' in self._outputs
        )

    def _camera(self, frame: Frame) -> Camera | None:
        try:
            camera = self._calibration.camera(frame)
        except DataError as error:
            self._report.note(str(error))
            return None
        self._report.note(self._calibration.doubt)
        return camera

    def _ready(self, frame: Frame) -> DepthEstimator:
        """Return the estimator, with an engine that was opened for the first frame."""
        if self._estimator is None:
            engine, model = self._open_engine(frame)
            self._keeper = keeper_for(self._config, model.spec, model.path)
            for stamp, reading in self._readings:
                self._keeper.add(stamp, reading)
            self._readings.clear()
            self._estimator = DepthEstimator(engine, self._config, keeper=self._keeper)
        return self._estimator

    def _write(self, when: int, frame: Frame, estimate: Estimate) -> None:
        metric = estimate.depth is not None and frame.camera is not None
        self._report.state = estimate.state
        if not metric:
            self._report.without_depth += 1
            self._report.without_why = estimate.note
        scene = Scene(
            frame, estimate, self._config, self._plan(frame, estimate) if metric else Planned()
        )
        written = False
        for output, topic in self._outputs.values():
            if metric or not output.metric:
                written = self._add(output, topic, when, scene) or written
        self._report.frames += written

    def _add(self, output: Output, topic: str, when: int, scene: Scene) -> bool:
        fields = output.make(scene)
        if fields is None:
            return False
        head = Head(when, scene.frame.stamp or 0, output.frame_id(scene))
        self._writer.write(topic, output.kind, head, fields)
        self._report.messages[topic] += 1
        return True

    def _plan(self, frame: Frame, estimate: Estimate) -> Planned:
        if not PLANNED & self._outputs.keys():
            return Planned()
        assert estimate.depth is not None
        assert frame.camera is not None
        planned = self._planner.plan(
            Sight(
                estimate.depth, frame.rgb, frame.camera, frame.frame_id, frame.stamp or 0,
                estimate.limits, estimate.confidence,
            ),
            self._config, points='points' in self._outputs, scan='scan' in self._outputs,
        )
        self._report.note(planned.note)
        return planned
