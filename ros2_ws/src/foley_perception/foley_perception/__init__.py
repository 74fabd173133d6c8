"""What is sensed: audio, action, scene and time; recording, episodes and datasets."""

__version__ = "0.1.0"
