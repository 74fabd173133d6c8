"""The sound of a session, with noise and hum of its own scene (sound/noise.py)."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from foley_sim.editions import Sound, sound_for
from foley_sim.sound.ambience import Hum
from foley_sim.spec import SceneSpec
from foley_sim.world import contact_log
from foley_sim.world.contact_log import SavedContacts

RATES: tuple[int, ...] = (16_000, 48_000)
"""Rates of a session's sound; it is rendered at the microphone's and thinned out."""


def session_sound(scene: SceneSpec, seed: int, hum: Hum) -> Sound:
    """A renderer of the microphone alone."""
    return sound_for(dataclasses.replace(scene, contact_microphone=None), seed=seed, hum=hum)


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
