"""Own noise taken off the sound of a recording."""

from __future__ import annotations

import functools

from foley_common.topics import MAIN_MICROPHONE
from foley_perception.episodes.episode import Episode
from foley_perception.own_noise.clean import CleanConfig, Cleaner
from foley_perception.own_noise.file import check_use, digest_of, read_own_noise
from foley_perception.own_noise.model import OwnNoise
from foley_perception.own_noise.sweep import positions_of


@functools.lru_cache(maxsize=4)
def _read(path: str, digest: str) -> OwnNoise:
    """A file that was written anew is read anew."""
    return read_own_noise(path)


def cleaner_of(episode: Episode, path: str, config: CleanConfig | None = None) -> Cleaner:
    """What takes a file's noise off stretches of the episode's main microphone.

    Raises:
        OwnNoiseError: the file cannot be read, or was learnt of another robot, microphone or rate.
    """
    model = _read(path, digest_of(path))
    device = episode.robot.sound.get(MAIN_MICROPHONE)
    check_use(
        model,
        path,
        microphone=device.device if device is not None else "",
        sample_rate=episode.audio.sample_rate if episode.audio is not None else 0,
        robot=episode.robot.name,
    )
    return Cleaner(model, positions_of(episode.joints), config)
