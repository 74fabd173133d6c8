"""What a simulated scene is made of, as plain data: the one thing that physics, sound and camera share."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from foley_sim.condition import NONE, Condition
from foley_sim.material_sample import MaterialSample as MaterialSample

Shape = Literal["plate", "box", "bar", "cylinder", "disc", "rod", "dome", "heap"]
SHAPES: tuple[Shape, ...] = ("plate", "box", "bar", "cylinder", "disc", "rod", "dome", "heap")
"""What bodies can be. `disc`: a round plate, flat. `rod`: a cylinder that lies along x. `dome`: a shell of a sphere, a
bowl upside down. `heap`: loose matter (leaves, gravel, crumpled paper) in a low mound."""

VESSELS: tuple[Shape, ...] = ("box", "cylinder")
"""Bodies that can be filled where they are hollow."""

Head = Literal["tip", "pad"]
HEADS: tuple[Head, ...] = ("tip", "pad")
"""What the striker touches with: its hard tip, or the soft pad that slides down over it."""

Reaction = Literal["static", "deforms", "rolls", "scatters"]
"""What a touch does to a thing (Owens et al. 2016, the reaction labels)."""

SOFT_PA = 1.0e8
"""Young's modulus below which a solid visibly gives way under the striker [Pa]."""


@dataclasses.dataclass(frozen=True)
class ObjectSpec:
    """One object on the table. Its frame: origin at its centre, z up, x along its longest side.

    A cylinder stands on its end: size = (diameter, diameter, height). A disc is the same but flat. A rod lies:
    (length, diameter, diameter). A dome or a heap: (base diameter, base diameter, height of the cap).
    """

    object_id: str
    shape: Shape
    size: tuple[float, float, float]  # full extents [m]
    wall: float  # wall thickness [m]; 0 means solid
    material: MaterialSample
    position: tuple[float, float, float]  # of its centre in the world [m]
    yaw: float  # [rad]
    look_seed: int  # appearance (texture, colour, gloss) is drawn from this and the material
    fixed: bool = True  # glued to the table, as a bench fixture would be; a rod that is not may roll
    grasp: float = 0.0  # [0, 1], how firmly a clamp holds it: 1 takes most of its ring
    look_material: str = ""  # what it is made to look like (foil, paint, fake fruit); empty: what it is
    held_out: bool = False  # never touched in recordings for training
    family_held_out: bool = False  # of a shape family that training never shows
    condition: Condition = NONE  # what state it is in besides what it is made of

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise ValueError(
                f"object `{self.object_id}`: shape is `{self.shape}`, known are {', '.join(SHAPES)}"
            )
        if not 0.0 <= self.grasp <= 1.0:
            raise ValueError(f"object `{self.object_id}`: grasp is {self.grasp}, must lie in [0, 1]")
        if not self.fixed and self.shape != "rod":
            raise ValueError(
                f"object `{self.object_id}`: fixed is False and shape `{self.shape}`: only a rod can roll"
            )
        if self.shape == "heap" and self.material.grain_hz == 0.0:
            raise ValueError(
                f"object `{self.object_id}`: shape is `heap`, but `{self.material.name}` has no grains (grain_hz 0)"
            )
        if self.condition != NONE and (self.shape == "heap" or not self.fixed):
            raise ValueError(
                f"object `{self.object_id}`: condition is {self.condition.describe()}, but it is a {self.shape} that "
                f"{self.reaction}: only what stands still can be loose, full or cracked"
            )
        if self.condition.fill is not None and not (self.wall > 0 and self.shape in VESSELS):
            raise ValueError(
                f"object `{self.object_id}`: condition.fill is {self.condition.fill.level}, but it is a {self.shape} "
                f"with wall {self.wall} m: only a hollow {' or '.join(VESSELS)} can be filled"
            )
        if any(not (math.isfinite(s) and s > 0) for s in self.size):
            raise ValueError(f"object `{self.object_id}`: size is {self.size}, must be positive")
        if not 0.0 <= self.wall < min(self.size) / 2:
            raise ValueError(
                f"object `{self.object_id}`: wall is {self.wall} m, must be 0 (solid) or less than half "
                f"of the smallest side ({min(self.size)} m)"
            )

    @property
    def reaction(self) -> Reaction:
        """What a touch does to it."""
        if self.shape == "heap":
            return "scatters"
        if not self.fixed:
            return "rolls"
        return "deforms" if self.material.youngs_modulus < SOFT_PA else "static"

    @property
    def hollowness(self) -> float:
        """Share of the outer volume that is empty, [0, 1)."""
        if self.wall == 0.0:
            return 0.0
        if self.shape == "dome":
            inner_size = (self.size[0] - 2 * self.wall, self.size[2] - self.wall)
            return _cap_volume(*inner_size) / _cap_volume(self.size[0], self.size[2])
        if self.shape == "rod":
            return float((1 - 2 * self.wall / self.size[1]) ** 2)
        inner = [max(s - 2 * self.wall, 0.0) for s in self.size]
        return float(inner[0] * inner[1] * inner[2] / (self.size[0] * self.size[1] * self.size[2]))

    @property
    def top(self) -> float:
        """Height of the upper face in the world [m]."""
        return self.position[2] + self.size[2] / 2


def _cap_volume(diameter: float, height: float) -> float:
    """Of a spherical cap [m^3]."""
    return math.pi * height * (3 * (diameter / 2) ** 2 + height**2) / 6


