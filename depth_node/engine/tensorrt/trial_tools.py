"""Helpers of the checks in :mod:`trials`."""

from __future__ import annotations

from collections.abc import Callable
import threading

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.engine.verify import Verdict
from depth_node.errors import EngineError
from depth_node.image.size import Size


def noise(size: Size, seed: int) -> NDArray[np.uint8]:
    """
    Return a random frame.

    :param size: its size (pixels).
    :param seed: random seed.
    :returns: uint8 (H, W, 3), smooth and with noise, like images.
    """
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 200, (size.height // 40 + 1, size.width // 40 + 1, 3), np.uint8)
    smooth = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.add(smooth, rng.integers(0, 40, smooth.shape, np.uint8)), np.uint8)


def require(holds: object, what: str) -> None:
    """
    Raise an error if a condition does not hold.

    :param holds: whether it holds.
    :param what: description of the failure.
    :raises EngineError: it does not hold.
    """
    if not holds:
        raise EngineError(f'{what[:1].upper()}{what[1:]}.')


def must(verdict: Verdict, what: str) -> None:
    """
    Raise an error if an engine does not agree with the network.

    :param verdict: verdict of the comparison.
    :param what: what was compared.
    :raises EngineError: it does not agree.
    """
    require(verdict.good, f'{what}: {verdict.reason}')


def in_thread(work: Callable[[], None]) -> None:
    """
    Call a function in a separate thread, and wait for it.

    :param work: the function.
    :raises Exception: the exception of the function.
    """
    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  (raised again below)
            raised.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
