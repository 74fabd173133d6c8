"""What a part, a filling and a crack do to the modes of a body. What moves against it, and rattles, is in `rattle.py`.

A part that is fast loads the modes by its mass m_p at its place (Rayleigh's quotient with a lumped mass):

    m' = m + m_j phi^2,   w' = w sqrt(m / m'),   m_j = m_p / (1 + (f / 2 kHz)^2)

Above the resonance of its joint it does not go along. A joint takes energy (E. E. Ungar, The status of engineering
knowledge concerning the damping of built-up structures, JSV 26, 1973): _JOINT_LOSS. A loose part loads nothing.

What a vessel holds moves with its walls as far as it wets them. Under a bending wave of wavenumber k of a plate of
mass rho_s h per area lies a layer that moves along and weighs rho / k (Fahy & Gardonio, Sound and Structural Vibration,
2007, chapter 4; incompressible, deeper than 1 / k). With s the share of the wall that is wetted

    b = s rho / (rho_s h k),   w' = w / sqrt(1 + b),   m' = m (1 + b),   eta' = (eta + b eta_f) / (1 + b)

so that the glass of A. P. French (In vino veritas, Am. J. Phys. 51, 1983) falls in pitch as it is filled. Of a loss
factor, the share of kinetic energy in the filling has the filling's: small in water, large in grain (Cremer, Heckl &
Petersson, Structure-Borne Sound, on sand). The upper face is wetted only where the vessel is full to the brim. Below
that the air under it is a spring that gets stiffer as it gets less (A. J. Pretlove, Free vibrations of a rectangular
panel backed by a closed rectangular cavity, JSV 2, 1965), for a face of area A with modes of the mean shape <phi>

    w'^2 = w^2 + rho c^2 (A <phi>)^2 (1 / V - 1 / V0) / m,   V the volume of the air now, V0 when empty

Its weight also lies on the mount: the bounce of the whole is slower. Sloshing is left out.

A crack of depth a across a beam of height h is a hinge of compliance c = 6 pi (1 - nu^2) h / (E I) Phi(a / h), with
Phi(x) the integral of x F(x)^2 of the stress intensity of an edge crack in bending (Chondros, Dimarogonas & Yao, A
continuous cracked beam vibration theory, JSV 215, 1998). By perturbation (Gudmundson 1982) a mode whose curvature at
the crack has the share q of its largest one gets softer:

    w' = w / sqrt(1 + S q),   S = 12 pi (1 - nu^2) (h / L) Phi(a / h)

q is taken as phi^2 over its largest value in the inner face: exact where displacement is proportional to curvature
(supported plates), a stand-in elsewhere. A pair of a round body with n nodal diameters splits: the one whose antinode
is on the crack falls, the other stays; a blow at an angle t from the crack drives them by cos(n t) and sin(n t). Its
faces rub: eta' = eta + _CRACK_LOSS (a / h) q, a choice.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from foley_sim.condition import Condition, Crack, Fill, Filling, Part, Place
from foley_sim.sound.modes import Array, ModeSet, plate_speed
from foley_sim.spec import ObjectSpec

DENSITY: dict[Filling, float] = {"water": 998.0, "grain": 850.0}
"""Of what vessels hold, as it lies [kg/m^3]."""
LOSS: dict[Filling, float] = {"water": 0.01, "grain": 0.25}
"""Its loss factor: a choice within what is known of liquids and of sand."""
AIR_BULK_PA = 1.42e5
"""rho c^2 of air."""
BRIM = 0.98
"""Level from which on the upper face is wetted."""

_JOINT_HZ = 2000.0
_JOINT_LOSS = 2e-3
_CRACK_LOSS = 0.03
_FINE = 24  # points along a side of the face, for means
_GRID = np.linspace(-0.8, 0.8, 9)  # of the inner face, in half extents


def fill_mass(spec: ObjectSpec) -> float:
    """What a body holds [kg]."""
    fill = spec.condition.fill
    return 0.0 if fill is None else DENSITY[fill.filling] * cavity(spec) * fill.level


def cavity(spec: ObjectSpec) -> float:
    """Volume that a vessel can hold [m^3]."""
    a, b, h = spec.size
    return a * b * h * spec.hollowness * (math.pi / 4 if spec.shape == "cylinder" else 1.0)


def carried_mass(spec: ObjectSpec) -> float:
    """What moves along with a body as a whole: its filling and a part that is fast [kg]."""
    part = spec.condition.part
    return fill_mass(spec) + (part.mass if part is not None and not part.loose else 0.0)


def fill_loss(spec: ObjectSpec, mass: float) -> float:
    """What the filling adds to the loss factor of a bounce of this whole mass [kg], by its share of it."""
    fill = spec.condition.fill
    return 0.0 if fill is None else LOSS[fill.filling] * fill_mass(spec) / mass


def changed(families: tuple[ModeSet, ...], spec: ObjectSpec) -> tuple[ModeSet, ...]:
    """The modes of a body, its bounce aside, in its condition."""
    condition: Condition = spec.condition
    if condition.crack is not None:
        families = tuple(_cracked(family, spec, condition.crack) for family in families)
    if condition.fill is not None:
        families = tuple(
            _filled(family, spec, condition.fill, face=i == 0) for i, family in enumerate(families)
        )
    if condition.part is not None and not condition.part.loose:
        families = tuple(_loaded(family, spec, condition.part) for family in families)
    return families


def on_face(spec: ObjectSpec, place: Place) -> Array:
    """A place of the upper face in the body's frame [3], [m]; of a round face within its rim."""
    x, y = place
    if spec.shape in ("cylinder", "disc", "dome"):  # the square onto the disc, so that no place is outside
        x, y = x * math.sqrt(1 - y**2 / 2), y * math.sqrt(1 - x**2 / 2)
    return np.array([x * spec.size[0] / 2, y * spec.size[1] / 2, spec.size[2] / 2])


