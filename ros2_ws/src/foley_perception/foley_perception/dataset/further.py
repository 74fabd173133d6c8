"""What further microphones, cameras and arms gave of a clip or a window.

A further device is one beside the main microphone, camera and arm of the registry of topics. Its data have the shapes
of the main one's, so that what reads one reads the other. Where it gave nothing the item has none of it, never zeros;
:class:`FurtherDevices` counts how often and why.
"""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Iterator, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_common.topics import MAIN_DEVICES
from foley_perception.action.gripper import GripperHand
from foley_perception.clips import grid
from foley_perception.clips.action import SERIES, clip_action, width_at
from foley_perception.clips.pictures import frame_indices, still_index
from foley_perception.dataset.schema import Further
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.tracks import ArmTrack, CameraTrack, EpisodeError, FrameTrack, PoseTrack
from foley_perception.geometry.crop import crop_around
from foley_perception.geometry.se3 import SE3

AROUND_NS = 2 * NS_PER_S  # of motion is looked at on each side of a contact
_Track = TypeVar("_Track")


class FurtherDevices:
    """Cuts what the further devices of one episode gave."""

    def __init__(
        self,
        episode: Episode,
        hand: GripperHand,
        max_audio_gap_s: float,
        absent: collections.Counter[tuple[str, str]],
    ) -> None:
        self._episode, self._hand, self._max_gap_s = episode, hand, max_audio_gap_s
        self._absent = absent  # by device and reason

    def of_clip(self, start_ns: int, contact_ns: int, point: NDArray[np.float64]) -> Further:
        """Of a contact at a point [3] of the world."""
        further = Further()
        for device, camera in _further(self._episode.cameras):
            with self._telling(device):
                further.frames[device] = _crops(camera, point, start_ns, contact_ns)
        for arm, track in _further(self._episode.arms):
            with self._telling(arm):
                further.action[arm] = self._clip_action(arm, track, contact_ns, point)
        return self._with_sound(further, start_ns, grid.CLIP_SAMPLES)

    def of_window(self, start_ns: int) -> Further:
        further = Further()
        for device, camera in _further(self._episode.cameras):
            with self._telling(device):
                further.frames[device] = _whole_frames(camera, start_ns)
        for arm, track in _further(self._episode.arms):
            with self._telling(arm):
                if track.ee_pose is None:
                    raise ValueError("no pose was recorded")
                width = self._episode.gripper_width(self._hand, arm)
                action = window_action(track.ee_pose, self._episode.tool_tip(arm), start_ns, width)
                if not np.isfinite(action[:, :3]).any():
                    raise ValueError("its motion is missing")
                further.action[arm] = action
        return self._with_sound(further, start_ns, grid.WINDOW_SAMPLES)

    def _with_sound(self, further: Further, start_ns: int, count: int) -> Further:
        for device, track in _further(self._episode.microphones):
            with self._telling(device):
                sound, known = track.slice(start_ns, count, grid.SAMPLE_RATE)
                if np.count_nonzero(~known) > self._max_gap_s * grid.SAMPLE_RATE:
                    raise ValueError("sound is missing")
                further.audio[device] = sound
        return further

    def _clip_action(
        self, arm: str, track: ArmTrack, contact_ns: int, point: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        times, path = self._episode.tip_path_of(arm)
        near = np.abs(times - contact_ns) < AROUND_NS
        width = self._episode.gripper_width(self._hand, arm)
        try:
            return clip_action(contact_ns, point, times[near], path[near], width=width, force=track.force)
        except ValueError as error:
            raise ValueError("its motion around the contact is missing") from error

    @contextlib.contextmanager
    def _telling(self, device: str) -> Iterator[None]:
        try:
            yield
        except (EpisodeError, ValueError) as error:
            self._absent[device, str(error)] += 1


def window_action(
    pose: PoseTrack, tx_tool_tip: SE3, start_ns: int, width: SERIES | None
) -> NDArray[np.float32]:
    """[720, 7] of an arm: tip in the world (3), its velocity (3), gripper width; NaN where it was not measured."""
    times = grid.sample_times_ns(start_ns, grid.WINDOW_ACTIONS, grid.ACTION_RATE)
    half = round(0.5e9 / grid.ACTION_RATE)
    before, tip, after = ((pose.at(times + shift) @ tx_tool_tip).translation for shift in (-half, 0, half))
    action = np.empty((grid.WINDOW_ACTIONS, 7), dtype=np.float32)
    action[:, :3], action[:, 3:6] = tip, (after - before) / (2e-9 * half)
    action[:, 6] = width_at(times, width)
    return action


def absent_problems(absent: Mapping[tuple[str, str], int]) -> list[str]:
    """Which device is not in how many items, and why."""
    return [
        f"{device}: not in {count} {'item' if count == 1 else 'items'}: {reason}"
        for (device, reason), count in sorted(absent.items())
    ]


# ---- inside --------------------------------------------------------------------------------------------
def _further(tracks: Mapping[str, _Track]) -> Iterator[tuple[str, _Track]]:
    return ((device, track) for device, track in tracks.items() if device not in MAIN_DEVICES)


def _pictures(track: CameraTrack) -> FrameTrack:
    if track.frames is None:
        raise ValueError("no picture was recorded")
    return track.frames


def _crops(
    track: CameraTrack, point: NDArray[np.float64], start_ns: int, contact_ns: int
) -> NDArray[np.uint8]:
    """Crops [31, 128, 128, 3] around a point: those of a clip's frames and, last, the still."""
    frames = _pictures(track)
    times = grid.frame_times_ns(start_ns, grid.CLIP_FRAMES, grid.FRAME_RATE)
    indices = [*frame_indices(frames.times_ns, times), still_index(frames.times_ns, contact_ns)]
    crops: dict[int, NDArray[np.uint8]] = {}
    for index in map(int, indices):
        if index not in crops:
            camera = track.at(int(frames.times_ns[index]))
            if not np.isfinite(camera.project(point)[0]).all():
                raise ValueError("the contact is behind the camera")
            crops[index] = crop_around(np.asarray(frames.read(index), dtype=np.uint8), camera, point)
    return np.stack([crops[int(index)] for index in indices])


def _whole_frames(track: CameraTrack, start_ns: int) -> NDArray[np.uint8]:
    """Frames [32, H, W, 3] of a window."""
    frames = _pictures(track)
    times = grid.frame_times_ns(start_ns, grid.WINDOW_FRAMES, grid.WINDOW_FRAME_RATE)
    indices = frame_indices(frames.times_ns, times)
    return np.stack([np.asarray(frames.read(int(index)), dtype=np.uint8) for index in indices])
