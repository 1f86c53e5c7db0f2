"""``python -m depth_node`` is the `depth-node` command."""

from depth_node.cli.main import main

if __name__ == '__main__':
    raise SystemExit(main())
