"""What a body of the judge sounds like at the microphone: its face's modes, their decay, and their complex gain.

Radiation: the face as monopoles in an infinite baffle, summed with phase (Rayleigh's integral, E. G. Williams, Fourier
Acoustics, eq. 2.75), at each mode's own frequency and in the microphone's direction.
"""

from __future__ import annotations

import dataclasses
import math
import zlib

import numpy as np
from numpy.typing import NDArray

from foley_sim.judge import plates
from foley_sim.judge.substances import Array, loss
from foley_sim.spec import MaterialSample, ObjectSpec

AIR_DENSITY, SOUND_SPEED = 1.2, 343.0
MODES = 32
TABLE = MaterialSample("wood", 720.0, 4.2e9, 0.3, 0.0, 0.0, 0.045, 0.4, 0.3)
_TABLE_FACE = (1.3, 0.95, 0.028)  # [m]
_SUPPORT = 4.0  # decay that any mount adds [1/s]
_BED = {True: 3.0e7, False: 1.5e8}  # of a hollow and a solid body on its mount [N/m^3]


@dataclasses.dataclass(frozen=True, eq=False)
class Body:
    """Modes of unit modal mass, all [m]: omega [rad/s], decay [1/s], gain [Pa s/m at 1 m, complex]."""

    material: MaterialSample
    face: plates.Face
    omega: Array
    decay: Array
    gain: NDArray[np.complex128]
    coefficients: Array  # [m, b]
    mass: float  # [kg]
    position: tuple[float, float, float]
    yaw: float

    def shape(self, point: tuple[float, float, float]) -> Array:
        """Mass-normalised shapes [m] [1/sqrt(kg)] under a point of the world."""
        dx, dy = point[0] - self.position[0], point[1] - self.position[1]
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        x = np.clip(c * dx + s * dy, -self.face.length / 2, self.face.length / 2)
        y = np.clip(-s * dx + c * dy, -self.face.width / 2, self.face.width / 2)
        return np.asarray(self.coefficients @ plates.basis(self.face, np.array([x]), np.array([y]))[:, 0])

    def t60(self) -> Array:
        """[m] seconds until each mode has fallen by 60 dB."""
        return np.asarray(math.log(1000.0) / self.decay)


def body(item: ObjectSpec, microphone: tuple[float, float, float], scene_seed: int) -> Body:
    """The body of an object as heard at a place in the world [m]."""
    rng = np.random.default_rng([0xB0D1, scene_seed, zlib.crc32(item.object_id.encode())])
    m, (length, width, height) = item.material, item.size
    thick = item.wall if item.wall > 0 else height
    rigidity = m.youngs_modulus * thick**3 / (12 * (1 - m.poisson_ratio**2))
    areal, bed, rim = m.density * thick, _BED[item.wall > 0] * rng.uniform(0.5, 2.0), 0.0
    if item.shape == "rod":
        inner = width - 2 * item.wall if item.wall > 0 else 0.0
        rigidity = m.youngs_modulus * math.pi / 64 * (width**4 - inner**4) / width
        areal = m.density * math.pi / 4 * (width**2 - inner**2) / width
    elif item.shape == "dome":
        radius = ((length / 2) ** 2 + height**2) / (2 * height)
        bed = m.youngs_modulus * thick / radius**2
    elif item.wall > 0:  # its walls stand under the rim
        bed, rim = 0.0, m.youngs_modulus * item.wall / height
    footprint = length * width * (math.pi / 4 if item.shape in ("disc", "dome", "cylinder", "heap") else 1.0)
    face = plates.Face(
        length, width, item.shape in ("disc", "dome", "cylinder", "heap"),
        rigidity, m.poisson_ratio, areal, bed, rim,
    )  # fmt: skip
    mass = m.density * footprint * height * (1 - item.hollowness)
    extra = _SUPPORT * (1 + 12 * item.grasp)
    top = (item.position[0], item.position[1], item.top)
    return _assemble(m, face, thick, mass, extra, top, item.yaw, microphone, rng)


def table(microphone: tuple[float, float, float]) -> Body:
    """The bench top on its frame."""
    length, width, thick = _TABLE_FACE
    rigidity = TABLE.youngs_modulus * thick**3 / (12 * (1 - TABLE.poisson_ratio**2))
    face = plates.Face(length, width, False, rigidity, 0.3, TABLE.density * thick, 0.0, 2.0e5)
    mass = TABLE.density * length * width * thick
    return _assemble(TABLE, face, thick, mass, 25.0, (0.0, 0.0, 0.0), 0.0, microphone, np.random.default_rng(0xB0D1))


def _assemble(
    material: MaterialSample, face: plates.Face, thick: float, mass: float, extra: float,
    position: tuple[float, float, float], yaw: float, microphone: tuple[float, float, float],
    rng: np.random.Generator,
) -> Body:  # fmt: skip
    omega, coefficients = plates.modes(face, MODES)
    # Shear makes thick faces softer: (kh)^2 follows from w and D, as in Mindlin's first correction.
    wave = np.sqrt(omega * math.sqrt(face.areal_mass / face.rigidity))
    omega = omega / np.sqrt(1 + 0.4 * (wave * thick) ** 2)
    heard = (omega > 2 * math.pi * 25) & (omega < 2 * math.pi * 19_000)
    omega, coefficients = omega[heard], coefficients[heard]
    x, y, area = plates.quadrature(face)
    shapes = coefficients @ plates.basis(face, x, y)
    c, s = math.cos(yaw), math.sin(yaw)
    points = np.stack([position[0] + c * x - s * y, position[1] + s * x + c * y, np.full(x.size, position[2])])
    distance = np.linalg.norm(points - np.array(microphone)[:, None], axis=0)
    centre = math.dist(position, microphone)
    k = omega / SOUND_SPEED
    phase = np.exp(-1j * k[:, None] * (distance - centre)) * (area * centre / distance)
    gain = 1j * omega * AIR_DENSITY / (2 * math.pi) * (shapes * phase).sum(axis=1)
    surface = float(area.sum())
    ka = k**2 * surface / math.pi
    # Each mode's own loss to the air: rho c S s <phi^2> / 2 at unit modal mass; short circuit as in a net monopole.
    net = (shapes @ area) ** 2 / (surface * np.maximum((shapes**2) @ area, 1e-30))
    air = AIR_DENSITY * SOUND_SPEED * ((shapes**2) @ area) * ka / (1 + ka) * np.maximum(net, ka / (4 + ka)) / 2
    decay = loss(material, omega, rng) * omega / 2 + air + extra
    return Body(material, face, omega, np.minimum(decay, 0.7 * omega), gain, coefficients, mass, position, yaw)
