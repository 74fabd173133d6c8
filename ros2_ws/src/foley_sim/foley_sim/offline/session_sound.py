"""The sound of a session: noise and hum are its scene's and its own, whatever other scenes share its policy seed."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from foley_sim.editions import Sound, sound_for
from foley_sim.judge.scenes import EDITION as JUDGE
from foley_sim.sound.ambience import Hum
from foley_sim.sound.microphone import MOTOR_HZ
from foley_sim.sound.renderer import SoundRenderer
from foley_sim.spec import SceneSpec
from foley_sim.world import contact_log
from foley_sim.world.contact_log import SavedContacts

RATES: tuple[int, ...] = (16_000, 48_000)
"""Rates of a session's sound; it is rendered at the microphone's and thinned out."""
MAINS_HZ = (50.0, 60.0)
MAINS_OFF_HZ = 0.1
"""How far from its rated frequency mains may be."""


def sound_seed(scene: SceneSpec, policy_seed: int, draw: int = 0) -> int:
    """Of the noise of one session. draw: 0 is what was heard, others are further draws of what might have been."""
    return _hash(scene.edition, scene.scene_id, str(policy_seed), str(draw))


def hum_of(scene: SceneSpec) -> Hum:
    """Mains and motors as they hum at the place of this scene."""
    rng = np.random.default_rng([0x4076, _hash(scene.edition, scene.scene_id)])
    mains_hz = MAINS_HZ[int(rng.integers(len(MAINS_HZ)))] + float(rng.uniform(-MAINS_OFF_HZ, MAINS_OFF_HZ))
    return Hum(mains_hz=mains_hz, motor_hz=float(rng.uniform(*MOTOR_HZ)))


def session_sound(scene: SceneSpec, seed: int, hum: Hum) -> Sound:
    """A renderer of the microphone alone. The judge's has motors of its own."""
    if scene.edition == JUDGE:
        return sound_for(scene, seed=seed)
    return SoundRenderer(dataclasses.replace(scene, contact_microphone=None), seed=seed, hum=hum)


def render(
    scene: SceneSpec, saved: SavedContacts, *, seed: int, hum: Hum, rate: int
) -> tuple[NDArray[np.int16], int]:
    """A whole session's samples at ``rate``, and how many of the microphone's own the guard against overload bent.

    Raises:
        ValueError: the microphone's rate is no multiple of ``rate``, or the contacts are another scene's.
    """
    own = scene.microphone.sample_rate
    if own % rate:
        raise ValueError(f"sound rate is {rate} Hz, must divide the microphone's {own} Hz")
    sound = session_sound(scene, seed, hum)
    samples = contact_log.render_saved(scene, saved, sound=sound)[0].astype(np.float64)
    if own != rate:
        samples = signal.resample_poly(samples, 1, own // rate)
    steps = np.round(samples * 2**15)
    return np.clip(steps, -(2**15), 2**15 - 1).astype(np.int16), sound.limited_samples


def _hash(*words: str) -> int:
    return int.from_bytes(hashlib.sha256("/".join(words).encode()).digest()[:7], "big")
