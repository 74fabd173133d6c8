"""What a simulated scene is made of, as plain data: the one thing that physics, sound and camera share."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

Shape = Literal["plate", "box", "bar", "cylinder"]
SHAPES: tuple[Shape, ...] = ("plate", "box", "bar", "cylinder")


@dataclasses.dataclass(frozen=True)
class MaterialSample:
    """One instance of a material, drawn from its range. SI units."""

    name: str
    density: float  # [kg/m^3]
    youngs_modulus: float  # [Pa]
    poisson_ratio: float
    damping_alpha: float  # [1/s], mass-proportional part of Rayleigh damping
    damping_beta: float  # [s], stiffness-proportional part of Rayleigh damping
    loss_factor: float  # frequency-independent part of the damping
    friction: float  # Coulomb coefficient against the striker
    roughness: float  # [0, 1], 0 polished, 1 coarse

    def __post_init__(self) -> None:
        for name in ("density", "youngs_modulus"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"material `{self.name}`: {name} is {value}, must be positive")
        if not 0.0 <= self.poisson_ratio < 0.5:
            raise ValueError(
                f"material `{self.name}`: poisson_ratio is {self.poisson_ratio}, not in [0, 0.5)"
            )
        for name in ("damping_alpha", "damping_beta", "loss_factor", "friction"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"material `{self.name}`: {name} is {value}, must not be negative")
        if not 0.0 <= self.roughness <= 1.0:
            raise ValueError(f"material `{self.name}`: roughness is {self.roughness}, not in [0, 1]")


@dataclasses.dataclass(frozen=True)
class ObjectSpec:
    """One object on the table. Its frame: origin at its centre, z up, x along its longest side.

    A cylinder stands on its end: size = (diameter, diameter, height).
    """

    object_id: str
    shape: Shape
    size: tuple[float, float, float]  # full extents [m]
    wall: float  # wall thickness [m]; 0 means solid
    material: MaterialSample
    position: tuple[float, float, float]  # of its centre in the world [m]
    yaw: float  # [rad]
    look_seed: int  # appearance (texture, colour, gloss) is drawn from this and the material
    fixed: bool = True  # glued to the table, as a bench fixture would be

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise ValueError(
                f"object `{self.object_id}`: shape is `{self.shape}`, known are {', '.join(SHAPES)}"
            )
        if any(not (math.isfinite(s) and s > 0) for s in self.size):
            raise ValueError(f"object `{self.object_id}`: size is {self.size}, must be positive")
        if not 0.0 <= self.wall < min(self.size) / 2:
            raise ValueError(
                f"object `{self.object_id}`: wall is {self.wall} m, must be 0 (solid) or less than half "
                f"of the smallest side ({min(self.size)} m)"
            )

    @property
    def hollowness(self) -> float:
        """Share of the outer volume that is empty, [0, 1)."""
        if self.wall == 0.0:
            return 0.0
        inner = [max(s - 2 * self.wall, 0.0) for s in self.size]
        return float(inner[0] * inner[1] * inner[2] / (self.size[0] * self.size[1] * self.size[2]))

    @property
    def top(self) -> float:
        """Height of the upper face in the world [m]."""
        return self.position[2] + self.size[2] / 2


@dataclasses.dataclass(frozen=True)
class CameraSpec:
    """A pinhole camera; pose by eye and target, z of the world up in the image."""

    width: int = 320
    height: int = 240
    fovy_deg: float = 50.0
    eye: tuple[float, float, float] = (0.0, -0.75, 0.65)  # [m]
    target: tuple[float, float, float] = (0.0, 0.0, 0.05)  # [m]
    rate_hz: float = 30.0


@dataclasses.dataclass(frozen=True)
class RoomSpec:
    """A shoebox room around the table, and what is heard in it besides the contacts."""

    size: tuple[float, float, float] = (5.0, 4.0, 2.7)  # [m]
    absorption: float = 0.35  # energy absorption of the walls, [0, 1]
    noise_dbfs: float = -66.0  # microphone and room noise, RMS
    motor_dbfs: float = -58.0  # motor hum at full joint speed, RMS


@dataclasses.dataclass(frozen=True)
class MicrophoneSpec:
    position: tuple[float, float, float] = (0.0, -0.35, 0.30)  # [m]
    sample_rate: int = 48_000  # [Hz]
    gain_db: float = 0.0  # variation around the calibrated gain


@dataclasses.dataclass(frozen=True)
class StrikerSpec:
    """The stick that touches things: a hemispherical tip on a rod, held by the gripper."""

    tip_radius: float = 0.006  # [m]
    tip_mass: float = 0.03  # effective mass at the tip [kg]
    youngs_modulus: float = 1.0e10  # [Pa], glass-filled nylon
    poisson_ratio: float = 0.35
    length: float = 0.16  # [m], from the gripper's tool point to the tip


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
