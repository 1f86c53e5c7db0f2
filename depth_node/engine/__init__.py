"""Engines: one compiled network each, all giving the same answer."""
