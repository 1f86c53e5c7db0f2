"""Accuracy and speed of depth: metrics, reports, benchmark."""
