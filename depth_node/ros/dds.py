"""
Fast DDS and shared memory: which profile applies, and what a process leaves behind.

No rclpy here: launch files import this before any node exists. doc/dds.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import importlib.metadata
import os
from pathlib import Path
import shutil

from depth_node.ros.folders import PROFILE, share_folder

UDP_PROFILE = 'fastdds_udp.xml'
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Humble and Jazzy read the first name; Kilted reads the second and warns about the first."""
NEW_NAME_SINCE = 8
"""The first version of rclpy whose Fast DDS reads the second name."""
# a user who sets one of these has chosen already
_CHOICES = (*PROFILE_VARIABLES, 'FASTDDS_BUILTIN_TRANSPORTS')
SHARED_MEMORY = Path('/dev/shm')  # noqa: S108 - where Fast DDS has its segments, not a file of ours
SEGMENTS_BYTES = 3 * 2**26
"""Space for the segments of a camera and of the node, and one more (bytes)."""
_LEAST_BYTES = 2**24
"""Space that Fast DDS needs at least (bytes); without it the first write ends in SIGBUS."""


@dataclass(frozen=True)
class Transport:
    """
    The environment variables for Fast DDS.

    :param environment: variables to set; empty for no change.
    :param reason: the reason, for the log.
    :param warn: whether to log the reason as a warning.
    """

    environment: Mapping[str, str]
    reason: str
    warn: bool = False


def transport(environ: Mapping[str, str] | None = None) -> Transport:
    """
    Choose the profile for Fast DDS: with shared memory, without, or none.

    :param environ: the environment; None: that of this process.
    :returns: the variables to set, and why.
    """
    environ = os.environ if environ is None else environ
    folder = share_folder()
    names = (PROFILE, UDP_PROFILE) if folder is not None else ()
    ours = {str(Path(str(folder), 'config', name)) for name in names}
    # what our launch file has set may not hold any more when it starts a node again
    chosen = next((n for n in _CHOICES if n in environ and environ[n] not in ours), None)
    if chosen is not None:
        return Transport({}, f'{chosen} is set already')
    if folder is None:
        return Transport({}, f'{PROFILE} is not installed')
    if not SHARED_MEMORY.is_dir():
        return Transport({}, f'{SHARED_MEMORY} does not exist')
    free = shutil.disk_usage(SHARED_MEMORY).free
    room = (
        f'{SHARED_MEMORY} has {free / 2**20:.0f} MiB free, the profile needs '
        f'{SEGMENTS_BYTES / 2**20:.0f} (in a container: --ipc=host or --shm-size=1g)'
    )
    if free < _LEAST_BYTES:
        text = f'messages go over UDP, which loses large ones: {room}'
        return Transport(_set(folder, UDP_PROFILE), text, warn=True)
    if free < SEGMENTS_BYTES:
        if any(name in environ for name in PROFILE_VARIABLES):  # ours, and no longer wanted
            return Transport(dict.fromkeys(variables(), ''), room, warn=True)
        return Transport({}, room)
    return Transport(_set(folder, PROFILE), f'profile {folder / "config" / PROFILE}')


def _set(folder: Path, profile: str) -> dict[str, str]:
    return dict.fromkeys(variables(), str(folder / 'config' / profile))


def variables() -> tuple[str, ...]:
    """
    Return the variables from which this ROS reads a profile.

    :returns: one of :data:`PROFILE_VARIABLES`, or both if the version is not known.
    """
    try:
        major = int(importlib.metadata.version('rclpy').partition('.')[0])
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return PROFILE_VARIABLES
    return PROFILE_VARIABLES[1:] if major >= NEW_NAME_SINCE else PROFILE_VARIABLES[:1]


def drop_segments() -> list[str]:
    """
    Remove the shared memory of Fast DDS for this process.

    For a process that ends without destroying its participants, which would otherwise leave 64
    MiB. Only the owner of a segment keeps its lock file ``NAME_el`` open.

    :returns: names of the removed files, for the log.
    """
    dropped = []
    for descriptor in Path('/proc/self/fd').iterdir():
        try:
            target = descriptor.readlink()
        except OSError:  # the descriptor of this very listing
            continue
        name = target.name.removesuffix('_el')
        if target.parent == SHARED_MEMORY and target.name.startswith(('fastrtps_', 'fastdds_')):
            for file in (name, f'{name}_el', f'sem.{name}_mutex'):
                (SHARED_MEMORY / file).unlink(missing_ok=True)
            dropped.append(name)
    return dropped
