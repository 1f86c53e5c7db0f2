"""The end-to-end trial: camera, node and observer as separate processes."""
