"""How much the noise of scenes has in common, and where each of them hums, in every version of their edition.

Every scene is run until its first contact. What microphones hear before the earliest of them is compared, and its
beginning, in which nothing moves, by itself.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_sim.editions import EDITIONS, VERSIONS, Noise, make_scene, noise_of, sound_for
from foley_sim.spec import Ambience, SceneSpec
from foley_sim.world.contact_log import SavedContacts, render_saved
from foley_sim.world.world import World

_LONGEST_S = 20.0  # until a scene's first contact
_STRIDE_NS = NS_PER_S // 10
_BEFORE_S = 0.02  # between what is compared and the first contact
_PITCH_S = 4.0  # of hum that is looked at
_MAINS_HZ, _MOTOR_HZ = (40.0, 69.0), (69.5, 131.0)  # where pitches are looked for
_UNHEARD_DBFS = -200.0
_STILL = 1e-3  # of full speed: what the joints do to hold the arm


def noise_figures(
    edition: str,
    split: str,
    seeds: Sequence[int],
    policy_seed: int,
    progress: Callable[[float], None] = lambda scenes: None,
) -> dict[str, Any]:
    """Correlations of what the microphones of scenes hear before anything is touched, and pitches.

    Returns:
        `seconds` of the stretches `at_rest` and `until_touched`; for each version, of each stretch: `correlation` of
        every pair of scenes as [seed, seed, r], their `mean_magnitude` and `largest_magnitude`, the same of the contact
        microphones (`contact_microphone`, none in scenes without); and `hum_hz` of mains and motors by scene as they
        sound, empty where an edition's pitches cannot be told.

    Raises:
        ValueError: fewer than two scenes, or a scene that there is not or in which nothing is touched.
    """
    if len(seeds) < 2:
        raise ValueError(f"--scenes is {len(seeds)}, must be at least 2")
    scenes = [make_scene(seed, split, edition) for seed in seeds]
    quiet = []
    for scene in scenes:
        quiet.append(until_touched(scene, policy_seed))
        progress(1)
    seconds = {"at_rest": min(map(_rest_s, quiet)), "until_touched": min(saved.duration_s for saved in quiet)}
    versions = {}
    for version in VERSIONS:
        heard, felt, hum = [], [], {}
        for scene, saved in zip(scenes, quiet, strict=True):
            noise = noise_of(scene, policy_seed, version)
            samples, touched = render_saved(scene, _with(saved, noise, seconds["until_touched"]))
            heard.append(samples)
            felt += [] if touched is None else [touched]
            if EDITIONS[edition].hums:
                hum[scene.scene_id] = {**pitches(scene, noise), "ambience": scene.room.ambience}
            progress(1 / len(VERSIONS))
        stretches: dict[str, Any] = {}
        for name, until_s in seconds.items():
            count = round(until_s * scenes[0].microphone.sample_rate)
            stretches[name] = _correlations(seeds, [samples[:count] for samples in heard])
            if len(felt) == len(seeds):
                stretches[name]["contact_microphone"] = _correlations(seeds, [s[:count] for s in felt])
        versions[str(version)] = {**stretches, "hum_hz": hum}
    return {
        "edition": edition,
        "split": split,
        "policy_seed": policy_seed,
        "scenes": list(seeds),
        "seconds": {name: round(until_s, 3) for name, until_s in seconds.items()},
        "versions": versions,
    }


def until_touched(scene: SceneSpec, policy_seed: int) -> SavedContacts:
    """A scene's motion without its first contact, as a session of its own.

    Raises:
        ValueError: nothing is touched for 20 s.
    """
    world = World(scene, policy_seed, camera_rate_hz=0, depth_rate_hz=0, save_contacts=True)
    while world.time_ns < _LONGEST_S * NS_PER_S:
        world.advance(world.time_ns + _STRIDE_NS)
        saved = world.saved_contacts() if world.samples else None
        if saved is not None and saved.events:
            begin = min(getattr(e, "time_s", getattr(e, "start_s", 0.0)) for e in saved.events)
            return _with(saved, Noise(saved.seed, saved.hum), begin - _BEFORE_S)
    raise ValueError(f"scene `{scene.scene_id}`: nothing is touched within {_LONGEST_S:g} s")


def _rest_s(saved: SavedContacts) -> float:
    """Until the joints move."""
    times, speeds = saved.joint_speeds.T
    moving = times[speeds > _STILL]
    return float(moving[0]) if moving.size else saved.duration_s


def pitches(scene: SceneSpec, noise: Noise) -> dict[str, float]:
    """Of `mains` and of the `motors` at full speed [Hz], as they sound where nothing else does; whether a scene's room
    hums with mains at all is its ambience."""
    return {
        "mains": round(
            _pitch(_alone(scene, noise, "mains", 0.0), _MAINS_HZ, scene.microphone.sample_rate), 3
        ),
        "motors": round(
            _pitch(_alone(scene, noise, "none", 1.0), _MOTOR_HZ, scene.microphone.sample_rate), 3
        ),
    }


def _alone(scene: SceneSpec, noise: Noise, ambience: Ambience, speed: float) -> NDArray[np.float32]:
    """A scene's microphone with nothing but this ambience and motors at this speed."""
    room = dataclasses.replace(
        scene.room, ambience=ambience, ambience_dbfs=-40.0, motor_dbfs=-40.0, noise_dbfs=_UNHEARD_DBFS
    )
    lonely = dataclasses.replace(scene, room=room, objects=scene.objects[:1], contact_microphone=None)
    sound = sound_for(lonely, seed=noise.seed, hum=noise.hum)
    sound.set_joint_speed(0.0, speed)
    return sound.render(_PITCH_S)


def _pitch(samples: NDArray[np.float32], within_hz: tuple[float, float], rate: int) -> float:
    """The strongest frequency [Hz]: the top of a parabola through the three largest of a windowed spectrum."""
    power = np.abs(np.fft.rfft(samples * np.hanning(samples.size), 4 * samples.size)) ** 2
    step = rate / (4 * samples.size)
    low, high = (round(hz / step) for hz in within_hz)
    top = low + int(np.argmax(power[low:high]))
    a, b, c = np.log(power[top - 1 : top + 2])
    return float(top + 0.5 * (a - c) / (a - 2 * b + c)) * step


def _with(saved: SavedContacts, noise: Noise, until_s: float) -> SavedContacts:
    """The beginning of a session with no contact in it, with this noise."""
    speeds = saved.joint_speeds[saved.joint_speeds[:, 0] < until_s]
    return dataclasses.replace(
        saved, seed=noise.seed, hum=noise.hum, duration_s=until_s, events=(), joint_speeds=speeds
    )


def _correlations(seeds: Sequence[int], signals: Sequence[NDArray[np.float32]]) -> dict[str, Any]:
    matrix = np.atleast_2d(np.corrcoef(np.array(signals, dtype=np.float64)))
    pairs = [
        [seeds[i], seeds[j], round(float(matrix[i, j]), 4)]
        for i, j in itertools.combinations(range(len(seeds)), 2)
    ]
    sizes = [abs(r) for *_, r in pairs]
    return {
        "correlation": pairs,
        "mean_magnitude": round(float(np.mean(sizes)), 4),
        "largest_magnitude": max(sizes),
    }
