"""Contacts of a session, saved: all that its sound follows from, so that it can be rendered again without physics.

A file is one compressed npz of plain arrays (no pickle). `render_saved` gives the samples of the live world to within
SAME: the same code, only with larger blocks, whose Fourier transforms round differently.
"""

from __future__ import annotations

import dataclasses
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_sim.editions import Noise, Sound, sound_for
from foley_sim.sound.ambience import Hum
from foley_sim.sound.events import Event, Hold, Impact, Sliding
from foley_sim.sound.kernels import Array
from foley_sim.spec import HEADS, Head, SceneSpec

FORMAT = "foley-contacts"
VERSION = 2
"""1: without `hum`, whose pitches are then the renderer's own."""
SAME = 1e-7
"""Largest difference between samples rendered live and from a file (full scale 1)."""
OFFLINE_BLOCK_S = 0.5

_KINDS: tuple[type[Event], ...] = (Impact, Sliding, Hold)
_WIDTH = 10
# Numbers of one event, by kind; unused ones are 0.
#   impact   time_s, -, point x y z, impulse, speed, normal x y z
#   sliding  start_s, end_s, point x y z, slip_speed, normal_force
#   hold     start_s, end_s, point x y z, normal_force, indent_speed


@dataclasses.dataclass(frozen=True, eq=False)
class SavedContacts:
    """What one session gave to the sound."""

    scene_id: str
    edition: str
    seed: int  # of the sound
    duration_s: float
    events: tuple[Event, ...]  # in the order in which the sound was given them
    joint_speeds: Array  # [n, 2] time [s], fraction of full speed
    hum: Hum | None = None  # of its place; None: the renderer's own

    def __post_init__(self) -> None:
        if not (math.isfinite(self.duration_s) and self.duration_s > 0):
            raise ValueError(f"saved contacts: duration_s is {self.duration_s}, must be positive")
        if self.seed < 0:
            raise ValueError(f"saved contacts: seed is {self.seed}, must not be negative")
        speeds = self.joint_speeds
        if speeds.ndim != 2 or speeds.shape[1] != 2 or not np.isfinite(speeds).all():
            raise ValueError(
                f"saved contacts: joint_speeds has shape {speeds.shape}, must be [n, 2] and finite"
            )
        if speeds.size and (
            speeds[:, 1].min() < 0 or speeds[:, 1].max() > 1 or (np.diff(speeds[:, 0]) < 0).any()
        ):
            raise ValueError(
                "saved contacts: joint_speeds must be in order of time, with fractions within [0, 1]"
            )
        if self.hum is not None and not all(0 < hz < math.inf for hz in dataclasses.astuple(self.hum)):
            raise ValueError(f"saved contacts: hum is {self.hum}, must be positive and finite")


