"""Scenes for `own_noise`: simulated once without pictures, then kept beside the figures."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """What was sensed, and which contacts there truly were. Times from the beginning of the sound."""

    name: str
    robot: str
    joints: tuple[str, ...]
    driven: int  # of the joints, the first ones
    sound: NDArray[np.float32]  # [n] at 48 kHz
    times_s: Array  # [t]
    positions: Array  # [t, joints]
    tool: Array  # [t, 3]
    force: Array  # [t, 3]
    onsets_s: Array  # [contacts]
    ends_s: Array
    materials: tuple[str, ...]

    @property
    def stamps_ns(self) -> NDArray[np.int64]:
        return np.round(self.times_s * 1e9).astype(np.int64)


def scenes(folder: Path, split: str, count: int, seconds: float) -> list[Scene]:
    """The first scenes of a split of foleysim-1; what is there is read."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for seed in range(count):
        path = folder / f"{split}-{seed:03d}-{seconds:g}.npz"
        if not path.exists():
            print(f"simulating {path.stem}", flush=True)
            _write(path, split, seed, seconds)
        found.append(_read(path))
    return found


def _write(path: Path, split: str, seed: int, seconds: float) -> None:
    from foley_sim.editions import make_scene
    from foley_sim.world.world import World

    spec = make_scene(seed, split, "foleysim-1")
    world = World(spec, 0, camera_rate_hz=0, depth_rate_hz=0, audio_block=20, explore_s=seconds - 2.6)
    states, sound, contacts = [], [], []
    for second in range(1, round(seconds) + 1):
        batch = world.advance(second * 1_000_000_000)
        states += batch.states
        sound += [audio.samples for audio in batch.audio]
        contacts += batch.contacts
    contacts += world.finish().contacts
    robot = world.hands[0].robot
    material = {item.object_id: item.material.name for item in spec.objects}
    contacts.sort(key=lambda contact: contact.onset_ns)
    np.savez_compressed(
        path,
        robot=robot.name,
        joints=np.array(robot.joints),
        driven=len(robot.axes),
        sound=np.concatenate(sound),
        times_s=np.array([s.time_ns for s in states]) / 1e9,
        positions=np.array([s.positions for s in states]),
        tool=np.array([s.tool_position for s in states]),
        force=np.array([s.wrench[:3] for s in states]),
        onsets_s=np.array([c.onset_ns for c in contacts]) / 1e9,
        ends_s=np.array([c.end_ns for c in contacts]) / 1e9,
        materials=np.array([material.get(c.object_id, "") for c in contacts]),
    )


def _read(path: Path) -> Scene:
    with np.load(path, allow_pickle=False) as f:
        return Scene(
            path.stem, str(f["robot"]), tuple(map(str, f["joints"])), int(f["driven"]), f["sound"], f["times_s"],
            f["positions"], f["tool"], f["force"], f["onsets_s"], f["ends_s"], tuple(map(str, f["materials"])),
        )  # fmt: skip
