"""Images as arrays: sizes, encodings, compressed images, color maps."""
