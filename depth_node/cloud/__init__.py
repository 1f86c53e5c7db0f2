"""Outputs for planners: point clouds, voxels, ground, obstacles, laser scans."""
