"""The hands of an episode on any times: as recorded, else from the gripper's pose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_perception.action.hand import GripperHand
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.tracks import EpisodeError, Times


def hand_keypoints(episode: Episode, times_ns: Times, gripper: GripperHand) -> NDArray[np.float64]:
    """Keypoints [n, 2, 21, 3] in the world, left first, NaN where unknown.

    Args:
        gripper: as which hand the gripper counts, where no hand_keypoints were recorded.

    Raises:
        EpisodeError: there are neither hand_keypoints nor ee_pose.
    """
    if episode.keypoints is not None:
        return episode.keypoints.at(times_ns)
    if episode.ee_pose is None:
        raise EpisodeError(
            f"{episode.path}: neither hand_keypoints nor ee_pose, so nothing is known of the hand"
        )
    width = None
    if episode.width is not None:
        times, values = episode.width
        width = np.interp((times_ns - times[0]).astype(float), (times - times[0]).astype(float), values)
    return gripper.keypoints(episode.ee_pose.at(times_ns), width)
