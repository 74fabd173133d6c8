"""What is sensed: audio, action, scene and time; recording, episodes and datasets."""
