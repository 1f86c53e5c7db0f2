"""Output files: images, arrays, point clouds."""
