"""Loading of the model and its engine in the background."""

from __future__ import annotations

import threading
import time
from typing import Any

from depth_node.catalogue import caution
from depth_node.catalogue.opening import is_path, open_model, overrides_from
from depth_node.config import Config
from depth_node.engine import open_for
from depth_node.engine.base import Engine
from depth_node.errors import CancelledError, DataError, DepthNodeError
from depth_node.image.size import Size
from depth_node.model import Model, network

WAITING = 'waiting for the first frame'
AGAIN_S = 5.0
"""How long after a failure a frame of another size is tried."""
_LEAST_SIDE = 16
_LARGEST_ASPECT = 8.0


class Opening:
    """
    Gets one model and opens its engine in a separate thread.

    A download or a TensorRT build may take minutes; meanwhile transitions, services and
    diagnostics continue. What can be checked immediately is checked immediately: a path is
    opened here, and a name is looked up in the catalogue.

    :param config: the configuration.
    :param logger: an rclpy logger.
    :raises ModelError: no such model, or it does not match its description.
    """

    def __init__(self, config: Config, logger: Any) -> None:
        self._config = config
        self._logger = logger
        self._model: Model | None = None
        self._cancelled = threading.Event()
        if is_path(config.model.name):
            self._model = self._obtain(None, self._cancelled)
        else:
            from depth_node.catalogue import find

            find(config.model.name)
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None
        self._stage = WAITING
        self._progress: float | None = None
        self._refused: list[str] = []
        self.error: DepthNodeError | None = None
        self._failed_with: Size | None = None
        self._failed = 0.0

    @property
    def engine(self) -> Engine | None:
        """The engine, once it is open."""
        return self._engine

    @property
    def model(self) -> Model | None:
        """The model, once it is available."""
        return self._model

    @property
    def name(self) -> str:
        """Name of the model, for diagnostics."""
        return self._model.spec.name if self._model is not None else self._config.model.name

    @property
    def state(self) -> str:
        """The state, for diagnostics, such as `building, 40 %`."""
        if self._progress is None:
            return self._stage
        return f'{self._stage}, {100 * self._progress:.0f} %'

    @property
    def choice(self) -> str:
        """The reason for the choice of engine, for diagnostics."""
        asked = f'engine.name is {self._config.engine.name}'
        return '; '.join([asked, *self._refused])

    @property
    def wants_frame(self) -> bool:
        """
        Whether :meth:`start` may do something.

        After a failure that is so now and then: the frame may have been the reason.
        """
        if self._engine is not None or (self._thread is not None and self.error is None):
            return False
        return self.error is None or (
            self._failed_with is not None and time.monotonic() - self._failed > AGAIN_S
        )

    def start(self, frame: Size | None) -> None:
        """
        Begin to open, unless begun, done, or failed with frames of that size.

        :param frame: size of the camera's frames; None while unknown: then only a network whose
            size does not depend on the camera is opened.
        :raises DataError: a size no camera has, which would decide that of the network.
        """
        if not self.wants_frame:
            return
        if frame is None and not self._size_is_known():
            return
        if frame is not None and not self._size_is_known():
            check_plausible(frame)
        if self.error is not None and frame == self._failed_with:
            self._failed = time.monotonic()
            return
        self.error = None
        self._stage = 'opening'
        self._refused = []
        self._thread = threading.Thread(
            target=self._run, args=(frame, self._cancelled), name='open engine', daemon=True
        )
        self._thread.start()

    def resume(self) -> None:
        """Allow opening again after :meth:`cancel`, also after a failure."""
        if self._thread is None and self._engine is None:
            self._cancelled = threading.Event()
            self.error = None
            self._stage = WAITING
            self.start(None)

    def cancel(self, timeout: float) -> None:
        """
        Cancel opening; an open engine stays open.

        :param timeout: how long to wait (s). An opening that does not react finishes by itself,
            and its engine is closed then.
        """
        thread = self._thread
        if thread is None or self._engine is not None:
            return
        self._cancelled.set()
        thread.join(timeout)
        self._thread = None

    def close(self, timeout: float) -> None:
        """
        Cancel opening, or close the engine.

        :param timeout: how long to wait for an opening in progress (s).
        """
        self.cancel(timeout)
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _obtain(self, frame: Size | None, cancelled: threading.Event) -> Model:
        config = self._config.model
        if warning := caution(config.name):
            self._logger.warning(warning)
        return open_model(
            config.name,
            overrides=overrides_from(config),
            accept_licence=config.accept_licence,
            input_size=config.input_size,
            frame=frame,
            cancelled=cancelled.is_set,
            on_progress=self._report,
        )

    def _size_is_known(self) -> bool:
        """Whether the network's size does not depend on the camera."""
        if self._model is None:
            return False
        spec = self._model.spec
        fixed = network.inspect(self._model.path, spec).size or spec.input_size
        return fixed is not None or self._config.model.input_size != 'auto'

    def _run(self, frame: Size | None, cancelled: threading.Event) -> None:
        try:
            if self._model is None:
                self._announce()
                self._model = self._obtain(frame, cancelled)
                self._progress = None
            engine = open_for(
                self._model,
                self._config,
                frame,
                on_progress=self._report,
                cancelled=cancelled.is_set,
                log=self._logger.info,
                warn=self._logger.warning,
                on_refused=lambda name, reason: self._refused.append(f'not {name}: {reason}'),
            )
        except CancelledError:
            self._progress, self._stage = None, 'cancelled'
        except DepthNodeError as error:
            self._fail(error, frame)
        except Exception as error:  # noqa: BLE001  a library's failure must not end the node
            self._fail(DepthNodeError(f'{type(error).__name__}: {error}'), frame)
        else:
            if cancelled.is_set():
                engine.close()
                return
            self._progress, self._stage = None, 'ready'
            self._engine = engine

    def _announce(self) -> None:
        """Log what has to be fetched and how large it is, before it is."""
        from depth_node.catalogue import find
        from depth_node.catalogue.entry import megabytes
        from depth_node.catalogue.store import is_present, Request

        entry = find(self._config.model.name)
        if is_present(entry, Request()):
            self._stage = f'opening {entry.name}'
            return
        self._stage = f'fetching {entry.name} ({megabytes(entry)})'
        place = entry.files[0].place if entry.files else 'the package'
        self._logger.info(f'{self._stage} from {place}')

    def _fail(self, error: DepthNodeError, frame: Size | None) -> None:
        self._progress, self._stage = None, 'failed'
        self._failed_with, self._failed = frame, time.monotonic()
        self.error = error
        self._logger.error(f'No engine: {error}')

    def _report(self, fraction: float, stage: str) -> None:
        """Record the progress; log every tenth."""
        before = -1 if stage != self._stage else int((self._progress or 0.0) * 10)
        self._stage, self._progress = stage, fraction
        if int(fraction * 10) != before:
            self._logger.info(self.state)


def check_plausible(frame: Size) -> None:
    """
    Refuse a frame whose size no camera has, before it decides the size of the network.

    :param frame: width and height (pixels).
    :raises DataError: a side of less than 16 pixels, or one more than 8 times the other.
    """
    short, long = sorted(frame)
    if short < _LEAST_SIDE or long > _LARGEST_ASPECT * short:
        raise DataError(
            f'A frame is {frame}, expected sides of at least {_LEAST_SIDE} pixels and an aspect '
            f'of at most {_LARGEST_ASPECT:g} to 1.',
            "The engine is opened with the first frame of a camera's size; set "
            'model.input_size where this is one.',
        )
