"""Episodes: a bag read into arrays that share one time. Knows no ROS."""

from foley_perception.episodes.episode import Episode
from foley_perception.episodes.reader import read_episode
from foley_perception.episodes.tracks import EpisodeError

__all__ = ["Episode", "EpisodeError", "read_episode"]
