"""Modal banks: which modes an object has, how fast they die, and how loud each radiates.

A mode obeys  q'' + 2 sigma q' + w^2 q = F(t) phi(x) / m.  What is heard of it at 1 m follows from its velocity by the
radiated power W = rho0 c S s |v|^2: p = rho0 c sqrt(s S / 2 pi) v_rms. Below k a = 1 the radiation efficiency s falls
as (k a)^2, so pressure follows the modal ACCELERATION there; modes that bend within the face lose more to the acoustic
short circuit (C. E. Wallace, Radiation resistance of a rectangular panel, JASA 51, 1972).

Supports: every object stands on a thin mount. The mount adds loss, lets the body bounce as a whole, and passes the
impulse on to the table. Its quality differs between objects and is drawn from the scene's seed.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import zlib

import numpy as np

from foley_sim.condition import NONE, Part
from foley_sim.sound import conditions, modes, round_bodies
from foley_sim.sound.modes import Array, ModeSet
from foley_sim.spec import MaterialSample, ObjectSpec

MAX_MODES = 48
AIR_DENSITY = 1.2  # [kg/m^3]
SOUND_SPEED = 343.0  # [m/s]

_MOUNT_ALPHA = 4.0  # [1/s] of a mount of looseness 1
_MOUNT_LOSS = 4.0e-4
_MOUNT_STIFFNESS = 4.0e8  # per area [N/m^3]
_BOUNCE_LOSS = 0.18
_MIN_MOVING_DENSITY = 600.0  # [kg/m^3]
_ROUND = ("cylinder", "disc", "dome", "heap")
_ROD_FOOT = 0.3  # share of its outline on which a rod rests
_GRASP_ALPHA = 120.0  # [1/s] of a clamp that holds with all its might
_GRASP_LOSS = 0.04
_PART_ALPHA = 40.0  # [1/s] of what a loose part leans on
_WALL_COUPLING = 0.4  # displacement of the walls for a blow of 1 on the top of a hollow body

TABLE_SIZE = (1.2, 0.8, 0.03)  # [m]
TABLE_MATERIAL = MaterialSample(
    name="wood",
    density=680.0,
    youngs_modulus=3.5e9,
    poisson_ratio=0.3,
    damping_alpha=30.0,
    damping_beta=1e-6,
    loss_factor=0.05,
    friction=0.4,
    roughness=0.35,
)
"""The bench top: particle board, damped by what stands on it and under it."""


@dataclasses.dataclass(frozen=True)
class ModalBank:
    """Modes of one object, ready to be driven. All arrays are [m], m <= MAX_MODES, possibly 0."""

    frequency_hz: Array
    decay: Array  # amplitude decay rate sigma [1/s]
    mass_kg: Array  # modal mass
    radiation: Array  # pressure at 1 m per modal velocity [Pa s/m]
    families: tuple[ModeSet, ...]
    click: float  # pressure at 1 m per rate of force [Pa s/N]: acceleration noise of the body as a whole
    mass: float  # of the object [kg]
    bounce_hz: float  # of the object on its mount

    def shapes(self, point: Array) -> Array:
        """Mode shapes at a point [3] of the body's frame -> [m]."""
        return np.concatenate([family.shapes(point) for family in self.families])

    def drive(self, point: Array, striker_mass: float, contact_s: float) -> Array:
        """Modal velocity per impulse at a point [3] of the body's frame -> [m], [1/kg].

        A light surface gives way: it cannot move off faster than the striker, whose mass [kg] loads every mode with a
        period longer than the contact (driving-point mobility sum phi^2 / m).
        """
        shape = self.shapes(point)
        slow = 1 / (1 + (2 * self.frequency_hz * contact_s) ** 2)
        mobility = float(np.sum(slow * shape**2 / self.mass_kg))
        return np.asarray(shape / self.mass_kg / (1 + striker_mass * mobility))

    def t60(self) -> Array:
        """Seconds until each mode has fallen by 60 dB, [m]."""
        return np.asarray(math.log(1000.0) / self.decay)


