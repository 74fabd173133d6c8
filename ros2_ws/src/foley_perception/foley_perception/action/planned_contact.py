"""When and where a planned motion will touch something.

The tip's planned path is followed through the observed depth image. Around the pixel under each path point a
plane is fitted to the INVERSE depth, which is linear in the pixel for any plane whatever the camera's tilt;
it gives a surface, its normal and a signed distance that does not suffer from the millimetre steps of the
depth image. The contact is the first crossing of such a plane at a point where the plane is really seen;
passing out of sight behind an object is no contact. Without depth, or where the surface is not seen, the
sharpest slowing-down of the approach (the lowest turning point of a tap, the end of the descent of a scratch)
stands in.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.geometry.camera import CameraModel

Array = NDArray[np.float64]

SURFACE = "surface"
CLOSEST = "closest"
TURNING_POINT = "turning_point"


@dataclasses.dataclass(frozen=True)
class PlannedContactConfig:
    """How the crossing is looked for."""

    margin_m: float = 0.0  # the tip touches when its frame is this far from the surface (a tip's radius)
    touch_m: float = 0.012  # a path that turns back this close to a surface is taken to touch it
    patch_radius_px: int = 3  # half the side of the patch that a plane is fitted to
    edge_m: float = 0.03  # depth that differs more from the pixel under the tip belongs to something else
    inlier_m: float = 0.004  # residual of a pixel that still belongs to the plane
    hidden_m: float = 0.02  # a crossing this far from the seen depth along the ray is out of sight
    min_pixels: int = 8  # fewer known pixels give no plane
    min_approach_m: float = 0.01  # a turning point must be preceded by this much approach
    min_speed_m_s: float = 0.02  # slower motion is rest

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not np.isfinite(value) or value < 0:
                raise ValueError(f"{field.name} is {value}, must be finite and not negative")


@dataclasses.dataclass(frozen=True, eq=False)
class PlannedContact:
    """The first contact of a planned motion, in the world."""

    time_ns: int
    position: Array  # [3] tip at contact [m]
    surface_normal: Array  # [3] unit, out of the surface; NaN where no surface was seen
    approach_speed: float  # towards the surface just before [m/s]
    slip_path: float  # length slid along the surface afterwards [m]
    end_ns: int  # when the tip leaves the surface again (the end of the plan if it does not)
    source: str  # SURFACE, CLOSEST or TURNING_POINT

    @property
    def slides(self) -> bool:
        """The motion goes on along the surface (a scratch) instead of turning back (a tap)."""
        return self.slip_path > 0.01

    @property
    def duration_s(self) -> float:
        return (self.end_ns - self.time_ns) / NS_PER_S


def planned_contact(
    times_ns: NDArray[np.int64],  # [n], increasing
    positions: Array,  # [n, 3] tip in the world [m]
    depth: NDArray[np.floating] | None,  # [H, W] background depth [m], NaN unknown
    camera: CameraModel | None,
    config: PlannedContactConfig | None = None,
) -> PlannedContact | None:
    """First contact of a planned tip path, or None where it approaches nothing.

    Raises:
        ValueError: shapes differ, times do not increase, or the depth image is not of the camera's size.
    """
    config = config or PlannedContactConfig()
    times, path = _checked(times_ns, positions)
    if times.size < 3:
        return None
    if depth is not None and camera is not None:
        if depth.shape != (camera.height, camera.width):
            raise ValueError(f"depth is {depth.shape}, the camera gives ({camera.height}, {camera.width})")
        contact = _surface_contact(times, path, np.asarray(depth, dtype=np.float64), camera, config)
        if contact is not None:
            return contact
    return turning_point(times, path, config)


def _checked(times_ns: NDArray[np.int64], positions: Array) -> tuple[NDArray[np.int64], Array]:
    times, path = np.asarray(times_ns, dtype=np.int64), np.asarray(positions, dtype=np.float64)
    if path.shape != (times.size, 3):
        raise ValueError(f"positions are {path.shape}, expected ({times.size}, 3) for {times.size} times")
    if np.any(np.diff(times) <= 0):
        raise ValueError("times_ns does not increase")
    known = np.isfinite(path).all(axis=1)
    return times[known], path[known]


# ---- with depth --------------------------------------------------------------------------------------------
def fit_planes(
    pixels: Array,  # [n, 2]
    depth: Array,  # [H, W]
    camera: CameraModel,
    config: PlannedContactConfig,
) -> tuple[Array, Array]:
    """Planes seen around pixels, in the camera frame: ``normals @ p = heights`` for points on them.

    Returns:
        normals [n, 3] towards the camera and heights [n]; NaN where too little is seen.
    """
    n, r = len(pixels), config.patch_radius_px
    height, width = depth.shape
    normals, heights = np.full((n, 3), np.nan), np.full(n, np.nan)
    inside = camera.contains(pixels)
    if not inside.any():
        return normals, heights
    centre = np.round(pixels[inside]).astype(np.int64)
    dv, du = (g.ravel() for g in np.mgrid[-r : r + 1, -r : r + 1])
    u, v = centre[:, :1] + du, centre[:, 1:] + dv  # [k, p]
    on_image = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    z = np.where(on_image, depth[np.clip(v, 0, height - 1), np.clip(u, 0, width - 1)], np.nan)
    middle = z[:, z.shape[1] // 2]
    middle = np.where(np.isfinite(middle), middle, np.nanmedian(np.where(np.isfinite(z), z, np.inf), axis=1))
    with np.errstate(invalid="ignore"):
        weight = np.isfinite(z) & (np.abs(z - middle[:, None]) < config.edge_m)
    inverse = np.where(weight, 1.0 / np.where(weight, z, 1.0), 0.0)
    design = np.stack([np.ones_like(du), du, dv], axis=-1).astype(np.float64)  # [p, 3]
    solution = np.full((len(centre), 3), np.nan)
    for _ in range(3):  # the second and third time without outliers
        enough = weight.sum(axis=1) >= config.min_pixels
        if not enough.any():
            return normals, heights
        solution[~enough] = np.nan
        w = weight[enough].astype(np.float64)
        gram = np.einsum("kp,pi,pj->kij", w, design, design) + 1e-9 * np.eye(3)
        rhs = np.einsum("kp,kp,pi->ki", w, inverse[enough], design)
        solution[enough] = np.linalg.solve(gram, rhs[..., None])[..., 0]
        # d(1/z) = -dz / z^2 turns the residual into metres.
        with np.errstate(invalid="ignore"):
            residual = np.abs(inverse - solution @ design.T) * np.where(weight, z, np.nan) ** 2
            weight = weight & (residual < config.inlier_m)
    # 1/z = a + b du + c dv = (n . K^-1 [u v 1]) / h  =>  n / h = K^T [b, c, a - b u0 - c v0]
    a, b, c = solution.T
    scaled = np.stack([b, c, a - b * centre[:, 0] - c * centre[:, 1]], axis=-1) @ camera.K
    length = np.linalg.norm(scaled, axis=-1)
    normals[inside] = -scaled / length[:, None]
    heights[inside] = -1.0 / length
    return normals, heights


def _surface_contact(
    times: NDArray[np.int64], path: Array, depth: Array, camera: CameraModel, config: PlannedContactConfig
) -> PlannedContact | None:
    points = camera.to_camera(path)  # [n, 3]
    pixels, _ = camera.project(path)
    normals, heights = fit_planes(pixels, depth, camera, config)
    # Of every point against the plane seen there, and of its predecessor against the same plane.
    here = np.sum(normals * points, axis=1) - heights - config.margin_m
    before = np.sum(normals[1:] * points[:-1], axis=1) - heights[1:] - config.margin_m
    with np.errstate(invalid="ignore"):
        crossings = np.flatnonzero((before > 0) & (here[1:] <= 0))
    for i in crossings.tolist():
        fraction = float(before[i] / (before[i] - here[i + 1]))
        point = points[i] + fraction * (points[i + 1] - points[i])
        if _seen(point, depth, camera, config):
            return _describe(
                times, path, points, i, fraction, normals[i + 1], heights[i + 1], camera, config, SURFACE
            )
    with np.errstate(invalid="ignore"):
        touching = (here < config.touch_m) & (here > -config.hidden_m)
    for i in (np.flatnonzero(touching[1:-1]) + 1).tolist():
        if not _seen(points[i], depth, camera, config):
            continue
        against = np.sum(normals[i] * points, axis=1) - heights[i] - config.margin_m
        plane = normals[i], heights[i], camera, config
        entry = _hidden_entry(against, i, touching)
        if entry is not None:
            fraction = float(against[entry] / (against[entry] - against[entry + 1]))
            return _describe(times, path, points, entry, fraction, *plane, SURFACE)
        if _turns_back(times, against, i, config):
            return _describe(times, path, points, i, 0.0, *plane, CLOSEST)
    return None


def _hidden_entry(against: Array, index: int, touching: NDArray[np.bool_]) -> int | None:
    """The step in which a tip met the plane out of sight, if it comes into sight at ``index`` in contact already."""
    if touching[index - 1] or against[index] > 0:
        return None
    above = np.flatnonzero(against[:index] > 0)
    return int(above[-1]) if above.size else None


def _turns_back(times: NDArray[np.int64], against: Array, index: int, config: PlannedContactConfig) -> bool:
    """Whether the path comes down to its closest here: depth is a little off, or the controller pushes beyond."""
    recent = against[: index + 1][times[: index + 1] >= times[index] - NS_PER_S // 5]
    approached = float(recent.max() - against[index]) > config.min_approach_m
    return approached and bool(against[index] <= min(against[index - 1], against[index + 1]))


def _seen(point: Array, depth: Array, camera: CameraModel, config: PlannedContactConfig) -> bool:
    """Whether the surface in the image at this camera-frame point is at the point's own depth."""
    pixel = (camera.K @ point)[:2] / point[2]
    if not camera.contains(pixel):
        return False
    u, v = np.round(pixel).astype(int)
    patch = depth[max(v - 1, 0) : v + 2, max(u - 1, 0) : u + 2]
    with np.errstate(invalid="ignore"):
        return bool(np.any(np.abs(patch - point[2]) < config.hidden_m))


