"""How good depth is, and how fast it comes: metrics, reports, benchmark."""
