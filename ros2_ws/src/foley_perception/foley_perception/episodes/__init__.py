"""Episodes: a bag read into arrays that share one time. Knows no ROS."""
