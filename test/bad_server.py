"""An HTTP server on this machine that misbehaves on purpose, and a Hub like Hugging Face's."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
from dataclasses import dataclass, field
import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import threading
import time

COMMIT = 'c0ffee' + '0' * 34


@dataclass
class Site:
    """
    What the server has, and how it behaves.

    :param files: path to content.
    :param cuts: how many of the next answers break off half way.
    :param errors: status codes of the next answers, before it behaves.
    :param stalls: how many of the next answers stop after half without closing.
    :param redirects: path to where it sends.
    :param ranges: whether it can continue.
    :param shift: how far behind the place asked for it goes on (bytes).
    :param endless: whether it says no length and never stops.
    :param slow: seconds between pieces of 1 kB.
    :param seen: every request as (method, path, range).
    :param tokens: what every request showed as its authorization.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cuts: int = 0
    errors: list[int] = field(default_factory=list)
    stalls: int = 0
    redirects: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    shift: int = 0
    endless: bool = False
    slow: float = 0.0
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    url: str = ''


class Handler(BaseHTTPRequestHandler):
    """Answers as the site says."""

    site: Site
    stop: threading.Event
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(head=True)

    def do_GET(self) -> None:
        self.answer(head=False)

    def answer(self, *, head: bool) -> None:
        asked = self.headers.get('Range') or ''
        self.site.seen.append((self.command, self.path, asked))
        self.site.tokens.append(self.headers.get('Authorization') or '')
        if self.path in self.site.redirects:
            self.send_response(302)
            self.send_header('Location', self.site.redirects[self.path])
            self.send_header('Content-Length', '0')
            self.end_headers()
            return
        if not head and self.site.errors:
            self.refuse(self.site.errors.pop(0))
            return
        content = self.site.files.get(self.path)
        if content is None:
            self.refuse(404)
            return
        start = 0
        if asked and self.site.ranges:
            start = int(asked.removeprefix('bytes=').partition('-')[0]) + self.site.shift
            if start >= len(content):
                self.refuse(416)
                return
        self.send_response(206 if start else 200)
        if self.site.endless:
            self.close_connection = True
        else:
            self.send_header('Content-Length', str(len(content) - start))
        if start:
            last = len(content) - 1
            self.send_header('Content-Range', f'bytes {start}-{last}/{len(content)}')
        # what a Hub says beside the content
        self.send_header('ETag', f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header('X-Repo-Commit', COMMIT)
        self.send_header('Accept-Ranges', 'bytes')
        self.end_headers()
        if not head:
            self.body(content[start:])

    def refuse(self, status: int) -> None:
        self.send_response(status)
        if status == 404 and '/resolve/' in self.path:
            self.send_header('X-Error-Code', 'EntryNotFound')
        self.send_header('Content-Length', '0')
        self.end_headers()

    def body(self, content: bytes) -> None:
        with contextlib.suppress(OSError):
            while self.site.endless and not self.stop.is_set():
                self.wfile.write(content)
        half = len(content) // 2
        if self.site.cuts or self.site.stalls:
            self.wfile.write(content[:half])
            self.wfile.flush()
            if self.site.stalls:
                self.site.stalls -= 1
                self.stop.wait(5)
            else:
                self.site.cuts -= 1
            self.close_connection = True
            return
        step = 1024 if self.site.slow else len(content) or 1
        with contextlib.suppress(OSError):  # a client may have had enough
            for index in range(0, len(content), step):
                time.sleep(self.site.slow)
                self.wfile.write(content[index:index + step])


@contextlib.contextmanager
def serve(site: Site) -> Iterator[Site]:
    """Run the server while the block runs."""
    stop = threading.Event()
    server = ThreadingHTTPServer(
        ('127.0.0.1', 0), type('SiteHandler', (Handler,), {'site': site, 'stop': stop})
    )
    server.daemon_threads = True
    site.url = f'http://127.0.0.1:{server.server_port}'
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join()
