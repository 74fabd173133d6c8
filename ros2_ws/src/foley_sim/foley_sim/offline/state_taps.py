"""A recording of taps on one thing in one state: drawn blows on the sound of FoleySim-1, without arm or pictures.

Things are those of FoleySim-1's stream of scenes that can be in the state, one after the other; `train` and `test`
begin at different places of it, above all that training sets of sessions use. Each thing stands in several scenes:
another room, microphone, place on the table, mount, clamp, and, where the state is how the thing is today (how full,
how much play), another of that. In every scene it is tapped in the state and in its opposite, which differ in nothing
else but the blows: their places, speeds, rebounds and noise are drawn anew.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
from numpy.typing import NDArray

from foley_sim.condition import OPPOSITE, PREDICATE, State
from foley_sim.editions import sound_for
from foley_sim.foleysim1 import scenes as foleysim1
from foley_sim.sound.events import Impact, Vector
from foley_sim.sound.noise import hum_of, sound_seed
from foley_sim.spec import ObjectSpec, SceneSpec, StrikerSpec
from foley_sim.states import STATES, can_be, in_state
from foley_sim.world.contact_log import OFFLINE_BLOCK_S

Array = NDArray[np.float64]

SPLITS: tuple[str, ...] = ("train", "test")
ACTIONS: tuple[str, ...] = ("tap", "hit", "knock")
FIRST_SCENE: dict[str, int] = {"train": 60_000, "test": 80_000}
"""Of the stream, in which a split's things are looked for."""
MOST_THINGS = 4000

LEAD_S = 0.6  # before the first blow
SPACING_S = 1.8  # between blows
_JITTER_S = 0.1
_ACTION_SHARES = (0.5, 0.3, 0.2)
_SPEED = {"tap": (0.08, 0.25), "hit": (0.25, 0.8), "knock": (0.15, 0.5)}  # [m/s]
_KNOCKS = (2, 3)
_KNOCK_EVERY_S = (0.14, 0.25)
_REBOUND = (0.25, 0.6)  # share of its speed with which the tip comes back
_CHATTER_SHARE = 0.4  # of blows after which the tip meets the thing once more by itself
_CHATTER_AFTER_S = (0.015, 0.06)
_WITHIN = 0.75  # of the upper face's half extents
_JOINT_SPEED = (0.02, 0.25)  # of full speed, while the arm moves


@dataclasses.dataclass(frozen=True)
class Blow:
    """One labelled contact."""

    time_s: float  # of the first touch in the recording
    action: str
    speed: float  # of the first touch [m/s]
    impacts: tuple[Impact, ...]


@dataclasses.dataclass(frozen=True)
class TapsJob:
    """One recording.

    pair: the state that is told apart from its opposite.
    """

    pair: State
    split: str
    thing: int
    scene: int
    state: State  # the pair's, or its opposite
    taps: int
    seed: int

    def __post_init__(self) -> None:
        if self.pair not in STATES or self.state not in (self.pair, OPPOSITE[self.pair]):
            raise ValueError(f"state is `{self.state}` of `{self.pair}`, known are {', '.join(STATES)}")
        if self.split not in SPLITS:
            raise ValueError(f"split is `{self.split}`, known are {', '.join(SPLITS)}")

    @property
    def object_id(self) -> str:
        """Of the thing, the same in all of its scenes."""
        return f"{self.pair}-{self.split}-{self.thing:03d}"

    @property
    def name(self) -> str:
        """Of the file, below the set's folder, without what it ends in."""
        return f"{self.pair}/{self.split}-{self.thing:03d}/scene{self.scene}-{self.state}"

    @property
    def predicate(self) -> tuple[str, bool]:
        """What a planner calls it, and its value."""
        return PREDICATE[self.state]

    @property
    def duration_s(self) -> float:
        return LEAD_S + self.taps * SPACING_S

    def rng(self, *words: int) -> np.random.Generator:
        """Of what all recordings of this thing in this scene share; with words, of what they do not."""
        key = (STATES.index(self.pair), SPLITS.index(self.split), self.thing, self.scene, self.seed)
        return np.random.default_rng([0x7A95, *key, *words])


def item_of(job: TapsJob) -> ObjectSpec:
    """The thing, whole, empty and of one piece, by its own name."""
    item = _things(job.pair, job.split, job.thing)
    return dataclasses.replace(item, object_id=job.object_id)


