"""Depth from one camera, for robots."""
