"""A scene as a MuJoCo model: table, objects, arm, camera and lights."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_sim.foleysim1.appearances import draw_appearance
from foley_sim.headless_gl import import_mujoco
from foley_sim.judge import looks as judge_looks
from foley_sim.looks import Look, draw_look, table_texture
from foley_sim.physics import bodies
from foley_sim.physics.surfaces import ROUND
from foley_sim.robots import robots_of
from foley_sim.scene import check_scene
from foley_sim.spec import (
    SOFT_PA,
    CameraSpec,
    ClutterSpec,
    MaterialSample,
    ObjectSpec,
    SceneSpec,
)
from foley_sim.xml import add as _add
from foley_sim.xml import text as _text

TIMESTEP_S = 0.0005
CAMERA = "camera"
TABLE = "table"
JUDGE = "foleysim-b"
"""The edition that has looks of its own."""
TABLE_RESTITUTION = 0.45
TABLE_FRICTION = 0.4

# Duration of a contact in MuJoCo: soft, so that pressing and sliding stay smooth. Sound has Hertz's.
CONTACT_S = 0.008
SOFT_CONTACT_S = 0.030
"""The same for what gives way: under a press of 5 N the head sinks in by some millimetres."""
PAD_CONTACT_S = 0.016
PAD_RESTITUTION = 0.15
_STEPS_PER_CONTACT = 5

# A low impedance makes the contact a plain spring and damper under load (MuJoCo's default cancels the load at once,
# and a pressed tip then rattles).
_SOLIMP = "0.02 0.02 0.001"
# Drawing is bound by vertices: half of MuJoCo's defaults look the same at this size and take a third less time.
_DETAIL = {"numslices": "18", "numstacks": "6", "numquads": "2"}
_TABLE_SIZE = (1.3, 0.95, 0.03)  # [m]


def restitution(material: MaterialSample) -> float:
    """Coefficient of restitution against the hard tip, [0.2, 0.65]: stiff and little damped rebounds more."""
    stiffness = math.log10(material.youngs_modulus) - 6.0  # 0 rubber ... 5 steel
    return float(np.clip(0.28 + 0.075 * stiffness - 1.2 * min(material.loss_factor, 0.1), 0.2, 0.65))


def contact_s(item: ObjectSpec, edition: str) -> float:
    """Duration of its contacts in MuJoCo [s]. The edition `tabletop` knows only hard ones."""
    soft = item.material.youngs_modulus < SOFT_PA and edition != "tabletop"
    return SOFT_CONTACT_S if soft or item.shape == "heap" else CONTACT_S


def check_timestep(timestep_s: float, duration_s: float) -> None:
    """Refuse a time step in which a contact gains energy.

    Raises:
        ValueError: fewer than five steps fall into a contact.
    """
    if not (math.isfinite(timestep_s) and 0 < timestep_s <= duration_s / _STEPS_PER_CONTACT):
        raise ValueError(
            f"timestep_s is {timestep_s}: a contact of {duration_s} s needs steps of at most "
            f"{duration_s / _STEPS_PER_CONTACT:.6g} s, or it gains energy"
        )


def solref(coefficient: float, duration_s: float = CONTACT_S) -> tuple[float, float]:
    """MuJoCo's (time constant [s], damping ratio) that rebounds with this coefficient of restitution.

    A damped half oscillation of duration T leaves e = exp(-pi zeta / sqrt(1 - zeta^2)) of the speed.
    """
    log = -math.log(coefficient) / math.pi
    zeta = log / math.sqrt(1 + log * log)
    frequency = math.pi / (duration_s * math.sqrt(1 - zeta * zeta))  # undamped [rad/s]
    return 1.0 / (frequency * zeta), zeta


def camera_axes(camera: CameraSpec) -> NDArray[np.float64]:
    """Rotation [3, 3] of the optical frame in the world: columns x right, y down, z forward.

    Raises:
        ValueError: eye and target coincide or look straight up or down.
    """
    z = np.asarray(camera.target, dtype=np.float64) - np.asarray(camera.eye, dtype=np.float64)
    x = np.cross(z, [0.0, 0.0, 1.0])
    if np.linalg.norm(x) < 1e-6:
        raise ValueError(
            f"camera: eye {camera.eye} and target {camera.target} leave no direction to the right"
        )
    z, x = z / np.linalg.norm(z), x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)


def build(scene: SceneSpec, timestep_s: float = TIMESTEP_S) -> tuple[str, dict[str, bytes]]:
    """MJCF text and the texture files it names.

    Raises:
        ValueError: an object cannot stand where it is (see scene.check_scene), or the time step is too long.
    """
    check_scene(scene)
    for item in scene.objects:
        check_timestep(timestep_s, contact_s(item, scene.edition))
    root = ET.Element("mujoco", model=scene.scene_id)
    _add(root, "compiler", angle="radian", autolimits="true")
    _add(root, "option", timestep=str(timestep_s), integrator="implicitfast")
    visual = _add(root, "visual")
    _add(visual, "global", offwidth=str(scene.camera.width), offheight=str(scene.camera.height))
    _add(visual, "quality", offsamples="0", shadowsize="0", **_DETAIL)
    _add(visual, "map", znear="0.05", zfar="20")
    _add(root, "statistic", extent="1", center="0 0 0.05", meansize="0.1")
    files: dict[str, bytes] = {}
    asset = _add(root, "asset")
    world = _add(root, "worldbody")
    _surroundings(scene, visual, asset, world, files)
    # The arm's joints come first in qpos, so what can move stands behind it.
    for item in scene.objects:
        if not _movable(item):
            _object(item, scene, asset, world, files)
    robots = robots_of(scene)
    feet = [robot.stands for robot in robots if robot.stands is not None]
    for number, thing in enumerate(scene.clutter):
        if any(math.dist(thing.position[:2], foot[:2]) < foot[2] for foot in feet):
            continue  # the robot's foot is there
        _clutter(f"clutter{number}", thing, asset, world, files)
    _camera(scene.camera, world)
    for robot in robots:
        robot.add_to(root, asset, world, files)
    for item in scene.objects:
        if _movable(item):
            _object(item, scene, asset, world, files)
    return ET.tostring(root, encoding="unicode"), files


def load(scene: SceneSpec) -> Any:
    """A compiled mujoco.MjModel of the scene."""
    xml, files = build(scene)
    return import_mujoco().MjModel.from_xml_string(xml, files)


# ---- parts -------------------------------------------------------------------------------------------------
def _texture(
    asset: ET.Element, files: dict[str, bytes], name: str, image: NDArray[np.uint8], kind: str
) -> None:
    encoded, data = cv2.imencode(".png", image[:, :, ::-1])
    if not encoded:
        raise ValueError(f"texture `{name}` could not be encoded")
    files[f"{name}.png"] = data.tobytes()
    _add(asset, "texture", name=name, type=kind, file=f"{name}.png")


def _surroundings(
    scene: SceneSpec, visual: ET.Element, asset: ET.Element, world: ET.Element, files: dict[str, bytes]
) -> None:
    rng = np.random.default_rng([0x11647, scene.light_seed])
    warmth = float(rng.uniform(-0.05, 0.05))
    tint = np.array([1 + warmth, 1.0, 1 - warmth])
    ambient = float(rng.uniform(0.30, 0.42))
    if scene.edition == JUDGE:  # dimmer, warmer, from fewer directions
        ambient, tint = 0.7 * ambient, tint * np.array([1.08, 1.0, 0.86])
    _add(
        visual,
        "headlight",
        ambient=_text(ambient * tint),
        diffuse=_text(0.18 * tint),
        specular=_text(0.10 * tint),
    )
    for sign, strength in ((1.0, 0.55), (-1.0, 0.22)):
        angle = float(rng.uniform(0.3, 1.1)) * sign + math.pi / 2
        _add(
            world,
            "light",
            type="directional",
            castshadow="false",
            pos=_text((1.5 * math.cos(angle), -1.0, 2.0)),
            dir=_text((-math.cos(angle), 0.45 + 0.3 * float(rng.uniform()), -1.4)),
            diffuse=_text(strength * float(rng.uniform(0.85, 1.15)) * tint),
            specular=_text(0.35 * strength * tint),
        )
    wall = 0.55 + 0.3 * rng.uniform(size=3) * np.array([0.9, 0.95, 1.0])
    bench = judge_looks.table_texture if scene.edition == JUDGE else table_texture
    _texture(asset, files, TABLE, bench(int(rng.integers(2**31))), "2d")
    _add(asset, "texture", name="sky", type="skybox", builtin="gradient", width="64", height="384",
                  rgb1=_text(wall), rgb2=_text(wall * 0.55))  # fmt: skip
    _add(asset, "material", name=TABLE, texture=TABLE, texrepeat="1 1", specular="0.15", shininess="0.2")
    _add(asset, "material", name="shade", rgba="0 0 0 0.16", specular="0", shininess="0")
    _add(world, "geom", name="floor", type="plane", size="4 4 0.1", pos="0 0 -0.75",
                  rgba=_text((*(wall * 0.6), 1.0)), contype="0", conaffinity="0")  # fmt: skip
    half = [s / 2 for s in _TABLE_SIZE]
    _add(
        world,
        "geom",
        name=TABLE,
        type="box",
        size=_text(half),
        pos=_text((0, 0, -half[2])),
        material=TABLE,
        contype="0",
        conaffinity="1",
        priority="1",
        condim="1",
        solref=_text(solref(TABLE_RESTITUTION)),
        solimp=_SOLIMP,
    )


def _movable(item: ObjectSpec) -> bool:
    """Whether it brings joints of its own."""
    return not item.fixed or item.shape == "heap"


def _look(scene: SceneSpec, item: ObjectSpec) -> Look:
    if scene.edition == "tabletop":
        return draw_look(item.material.name, item.look_seed)
    if scene.edition == JUDGE:
        return judge_looks.draw_look(item.material.name, item.look_seed)
    return draw_appearance(item.look_material or item.material.name, item.look_seed)


def _finish(name: str, look: Look, asset: ET.Element, files: dict[str, bytes]) -> None:
    _texture(asset, files, name, look.texture, "cube")
    _add(
        asset,
        "material",
        name=name,
        texture=name,
        rgba=_text((1, 1, 1, look.alpha)),
        specular=f"{look.specular:.4g}",
        shininess=f"{look.shininess:.4g}",
    )


def _clutter(
    name: str, thing: ClutterSpec, asset: ET.Element, world: ET.Element, files: dict[str, bytes]
) -> None:
    _finish(name, draw_appearance(thing.look_material, thing.look_seed), asset, files)
    x, y, z = (s / 2 for s in thing.size)
    size = {"box": (x, y, z), "cylinder": (x, z), "sphere": (x,)}[thing.shape]
    _add(
        world,
        "geom",
        type=thing.shape,
        size=_text(size),
        pos=_text(thing.position),
        euler=_text((0, 0, thing.yaw)),
        material=name,
        contype="0",
        conaffinity="0",
    )


def _object(
    item: ObjectSpec, scene: SceneSpec, asset: ET.Element, world: ET.Element, files: dict[str, bytes]
) -> None:
    name, edition = item.object_id, scene.edition
    _finish(name, _look(scene, item), asset, files)
    body = _add(world, "body", name=name, pos=_text(item.position), euler=_text((0, 0, item.yaw)))
    half = [s / 2 for s in item.size]
    _add(
        body if item.fixed else bodies.rolling(item, body),
        "geom",
        name=name,
        **bodies.solid(item),
        material=name,
        contype="0",
        conaffinity="1",
        priority="1",
        condim="1",  # friction does not move the stiff gantry; world/tip.py adds it to the wrench
        solref=_text(solref(restitution(item.material), contact_s(item, edition))),
        solimp=_SOLIMP,
    )
    if item.shape == "heap":
        bodies.grains(item, world)
    # Without shadows things seem to float: thin dark patches around the foot stand for a soft shadow.
    for i, grow in enumerate((0.003, 0.008)):
        _add(
            body,
            "geom",
            type="cylinder" if item.shape in ROUND else "box",
            size=_text(
                (half[0] + grow, 1e-4) if item.shape in ROUND else (half[0] + grow, half[1] + grow, 1e-4)
            ),
            pos=_text((0, 0, -item.position[2] + 4e-4 * (2 - i))),
            material="shade",
            contype="0",
            conaffinity="0",
        )


def _camera(camera: CameraSpec, world: ET.Element) -> None:
    axes = camera_axes(camera)
    _add(
        world,
        "camera",
        name=CAMERA,
        pos=_text(camera.eye),
        xyaxes=_text((*axes[:, 0], *-axes[:, 1])),
        fovy=str(camera.fovy_deg),  # in degrees whatever the compiler's angle is
    )
