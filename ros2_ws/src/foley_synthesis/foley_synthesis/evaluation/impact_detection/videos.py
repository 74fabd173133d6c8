"""Whole recordings as features: what the camera saw around the tip, what was heard, and when something was touched."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_common.topics import EE_POSE, MICROPHONE
from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.dataset.build import bag_files
from foley_perception.dataset.contacts import merge_contacts
from foley_perception.dataset.staging import identity_of
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.names import Naming
from foley_perception.episodes.reader import read_episode
from foley_perception.episodes.tracks import EpisodeError
from foley_perception.geometry.crop import crop_around
from foley_synthesis.vis.training.features import SAMPLE_RATE, cached_arrays
from foley_synthesis.vision.protocol import VisionEncoder

VERSION = 3
RATE_HZ = 90  # of the sound features
MERGE_S = 0.3  # contacts closer together are one impact, as in a dataset
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_RISE_DB = 3.0  # an impact that does not rise above the background by this much cannot be heard
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Video:
    """One recording on the grid of the sound features, which starts at the first camera frame."""

    bag: Path
    session_id: str
    scene_id: str
    split: str
    cochleagram: NDArray[np.float32]  # [t, channels]
    rgb: NDArray[np.float16]  # [f, d] phi of the colour image around the tip
    spacetime: NDArray[np.float16]  # [f, d] phi of previous, current and next frame, at the current tip
    frame_of: NDArray[np.int64]  # [t] camera frame that a sound frame belongs to
    motion: NDArray[np.float32]  # [f] mean grey difference of next and previous frame
    tip_speed: NDArray[np.float32]  # [t] measured [m/s]
    impacts: NDArray[np.float64]  # [k] in sound frames
    ends: NDArray[np.float64]  # [k] when the touch is over, in sound frames
    recorded: NDArray[
        np.bool_
    ]  # [t] whether the sound is there; the cochleagram says nothing where it is not
    heard: NDArray[np.bool_]  # [k] whether the sound is there and rises above the background
    problems: tuple[str, ...] = ()  # what is wrong with the recording, but bearable

    @property
    def seconds(self) -> float:
        return len(self.cochleagram) / RATE_HZ


def load_videos(
    bags: Sequence[Path],
    encoder: VisionEncoder,
    progress: Progress | None = None,
    naming: Naming | None = None,
) -> list[Video]:
    """Bags with sound, frames, poses and contacts, true or detected; features come from the cache where possible.

    Raises:
        EpisodeError: a bag cannot be read or lacks one of these; the message names it.
    """
    videos, naming = [], naming or Naming()
    for index, bag in enumerate(bags):
        compute = functools.partial(_compute, bag, encoder, naming)
        arrays = cached_arrays("videos", _key(bag, encoder, naming), None, compute, keep=400)
        names = bytes(arrays.pop("names")).decode().split("\n")
        videos.append(Video(bag, *names[:3], problems=tuple(names[3:]), **arrays))  # type: ignore[arg-type,misc]
        if progress is not None:
            progress(index + 1, len(bags))
    return videos


def _key(bag: Path, encoder: VisionEncoder, naming: Naming) -> str:
    named = f" {naming.identity}" if naming.identity else ""
    return identity_of(bag_files(bag), f"{VERSION} {bag.resolve()} {encoder.identity}{named}")[:32]


def _compute(bag: Path, encoder: VisionEncoder, naming: Naming) -> dict[str, NDArray[Any]]:
    needed = (MICROPHONE.name, EE_POSE.name)
    episode = read_episode(
        bag,
        **naming.reading,
        require=needed,
    )
    frames, audio = episode.frames, episode.audio
    contacts = episode.truth or episode.detected
    if frames is None or not episode.camera_placed or audio is None or not contacts:
        raise EpisodeError(
            f"{bag}: impacts need camera/image_raw, camera_info, its frame in tf, and sim/contacts or contacts"
        )
    start = int(frames.times_ns[0])
    stop = min(int(frames.times_ns[-1]), audio.end_ns)
    steps = int((stop - start) * RATE_HZ // NS_PER_S)
    sound, known = audio.slice(start, (steps + 1) * SAMPLE_RATE // RATE_HZ, SAMPLE_RATE)
    cochleagram = Cochleagram(SAMPLE_RATE)(sound)[:steps]
    edges = np.arange(steps) * SAMPLE_RATE // RATE_HZ
    recorded = np.logical_and.reduceat(known, edges)[:steps]
    grid = start + np.round(np.arange(steps) * (NS_PER_S / RATE_HZ)).astype(np.int64)
    rgb, spacetime, motion = _look(episode, encoder)
    touches = [m.contact for m in merge_contacts(contacts, MERGE_S)]
    impacts = np.array([(c.time_ns - start) / NS_PER_S * RATE_HZ for c in touches])
    ends = impacts + np.nan_to_num([c.duration for c in touches]) * RATE_HZ
    inside = (impacts >= 0) & (impacts < steps)
    impacts, ends = impacts[inside], ends[inside]
    problems = (problem.replace("\n", " ") for problem in episode.problems)
    names = "\n".join(
        (episode.session_id, episode.scene_id or episode.session_id, episode.split or "train", *problems)
    )
    return {
        "names": np.frombuffer(names.encode(), np.uint8).copy(),
        "cochleagram": cochleagram,
        "rgb": rgb,
        "spacetime": spacetime,
        "frame_of": np.maximum(frames.newest_at(grid), 0),
        "motion": motion,
        "tip_speed": _tip_speed(episode, grid),
        "impacts": impacts,
        "ends": ends,
        "recorded": recorded,
        "heard": audible(cochleagram, impacts) & _all_recorded(recorded, impacts),
    }


def _look(
    episode: Episode, encoder: VisionEncoder
) -> tuple[NDArray[np.float16], NDArray[np.float16], NDArray[np.float32]]:
    """Features of every camera frame. The three frames of a spacetime image are cut at one place."""
    assert episode.frames is not None and episode.ee_pose is not None
    times = episode.frames.times_ns
    tips = (episode.ee_pose.at(times) @ episode.tx_tool_tip).translation
    known = np.flatnonzero(np.isfinite(tips).all(axis=1))
    if not known.size:
        raise EpisodeError(f"{episode.path}: no pose during any camera frame")
    count = len(times)
    rgb, spacetime = (np.empty((count, encoder.dims), np.float16) for _ in range(2))
    motion = np.empty(count, np.float32)
    window: dict[int, NDArray[np.uint8]] = {}
    for index in range(count):
        at = tips[known[np.abs(known - index).argmin()]]
        near = [max(index - 1, 0), index, min(index + 1, count - 1)]
        for k in near:
            if k not in window:
                window[k] = np.asarray(episode.frames.read(k), np.uint8)
        crops = [crop_around(window[k], episode.camera_at(int(times[k])), at) for k in near]
        window.pop(index - 1, None)
        grey = np.stack([crop.astype(np.float32) @ _LUMA for crop in crops], axis=-1)
        motion[index] = np.abs(grey[..., 2] - grey[..., 0]).mean()
        encoded = encoder.encode(np.stack([crops[1], np.clip(np.round(grey), 0, 255).astype(np.uint8)]))
        rgb[index], spacetime[index] = encoded
    return rgb, spacetime, motion


def _tip_speed(episode: Episode, grid_ns: NDArray[np.int64]) -> NDArray[np.float32]:
    assert episode.ee_pose is not None
    half = 5_000_000
    before, after = (
        (episode.ee_pose.at(grid_ns + d) @ episode.tx_tool_tip).translation for d in (-half, half)
    )
    speed = np.linalg.norm(after - before, axis=1) / (2e-9 * half)
    return np.asarray(np.nan_to_num(speed), np.float32)


def _all_recorded(recorded: NDArray[np.bool_], impacts: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether all sound by which an impact is called audible is there, [k]."""
    return np.array([recorded[max(int(at) - 20, 0) : int(at) + 14].all() for at in impacts], np.bool_)


def audible(
    cochleagram: NDArray[np.floating], impacts: NDArray[np.floating], exponent: float = 0.3
) -> NDArray[np.bool_]:
    """Whether the power within 0.15 s after each impact rises 3 dB above that of the 0.2 s before it, [k]."""
    power = (np.maximum(cochleagram, 0.0).astype(float) ** (2.0 / exponent)).sum(axis=1)
    found = np.zeros(len(impacts), np.bool_)
    for k, at in enumerate(impacts):
        first = int(at)
        before = power[max(first - 20, 0) : max(first - 2, 1)]
        after = power[max(first - 1, 0) : first + 14]
        if after.size:
            found[k] = 10 * np.log10((after.max() + 1e-14) / (float(np.median(before)) + 1e-14)) >= _RISE_DB
    return found
