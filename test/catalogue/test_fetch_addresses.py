"""Where a download may lead: redirects, plain http, and what is no address."""

from __future__ import annotations

from pathlib import Path
import urllib.request

from bad_server import Site
from fetched import CONTENT, SHA256, web
import pytest

from depth_node.catalogue import download as download_module
from depth_node.catalogue.entry import WebFile
from depth_node.catalogue.fetch import fetch
from depth_node.errors import ModelError

pytestmark = pytest.mark.usefixtures('quick')


def test_redirects_are_followed(site: Site, tmp_path: Path) -> None:
    site.redirects = {'/moved.bin': f'{site.url}/again.bin', '/again.bin': '/model.bin'}
    file = WebFile(f'{site.url}/moved.bin', sha256=SHA256)
    assert fetch(file, tmp_path).read_bytes() == CONTENT


def test_endless_redirects_end(site: Site, tmp_path: Path) -> None:
    site.redirects = {'/model.bin': '/model.bin'}
    with pytest.raises(ModelError, match='the server returned 302'):
        fetch(web(site), tmp_path)


def test_a_redirect_to_plain_http_is_refused(site: Site, tmp_path: Path) -> None:
    site.redirects = {'/model.bin': 'http://example.com/model.bin'}
    with pytest.raises(ModelError, match='expected https'):
        fetch(web(site), tmp_path)
    assert len(site.seen) == 1


@pytest.mark.parametrize('where', [
    'http://[::1', 'https://[x]:y/', 'https://\u00e4.\u00f6..x/', 'https://.x/', 'https://a..b/',
])
def test_a_redirect_to_what_is_no_address_is_one_line(
    site: Site, tmp_path: Path, where: str
) -> None:
    site.redirects = {'/model.bin': where}
    with pytest.raises(ModelError):
        fetch(web(site), tmp_path)


def test_what_is_no_address_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match='is no address'):
        fetch(WebFile('https://[::1'), tmp_path)


def test_a_redirect_into_this_machine_is_refused() -> None:
    """A server elsewhere must not choose what is asked of a service here."""
    handler = download_module._SafeRedirects()
    request = urllib.request.Request('https://example.com/x')
    with pytest.raises(ModelError, match='expected https'):
        handler.redirect_request(request, None, 302, '', {}, 'http://127.0.0.1:631/admin')


@pytest.mark.parametrize('url', ['http://example.com/x', 'ftp://example.com/x', 'file:///etc/x'])
def test_only_https_is_trusted(url: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match='expected https'):
        fetch(WebFile(url), tmp_path)
