"""Contacts in a sound file, and what the heard model makes of each."""

from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.contact_onsets import ContactFinder
from foley_perception.audio.resample import resampled
from foley_perception.audio.sound_file import UnreadableSound, read_sound
from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.hearing.inference.heard_model import SILENCE_DBFS
from foley_synthesis.hearing.inference.hum import hum_dbfs
from foley_synthesis.hearing.listening.listener import Heard, Hearer, Listener, perceive

SEARCHED_HZ = 48_000  # the highest rate at which onsets are searched
_CONTEXT_BEFORE_S, _CONTEXT_AFTER_S = 0.25, 0.75
_LEAD_S = 0.03  # before the next contact, which may have begun by then
_LEAST_S = 0.3  # of sound for a model that needs to hear a contact whole, even if the next one is in it
_HUM_BEFORE_S, _HUM_AFTER_S = 0.01, 0.25
_STEADY = 10.0**-0.1  # power of what goes on against what it was before
_LEAST_OVER_HUM_DB = 30.0  # the contact's peak over the hum's RMS; nearer, hum is taken for something soft
_LEAST_OFFSET = 1e-3  # -60 dBFS; what is constant is no sound, and would begin with a step
_LEAST_SWELL = 10.0**0.6  # power of the loudest moment against the usual one, where there is no onset


@dataclasses.dataclass(frozen=True)
class HeardContact:
    """One contact in a file."""

    time_s: float  # of its onset
    level_dbfs: float  # peak
    belief: MaterialBelief
    heard: Heard | None = None  # whatever else the model says; the belief above counts

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "time_s": round(self.time_s, 4),
            "level_dbfs": round(self.level_dbfs, 1),
            **({} if self.heard is None else self.heard.to_dict()),
            **self.belief.to_dict(),
        }


def read_audible(path: Path) -> tuple[NDArray[np.float32], int]:
    """Samples [n] (of the loudest channel, without a constant offset) and rate of a sound file.

    Raises:
        UnreadableSound: it cannot be read, or is silent.
    """
    samples, rate = read_sound(path)
    offset = float(samples.mean(dtype=np.float64))
    if abs(offset) > _LEAST_OFFSET:
        samples = samples - np.float32(offset)
    if _dbfs(samples) < SILENCE_DBFS:
        constant = f" beside its constant offset of {offset:.3f}" if abs(offset) > _LEAST_OFFSET else ""
        raise UnreadableSound(f"{path}: silent (its peak is below {SILENCE_DBFS:.0f} dBFS{constant})")
    return samples, rate


def pick_onsets(samples: NDArray[np.float32], rate: int) -> list[float]:
    """Times [s] at which contacts begin; none where the sound is steady from beginning to end.

    The detector needs to know what the place sounds like before anything happens. A file may begin with the
    contact itself, so its quietest moment is what it expects.
    """
    hop = max(rate // 20, 1)
    if len(samples) < 2 * hop:
        return [0.0]
    level = np.square(samples[: len(samples) // hop * hop]).reshape(-1, hop).mean(axis=1)
    quiet = int(level.argmin()) * hop
    finder = ContactFinder(rate)
    finder.expect(samples[quiet : quiet + hop])
    began: dict[int, float] = {}
    for contact in [*finder.process(samples), *finder.finish()]:
        began[contact.number] = contact.sample / rate  # the last word on where it begins
    times = list(began.values())
    loudest = int(level.argmax())
    if not times and level[loudest] > _LEAST_SWELL * max(float(np.median(level)), 1e-14):
        # Nothing that the detector takes for a contact: the loudest moment is what the file is about.
        times = [max(0.0, loudest * hop / rate - 0.01)]
    return times


def listen(samples: NDArray[np.float32], rate: int, model: Listener) -> list[HeardContact]:
    """What is heard at each contact of a recording [n]."""
    # Never raised: bands in which the file holds nothing would count where an onset is placed.
    searched = min(rate, SEARCHED_HZ)
    onsets = pick_onsets(resampled(samples, rate, searched), searched)
    return [
        hear_contact(samples, rate, model, onset, following)
        for onset, following in itertools.pairwise([*onsets, math.inf])
    ]


def hear_contact(
    samples: NDArray[np.float32],
    rate: int,
    model: Listener,
    onset_s: float,
    following_s: float = math.inf,
    heard_s: float = math.inf,
) -> HeardContact:
    """The contact that begins at `onset_s` of samples [n].

    Args:
        following_s: where the next contact begins, whose sound is not this one's.
        heard_s: so much of it after the onset is known yet.
    """
    begin = max(0, round((onset_s - _CONTEXT_BEFORE_S) * rate))
    own_s = (
        following_s - _LEAD_S if isinstance(model, Hearer) else max(following_s - _LEAD_S, onset_s + _LEAST_S)
    )
    end_s = min(onset_s + min(_CONTEXT_AFTER_S, heard_s), own_s)
    # Clipping shows in the samples as they were recorded, so those are what the model gets.
    piece = samples[begin : round(end_s * rate)]
    belief, heard = perceive(model, piece, rate, onset_s - begin / rate, heard_s)
    at = round(onset_s * rate) - begin
    hum = max(
        hum_dbfs(piece[: max(at - round(_HUM_BEFORE_S * rate), 0)], rate),
        _steady_hum_dbfs(piece[at + round(_HUM_AFTER_S * rate) :], rate),
    )
    if not belief.abstain and hum > _dbfs(piece) - _LEAST_OVER_HUM_DB:
        belief = belief.abstaining(f"the mains hum at {hum:.0f} dBFS, too near to the contact's level")
    return HeardContact(onset_s, _dbfs(piece), belief, heard)


def _steady_hum_dbfs(rest: NDArray[np.float32], rate: int) -> float:
    """Hum that began with the onset and goes on, as where a recording is switched on; a ring would fade."""
    half = len(rest) // 2
    early, late = (
        float(np.square(part, dtype=np.float64).mean()) if half else 0.0
        for part in (rest[:half], rest[half:])
    )
    return hum_dbfs(rest, rate) if late > _STEADY * early else -math.inf


def _dbfs(samples: NDArray[np.float32]) -> float:
    return 20.0 * math.log10(max(float(np.abs(samples).max(initial=0.0)), 1e-9))
