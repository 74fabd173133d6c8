"""Vibration modes of thin-walled bodies of revolution by finite elements, where no closed form exists.

Displacements are u cos(n t), v sin(n t), w cos(n t) along r, t (the angle) and z; every angular order n is a plane
problem of its own in the section (r, z) (O. C. Zienkiewicz, R. L. Taylor, The Finite Element Method, axisymmetric
bodies with harmonic loads):

  e_r = u_r   e_z = w_z   e_t = (u + n v) / r
  g_rz = u_z + w_r   g_rt = v_r - (n u + v) / r   g_zt = v_z - n w / r

Quadratic quadrilaterals, one through the wall, do not lock in bending. scikit-fem is imported when a section is solved.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

VERSION = 2
"""Of what is kept in the cache folder; raise it when results change."""
ELEMENTS = 20  # along the section
ORDERS = 9  # angular orders 0 .. 8
PER_ORDER = 6  # modes kept of each
SAMPLES = 33  # of every shape, from the apex to the rim


@dataclasses.dataclass(frozen=True, eq=False)
class SectionModes:
    """Modes of a body of revolution with a base 1 across, of unit density and modulus; arrays over modes [m]."""

    order: Array  # angular order n
    omega: Array  # angular frequency x diameter x sqrt(density / modulus)
    mass: Array  # modal mass over the mass of the body, for shapes of unit maximum
    shape: (
        Array  # [m, SAMPLES] displacement along the outer normal where cos(n t) = 1, from the apex to the rim
    )
    rms: Array  # of the normal displacement over the outer face


def cap(height: float, wall: float, poisson_ratio: float) -> SectionModes:
    """A spherical cap of height x diameter and wall x diameter, its rim on rollers: free to slide, not to lift.

    Solved once for each shape and kept in the user's cache folder.

    Raises:
        ValueError: no such shell: the height must lie in (0.05, 0.5], the wall in (0, height / 2).
    """
    if not 0.05 < height <= 0.5:
        raise ValueError(f"dome: height / diameter is {height:.3f}, must lie in (0.05, 0.5]")
    if not 0 < wall < height / 2:
        raise ValueError(f"dome: wall / diameter is {wall:.4f}, must lie in (0, {height / 2:.4f})")
    return _kept(round(height, 5), round(wall, 6), round(poisson_ratio, 3))


def cap_radius(height: float) -> float:
    """Radius of the sphere whose cap of this height has a base of diameter 1."""
    return (0.25 + height**2) / (2 * height)


@functools.lru_cache(maxsize=256)
def _kept(height: float, wall: float, poisson_ratio: float) -> SectionModes:
    file = _file(f"cap {height} {wall} {poisson_ratio}")
    names = [field.name for field in dataclasses.fields(SectionModes)]
    try:
        with np.load(file, allow_pickle=False) as stored:
            return SectionModes(**{name: stored[name].astype(np.float64) for name in names})
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        pass  # absent, or cut short when a disk was full
    modes = _solve_cap(height, wall, poisson_ratio)
    rounded = {name: getattr(modes, name).astype(np.float32) for name in names}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.stem}.{os.getpid()}.npz")
        np.savez(part, allow_pickle=False, **rounded)
        part.replace(file)
    except OSError:
        pass  # a folder that cannot be written costs the time of solving again, nothing else
    # As read back: whether it was solved or read must not change a sample.
    return SectionModes(**{name: value.astype(np.float64) for name, value in rounded.items()})


def _file(key: str) -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "foley" / "modes"
    text = f"{VERSION} {ELEMENTS} {ORDERS} {PER_ORDER} {SAMPLES} {key}"
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"


def _solve_cap(height: float, wall: float, poisson_ratio: float) -> SectionModes:
    radius = cap_radius(height)
    widest = np.arcsin(min(0.5 / radius, 1.0))
    middle = radius - wall / 2

    def section(s: Array, depth: Array) -> tuple[Array, Array]:
        """(r, z) at s in [0, 1] along the meridian and depth in [-1/2, 1/2] across the wall; z = 0 at the rim."""
        at = middle + depth * wall
        return at * np.sin(s * widest), at * np.cos(s * widest) - middle * np.cos(widest)

    return solve(section, poisson_ratio, rim="roller", elements=ELEMENTS)


def solve(
    section: Any,  # (s, depth) -> (r, z), arrays
    poisson_ratio: float,
    *,
    rim: str,  # `roller`, `clamped` or `free`
    elements: int,
) -> SectionModes:
    """Modes of the body of revolution that this section makes, for unit density and modulus.

    Args:
        section: maps s in [0, 1] (0 on the axis) and depth in [-1/2, 1/2] (1/2 outside) to r and z.
        rim: what holds the end s = 1.
        elements: along the section.

    Raises:
        ValueError: unknown rim.
    """
    from scipy import linalg

    if rim not in ("roller", "clamped", "free"):
        raise ValueError(f"rim is `{rim}`, known are roller, clamped, free")
    basis, s, depth = _basis(section, elements)
    area_mass = float(_integrate(basis))
    outer = _outer_nodes(basis, s, depth)
    rows: dict[str, list[Any]] = {name: [] for name in ("order", "omega", "mass", "shape", "rms")}
    mass = _mass(basis)
    for n in range(ORDERS):
        stiffness = _stiffness(basis, n, poisson_ratio)
        free = _free_dofs(basis, s, depth, n, rim)
        k, m = stiffness[free][:, free].toarray(), mass[free][:, free].toarray()
        count = min(PER_ORDER + (3 if n < 2 else 0), free.size - 1)
        values, vectors = linalg.eigh(k, m, subset_by_index=[0, count - 1])
        kept = 0
        for value, vector in zip(values, vectors.T, strict=True):
            full = np.zeros(basis.N)
            full[free] = vector
            normal = _normal_displacement(full, outer)
            peak = float(np.abs(normal).max())
            # Rigid motion and torsion make no sound of their own.
            if value < 1e-6 or peak < 1e-3 * float(np.abs(full).max()) or kept == PER_ORDER:
                continue
            kept += 1
            peak = float(normal[np.abs(normal).argmax()])  # signed: a solver's vectors come with either sign
            angular = 1.0 if n == 0 else 0.5
            rows["order"].append(float(n))
            rows["omega"].append(float(np.sqrt(value)))
            # eigh's vectors have unit mass m in the plane problem; over the angle that is times 2 pi or pi.
            rows["mass"].append(angular / (area_mass * peak**2))
            rows["shape"].append(np.interp(np.linspace(0, 1, SAMPLES), outer["s"], normal / peak))
            mean_square = np.average((normal / peak) ** 2, weights=outer["r"] + 1e-12)
            rows["rms"].append(float(np.sqrt(angular * mean_square)))
    return SectionModes(**{name: np.array(value) for name, value in rows.items()})


def _basis(section: Any, elements: int) -> tuple[Any, Array, Array]:
    """Basis of three displacements over the section, and (s, depth) of every node of the mesh's quadratic geometry."""
    import skfem
    from skfem import ElementQuad2, ElementVector, MeshQuad2

    flat = skfem.MeshQuad.init_tensor(np.linspace(0, 1, elements + 1), np.array([-0.5, 0.5]))
    curved = MeshQuad2.from_mesh(flat)
    s, depth = np.array(curved.doflocs)
    r, z = section(s, depth)
    mesh = dataclasses.replace(curved, doflocs=np.stack([r, z]))
    basis = skfem.Basis(mesh, ElementVector(ElementQuad2(), 3), intorder=6)
    return basis, s, depth


