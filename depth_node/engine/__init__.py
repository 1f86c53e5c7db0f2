"""Inference engines, each with one compiled network, and all with the same results."""

from depth_node.engine.base import Engine
from depth_node.engine.opening import open_engine, open_for

__all__ = ['Engine', 'open_engine', 'open_for']
