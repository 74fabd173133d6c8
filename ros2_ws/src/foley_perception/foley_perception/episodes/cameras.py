"""Cameras of a bag: their pictures, their calibration, and where they stood in the world."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from foley_common import topics
from foley_perception.episodes.decode import Decoder, Messages
from foley_perception.episodes.pictures import frame_track
from foley_perception.episodes.tracks import CameraTrack, EpisodeError, FrameTrack
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer
from foley_perception.recording.bag import BagTopic


@dataclasses.dataclass(frozen=True, eq=False)
class Placing:
    """How cameras are placed in the world."""

    world_frame: str
    fallback_frame: str  # of the camera, where its messages name none
    static: TransformBuffer
    moving: Callable[[], TransformBuffer]  # everything on /tf and /tf_static; read when it is asked for


def camera_track(
    device: str,
    streams: Mapping[str, tuple[BagTopic, Messages]],
    decoder: Decoder,
    placing: Placing,
    problems: list[str],
) -> CameraTrack | None:
    """What one camera gave; None where none of its topics has messages.

    Args:
        streams: by reader (`image`, `depth`, `camera_info`), the topics that have messages.
        problems: what is wrong but bearable is added to it.

    Raises:
        EpisodeError: pictures cannot be read.
    """
    if not streams:
        return None
    model, carried = _place(device, streams, decoder, placing, problems)
    return CameraTrack(_frames(streams, "image"), _frames(streams, "depth"), model, carried)


# ---- inside --------------------------------------------------------------------------------------------
def _frames(streams: Mapping[str, tuple[BagTopic, Messages]], reader: str) -> FrameTrack | None:
    if reader not in streams:
        return None
    return frame_track(*streams[reader], depth=reader == "depth")


def _place(
    device: str,
    streams: Mapping[str, tuple[BagTopic, Messages]],
    decoder: Decoder,
    placing: Placing,
    problems: list[str],
) -> tuple[CameraModel | None, Callable[[int], CameraModel] | None]:
    """A camera that is fixed in the world, or how to place one that is carried; what is wrong is told."""
    if "camera_info" not in streams:
        return None, None
    topic, messages = streams["camera_info"]
    info = decoder.read(messages[-1])
    frame, world = info.header.frame_id or placing.fallback_frame, placing.world_frame
    k = np.asarray(info.k).reshape(3, 3)
    try:
        camera = CameraModel(k, int(info.width), int(info.height), SE3.identity())
    except ValueError as error:
        problems.append(f"{topic.name}: {error}")
        return None, None
    try:
        pose = placing.static.lookup(world, frame)
        return dataclasses.replace(camera, tx_world_camera=pose), None
    except LookupError as error:
        if device == topics.MAIN_CAMERA:
            problems.append(
                f"{device}: no transform from {frame} to {world} in tf_static ({error}); record tf_static"
            )
            return None, None

    def carried(time_ns: int) -> CameraModel:
        try:
            pose = placing.moving().lookup(world, frame, time_ns)
        except LookupError as error:
            # Without the time, which is another one for each frame.
            told = f"no transform from {frame} to {world} at that time; record /tf and /tf_static"
            raise EpisodeError(told) from error
        return dataclasses.replace(camera, tx_world_camera=pose)

    return None, carried
