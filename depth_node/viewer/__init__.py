"""Looking at depth in Rerun: the only home of its library (extra `view`)."""
