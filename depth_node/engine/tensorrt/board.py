"""Power mode and clocks of a Jetson, for which an engine is tuned."""

from __future__ import annotations

from pathlib import Path
import re

_GPU = re.compile(r'gpu|ga10b|gv11b|gb10b', re.IGNORECASE)
"""Names of the GPU's folder in devfreq, from Xavier to Thor."""


def power_state(root: Path = Path('/')) -> dict[str, str]:
    """
    Return power mode and clocks of a Jetson.

    :param root: root of the file system.
    :returns: `board`, `power mode`, `GPU clock`, as far as available; empty elsewhere.
    """
    board = _text(root / 'proc/device-tree/model').rstrip('\x00')
    if 'jetson' not in board.lower():
        return {}
    state = {'board': board}
    mode = re.search(r'pmode:\s*(\d+)', _text(root / 'var/lib/nvpmodel/status'))
    if mode:
        names = dict(re.findall(
            r'POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)', _text(root / 'etc/nvpmodel.conf')
        ))
        number = str(int(mode[1]))
        state['power mode'] = f'{number} ({names[number]})' if number in names else number
    clocks = _clocks(root)
    if clocks:
        low, high = clocks
        state['GPU clock'] = (
            f'{high} MHz, fixed' if low == high else f'{low} to {high} MHz, by load'
        )
    return state


def advice(state: dict[str, str]) -> tuple[str, str]:
    """
    Return what to set before a build or a measurement.

    :param state: see :func:`power_state`.
    :returns: the problem and the remedy; both empty if there is none.
    """
    if state.get('GPU clock', 'fixed').endswith('fixed'):
        return '', ''
    return (
        (f'{state["board"]}: the clocks of the GPU vary with the load, so kernels are timed at '
         'different speeds.'),
        ('Set the power mode of the robot (sudo nvpmodel -m N) and fix the clocks (sudo '
         'jetson_clocks) before building an engine.'),
    )


def _clocks(root: Path) -> tuple[int, int] | None:
    folders = root / 'sys/class/devfreq'
    for folder in sorted(folders.iterdir()) if folders.is_dir() else ():
        if _GPU.search(folder.name):
            low, high = (_text(folder / name).strip() for name in ('min_freq', 'max_freq'))
            if low.isdigit() and high.isdigit():
                return int(low) // 1_000_000, int(high) // 1_000_000
    return None


def _text(path: Path) -> str:
    try:
        return path.read_bytes()[:65536].decode('utf-8', 'replace')
    except OSError:
        return ''
