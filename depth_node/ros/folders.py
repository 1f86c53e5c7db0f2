"""Where the installed files of the package are, and where ROS may write its logs."""

from __future__ import annotations

from collections.abc import Mapping
import os
from pathlib import Path
import sys
import tempfile

from depth_node.errors import ConfigError

PACKAGE = 'depth_node'
PROFILE = 'fastdds_shm.xml'


def share_folder() -> Path | None:
    """
    Return the folder with config/ and launch/.

    :returns: share/depth_node of the colcon workspace, of the pip installation, or the source
        tree itself; None if there is none (a package without its data files).
    """
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    candidates = [Path(prefix) / 'share' / PACKAGE for prefix in (*prefixes, sys.prefix) if prefix]
    candidates.append(Path(__file__).resolve().parents[2])
    return next((path for path in candidates if (path / 'config' / PROFILE).is_file()), None)


def share(*parts: str) -> str:
    """
    Return the path of an installed file.

    :param parts: below share/depth_node.
    :returns: its path.
    :raises ConfigError: the package was installed without its data.
    """
    folder = share_folder()
    if folder is None:
        raise ConfigError(
            'share/depth_node is not installed.', 'Build with colcon, or install with pip.'
        )
    return str(folder.joinpath(*parts))


def writable_log_folder(environ: Mapping[str, str] | None = None) -> str | None:
    """
    Return another folder for ROS log files if the usual one is not writable.

    rcl does not start without one, and a robot with a read-only root file system has none.

    :param environ: the environment; None: that of this process.
    :returns: a value for ROS_LOG_DIR, or None for no change.
    """
    environ = os.environ if environ is None else environ
    if environ.get('ROS_LOG_DIR') or environ.get('ROS_HOME'):
        return None
    home = Path(environ.get('HOME', ''))
    if not home.is_absolute():  # unset, empty or relative: rcl refuses the first two
        return tempfile.gettempdir()
    usual = home / '.ros' / 'log'
    try:
        nearest = next(path for path in (usual, *usual.parents) if path.exists())
    except OSError:  # a name that is too long, a folder that cannot be searched
        return tempfile.gettempdir()
    if nearest.is_dir() and os.access(nearest, os.W_OK):
        return None
    return tempfile.gettempdir()
