"""Closed-form vibration modes of simple bodies: plates, discs, bars and blocks.

Each family returns its modes as parallel arrays and a function that evaluates the mode shapes at a point. Thin bodies
follow Kirchhoff and Euler-Bernoulli; a first-order shear correction (Mindlin, Timoshenko) lowers modes whose wavelength
comes near the thickness and vanishes for thin ones.

Sources: R. D. Blevins, Formulas for Natural Frequency and Mode Shape; A. W. Leissa, Vibration of Plates (NASA SP-160);
N. H. Fletcher, T. D. Rossing, The Physics of Musical Instruments, chapters 2 and 3.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from foley_sim.spec import MaterialSample

Array = NDArray[np.float64]
Shapes = Callable[[Array], Array]
"""Point in the body's frame [3] (origin at its centre, z up) [m] -> displacement of every mode there [m]."""

MAX_HZ = 18_000.0
MIN_HZ = 60.0

_SHEAR_COEFFICIENT = 5.0 / 6.0
_CLAMP = 0.98  # contacts on the very edge of a plate would excite nothing at all


@dataclasses.dataclass(frozen=True)
class ModeSet:
    """Modes of one family. All arrays are [n]."""

    frequency_hz: Array
    mass_kg: Array  # modal mass for the normalisation of `shapes`
    cancellation: (
        Array  # wavenumber beyond that of a face moving as one [1/m]: causes the acoustic short circuit
    )
    rms_shape: Array  # over the radiating face
    area: float  # of the radiating face [m^2]
    shapes: Shapes
    extra_loss: float | Array = 0.0  # loss factor beyond the material's, one or [n]
    order: Array | None = (
        None  # [n] nodal diameters of a round body's modes, each of which is a pair; None: no pairs
    )

    def take(self, index: NDArray[np.intp]) -> ModeSet:
        """The same family with only the modes at `index`."""
        inner = self.shapes
        return dataclasses.replace(
            self,
            frequency_hz=self.frequency_hz[index],
            mass_kg=self.mass_kg[index],
            cancellation=self.cancellation[index],
            rms_shape=self.rms_shape[index],
            shapes=lambda point: inner(point)[index],
            extra_loss=self.extra_loss[index] if isinstance(self.extra_loss, np.ndarray) else self.extra_loss,
            order=None if self.order is None else self.order[index],
        )


def plate(a: float, b: float, h: float, material: MaterialSample) -> ModeSet:
    """Simply supported rectangular plate a x b, thickness h [m] (Leissa, chapter 4).

    w_mn = sqrt(D / (rho h)) ((m pi / a)^2 + (n pi / b)^2), shapes sin sin, modal mass M / 4.
    """
    speed = plate_speed(h, material)
    top = (
        math.sqrt(2 * math.pi * MAX_HZ / speed) * 2.0
    )  # the correction lowers modes from above MAX_HZ into range
    grid = np.meshgrid(_orders(top * a / math.pi), _orders(top * b / math.pi), indexing="ij")
    m, n = grid[0].ravel(), grid[1].ravel()
    k = np.hypot(m * math.pi / a, n * math.pi / b)
    f = speed * k**2 / (2 * math.pi) * _plate_correction(k, h, material)

    def shapes(point: Array) -> Array:
        x = np.clip(point[0] / a, -_CLAMP / 2, _CLAMP / 2) + 0.5
        y = np.clip(point[1] / b, -_CLAMP / 2, _CLAMP / 2) + 0.5
        return np.asarray(np.sin(m * math.pi * x) * np.sin(n * math.pi * y))

    mass = np.full(k.shape, material.density * a * b * h / 4)
    return audible(ModeSet(f, mass, beyond(k, k.min()), np.full(k.shape, 0.5), a * b, shapes))


def disc(radius: float, h: float, material: MaterialSample) -> ModeSet:
    """Clamped circular plate (Leissa, chapter 2): w = sqrt(D / (rho h)) (lambda / a)^2.

    A pair of degenerate modes (cosine and sine of n theta) moves, seen from the struck point, as one mode whose
    antinode lies on that point; so only its radial shape is kept.
    """
    speed = plate_speed(h, material)
    orders, roots, mean_square = _disc_table()
    k = roots / radius
    f = speed * k**2 / (2 * math.pi) * _plate_correction(k, h, material)
    rms = np.sqrt(mean_square)
    mass = material.density * math.pi * radius**2 * h * mean_square

    def shapes(point: Array) -> Array:
        r = min(math.hypot(point[0], point[1]) / radius, _CLAMP)
        return _disc_radial(orders, roots, r)

    return audible(ModeSet(f, mass, beyond(k, k.min()), rms, math.pi * radius**2, shapes, order=orders))