class ContactLog:
    """Collects while a world runs. Two numbers per robot state and one reference per event: cheap."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.speeds: list[tuple[float, float]] = []

    def saved(self, scene: SceneSpec, *, noise: Noise, duration_s: float) -> SavedContacts:
        """What was collected, as one session."""
        speeds = np.array(self.speeds, dtype=np.float64).reshape(-1, 2)
        return SavedContacts(
            scene.scene_id, scene.edition, noise.seed, duration_s, tuple(self.events), speeds, noise.hum
        )


def write(path: Path, saved: SavedContacts) -> None:
    """Write one file. Raises OSError where that is not possible."""
    names = sorted({event.object_id for event in saved.events})
    place = {name: i for i, name in enumerate(names)}
    kinds = np.array([_KINDS.index(type(e)) for e in saved.events], dtype=np.uint8)
    heads = np.array([HEADS.index(e.head) for e in saved.events], dtype=np.uint8)
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            format=np.array(FORMAT),
            version=np.array(VERSION),
            scene_id=np.array(saved.scene_id),
            edition=np.array(saved.edition),
            seed=np.array(saved.seed, dtype=np.int64),
            duration_s=np.array(saved.duration_s),
            object_ids=np.array(names, dtype=np.str_),
            kind=kinds,
            head=heads,
            object=np.array([place[e.object_id] for e in saved.events], dtype=np.uint16),
            values=np.array([_numbers(e) for e in saved.events], dtype=np.float64).reshape(-1, _WIDTH),
            joint_speeds=saved.joint_speeds,
            hum=np.array(() if saved.hum is None else dataclasses.astuple(saved.hum), dtype=np.float64),
        )


def read(path: Path) -> SavedContacts:
    """Read one file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not such a file, of another version, or damaged; the message names the field.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            fields = {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
        raise ValueError(f"{path}: not a file of saved contacts ({error})") from None
    if str(fields.get("format")) != FORMAT:
        raise ValueError(f"{path}: not a file of saved contacts (format is `{fields.get('format')}`)")
    version = fields.get("version")
    if version is None or version.shape != () or not 1 <= int(version) <= VERSION:
        raise ValueError(f"{path}: version is {version}, this Foley reads 1 to {VERSION}")
    if int(version) == 1:
        fields["hum"] = np.zeros(0)
    wanted = {
        "scene_id": "U", "edition": "U", "seed": "i", "duration_s": "f", "object_ids": "U", "kind": "u",
        "head": "u", "object": "u", "values": "f", "joint_speeds": "f", "hum": "f",
    }  # fmt: skip
    for name, kind in wanted.items():
        if name not in fields or fields[name].dtype.kind != kind:
            found = f"of type {fields[name].dtype}" if name in fields else "missing"
            raise ValueError(f"{path}: field {name} is {found}")
    for name in ("scene_id", "edition", "seed", "duration_s"):
        if fields[name].shape != ():
            raise ValueError(f"{path}: field {name} has shape {fields[name].shape}, must be one value")
    count = fields["kind"].size
    if fields["hum"].shape not in ((0,), (2,)):
        raise ValueError(f"{path}: field hum has shape {fields['hum'].shape}, must be (2,), or (0,) for none")
    shapes = {"kind": (count,), "head": (count,), "object": (count,), "values": (count, _WIDTH)}
    for name, shape in shapes.items():
        if fields[name].shape != shape:
            raise ValueError(f"{path}: field {name} has shape {fields[name].shape}, must be {shape}")
    limits = {"kind": len(_KINDS), "head": len(HEADS), "object": fields["object_ids"].size}
    for name, limit in limits.items():
        if count and int(fields[name].max()) >= limit:
            raise ValueError(f"{path}: field {name} holds {int(fields[name].max())}, must be below {limit}")
    names = [str(name) for name in fields["object_ids"]]
    try:
        events = tuple(
            _event(kind, names[thing], HEADS[head], row)
            for kind, thing, head, row in zip(
                fields["kind"].tolist(), fields["object"].tolist(), fields["head"].tolist(),
                fields["values"].tolist(), strict=True,
            )
        )  # fmt: skip
        return SavedContacts(
            str(fields["scene_id"]), str(fields["edition"]), int(fields["seed"]), float(fields["duration_s"]),
            events, np.ascontiguousarray(fields["joint_speeds"], dtype=np.float64),
            Hum(*fields["hum"].tolist()) if fields["hum"].size else None,
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def render_saved(
    scene: SceneSpec, saved: SavedContacts, seed: int | None = None, *, sound: Sound | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """The whole session at once: microphone samples [n], and those of the contact microphone [n] (None without one).

    seed: of the sound; the session's own if None.
    sound: what renders it, at its beginning; made from scene and seed if None.

    Raises:
        ValueError: the contacts belong to another scene or touch what it does not have.
    """
    if (scene.scene_id, scene.edition) != (saved.scene_id, saved.edition):
        raise ValueError(
            f"saved contacts are of scene `{saved.scene_id}` ({saved.edition}), not of `{scene.scene_id}` "
            f"({scene.edition})"
        )
    if sound is None:
        sound = sound_for(scene, seed=saved.seed if seed is None else seed, hum=saved.hum)
    use_blocks = getattr(sound, "use_blocks", None)
    if use_blocks is not None:
        use_blocks(OFFLINE_BLOCK_S)
    waiting = sorted(saved.events, key=_begin)  # stable: what was logged first stays first
    speeds = saved.joint_speeds.tolist()
    heard, felt = [], []
    added = moved = 0
    for block in range(math.ceil(saved.duration_s / OFFLINE_BLOCK_S - 1e-9)):
        until = min((block + 1) * OFFLINE_BLOCK_S, saved.duration_s)
        while added < len(waiting) and _begin(waiting[added]) < until:
            sound.add(waiting[added])
            added += 1
        while moved < len(speeds) and speeds[moved][0] < until:
            sound.set_joint_speed(*speeds[moved])
            moved += 1
        heard.append(sound.render(until))
        contact = getattr(sound, "contact_samples", None)
        if contact is not None:
            felt.append(contact)
    return np.concatenate(heard), np.concatenate(felt) if felt else None


def _begin(event: Event) -> float:
    return event.time_s if isinstance(event, Impact) else event.start_s


def _numbers(event: Event) -> Sequence[float]:
    if isinstance(event, Impact):
        return (event.time_s, 0.0, *event.point, event.impulse, event.speed, *event.normal)
    if isinstance(event, Sliding):
        pair = (event.slip_speed, event.normal_force)
    else:
        pair = (event.normal_force, event.indent_speed)
    return (event.start_s, event.end_s, *event.point, *pair, 0.0, 0.0, 0.0)


def _event(kind: int, object_id: str, head: Head, row: list[float]) -> Event:
    begin, end, x, y, z, first, second, nx, ny, nz = row
    if kind == 0:
        return Impact(begin, object_id, (x, y, z), (nx, ny, nz), first, second, head)
    if kind == 1:
        return Sliding(begin, end, object_id, (x, y, z), first, second, head)
    return Hold(begin, end, object_id, (x, y, z), first, second, head)
