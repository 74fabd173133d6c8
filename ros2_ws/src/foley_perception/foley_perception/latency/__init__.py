"""How late the stamps of devices are against each other, from a few taps. Knows no ROS."""
