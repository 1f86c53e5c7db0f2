"""What planners eat: point clouds, voxels, ground, obstacles, laser scans."""
