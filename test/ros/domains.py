"""A ROS domain for every test process, also when several run at once."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
import tempfile

# higher ones reach the ports that Linux gives to outgoing connections
_DOMAINS = range(1, 101)
_held: list[int] = []


def claim_domain() -> int:
    """
    Find a domain nobody else's tests use; it is given back when this process ends.

    :returns: a ROS_DOMAIN_ID.
    """
    for offset in _DOMAINS:
        domain = (os.getpid() + offset) % len(_DOMAINS) + 1
        path = Path(tempfile.gettempdir()) / f'depth_node_test_domain_{domain}.lock'
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
        else:
            _held.append(lock)
            return domain
    raise RuntimeError('every ROS domain is taken')
