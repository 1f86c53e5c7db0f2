"""Frames from anywhere: images, videos, devices, bags, the synthetic world, data sets."""
