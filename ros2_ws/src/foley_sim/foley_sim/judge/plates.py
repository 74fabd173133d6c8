"""Vibration of a face by Rayleigh-Ritz: Legendre products over a rectangle or an ellipse, elastically supported.

Energies of a thin plate (A. W. Leissa, Vibration of Plates, NASA SP-160, 1969), a Winkler bed under the face, and
springs along its rim. A shallow spherical shell adds E h / R^2 to the bed (W. Soedel, Vibrations of Shells and Plates).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.linalg import eigh

Array = NDArray[np.float64]
DEGREE = 8
_NODES = 20
_I, _J = np.array([(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]).T


@dataclasses.dataclass(frozen=True)
class Face:
    """A vibrating face. SI units."""

    length: float
    width: float
    round: bool
    rigidity: float  # bending D [N m]
    poisson_ratio: float
    areal_mass: float  # [kg/m^2]
    bed: float  # spring per area under it [N/m^3]
    rim: float  # spring per length of its rim [N/m^2]


def modes(face: Face, count: int) -> tuple[Array, Array]:
    """Angular frequencies [m] and Legendre coefficients [m, b] of mass-normalised shapes, m <= count."""
    x, y, weight = quadrature(face)
    w, wxx, wyy, wxy = (basis(face, x, y, dx, dy) for dx, dy in ((0, 0), (2, 0), (0, 2), (1, 1)))
    nu = face.poisson_ratio
    stiff = _inner(wxx, wxx, weight) + _inner(wyy, wyy, weight) + 2 * (1 - nu) * _inner(wxy, wxy, weight)
    cross = _inner(wxx, wyy, weight)
    stiff = face.rigidity * (stiff + nu * (cross + cross.T))
    mass = _inner(w, w, weight)
    px, py, length = _rim(face)
    edge = basis(face, px, py)
    stiff += face.bed * mass + face.rim * _inner(edge, edge, length)
    values, vectors = eigh(stiff, face.areal_mass * mass)
    keep = values > 1.0
    return np.sqrt(values[keep][:count]), np.asarray(vectors.T[keep][:count])


def basis(face: Face, x: Array, y: Array, dx: int = 0, dy: int = 0) -> Array:
    """Derivatives of the products P_i(2x/a) P_j(2y/b), i + j <= DEGREE, at points [p] -> [b, p]."""
    px, py = _legendre(2 * x / face.length, dx), _legendre(2 * y / face.width, dy)
    scale = (2 / face.length) ** dx * (2 / face.width) ** dy
    return np.asarray(scale * px[_I] * py[_J])


def quadrature(face: Face) -> tuple[Array, Array, Array]:
    """Points x, y [p] [m] and areas [p] [m^2] that integrate over the face."""
    nodes, weights = legendre.leggauss(_NODES)
    a, b = face.length / 2, face.width / 2
    if not face.round:
        x, y = np.meshgrid(a * nodes, b * nodes, indexing="ij")
        return x.ravel(), y.ravel(), a * b * np.outer(weights, weights).ravel()
    radius, angle = (nodes + 1) / 2, 2 * np.pi * np.arange(2 * _NODES) / (2 * _NODES)
    r, t = np.meshgrid(radius, angle, indexing="ij")
    area = a * b * np.outer(radius * weights / 2, np.full(angle.size, np.pi / _NODES))
    return (a * r * np.cos(t)).ravel(), (b * r * np.sin(t)).ravel(), area.ravel()


def _rim(face: Face) -> tuple[Array, Array, Array]:
    """Points [p] along the rim and the length that each stands for [p]."""
    a, b = face.length / 2, face.width / 2
    if face.round:
        t = 2 * np.pi * np.arange(48) / 48
        return a * np.cos(t), b * np.sin(t), np.hypot(a * np.sin(t), b * np.cos(t)) * 2 * np.pi / 48
    nodes, weights = legendre.leggauss(_NODES)
    one = np.ones(_NODES)
    x = np.concatenate([a * nodes, a * nodes, a * one, -a * one])
    y = np.concatenate([b * one, -b * one, b * nodes, b * nodes])
    return x, y, np.concatenate([a * weights, a * weights, b * weights, b * weights])


def _legendre(t: Array, order: int) -> Array:
    """Derivatives of P_0 .. P_DEGREE at t [p] -> [DEGREE + 1, p]."""
    coefficients = legendre.legder(np.eye(DEGREE + 1), order, axis=0) if order else np.eye(DEGREE + 1)
    return np.asarray(legendre.legval(t, coefficients))


def _inner(first: Array, second: Array, weight: Array) -> Array:
    return np.asarray((first * weight) @ second.T)
