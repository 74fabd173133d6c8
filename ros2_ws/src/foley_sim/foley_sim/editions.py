"""Editions: the sets of scenes that there are, and what renders their sound. See golden.py for what holds them.

``tabletop``
    Light scenes of eight materials for demonstrations and tests.
``foleysim-1``
    The data set of 13 materials and 7 actions on which models are trained.
``foleysim-b``
    The judge: another contact law, damping, friction, radiation, microphone and look. Nothing trains or tunes on it.

All of them have versions, whose scenes, motion, contacts and pictures are the same and whose noise is not:

1   noise follows from the policy seed alone, so that all scenes with one policy seed share it; mains are 50 Hz
2   noise follows from edition, scene and policy seed, and mains and motors hum at the pitch of their scene
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from foley_sim.condition import NONE
from foley_sim.sound.events import Event
from foley_sim.spec import SceneSpec

if TYPE_CHECKING:
    from foley_sim.sound.ambience import Hum

VERSIONS: tuple[int, ...] = (1, 2)
VERSION = VERSIONS[-1]
"""Of what is made now."""


class Sound(Protocol):
    """What the world asks of a renderer of sound; see sound/renderer.py for the rules of time."""

    @property
    def late_events(self) -> int: ...

    @property
    def limited_samples(self) -> int: ...

    def add(self, event: Event) -> None: ...

    def set_joint_speed(self, time_s: float, speed: float) -> None: ...

    def render(self, until_s: float) -> NDArray[np.float32]: ...


@dataclasses.dataclass(frozen=True)
class Edition:
    """Where to find the parts of one edition: `module:function`, imported when first needed."""

    scene: str  # (seed, split) -> SceneSpec
    sound: str  # (scene, *, seed) -> Sound; also takes `hum` where `hums` is true
    states: bool = True  # whether its sound knows conditions of things
    hums: bool = True  # at pitches that can be told; the judge's motors have their own


@dataclasses.dataclass(frozen=True)
class Noise:
    """What the noise of one recording follows from."""

    seed: int
    hum: Hum | None = None  # None: the renderer's own pitches


EDITIONS: dict[str, Edition] = {
    "tabletop": Edition("foley_sim.scene:make_scene", "foley_sim.sound.renderer:SoundRenderer"),
    "foleysim-1": Edition("foley_sim.foleysim1.scenes:make_scene", "foley_sim.sound.renderer:SoundRenderer"),
    "foleysim-b": Edition(
        "foley_sim.judge.scenes:make_scene", "foley_sim.judge.renderer:JudgeSound", states=False, hums=False
    ),
}


def make_scene(seed: int, split: str, edition: str = "tabletop") -> SceneSpec:
    """The scene of this name.

    Raises:
        ValueError: unknown edition or split, or a seed that the edition does not have.
    """
    scene: SceneSpec = _load(_known(edition).scene)(seed, split)
    return scene


def noise_of(scene: SceneSpec, policy_seed: int, version: int = VERSION) -> Noise:
    """The noise of what a policy of this seed does in this scene, by a version of its edition.

    Raises:
        ValueError: unknown edition or version.
    """
    edition = _known(scene.edition)
    if version not in VERSIONS:
        raise ValueError(f"edition_version is {version}, known are {', '.join(map(str, VERSIONS))}")
    if version == 1:
        return Noise(policy_seed)
    from foley_sim.sound.noise import hum_of, sound_seed

    return Noise(sound_seed(scene, policy_seed), hum_of(scene) if edition.hums else None)


def sound_for(scene: SceneSpec, *, seed: int, hum: Hum | None = None) -> Sound:
    """A renderer of what happens in this scene.

    hum: pitches of its hum, where its edition hums at pitches that can be told; None: the renderer's own.

    Raises:
        ValueError: unknown edition, or one whose sound knows no conditions and a thing that has one.
    """
    edition = _known(scene.edition)
    if not edition.states:
        for item in scene.objects:
            if item.condition != NONE:
                raise ValueError(
                    f"object `{item.object_id}`: condition is {item.condition.describe()}, which the sound of edition "
                    f"`{scene.edition}` does not know"
                )
    pitches = {"hum": hum} if edition.hums else {}
    sound: Sound = _load(edition.sound)(scene, seed=seed, **pitches)
    return sound


def _known(edition: str) -> Edition:
    if edition not in EDITIONS:
        raise ValueError(f"edition is `{edition}`, known are {', '.join(EDITIONS)}")
    return EDITIONS[edition]


def _load(path: str) -> Any:
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)
