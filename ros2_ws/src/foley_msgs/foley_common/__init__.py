"""What all packages share and what knows no ROS. Its neighbour ``foley_ros`` is the part that does."""
