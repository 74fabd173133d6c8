"""Sessions' sound rendered anew from their contacts, with what is not known of the scene redrawn: ceilings for models.

    same       the same scene, other noise: what nobody could do better than
    material   also parameters of the material, wall and clamp redrawn, the material's name known
    look       also the material, from what it looks like (foleysim1/posterior.py)
    all        also room, microphone, mounts and hum: what a perfect sampler knows before it hears anything

The motion and its contacts stay as they were.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from foley_common.session_file import read_session
from foley_sim.editions import make_scene
from foley_sim.foleysim1 import scenes as foleysim1
from foley_sim.foleysim1.posterior import material_posterior
from foley_sim.materials import draw_material
from foley_sim.offline.pool import work_off
from foley_sim.offline.session_set import CONTACTS, read_settings
from foley_sim.offline.session_sound import render
from foley_sim.offline.set_folder import claimed
from foley_sim.sound.noise import hum_of, sound_seed
from foley_sim.spec import ObjectSpec, SceneSpec
from foley_sim.world import contact_log
from foley_sim.world.contact_log import SavedContacts

Kind = Literal["same", "material", "look", "all"]
KINDS: tuple[Kind, ...] = get_args(Kind)
REDRAW_SCHEMA = "foley-redraw-1"
_UNKNOWN_SEED = 10_000_000  # of a scene whose mounts and room are not known; above all known scenes'


def redraw_scene(scene: SceneSpec, kind: Kind, rng: np.random.Generator) -> SceneSpec:
    """The scene as it may be by what is known of it.

    Raises:
        ValueError: a kind other than `same` of an edition whose rules are not FoleySim-1's.
    """
    if kind == "same":
        return scene
    if scene.edition != foleysim1.EDITION:
        raise ValueError(f"--kind is `{kind}`: of `{scene.edition}` only `same` can be redrawn")
    objects = tuple(_redraw_object(item, scene.split, kind, rng) for item in scene.objects)
    scene = dataclasses.replace(scene, objects=objects)
    if kind != "all":
        return scene
    return dataclasses.replace(
        scene,
        room=foleysim1.draw_room(rng),
        microphone=foleysim1.draw_microphone(rng),
        seed=_UNKNOWN_SEED + int(rng.integers(2**31)),
    )


def _redraw_object(item: ObjectSpec, split: str, kind: Kind, rng: np.random.Generator) -> ObjectSpec:
    name = item.material.name
    if kind != "material":
        shares = material_posterior(item, split)
        name = foleysim1.MATERIALS[int(rng.choice(len(shares), p=shares))]
    return dataclasses.replace(
        item,
        material=draw_material(name, rng),
        wall=foleysim1.draw_wall(name, item.shape, rng),
        grasp=foleysim1.draw_grasp(rng),
    )


def render_draw(
    scene: SceneSpec, saved: SavedContacts, policy_seed: int, kind: Kind, draw: int, rate: int, seed: int = 0
) -> tuple[NDArray[np.int16], SceneSpec]:
    """One draw of a session's sound, and the scene that made it. draw: from 0 on."""
    noise = sound_seed(scene, policy_seed, 1 + draw + 1000 * seed)
    redrawn = redraw_scene(scene, kind, np.random.default_rng([0x4ED4A, KINDS.index(kind), noise]))
    hum = hum_of(scene)
    if kind == "all":  # somewhere else
        hum = hum_of(dataclasses.replace(scene, scene_id=f"{scene.scene_id}/{noise}"))
    return render(redrawn, saved, seed=noise, hum=hum, rate=rate)[0], redrawn


# ---- a set ---------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class RedrawConfig:
    """What to redraw. sessions: the first ones by name; 0: all."""

    sessions_set: Path
    out: Path
    kind: Kind = "all"
    draws: int = 6
    seed: int = 0
    sessions: int = 0
    jobs: int = 2

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"--kind is `{self.kind}`, known are {', '.join(KINDS)}")
        for name, value, low in (
            ("draws", self.draws, 1), ("jobs", self.jobs, 1), ("seed", self.seed, 0), ("sessions", self.sessions, 0)
        ):  # fmt: skip
            if value < low:
                raise ValueError(f"--{name} is {value}, must be at least {low}")
        if self.draws > 999:
            raise ValueError(f"--draws is {self.draws}, must be at most 999")


