"""Own noise of a recording: taken off its sound, and told to who listens for contacts in it."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from foley_common.robot_file import Frames, RobotFile
from foley_common.times import NS_PER_S
from foley_common.topics import MAIN_MICROPHONE
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.frames import AS_ROBOT, FrameNames
from foley_perception.episodes.outline import Outline, Span
from foley_perception.episodes.reader import episode_of
from foley_perception.own_noise.clean import CleanConfig, Cleaner
from foley_perception.own_noise.file import check_use, digest_of, read_own_noise
from foley_perception.own_noise.mask import NoiseSource
from foley_perception.own_noise.model import OwnNoise
from foley_perception.own_noise.motion import JointPositions, Times
from foley_perception.own_noise.sweep import positions_of

_STRETCH_NS, _BESIDE_NS = 30 * NS_PER_S, NS_PER_S  # of joints that are read at a time


@functools.lru_cache(maxsize=4)
def _read(path: str, digest: str) -> OwnNoise:
    """A file that was written anew is read anew."""
    return read_own_noise(path)


def cleaner_of(episode: Episode, path: str, config: CleanConfig | None = None) -> Cleaner:
    """What takes a file's noise off stretches of the episode's main microphone.

    Raises:
        OwnNoiseError: the file cannot be read, or was learnt of another robot, microphone or rate.
    """
    model = _of_this(path, episode.robot, episode.audio.sample_rate if episode.audio is not None else 0)
    return Cleaner(model, positions_of(episode.joints), config)


def source_of(path: str, robot: RobotFile, sample_rate: int, positions: JointPositions) -> NoiseSource:
    """A file's noise for who listens to a recording of that robot's main microphone.

    Raises:
        OwnNoiseError: as of :func:`cleaner_of`.
    """
    return NoiseSource(_of_this(path, robot, sample_rate), positions)


def positions_in(outline: Outline, frames: FrameNames | Frames = AS_ROBOT) -> JointPositions:
    """Of the joints of a bag's outline, of which no more than a stretch is held."""
    held = (0, -1, positions_of(None))

    def positions(name: str, start_ns: int, end_ns: int) -> tuple[Times, NDArray[np.float64]]:
        nonlocal held
        if start_ns < held[0] or end_ns > held[1]:
            first, last = start_ns - _BESIDE_NS, max(end_ns, start_ns + _STRETCH_NS) + _BESIDE_NS
            episode = episode_of(outline, Span(first, last, first, last), frames=frames)
            held = (first, last, positions_of(episode.joints))
        return held[2](name, start_ns, end_ns)

    return positions


def _of_this(path: str, robot: RobotFile, sample_rate: int) -> OwnNoise:
    model = _read(path, digest_of(path))
    device = robot.sound.get(MAIN_MICROPHONE)
    check_use(
        model,
        path,
        microphone=device.device if device is not None else "",
        sample_rate=sample_rate,
        robot=robot.name,
    )
    return model
