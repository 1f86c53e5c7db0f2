"""Recordings in bulk: rosbags in, rosbags with depth out, on this machine or on a cluster."""
