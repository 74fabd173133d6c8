"""The views of an interaction that a sound model looks at (Hearing Hands, sections 3.1 and 3.2).

The scene is rendered from its Gaussians, which were scanned before the robot came: neither robot nor anything in front
of it is in the way. The *global* view is that of the camera, with the hands drawn in; a *local* view looks from the
same place straight at one hand, closely; *top* and *side* are new views of the same moment.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from foley_common.view_geometry import LOCAL_HALF_M, VIEW_SIZE
from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.rendering.render import render
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.hands.draw import BONES, COLOURS

Image = NDArray[np.uint8]
Array = NDArray[np.float64]
ViewName = Literal["global", "top", "side", "local_left", "local_right"]

FINGERTIPS = (4, 8, 12, 16, 20)
_BONE_M = 0.009
"""Width of a drawn bone [m]."""


@dataclasses.dataclass(frozen=True)
class ViewConfig:
    """Sizes of the views.

    Raises:
        ValueError: a size that cannot be drawn.
    """

    size: int = VIEW_SIZE  # [pixel] of every view, square
    local_half_m: float = LOCAL_HALF_M  # a local view shows so much to each side of the hand [m]
    top_deg: float = 80.0  # elevation of the top view; under 90, so that up is known
    side_deg: float = 60.0  # the side view stands so far round the scene from the camera

    def __post_init__(self) -> None:
        if self.size < 8 or not 0.01 <= self.local_half_m <= 2 or not 0 < self.top_deg < 90:
            raise ValueError(
                f"size is {self.size}, local_half_m {self.local_half_m}, top_deg {self.top_deg}: need size >= 8, "
                "local_half_m within [0.01, 2] m and top_deg within (0, 90)"
            )


def square(camera: CameraModel, size: int) -> CameraModel:
    """The same camera with a square image that holds all of the old one; what is new lies above and below."""
    scale = size / max(camera.width, camera.height)
    middle = (np.array([camera.width, camera.height]) - 1) / 2
    K = camera.K.copy()
    K[:2, :2] *= scale
    K[:2, 2] = (camera.K[:2, 2] - middle) * scale + (size - 1) / 2
    return CameraModel(K, size, size, camera.tx_world_camera)


def local_camera(camera: CameraModel, point_world: Array, config: ViewConfig) -> CameraModel:
    """A camera at the same place that looks straight at a point and shows ``local_half_m`` to each side of it.

    Raises:
        ValueError: the point is nearer to the camera than that, or not known.
    """
    eye = camera.tx_world_camera.translation
    distance = float(np.linalg.norm(point_world - eye))
    if not distance > config.local_half_m:
        raise ValueError(
            f"the hand is {distance:.3f} m from the camera, a local view needs {config.local_half_m} m"
        )
    up = -camera.tx_world_camera.rotation[:, 1]
    if abs(float(up @ (point_world - eye))) > 0.99 * distance:  # straight above or below: up is not defined
        up = camera.tx_world_camera.rotation[:, 2]
    fov = np.rad2deg(2 * np.arctan(config.local_half_m / distance))
    return CameraModel.looking_at(
        eye, point_world, width=config.size, height=config.size, fovy_deg=fov, up=up
    )


def hand_camera(
    camera: CameraModel, name: ViewName, hands: Array, tips: Array, config: ViewConfig
) -> CameraModel | None:
    """The camera of a local view; None where its hand is not known, or not in front of the camera.

    Args:
        hands: keypoints [2, 21, 3].
        tips: ends of the tools that the hands hold [2, 3], NaN for none: where the view looks, else at the fingertips.
    """
    hand = ("local_left", "local_right").index(name)
    if not np.isfinite(hands[hand]).any():
        return None
    fingertips = hands[hand, FINGERTIPS]
    known = fingertips if np.isfinite(fingertips).any() else hands[hand]
    centre = tips[hand] if np.isfinite(tips[hand]).all() else np.nanmean(known, axis=0)
    if not camera.to_camera(centre)[2] > 0:
        return None
    try:
        return local_camera(camera, centre, config)
    except ValueError:
        return None


def around(camera: CameraModel, centre: Array, config: ViewConfig) -> dict[ViewName, CameraModel]:
    """Cameras for the top and the side view, as far from the centre as the camera is."""
    offset = camera.tx_world_camera.translation - centre
    distance = float(np.linalg.norm(offset))
    azimuth = np.arctan2(offset[1], offset[0])
    elevation = np.arcsin(np.clip(offset[2] / distance, -1, 1))

    def at(turn: float, rise: float) -> CameraModel:
        x, y, z = np.cos(turn) * np.cos(rise), np.sin(turn) * np.cos(rise), np.sin(rise)
        fov = 2 * np.rad2deg(
            np.arctan(max(camera.width / camera.K[0, 0], camera.height / camera.K[1, 1]) / 2)
        )
        eye = centre + distance * np.array([x, y, z])
        return CameraModel.looking_at(eye, centre, width=config.size, height=config.size, fovy_deg=fov)

    return {
        "top": at(azimuth, np.deg2rad(config.top_deg)),
        "side": at(azimuth + np.deg2rad(config.side_deg), elevation),
    }


def draw_hands(image: Image, camera: CameraModel, keypoints: Array, tips: Array | None = None) -> Image:
    """A copy of an image with both hands [2, 21, 3] in the world drawn in; unknown keypoints are left out.

    Args:
        tips: ends of the tools that the hands hold [2, 3], NaN for none.
    """
    drawn = image.copy()
    for hand, colour in enumerate(COLOURS):
        points = keypoints[hand]
        bones = [(points[a], points[b], 0.6 + 0.4 * ((b - 1) // 4) / 4) for a, b in BONES]
        if tips is not None and np.isfinite(points[list(FINGERTIPS)]).all():
            bones.append((points[list(FINGERTIPS)].mean(axis=0), tips[hand], 0.4))
        pixels, depths = camera.project(np.array([bone[:2] for bone in bones]))  # [n, 2, 2] and [n, 2]
        for index in np.argsort(-depths.mean(axis=1)):  # far bones first; NaN last
            if np.isfinite(pixels[index]).all():
                width = _pixels(_BONE_M, camera, float(depths[index].mean()))
                tone = tuple(int(bones[index][2] * value) for value in colour)
                start, end = (tuple(corner) for corner in _sixteenths(pixels[index]))
                cv2.line(drawn, start, end, tone, width, cv2.LINE_AA, shift=4)
        joints, depths = camera.project(points)
        for joint in np.flatnonzero(np.isfinite(joints).all(axis=1)):
            radius = 16 * _pixels(0.3 * _BONE_M, camera, float(depths[joint]))
            cv2.circle(
                drawn, tuple(_sixteenths(joints[joint])), radius, (245, 235, 225), -1, cv2.LINE_AA, shift=4
            )
    return drawn


def _pixels(metres: float, camera: CameraModel, depth: float) -> int:
    """How wide a length is at a depth."""
    return int(np.clip(round(metres * camera.K[0, 0] / depth), 1, 64))


def _sixteenths(pixels: Array) -> NDArray[np.int64]:
    """Positions as OpenCV takes them with shift=4."""
    return np.asarray(np.round(np.clip(pixels, -1e4, 1e4) * 16), dtype=np.int64)


@dataclasses.dataclass(frozen=True, eq=False)
class Views:
    """One moment. Local views are of hands that are known and in front of the camera."""

    images: Mapping[ViewName, Image]  # [size, size, 3]
    cameras: Mapping[ViewName, CameraModel]
    coverage: Mapping[ViewName, float]  # mean alpha: low where the scene was never seen


class ViewRenderer:
    """Renders the views of a scene for a camera that stands still; what does not change is rendered once.

    Args:
        gaussians: the scene.
        camera: where the interaction is seen from, in the scene's frame.
        centre: what top and side views look at [3].
    """

    def __init__(
        self, gaussians: Gaussians, camera: CameraModel, centre: Array, config: ViewConfig | None = None
    ) -> None:
        self.config = config or ViewConfig()
        self._gaussians = gaussians
        still = around(camera, np.asarray(centre, dtype=np.float64), self.config)
        self._still: dict[ViewName, CameraModel] = {"global": square(camera, self.config.size), **still}
        self._backgrounds: dict[ViewName, tuple[Image, float]] = {}
        self._camera = camera

    def views(
        self,
        keypoints: Array,
        names: tuple[ViewName, ...] = ("global", "local_left", "local_right"),
        tips: Array | None = None,
    ) -> Views:
        """The views of one moment.

        Args:
            keypoints: both hands [2, 21, 3] in the scene's frame, NaN where unknown.
            names: which views.
            tips: ends of the tools that the hands hold [2, 3], NaN where a hand holds none: drawn in, and looked at by
                local views, which else look at the fingertips.
        """
        hands = np.asarray(keypoints, dtype=np.float64)
        if hands.shape != (2, 21, 3):
            raise ValueError(f"keypoints have shape {hands.shape}, expected (2, 21, 3)")
        ends = np.full((2, 3), np.nan) if tips is None else np.asarray(tips, dtype=np.float64)
        images: dict[ViewName, Image] = {}
        cameras: dict[ViewName, CameraModel] = {}
        coverage: dict[ViewName, float] = {}
        for name in names:
            if name in self._still:
                cameras[name] = self._still[name]
                background, coverage[name] = self._background(name)
                images[name] = draw_hands(background, cameras[name], hands, ends)
            elif (camera := hand_camera(self._camera, name, hands, ends, self.config)) is not None:
                cameras[name] = camera
                images[name], coverage[name] = self._drawn(camera)
        return Views(images, cameras, coverage)

    def _background(self, name: ViewName) -> tuple[Image, float]:
        if name not in self._backgrounds:
            self._backgrounds[name] = self._drawn(self._still[name])
        return self._backgrounds[name]

    def _drawn(self, camera: CameraModel) -> tuple[Image, float]:
        with torch.no_grad():
            image = render(self._gaussians, camera)
        rgb = (image.rgb.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
        return np.ascontiguousarray(rgb), float(image.alpha.mean())


def registered(camera: CameraModel, tx_scene_world: SE3) -> CameraModel:
    """A camera in the frame of the scene, where that differs from the world of the recording."""
    return dataclasses.replace(camera, tx_world_camera=tx_scene_world @ camera.tx_world_camera)