def opening(depth: float) -> float:
    """Phi of an edge crack in bending, [0, 0.9] -> compliance without dimension (Chondros et al. 1998)."""
    powers = (0.6272, -1.04533, 4.5948, -9.973, 20.2948, -33.0351, 47.1063, -40.7556, 19.6)
    return sum(c * depth ** (i + 2) for i, c in enumerate(powers))


def softening(spec: ObjectSpec, crack: Crack) -> float:
    """S of the module's docstring."""
    thickness = spec.wall if spec.wall > 0 else spec.size[2]
    slender = min(thickness / max(spec.size), 0.3)  # blocks are no beams
    return 12 * math.pi * (1 - spec.material.poisson_ratio**2) * slender * opening(crack.depth)


def _loaded(family: ModeSet, spec: ObjectSpec, part: Part) -> ModeSet:
    goes_along = part.mass / (1 + (family.frequency_hz / _JOINT_HZ) ** 2)
    mass = family.mass_kg + goes_along * family.shapes(on_face(spec, part.place)) ** 2
    return dataclasses.replace(
        family,
        frequency_hz=family.frequency_hz * np.sqrt(family.mass_kg / mass),
        mass_kg=mass,
        extra_loss=family.extra_loss + _JOINT_LOSS,
    )


def _filled(family: ModeSet, spec: ObjectSpec, fill: Fill, *, face: bool) -> ModeSet:
    material, wall = spec.material, spec.wall
    if face and fill.level < BRIM:
        return _on_air(family, spec, fill)
    wetted = float(fill.level >= BRIM) if face else fill.level
    omega = 2 * np.pi * family.frequency_hz
    k = np.sqrt(omega / plate_speed(wall, material))  # of bending waves of the wall
    load = wetted * DENSITY[fill.filling] / (material.density * wall * k)
    return dataclasses.replace(
        family,
        frequency_hz=family.frequency_hz / np.sqrt(1 + load),
        mass_kg=family.mass_kg * (1 + load),
        # eta' = (eta + b eta_f) / (1 + b), as what is added to the material's eta
        extra_loss=(family.extra_loss + load * (LOSS[fill.filling] - material.loss_factor)) / (1 + load),
    )


def _on_air(family: ModeSet, spec: ObjectSpec, fill: Fill) -> ModeSet:
    """The upper face on what air is left."""
    whole = cavity(spec)
    softness = 1 / (whole * (1 - fill.level)) - 1 / whole  # of the air, less that of an empty vessel [1/m^3]
    pushed = family.area * _mean_shape(family, spec)
    added = AIR_BULK_PA * pushed**2 * softness / family.mass_kg
    omega = 2 * np.pi * family.frequency_hz
    return dataclasses.replace(family, frequency_hz=np.sqrt(omega**2 + added) / (2 * np.pi))