def _integrate(basis: Any) -> Array:
    import skfem

    @skfem.Functional  # type: ignore[untyped-decorator]
    def ring(w: Any) -> Any:
        return w.x[0]

    return np.asarray(ring.assemble(basis))


def _stiffness(basis: Any, n: int, poisson_ratio: float) -> Any:
    import skfem

    nu = poisson_ratio
    lame = nu / ((1 + nu) * (1 - 2 * nu))
    shear = 1 / (2 * (1 + nu))

    def strains(q: Any, r: Any) -> tuple[Any, ...]:
        u, v, w, g = q[0], q[1], q[2], q.grad
        return (
            g[0][0],
            g[2][1],
            (u + n * v) / r,
            g[0][1] + g[2][0],
            g[1][0] - (n * u + v) / r,
            g[1][1] - n * w / r,
        )

    @skfem.BilinearForm  # type: ignore[untyped-decorator]
    def stiffness(a: Any, b: Any, w: Any) -> Any:
        r = w.x[0]
        p, q = strains(a, r), strains(b, r)
        volume = lame * (p[0] + p[1] + p[2]) * (q[0] + q[1] + q[2])
        direct = 2 * shear * (p[0] * q[0] + p[1] * q[1] + p[2] * q[2])
        sheared = shear * (p[3] * q[3] + p[4] * q[4] + p[5] * q[5])
        return (volume + direct + sheared) * r

    return stiffness.assemble(basis).tocsr()


