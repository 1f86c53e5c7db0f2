"""
A pretended ``tensorrt`` for the process that builds.

``PRETENDED`` in the environment is JSON: options of ``FakeTensorRt``; `wait`: seconds that a
build takes; `deaf`: seconds in which it asks nobody whether to go on.
"""

from __future__ import annotations

import json
import os
import sys
import time

from cuda.bindings import runtime
import fake_tensorrt

_OPTIONS = json.loads(os.environ.get('PRETENDED', '{}'))
_WAIT, _DEAF = _OPTIONS.pop('wait', 0.0), _OPTIONS.pop('deaf', 0.0)
_MODULE = fake_tensorrt.FakeTensorRt(runtime, **_OPTIONS)


class Builder(_MODULE.Builder):
    def build_serialized_network(self, network, config):
        print('noise on standard output')
        config.progress_monitor.phase_start('Deaf', None, 1)
        config.progress_monitor.step_complete('Deaf', 0)
        time.sleep(_DEAF)
        end = time.monotonic() + _WAIT
        monitor = config.progress_monitor
        monitor.phase_start('Waiting', None, 1000)
        step = 0
        while time.monotonic() < end:
            if not monitor.step_complete('Waiting', step):
                config.timing.content = _MODULE.timing_tag() + b'so far'
                return None
            step += 1
            time.sleep(0.01)
        monitor.phase_finish('Waiting')
        return super().build_serialized_network(network, config)


_MODULE.Builder = Builder
sys.modules['tensorrt'] = _MODULE