def _describe(
    times: NDArray[np.int64],
    path: Array,
    points: Array,
    index: int,
    fraction: float,
    normal: Array,
    height: float,
    camera: CameraModel,
    config: PlannedContactConfig,
    source: str,
) -> PlannedContact:
    """The contact ``fraction`` of the way from path point ``index`` to the next. Plane in camera frame."""
    after = min(index + 1, len(times) - 1)
    time_ns = int(times[index]) + round(fraction * float(times[after] - times[index]))
    position = path[index] + fraction * (path[after] - path[index])
    world_normal = camera.tx_world_camera.rotate(normal)
    speed = float(-(_velocity_before(times, path, time_ns) @ world_normal))
    distance = points @ normal - height - config.margin_m
    start = index + 1 if fraction > 0 else index
    # Slack for a plan that slides just above the measured surface, and for the roughness of the fit.
    slack = config.touch_m / 2 + max(float(distance[index]) if source == CLOSEST else 0.0, 0.0)
    away = np.flatnonzero(distance[start:] > slack)
    end = start + int(away[0]) if away.size else len(times) - 1
    steps = np.diff(np.vstack([position, path[start : end + 1]]), axis=0)
    tangential = steps - np.outer(steps @ world_normal, world_normal)
    slip = float(np.linalg.norm(tangential, axis=1).sum()) if len(steps) else 0.0
    return PlannedContact(time_ns, position, world_normal, max(speed, 0.0), slip, int(times[end]), source)


