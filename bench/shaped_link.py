"""
Two network namespaces with a slow, late and lossy link between them, for measurements.

Linux' own shaper for this is tc with netem, which many kernels come without. Here the two ends are
TAP devices, and a process between them does to every Ethernet frame what netem does with `rate`,
`delay`, `loss` and `limit`: a frame is lost at random, or dropped if the queue is full, or sent
after those before it at the rate of the link, and arrives after the delay; each direction for
itself. Needs root and /dev/net/tun.
"""

from __future__ import annotations

from collections import deque
import contextlib
from dataclasses import dataclass
import fcntl
import multiprocessing
import os
import random
import select
import struct
import subprocess
import time

_TUNSETIFF, _TAP, _NO_HEADER = 0x400454CA, 0x0002, 0x1000  # linux/if_tun.h
_LONGEST_FRAME = 2048


@dataclass(frozen=True)
class Shape:
    """
    The properties of the link, each direction for itself.

    :param rate: bits per second.
    :param delay: time from one end to the other (s).
    :param loss: share of the frames that are lost, 0 to 1.
    :param limit: frames that wait at most; netem's default.
    """

    rate: float = 20e6
    delay: float = 0.015
    loss: float = 0.01
    limit: int = 1000


class ShapedLink:
    """
    The namespaces and the link; they are gone after the `with` block.

    :param shape: of the link.
    :param names: of the two namespaces.
    """

    def __init__(self, shape: Shape, names: tuple[str, str] = ('robot', 'desk')) -> None:
        self._shape = shape
        self._names = tuple(f'{name}{os.getpid()}' for name in names)
        self._made: list[str] = []
        self._taps: list[int] = []
        self._relay: multiprocessing.process.BaseProcess | None = None

    def __enter__(self) -> ShapedLink:
        try:
            for i, name in enumerate(self._names):
                _ip('netns', 'add', name)
                self._made.append(name)
                device = f'tap{i}-{os.getpid()}'[:15]
                tap = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
                self._taps.append(tap)
                fcntl.ioctl(tap, _TUNSETIFF, struct.pack(
                    '16sH22x', device.encode(), _TAP | _NO_HEADER
                ))
                _ip('link', 'set', device, 'netns', name)
                inside = ('-n', name)
                _ip(*inside, 'address', 'add', f'10.77.0.{i + 1}/24', 'dev', device)
                _ip(*inside, 'link', 'set', 'lo', 'up')
                _ip(*inside, 'link', 'set', device, 'up')
                _ip(*inside, 'route', 'add', '224.0.0.0/4', 'dev', device)
            self._relay = multiprocessing.get_context('fork').Process(
                target=_relay, args=(self._taps, self._shape), daemon=True
            )
            self._relay.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._relay is not None:
            self._relay.terminate()
            self._relay.join()
        for tap in self._taps:
            os.close(tap)
        for name in self._made:
            _ip('netns', 'delete', name)

    def command(self, end: int, *words: str) -> list[str]:
        """
        Return the command line that runs a command at an end of the link.

        Every such command has a /dev/shm of its own, as on a machine of its own.

        :param end: 0 or 1.
        :param words: the command.
        :returns: its words.
        """
        own = 'mount -t tmpfs -o size=512m shm /dev/shm && exec "$@"'
        return ['ip', 'netns', 'exec', self._names[end], 'sh', '-c', own, 'sh', *words]


def _ip(*words: str) -> None:
    subprocess.run(['ip', *words], check=True)


def _relay(taps: list[int], shape: Shape) -> None:
    """Pass frames on until ended."""
    os.nice(-10)  # it is the network: it does not wait for the programs on it
    rng = random.Random(1)  # noqa: S311 - not for secrets
    waiting: list[deque[tuple[float, bytes]]] = [deque(), deque()]
    free = [0.0, 0.0]
    while True:
        now = time.monotonic()
        due = min((queue[0][0] for queue in waiting if queue), default=now + 1)
        ready, _, _ = select.select(taps, [], [], max(0.0, due - now))
        now = time.monotonic()
        for end, tap in enumerate(taps):
            queue = waiting[end]
            while tap in ready:
                try:
                    frame = os.read(tap, _LONGEST_FRAME)
                except BlockingIOError:
                    break
                if rng.random() < shape.loss or len(queue) >= shape.limit:
                    continue
                free[end] = max(free[end], now) + len(frame) * 8 / shape.rate
                queue.append((free[end] + shape.delay, frame))
            while queue and queue[0][0] <= now:
                _, frame = queue.popleft()
                with contextlib.suppress(OSError):  # the other end is not up
                    os.write(taps[1 - end], frame)
