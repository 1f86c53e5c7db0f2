"""The `depth-node` command: one module per verb, each a thin layer over the core."""
