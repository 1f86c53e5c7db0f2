"""The points of a cloud message, in any layout of its fields."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError
from depth_node.image.data import bytes_of

FLOATS: dict[int, str] = {7: 'f4', 8: 'f8'}
"""Datatypes of x, y and z: FLOAT32 and FLOAT64."""
_PACKED = {6, 7}
"""Datatypes of a packed color: UINT32, and FLOAT32 with its bits."""
_COLORS = ('rgb', 'rgba')
_LONGEST = 2**31 - 1
"""Largest size of a record in NumPy (bytes); a message may declare twice as much."""


def records_of(message: Any) -> NDArray[Any]:
    """
    Return the points of a cloud as records.

    :param message: sensor_msgs/PointCloud2 with float fields x, y and z, at any offset and in
        either byte order.
    :returns: (N,) with the fields x, y, z of the message's type (m, the cloud's frame) and, if
        it has one, `packed`: uint32, the color as 0x00RRGGBB. A copy without padding.
    :raises DataError: the fields are missing, or do not match the data.
    """
    fields = {field.name: field for field in message.fields}
    if not {'x', 'y', 'z'} <= fields.keys():
        raise DataError(f'The cloud has fields {sorted(fields)}, expected x, y and z.')
    kinds = {fields[axis].datatype for axis in 'xyz'}
    if not kinds <= FLOATS.keys():
        raise DataError(f'x, y and z have datatypes {kinds}, expected FLOAT32 or FLOAT64.')
    columns = {axis: (FLOATS[fields[axis].datatype], fields[axis].offset) for axis in 'xyz'}
    color = next((fields[name] for name in _COLORS if name in fields), None)
    if color is not None and color.datatype in _PACKED:
        columns['packed'] = 'u4', color.offset
    count, step = message.width * message.height, message.point_step
    data = bytes_of(message.data)
    padded = message.row_step * message.height
    inside = 0 < step <= _LONGEST and all(
        offset + np.dtype(kind).itemsize <= step for kind, offset in columns.values()
    )
    if not inside or message.row_step < message.width * step or data.size < padded:
        raise DataError(
            f'The cloud declares {message.width}x{message.height} points of {step} bytes in rows '
            f'of {message.row_step}, but has {data.size} bytes.'
        )
    layout = np.dtype({
        'names': list(columns),
        'formats': [kind for kind, _ in columns.values()],
        'offsets': [offset for _, offset in columns.values()],
        'itemsize': step,
    }).newbyteorder('>' if message.is_bigendian else '<')
    if count == 0:
        return np.zeros(0, layout)
    rows = data[:padded].reshape(message.height, message.row_step)[:, : message.width * step]
    return np.ascontiguousarray(rows).reshape(-1)[: count * step].view(layout)


def cloud_of(message: Any) -> tuple[NDArray[np.float32], NDArray[np.uint32] | None]:
    """
    Return the points of a cloud, and their colors if they have some.

    :param message: as for :func:`records_of`.
    :returns: float32 (N, 3), the cloud's frame (m), with NaN where an organized cloud has no
        point; and uint32 (N,), 0x00RRGGBB, or None.
    :raises DataError: as :func:`records_of`.
    """
    points = records_of(message)
    xyz = np.column_stack([points[axis].astype(np.float32) for axis in 'xyz'])
    assert points.dtype.names is not None
    if 'packed' not in points.dtype.names:
        return xyz, None
    return xyz, points['packed'].astype(np.uint32)
