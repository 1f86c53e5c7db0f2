"""The ROS 2 node and its tools; the only package that imports rclpy and messages."""