@dataclasses.dataclass(frozen=True)
class _Job:
    session: Path
    out: Path
    kind: Kind
    draws: int
    seed: int

    def path(self, draw: int) -> Path:
        return self.out / f"{self.session.stem}-draw{draw:03d}.npy"


@dataclasses.dataclass(frozen=True)
class _Report:
    objects: int
    kept: int  # that were drawn of what they are made of
    rendered_s: float


def total_s(config: RedrawConfig) -> float:
    """Seconds of sound in all. Raises ValueError for what is no set of sessions."""
    duration_s = float(read_settings(config.sessions_set)["duration_s"])
    return len(_files(config)) * config.draws * duration_s


def _files(config: RedrawConfig) -> list[Path]:
    files = sorted(p for p in config.sessions_set.glob("*.npz") if not p.name.endswith(CONTACTS))
    if not files:
        raise ValueError(f"{config.sessions_set}: holds no sessions")
    return files[: config.sessions or None]


def redraw_set(
    config: RedrawConfig,
    progress: Callable[[float], None] = lambda seconds: None,
    warn: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Write int16 samples [n] of every session and draw, `<session>-draw000.npy`, unless they are there.

    Raises:
        ValueError: no set of sessions, one without its contacts, or the folder holds other draws or another process is
            writing it.
        OSError: a file cannot be read or written.
    """
    settings, files = read_settings(config.sessions_set), _files(config)
    with claimed(config.out, REDRAW_SCHEMA, {**settings, "kind": config.kind, "redraw_seed": config.seed}):
        return _redraw(config, settings, files, progress, warn)


def _redraw(
    config: RedrawConfig,
    settings: dict[str, Any],
    files: list[Path],
    progress: Callable[[float], None],
    warn: Callable[[str], None],
) -> dict[str, Any]:
    """In a folder that is claimed."""
    jobs = [_Job(file, config.out, config.kind, config.draws, config.seed) for file in files]
    waiting = [job for job in jobs if not _finished(job)]
    progress((len(jobs) - len(waiting)) * config.draws * float(settings["duration_s"]))
    reports, deaths = work_off(
        waiting, _write, processes=config.jobs, finished=_finished, report=lambda job: None,
        what="sessions", progress=progress, warn=warn,
    )  # fmt: skip
    objects = sum(r.objects for r in reports)
    return {
        **settings,
        "kind": config.kind,
        "draws": config.draws,
        "sessions": len(jobs),
        "sessions_kept": len(jobs) - len(waiting),
        "rendered_s": sum(r.rendered_s for r in reports),
        "material_kept_share": round(sum(r.kept for r in reports) / objects, 4) if objects else None,
        "processes_died": deaths,
    }


def _finished(job: _Job) -> bool:
    return all(job.path(draw).is_file() for draw in range(job.draws))


def _write(job: _Job, progress: Callable[[float], None]) -> _Report:
    session = read_session(job.session)
    facts = session.facts
    scene = make_scene(facts["scene_seed"], facts["scene_split"], facts["edition"])
    contacts = job.session.with_name(job.session.stem + CONTACTS)
    if not contacts.is_file():
        raise ValueError(
            f"{contacts} is missing; `foley sim sessions` with the set's settings makes it again"
        )
    saved = contact_log.read(contacts)
    objects = kept = 0
    for draw in range(job.draws):
        path = job.path(draw)
        if not path.is_file():
            samples, redrawn = render_draw(
                scene, saved, facts["policy_seed"], job.kind, draw, session.sound_rate, job.seed
            )
            partial = path.with_name(f".{path.name}.partial")
            try:
                with partial.open("wb") as file:
                    np.save(file, samples)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
            pairs = zip(scene.objects, redrawn.objects, strict=True)
            kept += sum(a.material.name == b.material.name for a, b in pairs)
            objects += len(scene.objects)
        progress(session.duration_s)
    return _Report(objects, kept, job.draws * session.duration_s)
