"""The hands of an episode on any times: as recorded, else from the gripper's pose. And a finger as the tool."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_perception.action.gripper import INDEX_TIP, SIDES, GripperHand
from foley_perception.clips.action import width_at
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.tracks import EpisodeError, KeypointTrack, PoseTrack, Times
from foley_perception.geometry.se3 import SE3


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
    width = width_at(times_ns, episode.gripper_width(gripper))
    return gripper.keypoints(episode.ee_pose.at(times_ns), width)


def finger_as_tool(track: KeypointTrack, side: str, world_frame: str) -> PoseTrack | None:
    """The tip of an index finger in place of a robot's tool; None where that hand is not seen at all."""
    tips = track.keypoints[:, SIDES.index(side), INDEX_TIP]
    known = np.isfinite(tips).all(axis=1)
    if not known.any():
        return None
    poses = SE3.from_translation(tips[known])
    return PoseTrack(track.times_ns[known], poses, world_frame, int((~known).sum()))


def touching_side(left: int, right: int) -> str:
    """Whose index finger touches: that of the hand that is seen in more messages.

    Raises:
        EpisodeError: neither is seen in two.
    """
    if max(left, right) < 2:
        raise EpisodeError(
            f"hand_keypoints: a hand is seen in {max(left, right)} messages, at least 2 are needed"
        )
    return SIDES[int(right >= left)]


def seen(track: KeypointTrack) -> tuple[int, int]:
    """In how many messages the index finger of the left hand is seen, and of the right."""
    left, right = np.isfinite(track.keypoints[:, :, INDEX_TIP]).all(axis=2).sum(axis=0)
    return int(left), int(right)
