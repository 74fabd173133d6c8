"""Contacts in a sound file, and what the heard model makes of each."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.onset import OnsetConfig, OnsetDetector
from foley_perception.audio.resample import resampled
from foley_perception.clips.channels import loudest_channel, one_channel
from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.hearing.inference.heard_model import SILENCE_DBFS, HeardModel

_LEAST_GAP_S = 0.15  # between two contacts
_CONTEXT_BEFORE_S, _CONTEXT_AFTER_S = 0.25, 0.75
_LONGEST_S = 3600.0


class UnreadableSound(ValueError):
    """A file holds no sound that can be listened to; the message names it, the reason and the cure."""


@dataclasses.dataclass(frozen=True)
class HeardContact:
    """One contact in a file."""

    time_s: float  # of its onset
    level_dbfs: float  # peak
    belief: MaterialBelief

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "time_s": round(self.time_s, 4),
            "level_dbfs": round(self.level_dbfs, 1),
            **self.belief.to_dict(),
        }


def read_sound(path: Path) -> tuple[NDArray[np.float32], int]:
    """Samples [n] (of the loudest channel) and rate of any file that libsndfile reads.

    Raises:
        UnreadableSound: no such file, not a sound file, empty, too long, or silent.
    """
    import soundfile

    if not path.is_file():
        raise UnreadableSound(f"{path}: no such file")
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames > _LONGEST_S * file.samplerate:
                raise UnreadableSound(
                    f"{path}: longer than {_LONGEST_S / 60:.0f} minutes; cut it into pieces"
                )
            samples = file.read(dtype="float32", always_2d=True)
            rate = int(file.samplerate)
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        reason = str(error).split(": ")[-1]
        raise UnreadableSound(
            f"{path}: not a sound file that can be read ({reason}); convert it to WAV"
        ) from error
    mono = np.nan_to_num(one_channel(samples, loudest_channel(samples)))
    if len(mono) == 0:
        raise UnreadableSound(f"{path}: holds no samples")
    if _dbfs(mono) < SILENCE_DBFS:
        raise UnreadableSound(f"{path}: silent (its peak is below {SILENCE_DBFS:.0f} dBFS)")
    return mono, rate


def pick_onsets(samples: NDArray[np.float32], rate: int) -> list[float]:
    """Times [s] at which a contact begins, at least one.

    The detector needs to know what the place sounds like before anything happens. A file may begin with the
    contact itself, so its quietest moment is put in front of it.
    """
    hop = max(rate // 20, 1)
    if len(samples) < 2 * hop:
        return [0.0]
    level = np.square(samples[: len(samples) // hop * hop]).reshape(-1, hop).mean(axis=1)
    quiet = int(level.argmin()) * hop
    floor = samples[quiet : quiet + hop]
    lead = np.tile(np.concatenate([floor, floor[::-1]]), 4)
    detector = OnsetDetector(OnsetConfig(sample_rate=rate, min_interval_s=_LEAST_GAP_S))
    onsets = detector.process(np.concatenate([lead, samples, floor, floor[::-1]]).astype(np.float32))
    times = sorted(max(0.0, (onset.sample - len(lead)) / rate) for onset in onsets)
    if not times:
        # Nothing that the detector takes for a contact: the loudest moment is what the file is about.
        times = [max(0.0, int(level.argmax()) * hop / rate - 0.01)]
    return [t for t in times if t < len(samples) / rate]


def listen(samples: NDArray[np.float32], rate: int, model: HeardModel) -> list[HeardContact]:
    """What is heard at each onset of a recording [n]."""
    audio = resampled(samples, rate, 48_000)
    heard = []
    onsets = pick_onsets(audio, 48_000)
    for index, onset in enumerate(onsets):
        begin = max(0, round((onset - _CONTEXT_BEFORE_S) * 48_000))
        following = onsets[index + 1] if index + 1 < len(onsets) else math.inf
        end = round(min(onset + _CONTEXT_AFTER_S, max(following - 0.03, onset + 0.3)) * 48_000)
        # Clipping shows in the samples as they were recorded, so those are what the model gets.
        piece = samples[round(begin / 48_000 * rate) : round(end / 48_000 * rate)]
        belief = model.predict(piece, rate, onset_s=onset - begin / 48_000)
        heard.append(HeardContact(onset, _dbfs(piece), belief))
    return heard


def _dbfs(samples: NDArray[np.float32]) -> float:
    return 20.0 * math.log10(max(float(np.abs(samples).max(initial=0.0)), 1e-9))
