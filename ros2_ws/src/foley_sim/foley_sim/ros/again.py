"""The sound of a bag rendered again from its saved contacts, without physics and without pictures."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_sim.editions import make_scene
from foley_sim.ros.check import read_sound
from foley_sim.ros.job import CONTACTS, stored_session
from foley_sim.sound import saved
from foley_sim.sound.converter import quantise
from foley_sim.spec import SceneSpec


@dataclasses.dataclass(frozen=True, eq=False)
class Rendered:
    """Sound from a file of contacts beside that of the bag."""

    samples: NDArray[np.float32]  # [n] as the bag's converter gives them
    sample_rate: int
    difference: float  # largest, over all microphones, full scale 1
    allowed: float  # what rounding may do: one step of the converter
    setup_s: float  # of processor time, for the modes of all objects and the room
    render_s: float  # of processor time in all, setup included

    @property
    def real_time_factor(self) -> float:
        """Seconds of sound per second of one core, setup included."""
        return len(self.samples) / self.sample_rate / self.render_s


def scene_of(bag: Path) -> SceneSpec:
    """The scene that a bag of `foley sim generate` shows.

    Raises:
        ValueError: not such a bag.
    """
    session = stored_session(bag)
    if session is None or "edition" not in session:
        raise ValueError(f"{bag}: is no bag of this release of `foley sim generate`")
    scene = make_scene(int(session["seed"]), session["scene_split"], session["edition"])
    hands = int(session.get("hands", "1"))
    return dataclasses.replace(scene, robot=session["robot"], hands=hands)  # type: ignore[arg-type]


def render_bag(bag: Path) -> Rendered:
    """Render a bag's sound again and compare.

    Raises:
        ValueError: not a bag with saved contacts, or one without sound.
        OSError: a file cannot be read.
    """
    scene = scene_of(bag)
    if not (bag / CONTACTS).is_file():
        raise ValueError(f"{bag}: holds no {CONTACTS}; scans and bags of earlier releases have none")
    contacts = saved.read(bag / CONTACTS)
    heard = read_sound(bag)
    bits = int((stored_session(bag) or {}).get("sample_bits", "0"))
    begin = time.process_time()
    nothing = dataclasses.replace(contacts, events=(), duration_s=saved.OFFLINE_BLOCK_S)
    saved.render_saved(scene, nothing)
    setup_s = time.process_time() - begin
    begin = time.process_time()
    samples, felt = saved.render_saved(scene, contacts)
    render_s = time.process_time() - begin
    if bits:
        samples = quantise(samples, bits)
        felt = None if felt is None else quantise(felt, bits)
    difference = max(_difference(samples, heard.samples), _difference(felt, heard.felt))
    allowed = (2.0 ** (1 - bits) if bits else 0.0) + saved.SAME
    return Rendered(samples, heard.rate, difference, allowed, setup_s, render_s)


def _difference(ours: NDArray[np.float32] | None, theirs: NDArray[np.float32] | None) -> float:
    """Largest difference where both are; infinite where only one has a signal."""
    if ours is None or theirs is None:
        return 0.0 if ours is theirs else math.inf
    count = min(ours.size, theirs.size)
    return float(np.abs(ours[:count] - theirs[:count]).max(initial=0.0))