def bar(
    length: float, width: float, height: float, material: MaterialSample, *, axis: int = 0, wall: float = 0.0
) -> ModeSet:
    """Free-free bar bending vertically (Fletcher & Rossing, chapter 2): w = beta^2 sqrt(E I / (rho A)).

    cosh(beta L) cos(beta L) = 1.
    axis: along which coordinate of the body it lies. wall: of a rectangular tube [m], 0 for a solid bar.
    Shapes have rms 1 and are 2 at the ends; modal mass is the whole mass.
    """
    inner_w, inner_h = (width - 2 * wall, height - 2 * wall) if wall > 0 else (0.0, 0.0)
    section = width * height - inner_w * inner_h
    inertia = (width * height**3 - inner_w * inner_h**3) / 12
    radius2 = inertia / section
    speed = math.sqrt(material.youngs_modulus * radius2 / material.density)
    beta_l = free_free_roots()
    beta = beta_l / length
    shear = 2 * (1 + material.poisson_ratio) / _SHEAR_COEFFICIENT
    f = speed * beta**2 / (2 * math.pi) / np.sqrt(1 + beta**2 * radius2 * (1 + shear))

    def shapes(point: Array) -> Array:
        return free_free_shape(beta_l, float(np.clip(point[axis] / length, -0.5, 0.5) + 0.5))

    mass = np.full(f.shape, material.density * section * length)
    return audible(ModeSet(f, mass, beyond(beta, beta[0]), np.ones(f.shape), length * width, shapes))


def torsion(length: float, width: float, height: float, material: MaterialSample) -> ModeSet:
    """Free-free rectangular bar twisting about x (Blevins): f = j c_t / 2L, excited off its centre line.

    c_t = sqrt(G K / (rho J)) with the torsion constant K of a solid rectangle. Shape: vertical motion at (x, y).
    """
    long_side, short_side = max(width, height), min(width, height)
    ratio = short_side / long_side
    constant = long_side * short_side**3 * (1 / 3 - 0.21 * ratio * (1 - ratio**4 / 12))
    polar = width * height * (width**2 + height**2) / 12
    shear_modulus = material.youngs_modulus / (2 * (1 + material.poisson_ratio))
    speed = math.sqrt(shear_modulus * constant / (material.density * polar))
    j = _orders(2 * length * MAX_HZ / speed)
    k = j * math.pi / length

    def shapes(point: Array) -> Array:
        x = float(np.clip(point[0] / length, -0.5, 0.5) + 0.5)
        y = float(np.clip(point[1] / (width / 2), -1.0, 1.0))
        return np.asarray(np.cos(j * math.pi * x) * y)

    # kinetic energy of rotation, M (w^2 + h^2) / 12 theta^2 with theta = displacement / (w / 2), times mean of cos^2
    mass = material.density * length * width * height * (1 + (height / width) ** 2) / 6
    rms = np.full(k.shape, math.sqrt(1 / 6))
    # the two halves across move oppositely, so even the first mode is short-circuited
    return audible(ModeSet(j * speed / (2 * length), np.full(k.shape, mass), np.hypot(k, math.pi / width), rms,
                            length * width, shapes))  # fmt: skip


def ring(radius: float, height: float, wall: float, material: MaterialSample, coupling: float) -> ModeSet:
    """Inextensional bending of a thin-walled cylinder around its circumference (Rayleigh; Blevins):

    w_n = h / (sqrt(12) R^2) sqrt(E / (rho (1 - nu^2))) n (n^2 - 1) / sqrt(n^2 + 1), n = 2, 3, ...
    The wall is not what is struck: a blow on top reaches it by `coupling` at the rim, and by less towards the centre.
    """
    n = np.arange(2.0, 13.0)
    w = plate_speed(wall, material) / radius**2 * n * (n**2 - 1) / np.sqrt(n**2 + 1)
    mass = material.density * 2 * math.pi * radius * wall * height / 2 * (1 + 1 / n**2)

    def shapes(point: Array) -> Array:
        return np.full(n.shape, coupling * min(math.hypot(point[0], point[1]) / radius, 1.0))

    rms = np.full(n.shape, math.sqrt(0.5))
    area = 2 * math.pi * radius * height
    return audible(ModeSet(w / (2 * math.pi), mass, n / radius, rms, area, shapes, order=n))


def side(a: float, b: float, wall: float, material: MaterialSample, coupling: float) -> ModeSet:
    """A plate that is not struck itself, such as the side of a box: reached by `coupling` through its edges."""
    panel = plate(a, b, wall, material)
    fixed = coupling * panel.shapes(np.array([0.21 * a, 0.17 * b, 0.0]))
    return dataclasses.replace(panel, shapes=lambda point: fixed).take(np.arange(fixed.size))


def column(area: float, height: float, material: MaterialSample) -> ModeSet:
    """A short thick body stretching on its base: f = (2 j - 1) c / 4h, modal mass M / 2, shape 1 on top."""
    speed = math.sqrt(material.youngs_modulus / material.density)
    j = _orders(2 * height * MAX_HZ / speed + 0.5)
    f = (2 * j - 1) * speed / (4 * height)
    mass = np.full(f.shape, material.density * area * height / 2)
    ones = np.ones(f.shape)
    return audible(ModeSet(f, mass, 0 * ones, ones, area, lambda point: ones))


