"""The end-to-end trial: camera, node and observer as processes of their own."""
