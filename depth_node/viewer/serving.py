"""The viewer as a process of its own: a window, or a page for a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import importlib.util
import os
from pathlib import Path
import socket
import subprocess
import time
from typing import Any

from depth_node.errors import ConfigError
from depth_node.process import die_with_parent
from depth_node.viewer.drawing import library

LOOPBACK = '127.0.0.1'
_PATIENCE_S = 20.0
_EVERYWHERE = ('0.0.0.0', '::')  # noqa: S104 - compared, not bound


def open_window(stream: Any) -> None:
    """
    Open the viewer in a window that stays when this process ends.

    :param stream: a ``rerun.RecordingStream``, which is connected to it.
    :raises ConfigError: there is no display, or the program does not start.
    """
    if not any(os.environ.get(name) for name in ('DISPLAY', 'WAYLAND_DISPLAY')):
        raise ConfigError(
            'There is no display to open a window on (DISPLAY is not set).',
            'Use --web for a browser, or --save FILE.rrd and open that elsewhere.',
        )
    try:
        stream.spawn(executable_path=str(_program()))
    except (OSError, RuntimeError) as error:
        raise ConfigError(
            f'The viewer cannot be started ({error}).', 'Use --web, or --save FILE.rrd.'
        ) from error


@contextmanager
def web_viewer(
    bind: str = LOOPBACK, port: int = 9090, data_port: int = 0, *, live: bool = False
) -> Iterator[tuple[str, str]]:
    """
    Serve the viewer to browsers, as long as the context lasts.

    The library's own server listens on every interface; the program can be bound to one.

    :param bind: address to listen on.
    :param port: of the page; 0: a free one.
    :param data_port: where the page gets its data from; 0: a free one.
    :param live: whether a browser that joins late gets the newest data first.
    :returns: address of the page, and address for ``RecordingStream.connect_grpc``.
    :raises ConfigError: Rerun is not installed, or the port is taken.
    """
    library()
    data, port = data_port or _free_port(), port or _free_port()
    words = [
        str(_program()), '--serve-web', '--bind', bind, '--port', str(data),
        '--web-viewer-port', str(port),
    ]
    if live:
        words.append('--newest-first')
    if bind != LOOPBACK:
        # a browser elsewhere knows this machine by a name that we do not
        words += ['--cors-allow-origin', f'http://*:{port}']
    process = subprocess.Popen(  # noqa: S603 - our own words
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - one call of prctl
        start_new_session=True,  # Ctrl-C is for us: we end it when all is written
    )
    try:
        _wait(process, bind, (data, port))
        here = _reachable(bind)
        host = socket.gethostname() if bind in _EVERYWHERE else here
        page = f'http://{host}:{port}?url=rerun+http://{host}:{data}/proxy'
        yield page, f'rerun+http://{here}:{data}/proxy'
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _program() -> Path:
    """Return the viewer's program itself: its Python module would only start and outlive it."""
    found = importlib.util.find_spec('rerun_cli')
    program = Path(found.origin).with_name('rerun') if found and found.origin else None
    if program is None or not program.is_file():
        raise ConfigError(
            'The program of Rerun is missing.', "Install it: pip install 'depth_node[view]'."
        )
    return program


def _wait(process: subprocess.Popen[bytes], bind: str, ports: tuple[int, ...]) -> None:
    """Wait until all ports are open."""
    address = _reachable(bind)
    end = time.monotonic() + _PATIENCE_S
    for port in ports:
        while True:
            if process.poll() is not None or time.monotonic() > end:
                raise ConfigError(
                    f'The viewer cannot listen on {bind}, port {port}.',
                    'Choose another one with --port, or end what uses it.',
                )
            with socket.socket() as probe:
                probe.settimeout(0.2)
                if probe.connect_ex((address, port)) == 0:
                    break
            time.sleep(0.1)


def _reachable(bind: str) -> str:
    """Return an address at which this machine reaches what listens."""
    return LOOPBACK if bind in _EVERYWHERE else bind


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
