"""The hands of an episode on any times: as recorded, else from the gripper's pose. And a finger as the tool."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_perception.action.gripper import SIDES, GripperHand
from foley_perception.clips.action import width_at
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.tracks import EpisodeError, KeypointTrack, PoseTrack, Times
from foley_perception.geometry.se3 import SE3

INDEX_TIP = 8


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


def finger_as_tool(track: KeypointTrack, world_frame: str) -> tuple[PoseTrack, str]:
    """The tip of an index finger in place of a robot's tool, and which hand it is of: the one that is seen more.

    Raises:
        EpisodeError: neither hand is seen in two messages.
    """
    seen = np.asarray(np.isfinite(track.keypoints[:, :, INDEX_TIP]).all(axis=2))  # [n, 2]
    side = int(seen[:, 1].sum() >= seen[:, 0].sum())
    known = seen[:, side]
    if known.sum() < 2:
        raise EpisodeError(
            f"hand_keypoints: a hand is seen in {int(known.sum())} messages, at least 2 are needed"
        )
    tips = track.keypoints[known, side, INDEX_TIP]
    poses = SE3.from_translation(tips)
    return PoseTrack(track.times_ns[known], poses, world_frame, int((~known).sum())), SIDES[side]
