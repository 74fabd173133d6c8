"""Poses and contacts of an episode in the world, by the transforms that were recorded beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from foley_perception.action.tip import in_fixed_frame
from foley_perception.contact_event import NOWHERE, Contact
from foley_perception.episodes.tracks import EpisodeError, PoseTrack
from foley_perception.geometry.se3 import SE3, stack
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


def contacts_in_world(
    contacts: Sequence[Contact], topic: str, world_frame: str, transforms: TransformBuffer
) -> list[Contact]:
    """Contacts with their places in the world at their onsets; the place is unknown where tf does not reach then.

    Raises:
        EpisodeError: tf does not know the frame; it is never taken for the world.
    """
    placed, unknown = [], ""
    for contact in contacts:
        position = contact.position
        if contact.located:
            try:
                pose = in_fixed_frame(
                    SE3.from_translation(position),
                    contact.frame_id,
                    world_frame,
                    contact.time_ns,
                    transforms.lookup,
                )
                position = (
                    float(pose.translation[0]),
                    float(pose.translation[1]),
                    float(pose.translation[2]),
                )
            except TransformUnavailable as error:
                position, unknown = NOWHERE, str(error)
        placed.append(dataclasses.replace(contact, position=position, frame_id=world_frame))
    if unknown and not any(contact.located for contact in placed):
        raise EpisodeError(
            f"{topic}: none of its contacts can be placed in `{world_frame}` ({unknown}); record /tf and /tf_static "
            "as well, or publish the contacts in the world"
        )
    return placed
