"""Hands in one picture: palms by a single-shot detector, then 21 landmarks in a turned region (MediaPipe Hands).

Zhang et al., "MediaPipe Hands: On-device Real-time Hand Tracking" (2020). The numbers below are those of its graphs:
anchors on grids of 24 and 12 cells, a region 2.6 palms wide and half a palm towards the fingers.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_perception.hands.models import HandModelError, model_path

Array = NDArray[np.float64]
Rgb = NDArray[np.uint8]

PALM_SIDE = 192
HAND_SIDE = 224
_GRIDS = ((24, 2), (12, 6))  # cells a side, anchors a cell
_OVERLAP = 0.3
_PALM_WRIST, _PALM_MIDDLE = 0, 2  # of the palm's seven keypoints


class Network(Protocol):
    """One picture [side, side, 3] in [0, 1] to the outputs of a network."""

    def __call__(self, picture: NDArray[np.float32]) -> list[NDArray[np.float32]]: ...


class LiteRt:
    """A network in a .tflite file, on the CPU.

    Raises:
        HandModelError: ai-edge-litert is not installed, or the file is no network.
    """

    def __init__(self, path: str, threads: int = 2) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ModuleNotFoundError as error:
            raise HandModelError(
                "ai-edge-litert is not installed; set up with FOLEY_EXTRAS='scene'"
            ) from error
        try:
            self._interpreter: Any = Interpreter(path, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise HandModelError(f"{path}: not a network that LiteRT runs ({error})") from error
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = sorted(self._interpreter.get_output_details(), key=lambda d: str(d["name"]))
        self._outputs = [detail["index"] for detail in outputs]

    def __call__(self, picture: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        self._interpreter.set_tensor(self._input, picture[None])
        self._interpreter.invoke()
        return [np.asarray(self._interpreter.get_tensor(index)[0], np.float32) for index in self._outputs]


@dataclasses.dataclass(frozen=True, eq=False)
class Region:
    """A turned square on a picture, in pixels; at angle 0 the fingers point up."""

    centre: Array  # [2]
    side: float
    angle: float  # [rad], clockwise as seen

    def to_picture(self, points: Array) -> Array:
        """Points [n, 2] in [0, 1] of the square to pixels."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.asarray((points - 0.5) * self.side @ np.array([[c, s], [-s, c]]) + self.centre)

    def cut(self, rgb: Rgb, side: int) -> NDArray[np.float32]:
        """The square as a picture [side, side, 3] in [0, 1]; what lies off the picture repeats its border."""
        corners = self.to_picture(np.array([[0.0, 0], [1, 0], [0, 1]]))
        target = np.array([[0, 0], [side, 0], [0, side]], dtype=np.float32)
        warp = cv2.getAffineTransform((corners - 0.5).astype(np.float32), target - np.float32(0.5))
        cut = cv2.warpAffine(rgb, warp, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(cut.astype(np.float32) / np.float32(255))


@dataclasses.dataclass(frozen=True, eq=False)
class SeenHand:
    """A hand in a picture."""

    pixels: Array  # [21, 2] from the picture's corner
    metric: Array  # [21, 3] the network's guess of the hand's shape [m], camera axes, origin in the hand
    right: float  # probability that it is a right hand, the picture not being mirrored
    score: float  # that there is a hand
    region: Region  # where to look in the next picture


class HandDetector:
    """Find hands, and follow them while they stay where they were.

    Args:
        palm, landmarks: the networks; those fetched by default.
        least_palm, least_hand: scores under which a palm or a hand is taken for none.
    """

    def __init__(
        self,
        palm: Network | None = None,
        landmarks: Network | None = None,
        *,
        hands: int = 2,
        least_palm: float = 0.5,
        least_hand: float = 0.5,
        threads: int = 2,
    ) -> None:
        self._palm = palm or LiteRt(str(model_path("palm")), threads)
        self._landmarks = landmarks or LiteRt(str(model_path("landmarks")), threads)
        self._hands, self._least_palm, self._least_hand = hands, least_palm, least_hand
        self._regions: list[Region] = []

    def forget(self) -> None:
        """Look everywhere in the next picture."""
        self._regions = []

    def detect(self, rgb: Rgb) -> list[SeenHand]:
        """Hands of the next picture [H, W, 3], at most as many as asked for."""
        regions = list(self._regions)
        if len(regions) < self._hands:
            for region in self.palms(rgb):
                if len(regions) < self._hands and not any(_same(region, other) for other in regions):
                    regions.append(region)
        seen = [hand for region in regions if (hand := self.hand(rgb, region)) is not None]
        self._regions = [hand.region for hand in seen]
        return seen

    def palms(self, rgb: Rgb) -> list[Region]:
        """Regions of hands, from palms anywhere in a picture, the surest first."""
        height, width = rgb.shape[:2]
        side = max(height, width)
        scale = PALM_SIDE / side
        small = cv2.resize(rgb, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
        top, left = (PALM_SIDE - small.shape[0]) // 2, (PALM_SIDE - small.shape[1]) // 2
        square = np.zeros((PALM_SIDE, PALM_SIDE, 3), np.float32)
        square[top : top + small.shape[0], left : left + small.shape[1]] = small.astype(np.float32) / 255
        raw, logits = self._palm(square)
        scores = 1 / (1 + np.exp(-np.clip(logits.ravel().astype(np.float64), -100, 100)))
        sure = scores >= self._least_palm
        if not sure.any():
            return []
        values = raw.reshape(-1, 9, 2)[sure].astype(np.float64) / PALM_SIDE  # centre, size, seven keypoints
        anchors = _anchors()[sure]
        values[:, 0] += anchors
        values[:, 2:] += anchors[:, None]
        merged = _merge(values, scores[sure])
        offset = np.array([left, top]) / scale
        return [_palm_region(palm * side, offset) for palm in merged]

    def hand(self, rgb: Rgb, region: Region) -> SeenHand | None:
        """Landmarks in a region; None if there is no hand."""
        flat, presence, side, world = self._landmarks(region.cut(rgb, HAND_SIDE))
        score = float(presence.ravel()[0])
        if not score >= self._least_hand:
            return None
        local = flat.reshape(21, 3).astype(np.float64)[:, :2] / HAND_SIDE
        pixels = region.to_picture(local)
        c, s = np.cos(region.angle), np.sin(region.angle)
        metric = world.reshape(21, 3).astype(np.float64) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        return SeenHand(pixels, metric, float(side.ravel()[0]), score, _next_region(pixels))


def _anchors() -> Array:
    """Centres [2016, 2] of the palm detector's anchors, in [0, 1]."""
    parts = []
    for cells, each in _GRIDS:
        y, x = np.mgrid[0:cells, 0:cells]
        parts.append((np.repeat(np.stack([x, y], -1).reshape(-1, 2), each, axis=0) + 0.5) / cells)
    return np.concatenate(parts)


def _merge(values: Array, scores: Array) -> list[Array]:
    """Weighted non-maximum suppression: what overlaps the surest is averaged with it, by score."""
    merged, left = [], np.argsort(-scores, kind="stable")
    while len(left):
        overlap = _overlap(values[left[0]], values[left])
        group = left[overlap > _OVERLAP]
        if not len(group):
            break
        merged.append(np.average(values[group], axis=0, weights=scores[group]))
        left = left[overlap <= _OVERLAP]
    return merged


def _overlap(one: Array, many: Array) -> Array:
    """Intersection over union [n] of boxes given as centre and size."""
    low = np.maximum(one[0] - one[1] / 2, many[:, 0] - many[:, 1] / 2)
    high = np.minimum(one[0] + one[1] / 2, many[:, 0] + many[:, 1] / 2)
    both = np.maximum(high - low, 0).prod(axis=1)
    return np.asarray(both / (one[1].prod() + many[:, 1].prod(axis=1) - both))


def _upright(foot: Array, head: Array) -> float:
    """The angle by which a picture is turned, if the way from foot to head ought to point up."""
    angle = np.pi / 2 - np.arctan2(-(head[1] - foot[1]), head[0] - foot[0])
    return float(angle - 2 * np.pi * np.floor((angle + np.pi) / (2 * np.pi)))


def _moved(centre: Array, size: Array, angle: float, shift_y: float, scale: float) -> Region:
    c, s = np.cos(angle), np.sin(angle)
    way = shift_y * size[1] * np.array([-s, c])
    return Region(centre + way, scale * float(size.max()), angle)


def _palm_region(palm: Array, offset: Array) -> Region:
    points = palm[2:] - offset
    angle = _upright(points[_PALM_WRIST], points[_PALM_MIDDLE])
    return _moved(palm[0] - offset, palm[1], angle, -0.5, 2.6)


_STEADY = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)
"""Landmarks that say where the hand will be: not the fingertips, which move most."""


def _next_region(pixels: Array) -> Region:
    index, middle, ring = pixels[5], pixels[9], pixels[13]
    angle = _upright(pixels[0], ((index + ring) / 2 + middle) / 2)
    points = pixels[list(_STEADY)]
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s], [s, c]])  # to the axes of the region
    middle_of = (points.min(axis=0) + points.max(axis=0)) / 2
    turned = (points - middle_of) @ turn
    low, high = turned.min(axis=0), turned.max(axis=0)
    centre = middle_of + (low + high) / 2 @ turn.T
    return _moved(centre, high - low, angle, -0.1, 2.0)


def _same(one: Region, other: Region) -> bool:
    """Whether two regions are of one hand."""
    return bool(np.linalg.norm(one.centre - other.centre) < 0.5 * min(one.side, other.side))
