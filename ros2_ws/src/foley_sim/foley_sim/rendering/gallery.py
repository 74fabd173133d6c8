"""Pictures of FoleySim-1 for people: its scenes, its disguises, and a wall of what every action sounds like."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import signal

from foley_common.times import NS_PER_S
from foley_sim import materials
from foley_sim.foleysim1.scenes import MATERIALS as FOLEYSIM1_MATERIALS
from foley_sim.foleysim1.scenes import families, make_scene
from foley_sim.motion.policy import Policy
from foley_sim.rendering.contact_sheet import draw, draw_posture, tile
from foley_sim.robots.actions import ACTIONS
from foley_sim.sound.events import TABLE_ID
from foley_sim.spec import MicrophoneSpec, ObjectSpec, RoomSpec, SceneSpec
from foley_sim.world.world import World

Image = NDArray[np.uint8]
Progress = Callable[[str], None]

SHOWN: tuple[tuple[str, int], ...] = (
    ("train", 0), ("train", 3), ("train", 7), ("train", 11), ("validation", 1), ("validation", 5),
    ("test", 0), ("test", 4), ("test", 9), ("test", 13), ("test", 18), ("test", 22),
)  # fmt: skip
MATERIALS: tuple[str, ...] = (
    *FOLEYSIM1_MATERIALS,
    *(name for name in materials.MATERIALS if name not in FOLEYSIM1_MATERIALS),
)
"""Rows of the wall: those of FoleySim-1, then what else there is."""
CELL = (150, 96)  # of the wall, width and height [px]
CLIP_S = (0.15, 1.05)  # shown before and after the first touch [s]
LOWEST_HZ, HIGHEST_HZ = 80.0, 16_000.0
FLOOR_DB, CEILING_DB = -110.0, -40.0

_INK, _PAPER = (40, 42, 46), 250


def scenes_sheet(width: int = 320, height: int = 240) -> Image:
    """Twelve scenes of all splits, four in a row, as their cameras see them."""
    tiles = []
    for split, seed in SHOWN:
        scene = make_scene(seed, split)
        names = ", ".join(sorted({o.material.name for o in scene.objects}))
        tiles.append(np.vstack([draw(scene, width, height), _caption(f"{split} {seed}: {names}", width)]))
    rows = [np.hstack(tiles[i : i + 4]) for i in range(0, len(tiles), 4)]
    return np.asarray(np.vstack(rows), dtype=np.uint8)


def robots_sheet(width: int = 420, height: int = 400) -> Image:
    """The gantry, the UR5e, and the gantry with another hand that holds, each in the middle of a touch."""
    tiles = []
    for robot, hands, text in (
        ("gantry", 1, "gantry"),
        ("ur5e", 1, "UR5e with a 2F-85"),
        ("gantry", 2, "two hands: one strikes, one holds"),
    ):
        scene = dataclasses.replace(make_scene(3, "train"), robot=robot, hands=hands)  # type: ignore[arg-type]
        x, y, z = scene.camera.eye
        eye = (1.45 * x, 1.45 * y, 1.45 * z)
        camera = dataclasses.replace(
            scene.camera, eye=eye, target=(0.0, 0.08, 0.16), fovy_deg=42.0, blur_px=0.0
        )
        posture = _in_touch(scene)
        picture = draw_posture(dataclasses.replace(scene, camera=camera), posture, width, height)
        tiles.append(np.vstack([picture, _caption(text, width)]))
    return np.asarray(np.hstack(tiles), dtype=np.uint8)


def _in_touch(scene: SceneSpec) -> NDArray[np.float64]:
    """Where everything is at the first touch, with two hands at the first one of a thing that is held."""
    world = World(scene, 0, camera_rate_hz=0, depth_rate_hz=0, audio_block=50)
    for _ in range(10_000):
        for contact in world.advance(world.time_ns + 10_000_000).plans:
            if scene.hands == 1 or world.hands[1].plan is not None:
                world.advance(contact.contact_ns + 3_000_000)
                return world.configuration()
    raise ValueError(f"scene `{scene.scene_id}`: nothing was touched")


def disguises_sheet(count: int = 10, side: int = 150) -> Image:
    """Things that are not what they look like, five in a row, with what they are."""
    chosen: dict[tuple[str, str], tuple[SceneSpec, ObjectSpec]] = {}
    for seed in range(24):
        scene = make_scene(seed, "test")
        for item in scene.objects:
            if item.look_material:
                chosen.setdefault((item.material.name, item.look_material), (scene, item))
    tiles = []
    for (material, look), (scene, item) in sorted(chosen.items(), key=lambda c: c[0])[:count]:
        view = draw(scene, 960, 720)
        text = f"{material}, like {look}"
        tiles.append(np.vstack([tile(scene, item, view, side)[:side], _caption(text, side)]))
    while len(tiles) % 5:
        tiles.append(np.full_like(tiles[0], _PAPER))
    return np.asarray(
        np.vstack([np.hstack(tiles[i : i + 5]) for i in range(0, len(tiles), 5)]), dtype=np.uint8
    )


def wall(progress: Progress = lambda name: None, seed: int = 0) -> tuple[Image, dict[str, dict[str, float]]]:
    """Spectrograms of every action (columns) on every material (rows), and the peak of each sound [dBFS].

    Time runs 1.2 s to the right, frequency from 80 Hz to 16 kHz upwards on a logarithmic axis, brightness over 70 dB.
    """
    rows, peaks = [_header()], {}
    for material in MATERIALS:
        sounds = record(material, seed)
        peaks[material] = {
            action: round(20 * float(np.log10(np.abs(samples).max() + 1e-9)), 1)
            for action, samples in sounds.items()
        }
        cells = [_label(material, 84, CELL[1])]
        cells += [
            np.pad(_spectrogram(sounds[a]), ((1, 1), (1, 1), (0, 0)), constant_values=_PAPER) for a in ACTIONS
        ]
        rows.append(np.hstack([cells[0], *cells[1:]]))
        progress(material)
    return np.asarray(np.vstack(rows), dtype=np.uint8), peaks


def record(material: str, seed: int) -> dict[str, NDArray[np.float32]]:
    """One clip of every action on one body of this material, from the world's own microphone.

    Raises:
        RuntimeError: an action made no contact.
    """
    scene = _stage(material, seed)
    world = World(scene, seed, explore=False, camera_rate_hz=0, depth_rate_hz=0)
    samples: list[NDArray[np.float32]] = []
    onsets: dict[str, int] = {}
    for action in ACTIONS:
        world.request(Policy(scene, seed, {action: 1.0}).target())
        deadline = world.time_ns + 12 * NS_PER_S
        while world.time_ns < deadline and (
            world.busy or action not in onsets or world.time_ns < onsets[action] + 2 * NS_PER_S
        ):
            batch = world.advance(world.time_ns + NS_PER_S // 2)
            samples += [a.samples for a in batch.audio]
            for contact in batch.contacts:
                if contact.object_id != TABLE_ID and contact.action == action:
                    onsets.setdefault(action, contact.onset_ns)
        if action not in onsets:
            raise RuntimeError(f"`{action}` on {material} made no contact")
    everything = np.concatenate(samples)
    rate = scene.microphone.sample_rate
    before, after = (round(s * rate) for s in CLIP_S)
    firsts = {action: onset * rate // NS_PER_S for action, onset in onsets.items()}
    return {a: everything[max(first - before, 0) : first + after] for a, first in firsts.items()}


def _stage(material: str, seed: int) -> SceneSpec:
    """One body alone in a quiet room, so that the wall shows the sound of things and not of rooms."""
    rng = np.random.default_rng([0x6A11, seed, MATERIALS.index(material)])
    heap = material in FOLEYSIM1_MATERIALS and families(material, "train") == ("heap",)
    size = (0.12, 0.12, 0.03) if heap else (0.13, 0.10, 0.007)
    item = ObjectSpec(
        object_id=material,
        shape="heap" if heap else "plate",
        size=size,
        wall=0.0,
        material=materials.draw_material(material, rng),
        position=(0.0, 0.0, size[2] / 2),
        yaw=0.0,
        look_seed=seed,
    )
    scene = make_scene(0, "train")
    return dataclasses.replace(
        scene, scene_id=f"wall-{material}", objects=(item,), clutter=(), contact_microphone=None,
        room=RoomSpec(noise_dbfs=-88.0, motor_dbfs=-80.0), microphone=MicrophoneSpec(),
    )  # fmt: skip


def _spectrogram(samples: NDArray[np.float32], rate: int = 48_000) -> Image:
    frequency, _, power = signal.spectrogram(samples, rate, nperseg=1024, noverlap=768, scaling="spectrum")
    wanted = np.geomspace(LOWEST_HZ, HIGHEST_HZ, CELL[1] - 2)
    level = 10 * np.log10(power + 1e-14)
    rows = np.stack([np.interp(wanted, frequency, column) for column in level.T], axis=1)[::-1]
    scaled = np.clip((rows - FLOOR_DB) / (CEILING_DB - FLOOR_DB), 0, 1) * 255
    scaled = np.floor(scaled / 8) * 8  # fewer levels, a smaller file
    grey = cv2.resize(scaled.astype(np.uint8), (CELL[0] - 2, CELL[1] - 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)[:, :, ::-1], dtype=np.uint8)


def _header() -> Image:
    return np.asarray(
        np.hstack([_label("", 84, 26), *(_label(a, CELL[0], 26) for a in ACTIONS)]), dtype=np.uint8
    )


def _label(text: str, width: int, height: int) -> Image:
    strip = np.full((height, width, 3), _PAPER, dtype=np.uint8)
    cv2.putText(strip, text, (6, height // 2 + 5), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
    return strip


def _caption(text: str, width: int) -> Image:
    """Shortened to what fits."""
    while cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.36, 1)[0][0] > width - 10:
        text = text[:-2].rstrip(" ,") + "."
    strip = np.full((22, width, 3), _PAPER, dtype=np.uint8)
    cv2.putText(strip, text, (5, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.36, _INK, 1, cv2.LINE_AA)
    return strip
