"""The `depth-node` command: one module per verb, each a thin shell over the core."""
