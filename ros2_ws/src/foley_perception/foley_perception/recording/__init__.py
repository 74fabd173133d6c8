"""Recording: raw messages to a bag that survives the death of its writer. Knows no ROS, no torch."""
