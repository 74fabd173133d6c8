"""Poses of an episode in the world, by the transforms that were recorded beside them."""

from __future__ import annotations

import dataclasses

from foley_perception.action.tip import in_fixed_frame
from foley_perception.episodes.tracks import EpisodeError, PoseTrack
from foley_perception.geometry.se3 import stack
from foley_perception.geometry.tf_buffer import TransformBuffer, TransformUnavailable


def in_world(track: PoseTrack, topic: str, world_frame: str, transforms: TransformBuffer) -> PoseTrack:
    """Poses as they lay in the world at their stamps; those at whose time tf does not reach are left out.

    Raises:
        EpisodeError: tf does not know the frame; it is never taken for the world.
    """
    frame = track.frame_id.lstrip("/")
    if not frame or frame == world_frame:
        return track
    poses, known, unknown = [], [], ""
    for index, time_ns in enumerate(track.times_ns.tolist()):
        try:
            poses.append(in_fixed_frame(track.poses[index], frame, world_frame, time_ns, transforms.lookup))
            known.append(index)
        except TransformUnavailable as error:
            unknown = unknown or str(error)
    if not known:
        raise EpisodeError(
            f"{topic}: its poses are in `{frame}`, which no recorded transform connects with `{world_frame}` "
            f"({unknown}); record /tf and /tf_static as well, or publish the poses in `{world_frame}`"
        )
    return dataclasses.replace(
        track,
        times_ns=track.times_ns[known],
        poses=stack(poses),
        frame_id=world_frame,
        dropped=track.dropped + len(track.times_ns) - len(known),
    )