def _mean_shape(family: ModeSet, spec: ObjectSpec) -> Array:
    """Mean displacement of the face by each mode [n]: what pushes the air; a pair has none."""
    middles = (np.arange(_FINE) + 0.5) / _FINE
    if family.order is not None:
        radius = spec.size[0] / 2
        rings = np.array([family.shapes(np.array([radius * r, 0.0, 0.0])) for r in middles])
        return np.asarray((rings * 2 * middles[:, None]).mean(axis=0) * (family.order == 0))
    places = [
        np.array([(x - 0.5) * spec.size[0], (y - 0.5) * spec.size[1], 0.0]) for x in middles for y in middles
    ]
    return np.asarray(np.mean([family.shapes(place) for place in places], axis=0))


def _cracked(family: ModeSet, spec: ObjectSpec, crack: Crack) -> ModeSet:
    place = on_face(spec, crack.place)
    shape = np.abs(family.shapes(place))
    inner = [on_face(spec, (float(x), float(y))) for x in _GRID for y in _GRID]
    largest = np.max(np.abs([shape, *(family.shapes(point) for point in inner)]), axis=0)
    share = np.divide(shape, largest, out=np.zeros_like(shape), where=largest > 0) ** 2
    along = _softer(family, 1 / np.sqrt(1 + softening(spec, crack) * share), crack.depth * share)
    if family.order is None:
        return along
    return _split(along, family, math.atan2(place[1], place[0]))


def _softer(family: ModeSet, factor: Array, loss: Array) -> ModeSet:
    return dataclasses.replace(
        family,
        frequency_hz=family.frequency_hz * factor,
        extra_loss=family.extra_loss + _CRACK_LOSS * loss,
    )


def _split(along: ModeSet, across: ModeSet, angle: float) -> ModeSet:
    """Both modes of every pair: those with an antinode on the crack, which is at an angle [rad], and the others."""
    order = across.order
    assert order is not None
    pairs = np.flatnonzero(order > 0)  # a mode without nodal diameters has no partner
    partner = across.take(pairs)
    turns, partner_turns = order, order[pairs]

    def shapes(point: Array) -> Array:
        t = math.atan2(point[1], point[0]) - angle
        return np.concatenate(
            [along.shapes(point) * np.cos(turns * t), partner.shapes(point) * np.sin(partner_turns * t)]
        )

    joined = {
        name: np.concatenate([getattr(along, name), getattr(partner, name)])
        for name in ("frequency_hz", "mass_kg", "cancellation", "rms_shape")
    }
    loss = np.concatenate(
        [np.broadcast_to(f.extra_loss, f.frequency_hz.shape) for f in (along, partner)], dtype=np.float64
    )
    return ModeSet(
        area=along.area, shapes=shapes, extra_loss=loss, order=np.concatenate([order, order[pairs]]), **joined
    )


@functools.lru_cache(maxsize=1)
def free_disc_roots() -> tuple[Array, Array]:
    """Free round plate, nu 0.33: lambda^2 of w = sqrt(D / (rho h)) (lambda / a)^2 (Leissa, table 2.5), and how many
    nodal diameters; the first eight modes."""
    squares = np.array([5.253, 9.084, 12.23, 20.52, 21.6, 33.1, 35.25, 38.55])
    return squares, np.array([2.0, 0.0, 3.0, 1.0, 4.0, 5.0, 2.0, 0.0])


def part_modes(part: Part) -> ModeSet:
    """A loose part as a free disc that is struck at its rim, where its shapes are taken as 1."""
    squares, _ = free_disc_roots()
    radius = part.diameter / 2
    k = np.sqrt(squares) / radius
    f = plate_speed(part.thickness, part.material) * squares / radius**2 / (2 * math.pi)
    ones = np.ones(f.shape)
    # Mean square of a free disc's shape: about a quarter of the rim's.
    return ModeSet(
        f, part.mass / 4 * ones, k, 0.5 * ones, math.pi * radius**2, lambda point: ones, extra_loss=0.01
    )
