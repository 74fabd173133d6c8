"""Where noise and hum of a recording come from: its scene, and the policy seed; no two scenes share them."""

from __future__ import annotations

import hashlib

import numpy as np

from foley_sim.sound.ambience import Hum
from foley_sim.sound.microphone import MOTOR_HZ
from foley_sim.spec import SceneSpec

MAINS_HZ = (50.0, 60.0)
MAINS_OFF_HZ = 0.1
"""How far from its rated frequency mains may be."""


def sound_seed(scene: SceneSpec, policy_seed: int, draw: int = 0) -> int:
    """Of the noise of one recording. draw: 0 is what was heard, others are further draws of what might have been."""
    return _hash(scene.edition, scene.scene_id, str(policy_seed), str(draw))


def hum_of(scene: SceneSpec) -> Hum:
    """Mains and motors as they hum at the place of this scene."""
    rng = np.random.default_rng([0x4076, _hash(scene.edition, scene.scene_id)])
    mains_hz = MAINS_HZ[int(rng.integers(len(MAINS_HZ)))] + float(rng.uniform(-MAINS_OFF_HZ, MAINS_OFF_HZ))
    return Hum(mains_hz=mains_hz, motor_hz=float(rng.uniform(*MOTOR_HZ)))


def _hash(*words: str) -> int:
    return int.from_bytes(hashlib.sha256("/".join(words).encode()).digest()[:7], "big")
