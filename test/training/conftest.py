"""Without torch, as on a robot, training is left out; test_networks.py says the skip aloud."""

from __future__ import annotations

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec('torch') else ['test_[!n]*.py']