@dataclasses.dataclass(frozen=True)
class CameraSpec:
    """A pinhole camera; pose by eye and target, z of the world up in the image."""

    width: int = 320
    height: int = 240
    fovy_deg: float = 50.0
    eye: tuple[float, float, float] = (0.0, -0.75, 0.65)  # [m]
    target: tuple[float, float, float] = (0.0, 0.0, 0.05)  # [m]
    rate_hz: float = 30.0
    exposure_ev: float = 0.0  # stops above (positive) or below the right exposure
    blur_px: float = 0.0  # standard deviation of the lens blur [px]
    noise: float = 0.0  # standard deviation of the sensor noise, full scale 1

    def __post_init__(self) -> None:
        for name, low, high in (("exposure_ev", -3.0, 3.0), ("blur_px", 0.0, 5.0), ("noise", 0.0, 0.2)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"camera: {name} is {getattr(self, name)}, must lie in [{low}, {high}]")


Ambience = Literal["none", "fan", "mains", "street"]
AMBIENCES: tuple[Ambience, ...] = ("none", "fan", "mains", "street")


@dataclasses.dataclass(frozen=True)
class RoomSpec:
    """A shoebox room around the table, and what is heard in it besides the contacts."""

    size: tuple[float, float, float] = (5.0, 4.0, 2.7)  # [m]
    absorption: float = 0.35  # energy absorption of the walls, [0, 1]
    noise_dbfs: float = -66.0  # microphone and room noise, RMS
    motor_dbfs: float = -58.0  # motor hum at full joint speed, RMS
    ambience: Ambience = "none"  # what else is heard in the room
    ambience_dbfs: float = -70.0  # of that, RMS

    def __post_init__(self) -> None:
        if self.ambience not in AMBIENCES:
            raise ValueError(f"room: ambience is `{self.ambience}`, known are {', '.join(AMBIENCES)}")


@dataclasses.dataclass(frozen=True)
class MicrophoneSpec:
    position: tuple[float, float, float] = (0.0, -0.35, 0.30)  # [m]
    sample_rate: int = 48_000  # [Hz]
    gain_db: float = 0.0  # variation around the calibrated gain
    pattern: Literal["omni", "cardioid"] = "omni"
    axis: tuple[float, float, float] = (0.0, 0.6, -0.8)  # where a cardioid points, in the world
    response: tuple[tuple[float, float, float], ...] = ()  # peaks of its response: (Hz, gain dB, Q) each


@dataclasses.dataclass(frozen=True)
class ContactMicrophoneSpec:
    """A piezo disc on the gripper: hears the stick's own vibration and the motors, nothing of the room."""

    gain_db: float = 0.0
    resonance_hz: float = 5200.0  # of the disc on its glue
    noise_dbfs: float = -72.0
    motor_db: float = 14.0  # motors are this much louder here than in the free-field microphone


@dataclasses.dataclass(frozen=True)
class StrikerSpec:
    """The stick that touches things: a hemispherical tip on a rod, held by the gripper."""

    tip_radius: float = 0.006  # [m]
    tip_mass: float = 0.03  # effective mass at the tip [kg]
    youngs_modulus: float = 1.0e10  # [Pa], glass-filled nylon
    poisson_ratio: float = 0.35
    length: float = 0.16  # [m], from the gripper's tool point to the tip
    has_pad: bool = False
    pad_radius: float = 0.012  # [m]
    pad_modulus: float = 4.0e7  # [Pa], polyurethane of about Shore 95 A
    pad_poisson_ratio: float = 0.48
    pad_damping: float = 6.0  # of what it rests on [N s/m]


@dataclasses.dataclass(frozen=True)
class ClutterSpec:
    """Something that only stands in the picture: nothing touches it and it makes no sound."""

    shape: Literal["box", "cylinder", "sphere"]
    size: tuple[float, float, float]  # full extents [m]
    position: tuple[float, float, float]  # of its centre [m]
    yaw: float  # [rad]
    look_material: str
    look_seed: int


Robot = Literal["gantry", "ur5e"]
ROBOTS: tuple[Robot, ...] = ("gantry", "ur5e")


@dataclasses.dataclass(frozen=True)
class SceneSpec:
    """A table-top scene. Everything that happens in it follows from this and a policy seed."""

    scene_id: str
    seed: int
    split: str  # `train`, `validation` or `test`
    objects: tuple[ObjectSpec, ...]
    camera: CameraSpec = CameraSpec()
    room: RoomSpec = RoomSpec()
    microphone: MicrophoneSpec = MicrophoneSpec()
    striker: StrikerSpec = StrikerSpec()
    light_seed: int = 0
    edition: str = "tabletop"  # the set of scenes that it belongs to
    clutter: tuple[ClutterSpec, ...] = ()
    robot: Robot = "gantry"
    hands: int = 1  # 2: a second gantry steadies what the robot acts on (motion/second_hand.py)
    contact_microphone: ContactMicrophoneSpec | None = None
    blow_speed: float = 1.0  # factor on the speed of everything that strikes: an intervention

    def __post_init__(self) -> None:
        if not 0.1 <= self.blow_speed <= 4.0:
            raise ValueError(
                f"scene `{self.scene_id}`: blow_speed is {self.blow_speed}, must lie in [0.1, 4]"
            )
        if self.robot not in ROBOTS:
            raise ValueError(
                f"scene `{self.scene_id}`: robot is `{self.robot}`, known are {', '.join(ROBOTS)}"
            )
        if self.hands not in (1, 2) or (self.hands == 2 and not self.striker.has_pad):
            raise ValueError(
                f"scene `{self.scene_id}`: hands is {self.hands}, must be 1, or 2 where the striker has a pad to "
                f"hold with (has_pad is {self.striker.has_pad})"
            )
