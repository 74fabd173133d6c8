"""Single impacts on objects, each with its sound and perhaps its force, as clips. There is no robot and no picture."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_common.topics import MAIN_CAMERA
from foley_perception.audio.resample import resampled
from foley_perception.clips import grid
from foley_perception.dataset import schema
from foley_perception.dataset.schema import Clip, ClipData, DatasetError

APART_S = 10.0  # between impacts of one object, whose true times nobody tells
_PULSE_SHARE = 0.02  # of the largest force, below which there is none
_ENDS_EARLY_S = 0.02  # of sound may be missing behind a contact
HIT = "hit"


class SoundMissing(ValueError):
    """An impact that has no whole second of sound around it."""


class Pulse(NamedTuple):
    """The force of one impact."""

    first: int  # sample at which it begins
    duration_s: float
    impulse: float  # [N s] of a force in newtons


@dataclasses.dataclass(frozen=True, eq=False)
class Impact:
    """One impact, as one microphone heard it.

    Attributes:
        clip_id: of the clip.
        number: of the impact on its object; microphones that heard the same one share it.
        sound: [n] float32.
        contact: where in it the impact begins [s]; 0 for a response that begins with it.
        position: of the impact in the object's frame [m]; NaN where that is not known.
    """

    clip_id: str
    object_id: str
    number: int
    sound: NDArray[np.float32]
    rate: int
    contact_s: float
    material: str
    position: tuple[float, float, float] = (math.nan,) * 3
    impulse: float = math.nan
    duration_s: float = math.nan
    contact_id: str = ""


def force_pulse(force: NDArray[np.floating], rate: int, what: str) -> Pulse:
    """The pulse around the largest of forces [n], whose rest is taken for zero.

    Args:
        what: names the file in errors.

    Raises:
        DatasetError: there are no forces, or values that are none.
    """
    if not force.size or not np.isfinite(force).all():
        raise DatasetError(f"{what}: holds no forces, or NaN among them; get the file once more")
    level = force.astype(np.float64) - float(np.median(force))
    peak = int(np.abs(level).argmax())
    level *= np.sign(level[peak])
    if not level[peak] > 0:
        raise DatasetError(f"{what}: the force is the same throughout; get the file once more")
    low = level < _PULSE_SHARE * level[peak]
    before, after = np.flatnonzero(low[:peak]), np.flatnonzero(low[peak:])
    first = int(before[-1]) + 1 if before.size else 0
    end = peak + int(after[0]) if after.size else len(level)
    return Pulse(first, (end - first) / rate, float(level[first:end].sum()) / rate)


def impact_clip(impact: Impact) -> ClipData:
    """The clip of an impact. Before the sound begins it is 0, which is told as a gap.

    Raises:
        SoundMissing: it ends before the clip does.
    """
    wanted = grid.SAMPLE_RATE
    # The second and what the filter looks at beyond it: six seconds need not be resampled for one.
    first = max(math.floor((impact.contact_s - grid.CLIP_BEFORE_S - 0.05) * impact.rate), 0)
    last = math.ceil((impact.contact_s + grid.CLIP_S) * impact.rate)
    sound = resampled(impact.sound[first:last], impact.rate, wanted)
    start = round((impact.contact_s - grid.CLIP_BEFORE_S - first / impact.rate) * wanted)
    audio = np.zeros(grid.CLIP_SAMPLES, np.float32)
    known = sound[max(start, 0) : start + grid.CLIP_SAMPLES]
    at = max(-start, 0)
    audio[at : at + len(known)] = known
    if grid.CLIP_SAMPLES - at - len(known) > _ENDS_EARLY_S * wanted:
        raise SoundMissing("its sound ends before the clip does")
    contact_ns = round((1 + impact.number) * APART_S * NS_PER_S)
    clip = Clip(
        clip_id=impact.clip_id,
        session_id=impact.object_id,
        scene_id=impact.object_id,
        object_id=impact.object_id,
        split=schema.ASSIGNED[0],  # splits are assigned when all objects are known
        domain="real",
        contact_ns=contact_ns,
        start_ns=grid.clip_start_ns(contact_ns),
        action=HIT,
        material=impact.material,
        log10_youngs_modulus=math.nan,
        roughness=math.nan,
        hollowness=math.nan,
        impulse=impact.impulse,
        speed=math.nan,
        position=impact.position,
        contact_id=impact.contact_id,
        duration=impact.duration_s,
        audio_gap_s=(grid.CLIP_SAMPLES - len(known)) / wanted,
        origin=impact.object_id,
        without=(MAIN_CAMERA,),
    )
    action = np.full((grid.CLIP_ACTIONS, grid.ACTION_DIMS), np.nan, np.float32)
    keypoints = np.full(schema.CLIP_ARRAYS["keypoints"], np.nan, np.float32)
    return ClipData(clip, audio, None, None, action, action, keypoints)
