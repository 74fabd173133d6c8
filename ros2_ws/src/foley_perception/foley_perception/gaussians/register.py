"""A camera put into a scene by what it sees: features of its picture matched with those of rendered views.

From several places in the scene the nearest looking view is rendered; matched features have a place in the scene by
the rendered depth, and perspective-n-point gives the camera. A view from there is rendered and matched again, until
it rests.
Whatever was not in the scan, such as the robot, has no matches that agree.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.rendering.render import render
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3, stack

Array = NDArray[np.float64]
Rgb = NDArray[np.uint8]

_RATIO = 0.9  # of the best match's distance to the second's (Lowe 2004)
_INLIER_PX = 2.0
_LEAST_INLIERS = 20
_ROUNDS = 4
_FAR = 3.0  # a camera that is so many times the scene's distance away from the guess is none
_LEAST_SPREAD = 0.04  # standard deviation of what agrees over the picture's size
_RESTED_M = 2e-4


class RegisterError(ValueError):
    """A camera could not be found in a scene; the message says why and what to do."""


@dataclasses.dataclass(frozen=True, eq=False)
class Registered:
    """A camera in a scene."""

    camera: CameraModel
    inliers: int  # matched features that agree
    matches: int
    rms_px: float  # of those that agree
    rounds: int


def register(
    gaussians: Gaussians, rgb: Rgb, K: Array, guesses: Sequence[SE3], *, keep: int = 3
) -> Registered:
    """Find where a picture [H, W, 3] was taken.

    Args:
        K: its intrinsics [3, 3].
        guesses: places of cameras that look at the scene, such as those of its scan; the nearer the better.
        keep: so many of the best guesses are refined.

    Raises:
        RegisterError: too few features agree.
    """
    if not len(guesses):
        raise RegisterError("no guess of the camera's place; give the poses of the scan")
    size = rgb.shape[1], rgb.shape[0]
    features = _features(rgb)
    tried = []
    for guess in guesses:
        found = _round(gaussians, features, CameraModel(K, *size, guess))
        if found is not None:
            tried.append(found)
    if not tried:
        raise RegisterError(
            f"none of {len(guesses)} views of the scene has {_LEAST_INLIERS} features in common with the picture; "
            "is it of this scene, sharp, and about as bright?"
        )
    best: Registered | None = None
    for start in sorted(tried, key=lambda one: -one.inliers)[:keep]:
        found = _refined(gaussians, features, start)
        if best is None or found.inliers > best.inliers:
            best = found
    assert best is not None
    return best


@dataclasses.dataclass(frozen=True, eq=False)
class RegisteredCamera:
    """A camera that stands still, found in several of its pictures."""

    camera: CameraModel
    each: tuple[Registered, ...]  # that agree
    pictures: int  # looked at
    spread_mm: float  # standard deviation over the pictures
    spread_deg: float
    problems: tuple[str, ...]


def register_still(
    gaussians: Gaussians,
    pictures: Iterable[Rgb],
    K: Array,
    guesses: Sequence[SE3],
    progress: Callable[[int], None] = lambda done: None,
) -> RegisteredCamera:
    """Find a camera that stands still in several pictures: what is in the way differs, and so do the errors.

    Raises:
        RegisterError: no picture was found in the scene.
    """
    found: list[Registered] = []
    reasons: list[str] = []
    count = 0
    for count, rgb in enumerate(pictures, start=1):
        try:
            # Where the last one was found, the next is near.
            near = [found[-1].camera.tx_world_camera] if found else list(guesses)
            found.append(register(gaussians, rgb, K, near))
        except RegisterError as error:
            reasons.append(str(error))
        progress(count)
    if not found:
        raise RegisterError(reasons[0] if reasons else "there are no pictures to look at")
    places = np.stack([one.camera.tx_world_camera.translation for one in found])
    off = np.linalg.norm(places - np.median(places, axis=0), axis=1)
    agree = off <= max(0.01, 3 * float(np.median(off)))
    kept = [one for one, good in zip(found, agree, strict=True) if good]
    weights = np.array([one.inliers for one in kept], dtype=np.float64)
    poses = stack([one.camera.tx_world_camera for one in kept])
    # Poses that are as near as these: the mean of their quaternions on one side of the sphere is the mean rotation.
    quaternions = poses.quaternion * np.sign(poses.quaternion @ poses.quaternion[0])[:, None]
    mean = SE3(
        np.average(quaternions, axis=0, weights=weights),
        np.average(poses.translation, axis=0, weights=weights),
    )
    shift, turn = poses.distance_to(mean)
    problems = (
        [f"{len(reasons)} of {count} pictures were not found in the scene: {reasons[0]}"] if reasons else []
    )
    if not agree.all():
        problems.append(
            f"{int((~agree).sum())} of {len(found)} pictures say another place, up to {off.max() * 1e3:.0f} mm away; "
            "did the camera move?"
        )
    return RegisteredCamera(
        dataclasses.replace(kept[0].camera, tx_world_camera=mean),
        tuple(kept),
        count,
        1e3 * float(np.sqrt((shift**2).mean())),
        float(np.rad2deg(np.sqrt((turn**2).mean()))),
        tuple(problems),
    )


def _refined(
    gaussians: Gaussians, features: tuple[Array, NDArray[np.float32]], start: Registered
) -> Registered:
    now = start
    for count in range(2, _ROUNDS + 1):
        found = _round(gaussians, features, now.camera)
        if found is None:
            break
        moved = float(found.camera.tx_world_camera.distance_to(now.camera.tx_world_camera)[0])
        now = dataclasses.replace(found, rounds=count)
        if moved < _RESTED_M:
            break
    return now


def _round(
    gaussians: Gaussians, features: tuple[Array, NDArray[np.float32]], camera: CameraModel
) -> Registered | None:
    """Draw a view, match, and solve; None where too little agrees."""
    with torch.no_grad():
        rendered = render(gaussians, camera)
    rgb = (rendered.rgb.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    depth, alpha = rendered.depth.cpu().numpy(), rendered.alpha.cpu().numpy()
    places, words = _features(np.ascontiguousarray(rgb))
    pairs = _matched(words, features[1])
    if len(pairs) < _LEAST_INLIERS:
        return None
    pixels = places[pairs[:, 0]]
    columns, rows = np.clip(np.round(pixels).astype(int), 0, np.array([camera.width, camera.height]) - 1).T
    solid = alpha[rows, columns] > 0.8
    points = camera.unproject(pixels[solid], depth[rows, columns][solid])
    seen = features[0][pairs[:, 1]][solid]
    if len(points) < _LEAST_INLIERS:
        return None
    found, turn, shift, inliers = cv2.solvePnPRansac(
        points,
        seen,
        camera.K,
        None,
        iterationsCount=2000,
        reprojectionError=_INLIER_PX,
        flags=cv2.SOLVEPNP_EPNP,
    )
    if not found or inliers is None or len(inliers) < _LEAST_INLIERS:
        return None
    chosen = inliers.ravel()
    turn, shift = cv2.solvePnPRefineLM(points[chosen], seen[chosen], camera.K, None, turn, shift)
    pose = SE3.from_rotation_vector(turn.ravel(), shift.ravel()).inverse()
    there = dataclasses.replace(camera, tx_world_camera=pose)
    if not _plausible(there, camera, points[chosen], seen[chosen]):
        return None
    error = there.project(points[chosen])[0] - seen[chosen]
    rms = float(np.sqrt((error**2).sum(axis=1).mean()))
    return Registered(there, len(chosen), len(pairs), rms, 1)


def _plausible(found: CameraModel, start: CameraModel, points: Array, seen: Array) -> bool:
    """Chance agreements give cameras behind the scene or a world away, or rest on one spot of the picture."""
    depth = found.project(points)[1]
    if not (np.isfinite(depth).all() and (depth > 0).all()):
        return False
    away = float(np.linalg.norm(found.tx_world_camera.translation - start.tx_world_camera.translation))
    spread = seen.std(axis=0) / np.array([found.width, found.height])
    return bool(away < _FAR * np.median(start.project(points)[1]) and (spread > _LEAST_SPREAD).all())


def _features(rgb: Rgb) -> tuple[Array, NDArray[np.float32]]:
    """Places [n, 2] and SIFT descriptors [n, 128] (RootSIFT, Arandjelovic and Zisserman 2012)."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    keypoints, words = cv2.SIFT.create(nfeatures=3000, contrastThreshold=0.01).detectAndCompute(grey, None)
    if words is None:
        return np.zeros((0, 2)), np.zeros((0, 128), np.float32)
    words = np.sqrt(words / np.maximum(words.sum(axis=1, keepdims=True), 1e-9))
    return np.array([keypoint.pt for keypoint in keypoints]), words.astype(np.float32)


def _matched(rendered: NDArray[np.float32], seen: NDArray[np.float32]) -> NDArray[np.int64]:
    """Pairs [n, 2] of what is much more alike than anything else."""
    if len(rendered) < 2 or len(seen) < 2:
        return np.zeros((0, 2), np.int64)
    both = cv2.BFMatcher(cv2.NORM_L2).knnMatch(rendered, seen, k=2)
    clear = sorted(
        (one.distance, one.queryIdx, one.trainIdx)
        for one, other in both
        if one.distance < _RATIO * other.distance
    )
    best: dict[int, int] = {}
    for _, query, train in clear:
        best.setdefault(train, query)  # a feature of the picture is seen once
    return np.array([(query, train) for train, query in best.items()], dtype=np.int64).reshape(-1, 2)