@functools.lru_cache(maxsize=64)
def object_bank(spec: ObjectSpec, *, scene_seed: int = 0) -> ModalBank:
    """The bank of an object on its mount. `scene_seed` (with the object's id) draws the mount's looseness."""
    rng = np.random.default_rng([scene_seed, zlib.crc32(spec.object_id.encode())])
    looseness = math.exp(rng.uniform(math.log(0.5), math.log(2.0)))
    mass, base = object_mass(spec) + conditions.carried_mass(spec), _base_area(spec)
    mount = _MOUNT_STIFFNESS * base * looseness
    body = spec.material.youngs_modulus * (base - _hollow_area(spec)) / spec.size[2]
    loss = _BOUNCE_LOSS + spec.material.loss_factor + conditions.fill_loss(spec, mass)
    bounce = modes.bounce(mass, 1 / (1 / mount + 1 / body), base, loss)
    bounce_hz = math.sqrt(1 / (1 / mount + 1 / body) / mass) / (2 * math.pi)
    families = _body_modes(spec)
    if spec.condition != NONE:
        families = tuple(modes.audible(family) for family in conditions.changed(families, spec))
    return _assemble(
        (*families, bounce),
        spec.material,
        mass=mass,
        # above its bounce a hollow body moves at the struck wall only, and even light ones drag their mount along
        moving_density=max(spec.material.density, _MIN_MOVING_DENSITY),
        bounce_hz=bounce_hz,
        # A clamp takes energy from every mode, much like a hand that holds the thing.
        mount_alpha=_MOUNT_ALPHA * looseness + _GRASP_ALPHA * spec.grasp,
        mount_loss=_MOUNT_LOSS * looseness + _GRASP_LOSS * spec.grasp,
    )


def table_bank() -> ModalBank:
    """The bench top as one simply supported slab."""
    a, b, h = TABLE_SIZE
    mass = TABLE_MATERIAL.density * a * b * h
    return _assemble(
        (modes.plate(a, b, h, TABLE_MATERIAL),),
        TABLE_MATERIAL,
        mass=mass,
        moving_density=TABLE_MATERIAL.density * 10.0,  # a slab on a frame hardly moves as a whole
        bounce_hz=0.0,
        mount_alpha=_MOUNT_ALPHA,
        mount_loss=0.0,
    )


def part_bank(part: Part) -> ModalBank:
    """A loose part by itself."""
    return _assemble(
        (conditions.part_modes(part),),
        part.material,
        mass=part.mass,
        moving_density=max(part.material.density, _MIN_MOVING_DENSITY),
        bounce_hz=0.0,
        mount_alpha=_PART_ALPHA,
        mount_loss=0.0,
    )


def object_mass(spec: ObjectSpec) -> float:
    """Mass of the walls, or of the whole where the object is solid [kg]."""
    a, b, h = spec.size
    if spec.shape == "dome":
        return round_bodies.dome_mass(a, h, spec.wall, spec.material) if spec.wall > 0 else _cap_mass(spec)
    if spec.shape == "heap":
        return _cap_mass(spec)
    round_factor = math.pi / 4 if spec.shape in ("cylinder", "disc", "rod") else 1.0
    return spec.material.density * a * b * h * (1 - spec.hollowness) * round_factor


def _cap_mass(spec: ObjectSpec) -> float:
    """Of a full spherical cap [kg]."""
    a, _, h = spec.size
    return spec.material.density * math.pi * h * (3 * (a / 2) ** 2 + h**2) / 6


def _body_modes(spec: ObjectSpec) -> tuple[ModeSet, ...]:
    a, b, h = spec.size
    hollow, material = spec.wall > 0, spec.material
    if spec.shape == "heap":
        return ()  # nothing in it rings as one body; its grains do, see grains.py
    if spec.shape == "disc":
        return (modes.disc(a / 2, h, material),)
    if spec.shape == "rod":
        bending = round_bodies.rod(a, b, material, wall=spec.wall)
        return (bending, round_bodies.tube_wall(a, b, spec.wall, material)) if hollow else (bending,)
    if spec.shape == "dome":
        if hollow:
            return (round_bodies.dome(a, h, spec.wall, material),)
        # the column of the same height and mass
        return (modes.column(_cap_mass(spec) / (material.density * h), h, material),)
    if spec.shape == "plate":
        return (modes.plate(a, b, spec.wall if hollow else h, material),)
    if spec.shape == "bar":
        bending = modes.bar(a, b, h, material, wall=spec.wall)
        return (bending,) if hollow else (bending, modes.torsion(a, b, h, material))
    if spec.shape == "cylinder":
        if hollow:
            wall = modes.ring((a - spec.wall) / 2, h, spec.wall, material, _WALL_COUPLING)
            return (modes.disc(a / 2, spec.wall, material), wall)
        edge = a * math.sqrt(math.pi) / 2  # the square of the same area
        return (modes.column(edge**2, h, material), modes.bar(edge, edge, h, material))
    if hollow:
        return (
            modes.plate(a, b, spec.wall, material),
            modes.side(a, h, spec.wall, material, _WALL_COUPLING),
            modes.side(b, h, spec.wall, material, _WALL_COUPLING),
        )
    return (
        modes.bar(a, b, h, material),
        modes.bar(b, a, h, material, axis=1),
        modes.torsion(a, b, h, material),
        modes.column(a * b, h, material),
    )