def _mass(basis: Any) -> Any:
    import skfem

    @skfem.BilinearForm  # type: ignore[untyped-decorator]
    def mass(a: Any, b: Any, w: Any) -> Any:
        return (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) * w.x[0]

    return mass.assemble(basis).tocsr()


def _free_dofs(basis: Any, s: Array, depth: Array, n: int, rim: str) -> NDArray[np.intp]:
    """Degrees of freedom left by the axis and the rim."""
    places = basis.doflocs
    component = _components(basis)
    on_axis = places[0] < 1e-9
    held = np.zeros(basis.N, dtype=bool)
    if n == 0:
        held |= on_axis & (component < 2)
    elif n == 1:
        held |= on_axis & (component == 2)
    else:
        held |= on_axis
    end = s > 1 - 1e-9
    rim_places = set(_keys(places_of(basis, end)))
    at_rim = np.array([key in rim_places for key in _keys(places)])
    if rim == "clamped":
        held |= at_rim
    elif rim == "roller":
        held |= at_rim & (component == 2)
    return np.flatnonzero(~held)


def places_of(basis: Any, chosen: NDArray[np.bool_]) -> Array:
    """(r, z) of chosen nodes of the mesh's geometry, [2, k]."""
    return np.asarray(basis.mesh.doflocs[:, chosen])


def _keys(places: Array) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in np.round(places * 1e7).T]


def _components(basis: Any) -> NDArray[np.intp]:
    """0, 1, 2 for u, v, w of every degree of freedom."""
    names = np.zeros(basis.N, dtype=np.intp)
    for group in (basis.nodal_dofs, basis.facet_dofs, basis.interior_dofs):
        if group is not None and len(group):
            for row, dofs in enumerate(group):
                names[dofs] = row % 3
    return names


def _outer_nodes(basis: Any, s: Array, depth: Array) -> dict[str, Array]:
    """Where the outer face lies, in order from the axis: s, r, normals, and the dofs of u and w there."""
    places, component = basis.doflocs, _components(basis)
    order = np.flatnonzero(depth > 0.5 - 1e-9)
    order = order[np.argsort(s[order])]
    mesh_places = basis.mesh.doflocs[:, order]
    tangent = np.gradient(mesh_places, axis=1)
    normal = np.stack([-tangent[1], tangent[0]]) / np.linalg.norm(tangent, axis=0)
    index = {name: {} for name in (0, 2)}  # type: dict[int, dict[tuple[int, int], int]]
    for dof, key in enumerate(_keys(places)):
        if component[dof] in index:
            index[int(component[dof])][key] = dof
    keys = _keys(mesh_places)
    return {
        "s": s[order],
        "r": mesh_places[0],
        "normal": normal,
        "u": np.array([index[0][key] for key in keys]),
        "w": np.array([index[2][key] for key in keys]),
    }


def _normal_displacement(full: Array, outer: dict[str, Array]) -> Array:
    u, w = full[outer["u"].astype(int)], full[outer["w"].astype(int)]
    return np.asarray(u * outer["normal"][0] + w * outer["normal"][1])
