"""The connection to a Ray cluster, or one that is started for this machine."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
from contextlib import contextmanager
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from typing import Any

from depth_node.errors import ConfigError
from depth_node.process import die_with_parent, own_folder, python

LOCAL = 'local'
"""Address of a cluster that is started on this machine and ended again."""
AUTO = 'auto'
"""Address of the cluster that Ray finds: of the variable, or the latest one of this machine."""
VARIABLE = 'RAY_ADDRESS'
_STORE_BYTES = 80 * 2**20
"""Shared memory of Ray (bytes), the least it accepts: bags go through files."""
_REACH_S = 5.0
"""How long to wait for a connection to a port (s)."""
_ANSWER_S = 20.0
"""How long to wait for the answer of a cluster (s); one that is there takes one or two."""
_REMEDY = 'Start one with `ray start --head`, or leave out the address.'
_TRY = """
import sys
import ray
try:
    ray.init(address=sys.argv[1], log_to_driver=False, configure_logging=False)
except (Exception, SystemExit) as error:
    sys.exit(f'{error}'.strip() or type(error).__name__)
"""


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """
    Connect to a cluster, or start one that only this machine and this user reach.

    :param address: of the cluster (``HOST:PORT``, ``auto``), or :data:`LOCAL`.
    :returns: the library, connected.
    :raises ConfigError: ray is missing, or the cluster cannot be used.
    """
    _check_port(address)
    with contextlib.ExitStack() as stack:
        options: dict[str, Any] = {}
        if address == LOCAL:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix='depth_node_', ignore_cleanup_errors=True)
            )
            os.environ.update(_local_environment())
            options = {
                'include_dashboard': False, 'object_store_memory': _STORE_BYTES,
                '_temp_dir': folder,
            }
        os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
        try:
            import ray
        except ImportError as error:
            raise ConfigError(
                '--ray requires the package ray.', "Install it: pip install 'depth_node[fleet]'."
            ) from error
        if address != LOCAL:
            _check_answer(address)
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False, **options)
        except (Exception, SystemExit) as error:  # Ray exits where nothing answers
            raise _unusable(address, str(error).strip() or type(error).__name__) from error
        stack.callback(ray.shutdown)
        # Ray prints about workers that died, on standard output
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        yield ray


def _check_port(address: str) -> None:
    """
    Connect to the port of a cluster: Ray itself tries for minutes.

    :raises ConfigError: nothing listens there.
    """
    given = os.environ.get(VARIABLE, '') if address == AUTO else ''
    host, mark, port = (given or address).rpartition('://')[2].rpartition(':')
    if not mark or not port.isdecimal():
        return  # auto, local, or what Ray knows to refuse
    try:
        socket.create_connection((host.strip('[]'), int(port)), _REACH_S).close()
    except (OSError, OverflowError) as error:
        where = f' at {given} ({VARIABLE})' if given else ''
        raise ConfigError(
            f'--ray {address}: the cluster{where} cannot be reached ({error}).',
            f'Start one with `ray start --head`, unset {VARIABLE}, or leave out the address.'
            if given else _REMEDY,
        ) from error


def _check_answer(address: str) -> None:
    """
    Connect in a process that can be ended: Ray tries for two minutes and cannot be interrupted.

    :raises ConfigError: the cluster is not there, or what is there does not answer.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            [*python(), '-c', _TRY, address], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors='replace', timeout=_ANSWER_S, check=False, cwd=own_folder(),
            preexec_fn=die_with_parent,
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            f'--ray {address}: there is no answer from the cluster within {_ANSWER_S:g} s; it may '
            'have ended without ray stop.',
            f'{_REMEDY} `ray stop` forgets one that has ended.',
        ) from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise _unusable(address, lines[-1] if lines else f'exit code {done.returncode}')


def _unusable(address: str, text: str) -> ConfigError:
    return ConfigError(
        f'--ray {address}: the cluster cannot be used ({text.splitlines()[0]}).', _REMEDY
    )


def _local_environment() -> dict[str, str]:
    """Return the variables with which Ray listens on the loopback address only."""
    return {
        'RAY_USAGE_STATS_ENABLED': '0',
        # on Linux, too, this is what makes Ray use 127.0.0.1 as the address of the node
        'RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER': '0',
        # other users of this machine can connect to it
        'RAY_AUTH_MODE': 'token', 'RAY_AUTH_TOKEN': secrets.token_hex(32),
    }
