"""A recording of the viewer, read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def columns(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Read a recording: entity to its rows, with `stamp` as nanoseconds where they have one."""
    from rerun.chunk import RrdReader

    found: dict[str, list[dict[str, Any]]] = {}
    for chunk in RrdReader(str(path)).stream().to_chunks():
        batch = chunk.to_record_batch()
        names = [name for name in batch.schema.names if name not in ('log_time', 'stamp')]
        rows = batch.select(names).to_pylist()
        if 'stamp' in batch.schema.names:
            stamps = batch.column('stamp').cast('int64').to_pylist()
            for row, stamp in zip(rows, stamps, strict=True):
                row['stamp'] = stamp
        found.setdefault(chunk.entity_path, []).extend(rows)
    return found
