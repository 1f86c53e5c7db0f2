"""
Maps for navigation: an image and a YAML file, as Nav2's map_server reads them.

With ``mode: trinary`` and ``negate: 0``, a pixel of value v is occupied if (255 - v) / 255 exceeds
``occupied_thresh``, free if it is below ``free_thresh``, and unknown in between. Many programs
write 205 for unknown, which a threshold of 0.25 makes free; 128 is unknown with every threshold.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from depth_node.errors import ConfigError
from depth_node.files import replacing
from depth_node.mapping.floor_plan import FloorPlan, FREE, OCCUPIED

OCCUPIED_THRESH, FREE_THRESH = 0.65, 0.25
_FREE, _OCCUPIED, _UNKNOWN = 254, 0, 128


def yaml_of(path: Path) -> Path:
    """
    Return where the description of a map is.

    :param path: NAME.pgm.
    :returns: NAME.yaml.
    :raises ConfigError: another suffix.
    """
    if path.suffix.lower() != '.pgm':
        raise ConfigError(f'{path}: a map is written as NAME.pgm and NAME.yaml.')
    return path.with_suffix('.yaml')


def write_map(path: Path, plan: FloorPlan) -> None:
    """
    Write a map: the image first, so that the YAML never names one that is not there.

    :param path: NAME.pgm; NAME.yaml is written next to it.
    :param plan: the map.
    :raises ConfigError: another suffix.
    :raises DataError: a file cannot be written.
    """
    description = yaml_of(path)
    pixels = np.full(plan.cells.shape, _UNKNOWN, np.uint8)
    pixels[plan.cells == FREE] = _FREE
    pixels[plan.cells == OCCUPIED] = _OCCUPIED
    rows, columns = plan.cells.shape[0], plan.cells.shape[1]
    with replacing(path) as temporary:
        # the first row of the image is the one with the largest y
        header = f'P5\n# depth_node: {plan.resolution:g} m per pixel\n{columns} {rows}\n255\n'
        temporary.write_bytes(header.encode('ascii') + pixels[::-1].tobytes())
    content = {
        'image': path.name, 'mode': 'trinary', 'resolution': plan.resolution,
        'origin': [*plan.origin, 0.0], 'negate': 0, 'occupied_thresh': OCCUPIED_THRESH,
        'free_thresh': FREE_THRESH,
    }
    with replacing(description) as temporary:
        temporary.write_text(
            yaml.safe_dump(content, sort_keys=False, default_flow_style=None), encoding='utf-8'
        )
