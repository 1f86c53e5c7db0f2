"""Engines: one compiled network each, all giving the same answer."""

from depth_node.engine.base import Engine
from depth_node.engine.opening import open_engine, open_for

__all__ = ['Engine', 'open_engine', 'open_for']
