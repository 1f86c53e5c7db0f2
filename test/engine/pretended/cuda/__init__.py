"""A pretended ``cuda`` package."""