def bounce(mass: float, stiffness: float, area: float, loss: float) -> ModeSet:
    """The body as a whole on its footing: one mode, f = sqrt(k / m) / 2 pi."""
    one = np.ones(1)
    f = one * math.sqrt(stiffness / mass) / (2 * math.pi)
    return audible(ModeSet(f, one * mass, 0 * one, one, area, lambda point: one, extra_loss=loss))


def plate_speed(h: float, material: MaterialSample) -> float:
    """sqrt(D / (rho h)) [m^2/s]."""
    return math.sqrt(
        material.youngs_modulus * h**2 / (12 * material.density * (1 - material.poisson_ratio**2))
    )


def _plate_correction(k: Array, h: float, material: MaterialSample) -> Array:
    """Mindlin's rotary inertia and shear, to first order in (k h)^2 / 12; 1 for thin plates."""
    factor = 1 + 2 / (_SHEAR_COEFFICIENT * (1 - material.poisson_ratio))
    return np.asarray(1 / np.sqrt(1 + (k * h) ** 2 / 12 * factor))


def beyond(k: Array, first: float) -> Array:
    return np.sqrt(np.maximum(k**2 - first**2, 0.0))


def _orders(largest: float) -> Array:
    return np.arange(1.0, min(max(math.floor(largest), 1), 60) + 1)


def audible(modes: ModeSet) -> ModeSet:
    inside = np.flatnonzero((modes.frequency_hz >= MIN_HZ) & (modes.frequency_hz <= MAX_HZ))
    return modes.take(inside[np.argsort(modes.frequency_hz[inside], kind="stable")])


@functools.cache
def free_free_roots() -> Array:
    """Roots of cosh x cos x = 1, the first 24; from the fourth on (2 j + 1) pi / 2 to 1e-6."""
    guess = (2 * np.arange(1, 25) + 1) * math.pi / 2
    exact = [optimize.brentq(lambda x: math.cos(x) - 1 / math.cosh(x), g - 0.3, g + 0.3) for g in guess[:3]]
    return np.concatenate([exact, guess[3:]])


def free_free_shape(beta_l: Array, u: float) -> Array:
    """cosh + cos - s (sinh + sin) at u in [0, 1], written with decaying exponentials (the textbook form overflows)."""
    if u > 0.5:  # symmetric for odd, antisymmetric for even modes
        return free_free_shape(beta_l, 1 - u) * (-1.0) ** np.arange(beta_l.size)
    x = beta_l * u
    # s = (cosh - cos) / (sinh - sin), and 1 - s = -(e^-b + sin b - cos b) / (sinh b - sin b)
    sinh_sin = np.sinh(beta_l) - np.sin(beta_l)
    s = (np.cosh(beta_l) - np.cos(beta_l)) / sinh_sin
    one_minus_s = (np.cos(beta_l) - np.sin(beta_l) - np.exp(-beta_l)) / sinh_sin
    return np.asarray(one_minus_s * np.exp(x) / 2 + (1 + s) * np.exp(-x) / 2 + np.cos(x) - s * np.sin(x))


@functools.cache
def _disc_table() -> tuple[Array, Array, Array]:
    """Clamped disc: angular orders n, roots of J_n I_n+1 + I_n J_n+1 = 0, mean squares of the shapes; [m] each."""
    orders, roots = [], []
    for n in range(10):
        grid = np.linspace(n + 1.0, 30.0, 600)
        value = _disc_characteristic(n, grid)
        for left in np.flatnonzero(value[:-1] * value[1:] < 0):
            orders.append(float(n))
            roots.append(
                optimize.brentq(lambda x, n=n: _disc_characteristic(n, x), grid[left], grid[left + 1])
            )
    order_array, root_array = np.array(orders), np.array(roots)
    r = (np.arange(400) + 0.5) / 400
    shape = np.stack([_disc_radial(order_array, root_array, float(x)) for x in r])  # [radii, modes]
    angular = np.where(order_array == 0, 1.0, 0.5)  # mean of cos^2
    return order_array, root_array, np.asarray((shape**2 * 2 * r[:, None]).mean(axis=0) * angular)


def _disc_characteristic(n: int, x: Array) -> Array:
    """Scaled by exp(-x): I_n alone would overflow nothing here but makes the signs hard to bracket."""
    return np.asarray(special.jv(n, x) * special.ive(n + 1, x) + special.ive(n, x) * special.jv(n + 1, x))


def _disc_radial(orders: Array, roots: Array, r: float) -> Array:
    """J_n(l r) - J_n(l) / I_n(l) I_n(l r), r in [0, 1]."""
    ratio = special.ive(orders, roots * r) / special.ive(orders, roots) * np.exp(roots * (r - 1))
    return np.asarray(special.jv(orders, roots * r) - special.jv(orders, roots) * ratio)
