"""Pictures of a scene for people: the camera's view in large, and every object by itself with its name."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_sim.motion.policy import Policy
from foley_sim.physics import mjcf
from foley_sim.rendering.camera import Camera, intrinsics
from foley_sim.robots import robots_of
from foley_sim.spec import ObjectSpec, SceneSpec

Image = NDArray[np.uint8]

_SCALE = 2  # drawn larger and scaled down, which smooths edges
_INK = (40, 42, 46)
_PAPER = 250


def draw(scene: SceneSpec, width: int, height: int, touching: ObjectSpec | None = None) -> Image:
    """The camera's view [height, width, 3], the arm at rest or with its tip on an object's top."""
    policy = Policy(scene, 0)
    place = policy.home()
    if touching is not None:
        place[:3] = (*touching.position[:2], touching.top + scene.striker.length)
    places = (place, policy.park())
    postures = [robot.posture(at) for robot, at in zip(robots_of(scene), places, strict=False)]
    own = np.concatenate(postures)
    return draw_posture(scene, own, width, height)


def draw_posture(scene: SceneSpec, own: NDArray[np.float64], width: int, height: int) -> Image:
    """The camera's view [height, width, 3] with the robots' joints, or all of qpos, as given."""
    camera = dataclasses.replace(scene.camera, width=width * _SCALE, height=height * _SCALE)
    model = mjcf.load(dataclasses.replace(scene, camera=camera))
    qpos = np.zeros(model.nq)
    qpos[: len(own)] = own  # the robots' joints come first
    camera_view = Camera(model, camera)
    try:
        camera_view.pose(qpos)
        pixels = camera_view.colour()
    finally:
        camera_view.close()
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def contact_sheet(scene: SceneSpec, width: int = 960, height: int = 640) -> Image:
    """The view above, the objects with material, shape and size below; [rows, width, 3]."""
    view = draw(scene, width, height, touching=scene.objects[0])
    unobstructed = draw(scene, width, height)
    side = width // len(scene.objects)
    tiles = np.hstack([tile(scene, item, unobstructed, side) for item in scene.objects])
    tiles = cv2.copyMakeBorder(
        tiles, 0, 0, 0, width - tiles.shape[1], cv2.BORDER_CONSTANT, value=[_PAPER] * 3
    )
    return np.asarray(np.vstack([_title(scene, width), view, tiles]), dtype=np.uint8)


def _title(scene: SceneSpec, width: int) -> Image:
    strip = np.full((34, width, 3), _PAPER, dtype=np.uint8)
    text = f"{scene.scene_id}: {len(scene.objects)} objects"
    cv2.putText(strip, text, (10, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.6, _INK, 1, cv2.LINE_AA)
    return strip


def tile(scene: SceneSpec, item: ObjectSpec, view: Image, side: int) -> Image:
    """One object cut out of the view, with its truth below."""
    height, width = view.shape[:2]
    camera = dataclasses.replace(scene.camera, width=width, height=height)
    k, axes = intrinsics(camera), mjcf.camera_axes(camera)
    point = axes.T @ (np.array(item.position) - np.array(camera.eye))
    u, v = (k @ point)[:2] / point[2]
    half = max(int(k[0, 0] * 0.6 * max(*item.size, 0.1) / point[2]), 24)
    padded = cv2.copyMakeBorder(view, half, half, half, half, cv2.BORDER_REPLICATE)
    left, top = max(round(u), 0), max(round(v), 0)
    cut = padded[top : top + 2 * half, left : left + 2 * half]
    picture = cv2.resize(cut, (side, side), interpolation=cv2.INTER_CUBIC)
    caption = np.full((72, side, 3), _PAPER, dtype=np.uint8)
    size = " x ".join(f"{100 * s:.0f}" for s in item.size)
    body = "hollow " if item.wall > 0 else ""
    for line, (text, scale) in enumerate(
        (
            (f"{item.material.name}", 0.5),
            (f"{body}{item.shape}", 0.36),
            (f"{size} cm", 0.36),
            (f"E {item.material.youngs_modulus / 1e9:.3g} GPa", 0.36),
        )
    ):
        cv2.putText(caption, text, (6, 17 + 15 * line), cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, 1, cv2.LINE_AA)
    return np.vstack([picture, caption])