def _base_area(spec: ObjectSpec) -> float:
    """What rests on the mount [m^2]."""
    if spec.shape == "rod":
        return spec.size[0] * spec.size[1] * _ROD_FOOT
    return spec.size[0] * spec.size[1] * (math.pi / 4 if spec.shape in _ROUND else 1.0)


def _hollow_area(spec: ObjectSpec) -> float:
    if spec.wall == 0:
        return 0.0
    if spec.shape == "rod":
        return _base_area(spec) * spec.hollowness
    inner = (spec.size[0] - 2 * spec.wall) * (spec.size[1] - 2 * spec.wall)
    return inner * (math.pi / 4 if spec.shape in _ROUND else 1.0)


def _assemble(
    families: tuple[ModeSet, ...],
    material: MaterialSample,
    *,
    mass: float,
    moving_density: float,
    bounce_hz: float,
    mount_alpha: float,
    mount_loss: float,
) -> ModalBank:
    damped = [_underdamped(family, material, mount_alpha, mount_loss) for family in families]
    kept, boosts = _select(damped)
    radiation = np.concatenate([_radiation(family) for family in kept]) * boosts
    return ModalBank(
        frequency_hz=np.concatenate([family.frequency_hz for family in kept]),
        decay=np.concatenate([_decay(family, material, mount_alpha, mount_loss) for family in kept]),
        mass_kg=np.concatenate([family.mass_kg for family in kept]),
        radiation=radiation,
        families=tuple(kept),
        # Dipole of a rigid body set in motion, 3/2 V/M rho0 / (4 pi c r) dF/dt on its axis (Koss & Alfredson,
        # Transient sound radiated by spheres undergoing an elastic collision, JSV 27, 1973).
        click=1.5 * AIR_DENSITY / (4 * math.pi * SOUND_SPEED * moving_density),
        mass=mass,
        bounce_hz=bounce_hz,
    )


def _decay(family: ModeSet, material: MaterialSample, mount_alpha: float, mount_loss: float) -> Array:
    omega = 2 * np.pi * family.frequency_hz
    loss = material.loss_factor + family.extra_loss + mount_loss
    return np.asarray(
        (material.damping_alpha + mount_alpha + material.damping_beta * omega**2 + loss * omega) / 2
    )


def _underdamped(family: ModeSet, material: MaterialSample, mount_alpha: float, mount_loss: float) -> ModeSet:
    """Without modes that would not swing: their decay exceeds half their angular frequency."""
    decay = _decay(family, material, mount_alpha, mount_loss)
    return family.take(np.flatnonzero(decay < np.pi * family.frequency_hz))


def _select(families: list[ModeSet]) -> tuple[list[ModeSet], Array]:
    """At most MAX_MODES: the lower half of the budget in full, then every k-th mode, louder for those it stands for."""
    every = np.concatenate([family.frequency_hz for family in families])
    order = np.argsort(every, kind="stable")
    boost = np.ones(every.size)
    if every.size > MAX_MODES:
        low, rest = order[: MAX_MODES // 2], order[MAX_MODES // 2 :]
        chosen = rest[np.linspace(0, rest.size - 1, MAX_MODES - MAX_MODES // 2).astype(np.intp)]
        boost[chosen] = math.sqrt(rest.size / chosen.size)  # energies of the left-out modes add up
        order = np.concatenate([low, chosen])
    keep = np.zeros(every.size, dtype=bool)
    keep[order] = True
    starts = np.cumsum([0] + [family.frequency_hz.size for family in families])
    taken = [
        family.take(np.flatnonzero(keep[begin:end]))
        for family, begin, end in zip(families, starts[:-1], starts[1:], strict=True)
    ]
    return taken, boost[keep]


def _radiation(family: ModeSet) -> Array:
    k = 2 * np.pi * family.frequency_hz / SOUND_SPEED
    ka2 = k**2 * family.area / np.pi
    piston = ka2 / (2 + ka2)  # low-frequency limit of a baffled piston: (k a)^2 / 2
    efficiency = piston / (1 + (family.cancellation / k) ** 2)
    return np.asarray(
        AIR_DENSITY * SOUND_SPEED * np.sqrt(efficiency * family.area / (2 * np.pi)) * family.rms_shape
    )
