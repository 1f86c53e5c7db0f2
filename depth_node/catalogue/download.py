"""Download of a file over HTTPS, resumed after interruptions and complete when it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import contextlib
from dataclasses import dataclass
import http.client
import os
from pathlib import Path
import ssl
import sys
import threading
import time
from typing import Any
import urllib.error
import urllib.parse
import urllib.request

from depth_node.errors import CancelledError, ModelError
from depth_node.process import never

ATTEMPTS = 5
ANSWER = 6.0
"""How long to wait for the first response of a server, including redirects (s)."""
TIMEOUT = 30.0
"""Time without a byte after which an attempt is aborted (s)."""
LEAST_RATE = 4096
"""
Minimum rate over twice the timeout (bytes per second), below which an attempt is aborted.

A server that sends a byte now and then would otherwise hold the lock of the model, and all
processes that wait for it, for weeks.
"""
LARGEST = 8 << 30
"""Maximum size of a download (bytes)."""
_CHUNK = 1 << 18
_WHO = (401, 403)
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_LOCAL = ('localhost', '127.0.0.1', '::1')


@dataclass
class Watch:
    """
    Callbacks for cancelling a download and reporting its progress.

    :param cancelled: called regularly; returns whether to cancel.
    :param progress: called with the share that has arrived (0 to 1), if the length is known.
    """

    cancelled: Callable[[], bool] = never
    progress: Callable[[float], None] = lambda _share: None

    def check(self) -> None:
        """
        Raise an error if the download was cancelled.

        :raises CancelledError: it was cancelled.
        """
        if self.cancelled():
            raise CancelledError('The download was cancelled; the part that has arrived is kept.')


class UnreachableError(ModelError):
    """
    A file is not on this machine, and there is no network or no response from the server.

    :param what: the file or server.
    :param reason: the reason, as the end of a sentence.
    :param remedy: what the user should do.
    """

    def __init__(self, what: str, reason: str, remedy: str) -> None:
        super().__init__(f'{what}: {reason}.', remedy)
        self.reason = reason


def download(
    url: str, part: Path, *, size: int | None = None, token: str = '', attempts: int = ATTEMPTS,
    timeout: float = TIMEOUT, answer: float = ANSWER, pause: float = 1.0,
    watch: Watch | None = None,
) -> None:
    """
    Download `url` to `part`, continuing an existing part.

    A server that cannot be reached is reported immediately; an interrupted download is tried
    again.

    :param url: https, or http on this machine.
    :param part: the file; after a failure it contains the part that has arrived.
    :param size: expected size (bytes), or None if unknown.
    :param token: sent to the server of `url`, but not after redirects.
    :param attempts: number of attempts, each continuing the previous one.
    :param timeout: time without a byte after which an attempt is aborted (s).
    :param answer: how long to wait for the first response (s).
    :param pause: pause before the second attempt (s), doubled for each further one.
    :param watch: callbacks for cancelling and progress.
    :raises UnreachableError: no network, or no server.
    :raises ModelError: not found, refused, unsafe, or interrupted too often.
    :raises CancelledError: it was cancelled.
    :raises OSError: the disk is full or cannot be written.
    """
    _check_safe(url)
    asked = _Asked(url, part, size, token, timeout, watch or Watch())
    problem: str | None = ''
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        asked.watch.check()
        problem = asked.attempt(answer if not attempt else 2 * timeout)
        if problem is None:
            return
        if not asked.answered:
            server = urllib.parse.urlsplit(url).netloc
            raise UnreachableError(
                url, f'{server} cannot be reached ({problem})', 'Check the network.'
            )
    raise ModelError(
        f'{url}: could not be downloaded in {attempts} attempts ({problem}).',
        'Check the network. The part that has arrived is kept and continued next time.',
    )


@dataclass
class _Asked:
    """The download of one file, over all attempts."""

    url: str
    part: Path
    size: int | None
    token: str
    timeout: float
    watch: Watch
    answered: bool = False

    def attempt(self, answer: float) -> str | None:
        """Download the rest; return None if complete, otherwise why to try again."""
        part = self.part
        have = part.stat().st_size if part.exists() else 0
        if self.size is not None and have >= self.size:
            return None  # the caller's check says whether it is the right content
        request = urllib.request.Request(  # noqa: S310
            self.url, headers={'User-Agent': 'depth_node'}
        )
        if have:
            request.add_header('Range', f'bytes={have}-')
        if self.token:
            request.add_unredirected_header('Authorization', f'Bearer {self.token}')
        opener = urllib.request.build_opener(_SafeRedirects)
        try:
            with _answer(opener, request, self.timeout, answer) as response:
                self.answered = True
                return self._receive(response, have)
        except urllib.error.HTTPError as error:
            self.answered = True
            return _refused(self.url, part, error)
        except (OSError, http.client.HTTPException, ValueError) as error:
            # ValueError: the server redirects to what is no address
            if isinstance(error, OSError) and not _is_network(error):
                raise
            return str(getattr(error, 'reason', error)) or type(error).__name__

    def _receive(self, response: Any, have: int) -> str | None:
        part, size, url = self.part, self.size, self.url
        resumed = response.status == 206
        place = response.headers.get('Content-Range') or ''
        if resumed and not place.startswith(f'bytes {have}-'):
            part.unlink(missing_ok=True)
            return 'the server continued at a different offset'
        length = response.headers.get('Content-Length')
        start = have if resumed else 0
        total = start + int(length) if length and length.isdecimal() else size
        if size is not None and total != size:
            raise ModelError(
                f'{url}: the server has {total} bytes, expected {size}.',
                'The file was changed by its owners. Update depth_node, or use your own copy.',
            )
        pace = _Pace(2 * self.timeout)
        with part.open('ab' if resumed else 'wb') as file, _bar(part.stem, start, total) as bar:
            while True:
                # read1 hands over what has come; read would hold it back until the chunk is
                # full, and lose it when the connection breaks
                chunk = response.read1(_CHUNK)
                if not chunk:
                    break
                file.write(chunk)
                bar(len(chunk))
                if total:
                    self.watch.progress(min(1.0, file.tell() / total))
                self.watch.check()
                if pace.slow(len(chunk)):
                    return f'slower than {LEAST_RATE} bytes per second'
                if file.tell() > (total or LARGEST):
                    part.unlink()
                    raise ModelError(
                        f'{url}: the server sends more than {total or LARGEST} bytes.',
                        'The file was changed by its owners. Update depth_node, or use your own '
                        'copy.',
                    )
            file.flush()
            os.fsync(file.fileno())
            arrived = file.tell()
        if total is not None and arrived < total:
            return f'interrupted after {arrived} of {total} bytes'
        return None


class _Pace:
    """Detects a server that sends too slowly."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._since = time.monotonic()
        self._bytes = 0

    def slow(self, received: int) -> bool:
        """Count bytes; return whether the rate in the current window is too low."""
        self._bytes += received
        elapsed = time.monotonic() - self._since
        if elapsed < self._window:
            return False
        few = self._bytes < LEAST_RATE * elapsed
        self._since, self._bytes = time.monotonic(), 0
        return few