# ---- without depth -----------------------------------------------------------------------------------------
def turning_point(
    times: NDArray[np.int64], path: Array, config: PlannedContactConfig
) -> PlannedContact | None:
    """The lowest place where an approach ends: a reversal, or motion that turns from down to along."""
    if len(times) < 3:
        return None
    seconds = (times - times[0]) / NS_PER_S
    z = path[:, 2]
    vertical = np.gradient(z, seconds)
    candidates = []
    for i in range(1, len(times) - 1):
        ended = vertical[i - 1] < -config.min_speed_m_s and vertical[i + 1] > -0.2 * abs(vertical[i - 1])
        lowest = z[i] <= z[i - 1] and z[i] <= z[i + 1] + 1e-6
        if (ended or (lowest and vertical[i - 1] < 0)) and z[: i + 1].max() - z[i] > config.min_approach_m:
            candidates.append(i)
    if not candidates:
        return None
    low = min(z[i] for i in candidates)
    index = next(i for i in candidates if z[i] < low + 2e-3)
    velocity = _velocity_before(times, path, int(times[index]), 0.08)  # before the braking
    away = np.flatnonzero(z[index:] > z[index] + config.touch_m / 2)
    end = index + int(away[0]) if away.size else len(times) - 1
    slip = float(np.linalg.norm(np.diff(path[index : end + 1, :2], axis=0), axis=1).sum())
    return PlannedContact(
        int(times[index]),
        path[index].copy(),
        np.full(3, np.nan),
        float(np.linalg.norm(velocity)),
        slip,
        int(times[end]),
        TURNING_POINT,
    )


def _velocity_before(times: NDArray[np.int64], path: Array, time_ns: int, window_s: float = 0.03) -> Array:
    """Mean velocity [3] over the last ``window_s`` before a time, at least over one step of the path."""
    end = max(int(np.searchsorted(times, time_ns, side="right")) - 1, 1)
    start = min(int(np.searchsorted(times, time_ns - int(window_s * NS_PER_S))), end - 1)
    span = float(times[end] - times[start]) / NS_PER_S
    return np.asarray((path[end] - path[start]) / span)