def scene_of(job: TapsJob) -> SceneSpec:
    """The thing alone in its scene, in its state."""
    rng = job.rng()
    item = item_of(job)
    x, y = float(rng.uniform(-0.2, 0.2)), float(rng.uniform(-0.15, 0.15))
    item = dataclasses.replace(
        item,
        position=(x, y, item.size[2] / 2),
        yaw=float(rng.uniform(-math.pi, math.pi)),
        grasp=foleysim1.draw_grasp(rng),
    )
    return SceneSpec(
        scene_id=f"{job.object_id}-scene{job.scene}",
        seed=int(rng.integers(2**31)),
        split=job.split,
        objects=(in_state(item, job.state, rng),),
        room=foleysim1.draw_room(rng),
        microphone=foleysim1.draw_microphone(rng),
        striker=StrikerSpec(has_pad=True),
        edition=foleysim1.EDITION,
    )


def blows_of(job: TapsJob, item: ObjectSpec) -> list[Blow]:
    """What is done in a recording."""
    rng = job.rng(1 + (job.state != job.pair))
    return [
        _blow(item, LEAD_S + i * SPACING_S + float(rng.uniform(-_JITTER_S, _JITTER_S)), rng)
        for i in range(job.taps)
    ]


def record(job: TapsJob) -> tuple[NDArray[np.int16], list[Blow]]:
    """Samples [n] at the microphone's rate, and what is heard in them."""
    scene = scene_of(job)
    blows = blows_of(job, scene.objects[0])
    noise = sound_seed(scene, job.seed, STATES.index(job.pair) + len(STATES) * (job.state != job.pair))
    sound = sound_for(scene, seed=noise, hum=hum_of(scene))
    use_blocks = getattr(sound, "use_blocks", None)
    if use_blocks is not None:
        use_blocks(OFFLINE_BLOCK_S)
    rng = job.rng(3 + (job.state != job.pair))
    for blow in blows:
        for impact in blow.impacts:
            sound.add(impact)
    for begin in (0.0, *(blow.time_s + 0.3 for blow in blows)):  # up, to the next one, and down
        sound.set_joint_speed(begin, float(rng.uniform(*_JOINT_SPEED)))
    samples = sound.render(job.duration_s).astype(np.float64)
    return np.clip(np.round(samples * 2**15), -(2**15), 2**15 - 1).astype(np.int16), blows


def _blow(item: ObjectSpec, time_s: float, rng: np.random.Generator) -> Blow:
    action = ACTIONS[int(rng.choice(len(ACTIONS), p=_ACTION_SHARES))]
    low, high = _SPEED[action]
    speed = math.exp(float(rng.uniform(math.log(low), math.log(high))))
    point = _point(item, rng)
    count = int(rng.integers(_KNOCKS[0], _KNOCKS[1] + 1)) if action == "knock" else 1
    every = float(rng.uniform(*_KNOCK_EVERY_S))
    impacts: list[Impact] = []
    for k in range(count):
        hard = speed * float(rng.uniform(0.8, 1.2)) if k else speed
        back = float(rng.uniform(*_REBOUND))
        impacts.append(_impact(item, time_s + k * every, point, hard, back))
        if rng.uniform() < _CHATTER_SHARE:
            after = float(rng.uniform(*_CHATTER_AFTER_S))
            impacts.append(_impact(item, time_s + k * every + after, point, hard * back**2, back))
    return Blow(time_s, action, speed, tuple(impacts))


def _impact(item: ObjectSpec, time_s: float, point: Vector, speed: float, back: float) -> Impact:
    impulse = StrikerSpec().tip_mass * speed * (1 + back)
    return Impact(time_s, item.object_id, point, (0.0, 0.0, 1.0), impulse, speed)


def _point(item: ObjectSpec, rng: np.random.Generator) -> Vector:
    """On the upper face, in the world."""
    if item.shape in ("cylinder", "disc", "dome"):
        r, t = math.sqrt(float(rng.uniform())) * _WITHIN, float(rng.uniform(-math.pi, math.pi))
        u, v = r * math.cos(t), r * math.sin(t)
    else:
        u, v = float(rng.uniform(-_WITHIN, _WITHIN)), float(rng.uniform(-_WITHIN, _WITHIN))
    x, y = u * item.size[0] / 2, v * item.size[1] / 2
    c, s = math.cos(item.yaw), math.sin(item.yaw)
    return (item.position[0] + c * x - s * y, item.position[1] + s * x + c * y, item.top)


@functools.lru_cache(maxsize=512)
def _things(pair: State, split: str, number: int) -> ObjectSpec:
    """The n-th thing of the stream that can be in a state."""
    seen = 0
    for seed in range(FIRST_SCENE[split], FIRST_SCENE[split] + 10 * MOST_THINGS):
        scene = _stream_scene(seed)
        able = [item for item in scene.objects if can_be(item, pair) and item.material.name != "paper"]
        if number < seen + len(able):
            return able[number - seen]
        seen += len(able)
    raise ValueError(f"thing is {number}: there are fewer in the stream that can be {pair}")


@functools.lru_cache(maxsize=256)
def _stream_scene(seed: int) -> SceneSpec:
    return foleysim1.make_scene(seed, foleysim1.STREAM)
