"""Microphones and loudspeakers of this machine, and when they hear and sound. By PortAudio, without ROS."""
