"""Cameras of a bag: their pictures without distortion, their calibration, and where they stood in the world."""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_common.topics import MAIN_CAMERA
from foley_perception.audit import camera as audit
from foley_perception.audit.finding import Finding
from foley_perception.episodes.decode import Decoder, Messages
from foley_perception.episodes.pictures import PictureOutline, frame_track, seen_through, stamp_of
from foley_perception.episodes.tracks import CameraTrack, EpisodeError, FrameTrack
from foley_perception.geometry.calibration import Calibration, CalibrationError, Lens, comes_rectified
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.tf_buffer import TransformBuffer
from foley_perception.recording import cdr
from foley_perception.recording.bag import BagTopic

Stream = tuple[BagTopic, Messages]
Tell = Callable[[Iterable[Finding]], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Placing:
    """How cameras are placed in the world."""

    world_frame: str
    fallback_frame: str  # of the camera, where its messages name none
    static: TransformBuffer
    moving: Callable[[], TransformBuffer]  # everything on /tf and /tf_static; read when it is asked for
    start_ns: int  # of the recording


def camera_track(
    device: str,
    streams: Mapping[str, Stream],
    decoder: Decoder,
    placing: Placing,
    tell: Tell,
    outline: PictureOutline | None = None,
) -> CameraTrack | None:
    """What one camera gave; None where none of its topics has messages.

    Depth that cannot be used costs the depth, a calibration the place; both are told.

    Args:
        streams: by reader (`image`, `depth`, `camera_info`), the topics that have messages.
        outline: of the images of the whole recording, where the messages are a part of it.

    Raises:
        EpisodeError: no picture can be used.
    """
    if not streams:
        return None
    frames = depth = model = carried = None
    if "image" in streams:
        frames = frame_track(*streams["image"], depth=False, start_ns=placing.start_ns, outline=outline)
        tell(frames.findings)
    if "depth" in streams:
        depth = _depth(streams["depth"], placing, tell)
    if "camera_info" in streams:
        lenses = _lenses(streams, frames, depth, decoder, placing, tell)
        if lenses is not None:
            if frames is not None:
                frames = lenses.rectified(frames)
            depth = _straight_depth(streams, depth, decoder, placing, tell)
            model, carried = _place(device, streams["camera_info"][0].name, lenses, frames, placing, tell)
    return CameraTrack(frames, depth, model, carried)


@dataclasses.dataclass(frozen=True, eq=False)
class Lenses:
    """The calibrations of one camera for its images, over time."""

    times_ns: Sequence[int]  # from when on each holds; the first also before it
    lenses: Sequence[Lens]
    frame_ids: Sequence[str]
    undistorts: bool

    def index(self, time_ns: int) -> int:
        return max(bisect.bisect_right(self.times_ns, time_ns) - 1, 0)

    def rectified(self, track: FrameTrack) -> FrameTrack:
        """The images, of colour or depth, without distortion."""
        if not self.undistorts:
            return track
        times = track.times_ns

        def change(index: int, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
            lens = self.lenses[self.index(int(times[index]))]
            return lens.depth(pixels) if pixels.dtype == np.float32 else lens.colour(pixels)  # type: ignore[arg-type]

        return seen_through(track, change)


def lenses_for(
    info: Stream,
    size: tuple[int, int] | None,
    images: str,
    decoder: Decoder,
    fallback_frame: str,
) -> tuple[Lenses, list[int], list[Finding]]:
    """The calibrations for images of a size (None: of its own) that come on a topic.

    Returns:
        Them, when they change, and how they were brought to the images.

    Raises:
        CalibrationError: none can be used.
    """
    topic, messages = info
    rectified = comes_rectified(images)
    times: list[int] = []
    lenses: list[Lens] = []
    frames: list[str] = []
    findings: list[Finding] = []
    used: list[Calibration] = []
    wrong = ""
    for time_ns, told_frame, calibration in _calibrations(messages, decoder):
        frame = told_frame or fallback_frame
        width, height = size or (calibration.width, calibration.height)
        try:
            lens = calibration.lens(width, height, rectified=rectified)
        except CalibrationError as error:
            wrong = wrong or str(error)
            continue
        if lenses and lens is lenses[-1] and frame == frames[-1]:
            continue
        times.append(time_ns)
        lenses.append(lens)
        frames.append(frame)
        used.append(calibration)
    if not lenses:
        raise CalibrationError(wrong or "none of its messages can be read")
    if lenses[0].note:
        findings.append(audit.adapted_calibration(topic.name, lenses[0].note))
    if used[0].undistorts(rectified=False):
        findings.append(
            audit.taken_as_rectified(topic.name, images)
            if rectified
            else audit.undistorted(topic.name, used[0].model, used[0].d)
        )
    undistorts = any(calibration.undistorts(rectified=rectified) for calibration in used)
    return Lenses(times, lenses, frames, undistorts), times[1:], findings


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """Images without distortion, of a camera whose place is not asked for."""

    frames: FrameTrack
    depths: FrameTrack | None
    lens: Lens  # the newest
    frame_id: str  # of the optical frame; empty where nobody told
    findings: tuple[Finding, ...]


def straight_pictures(image: Stream, depth: Stream | None, info: Stream, decoder: Decoder) -> Pictures:
    """The images of one camera as a pinhole would have taken them.

    Raises:
        EpisodeError: no image can be used, or none of the calibrations.
    """
    findings: list[Finding] = []
    placing = Placing("", "", TransformBuffer(), TransformBuffer, image[1][0].log_time)
    frames = frame_track(*image, depth=False, start_ns=placing.start_ns)
    try:
        lenses, _, found = lenses_for(info, frames.size, image[0].name, decoder, _frame_of({"image": image}))
    except CalibrationError as error:
        raise EpisodeError(f"{info[0].name}: {error}") from error
    depths = None
    streams = {"image": image, "camera_info": info}
    if depth is not None:
        streams["depth"] = depth
        depths = _straight_depth(
            streams, _depth(depth, placing, findings.extend), decoder, placing, findings.extend
        )
    told = (*frames.findings, *found, *findings)
    return Pictures(lenses.rectified(frames), depths, lenses.lenses[-1], lenses.frame_ids[-1], told)


# ---- inside --------------------------------------------------------------------------------------------
def _depth(stream: Stream, placing: Placing, tell: Tell) -> FrameTrack | None:
    topic = stream[0].name
    try:
        track = frame_track(*stream, depth=True, start_ns=placing.start_ns)
    except EpisodeError as error:
        tell([audit.no_depth(topic, str(error).removeprefix(f"{topic}: "))])
        return None
    tell(track.findings)
    return track


def _lenses(
    streams: Mapping[str, Stream],
    frames: FrameTrack | None,
    depth: FrameTrack | None,
    decoder: Decoder,
    placing: Placing,
    tell: Tell,
) -> Lenses | None:
    """Those of the colour images, or of the depth of a camera without colour."""
    reader, track = ("image", frames) if frames is not None else ("depth", depth)
    images = streams[reader][0].name if track is not None else ""
    topic = streams["camera_info"][0].name
    size = track.size if track is not None else None
    try:
        lenses, changes, findings = lenses_for(
            streams["camera_info"], size, images, decoder, _frame_of(streams) or placing.fallback_frame
        )
    except CalibrationError as error:
        tell([audit.unusable_calibration(topic, str(error))])
        return None
    tell(findings)
    if changes:
        tell([audit.changing_calibration(topic, [(t - placing.start_ns) / NS_PER_S for t in changes])])
    return lenses


def _straight_depth(
    streams: Mapping[str, Stream], depth: FrameTrack | None, decoder: Decoder, placing: Placing, tell: Tell
) -> FrameTrack | None:
    if depth is None:
        return None
    topic = streams["depth"][0].name
    try:
        lenses, _, _ = lenses_for(streams["camera_info"], depth.size, topic, decoder, placing.fallback_frame)
    except CalibrationError as error:
        tell([audit.no_depth(topic, str(error))])
        return None
    return lenses.rectified(depth)


def _frame_of(streams: Mapping[str, Stream]) -> str:
    """The frame that images name; empty where they name none."""
    for reader in ("image", "depth"):
        for message in streams[reader][1][:1] if reader in streams else ():
            with contextlib.suppress(cdr.CdrError):
                return cdr.read_header(message.data).frame_id
    return ""


def _calibrations(messages: Messages, decoder: Decoder) -> list[tuple[int, str, Calibration]]:
    """Stamp, frame and numbers of every camera_info that is not like the one before."""
    found: list[tuple[int, str, Calibration]] = []
    last = b""
    for message in messages:
        numbers = bytes(message.data[12:])  # behind the stamp
        if numbers == last:
            continue
        last = numbers
        for _, info in decoder.read_all([message]):
            found.append((stamp_of(message), str(info.header.frame_id), Calibration.of_message(info)))
    return sorted(found, key=lambda entry: entry[0])


def _place(
    device: str, topic: str, lenses: Lenses, frames: FrameTrack | None, placing: Placing, tell: Tell
) -> tuple[CameraModel | None, Callable[[int], CameraModel] | None]:
    """A camera that stands still, or how to place one that is carried or changed; what is wrong is told."""
    world, why = placing.world_frame, ""
    if len(lenses.lenses) == 1:
        try:
            pose = placing.static.lookup(world, lenses.frame_ids[0])
            return lenses.lenses[0].model(pose), None
        except LookupError as error:
            why = str(error)

    def carried(time_ns: int) -> CameraModel:
        index = lenses.index(time_ns)
        try:
            pose = placing.moving().lookup(world, lenses.frame_ids[index], time_ns)
        except LookupError as error:
            # Without the time, which is another one for each frame.
            frame = lenses.frame_ids[index]
            told = f"no transform from {frame} to {world} at that time; record /tf and /tf_static"
            raise EpisodeError(told) from error
        return lenses.lenses[index].model(pose)

    times = frames.times_ns if frames is not None else np.array(lenses.times_ns, dtype=np.int64)
    if device == MAIN_CAMERA and not _sometimes(carried, times):
        tell([audit.no_place(topic, device, lenses.frame_ids[0], world, why)])
        return None, None
    return None, carried


def _sometimes(carried: Callable[[int], CameraModel], times_ns: NDArray[np.int64]) -> bool:
    """Whether the camera can be placed at one of some times, spread over the recording."""
    for index in np.unique(np.linspace(0, len(times_ns) - 1, 9).astype(int)) if len(times_ns) else ():
        try:
            carried(int(times_ns[index]))
        except EpisodeError:
            continue
        return True
    return False
