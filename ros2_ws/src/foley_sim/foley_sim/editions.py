"""Editions: the sets of scenes that there are, and what renders their sound. See golden.py for what holds them.

``tabletop``
    Light scenes of eight materials for demonstrations and tests.
``foleysim-1``
    The data set of 13 materials and 7 actions on which models are trained.
``foleysim-b``
    The judge: another contact law, damping, friction, radiation, microphone and look. Nothing trains or tunes on it.
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from foley_sim.sound.events import Event
from foley_sim.spec import SceneSpec


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
    sound: str  # (scene, *, seed) -> Sound


EDITIONS: dict[str, Edition] = {
    "tabletop": Edition("foley_sim.scene:make_scene", "foley_sim.sound.renderer:SoundRenderer"),
    "foleysim-1": Edition("foley_sim.foleysim1.scenes:make_scene", "foley_sim.sound.renderer:SoundRenderer"),
    "foleysim-b": Edition("foley_sim.judge.scenes:make_scene", "foley_sim.judge.renderer:JudgeSound"),
}


def make_scene(seed: int, split: str, edition: str = "tabletop") -> SceneSpec:
    """The scene of this name.

    Raises:
        ValueError: unknown edition or split, or a seed that the edition does not have.
    """
    scene: SceneSpec = _load(_known(edition).scene)(seed, split)
    return scene


def sound_for(scene: SceneSpec, *, seed: int) -> Sound:
    """A renderer of what happens in this scene."""
    sound: Sound = _load(_known(scene.edition).sound)(scene, seed=seed)
    return sound


def _known(edition: str) -> Edition:
    if edition not in EDITIONS:
        raise ValueError(f"edition is `{edition}`, known are {', '.join(EDITIONS)}")
    return EDITIONS[edition]


def _load(path: str) -> Any:
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)
