"""The embedded network: what it sees, how it learns, and the command that makes it."""
