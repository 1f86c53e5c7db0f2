#!/usr/bin/env bash
# Run a command with ROS 2 and depth_node in its environment.
set -e
source "/opt/ros/$ROS_DISTRO/setup.bash"
source /opt/depth_node/install/setup.bash
exec "$@"
