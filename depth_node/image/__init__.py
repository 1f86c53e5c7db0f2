"""Pictures as arrays: sizes, encodings, compressed images, color maps."""
