"""A file that is downloaded, and its description."""

from __future__ import annotations

import hashlib
import random

from bad_server import Site

from depth_node.catalogue.entry import WebFile

CONTENT = random.Random(7).randbytes(200_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def web(site: Site, **facts: object) -> WebFile:
    """Describe the file of the server."""
    return WebFile(f'{site.url}/model.bin', **{'sha256': SHA256, **facts})  # type: ignore[arg-type]
