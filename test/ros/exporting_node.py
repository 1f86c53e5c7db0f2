"""depth_node whose model has to be exported, by a command that never ends."""

from __future__ import annotations

import sys
from typing import Any

from depth_node.catalogue import store
from depth_node.ros import node, opening

ENDLESS = """if True:
    import argparse, time
    from depth_node.cli import fetch
    fetch.find = lambda name: time.sleep(600)
    parser = argparse.ArgumentParser()
    fetch.configure(parser)
    fetch.run(parser.parse_args(['nothing']))
"""


def open_model(*_: Any, cancelled: Any, **__: Any) -> Any:
    store._run([sys.executable, '-c', ENDLESS], cancelled)
    raise AssertionError('an export that never ends has ended')


opening.open_model = open_model
sys.exit(node.main())
