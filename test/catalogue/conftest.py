"""A server to download from, without the pauses between attempts."""

from __future__ import annotations

from collections.abc import Iterator

from bad_server import serve, Site
from fetched import CONTENT
import pytest

from depth_node.catalogue import download as download_module


@pytest.fixture
def site() -> Iterator[Site]:
    """Run a server with one file under /model.bin."""
    with serve(Site({'/model.bin': CONTENT})) as running:
        yield running


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the pauses between attempts, and whatever the machine's user has set."""
    monkeypatch.setattr(download_module.time, 'sleep', lambda _seconds: None)
    for name in ('HF_HUB_OFFLINE', 'HF_ENDPOINT'):
        monkeypatch.delenv(name, raising=False)