def _answer(
    opener: urllib.request.OpenerDirector, request: urllib.request.Request, timeout: float,
    longest: float,
) -> Any:
    """
    Wait for the header of the response, including redirects.

    The timeout of the socket applies between bytes, so a header that arrives byte by byte could
    take forever. Therefore the request runs in a thread, which is abandoned if it does not return.
    """
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(opener.open(request, timeout=timeout))
        except BaseException as error:  # noqa: BLE001  raised again by the one who waits
            found.append(error)

    thread = threading.Thread(target=ask, name='download', daemon=True)
    thread.start()
    thread.join(longest)
    if not found:
        raise TimeoutError(f'no response within {longest:g} s')
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def _refused(url: str, part: Path, error: urllib.error.HTTPError) -> str:
    """Return a temporary error status as text; raise an error for a permanent one."""
    if error.code == 416:
        part.unlink(missing_ok=True)  # longer than the file: it was another one
        return 'the part that had arrived was longer than the file'
    if error.code in _AGAIN:
        return f'HTTP {error.code} {error.reason}'
    remedy = 'The owners have moved it. Update depth_node, or use the path of your own copy.'
    if error.code in _WHO:
        remedy = 'The owners require consent: accept their conditions there, then set HF_TOKEN.'
    raise ModelError(f'{url}: the server returned {error.code} {error.reason}.', remedy) from error


def _is_network(error: OSError) -> bool:
    return isinstance(
        error, (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError)
    )


def _is_local(url: str) -> bool:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme == 'http' and parts.hostname in _LOCAL


def _check_safe(url: str, origin: str = '') -> None:
    """Refuse addresses without https, and redirects to this machine."""
    try:
        local = _is_local(url) and (not origin or _is_local(origin))
        safe = local or urllib.parse.urlsplit(url).scheme == 'https'
    except ValueError as error:
        raise ModelError(f'{url}: is no address ({error}).') from error
    if not safe:
        raise ModelError(f'{url}: expected https, because the file could be changed on the way.')


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, except to addresses without https and to this machine."""

    max_redirections = 5

    def redirect_request(self, req: Any, *rest: Any) -> Any:
        _check_safe(rest[-1], req.full_url)
        return super().redirect_request(req, *rest)


@contextlib.contextmanager
def _bar(name: str, start: int, total: int | None) -> Iterator[Any]:
    """Show a progress bar on terminals only."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield lambda _count: None
        return
    with tqdm(
        desc=name, total=total, initial=start, unit='B', unit_scale=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        yield bar.update
