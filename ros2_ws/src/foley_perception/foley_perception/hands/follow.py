"""Pictures of a calibrated camera to hands in the world: detect, place, follow."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foley_perception.hands.detect import SeenHand
from foley_perception.hands.place import place
from foley_perception.hands.track import Candidate, HandTracker, TrackConfig
from foley_perception.scene.camera import CameraModel

Array = NDArray[np.float64]

_GUESSED = 0.5
"""Without depth the distance is a guess from an average hand's size: so much is left of the confidence."""


class Detector(Protocol):
    """Whatever finds hands in a picture."""

    def detect(self, rgb: NDArray[np.uint8]) -> list[SeenHand]: ...

    def forget(self) -> None: ...


@dataclasses.dataclass
class Counts:
    """What came in and what became of it."""

    pictures: int = 0
    hands: int = 0
    without_depth: int = 0  # hands whose distance is a guess
    not_placed: int = 0


class HandFollower:
    """Follow both hands through the pictures of one camera.

    Args:
        detector: finds hands in a picture.
        config: of smoothing and gaps.
    """

    def __init__(self, detector: Detector, config: TrackConfig | None = None) -> None:
        self.counts = Counts()
        self._detector, self._tracker = detector, HandTracker(config)
        self._size = (0, 0)

    def follow(
        self,
        time_ns: int,
        rgb: NDArray[np.uint8],
        camera: CameraModel,
        depth: NDArray[np.float32] | None = None,
    ) -> tuple[Array, Array]:
        """Keypoints [2, 21, 3] in the world, left first, NaN where absent; confidences [2].

        Raises:
            ValueError: the picture has another size than the camera.
        """
        if rgb.shape != (camera.height, camera.width, 3):
            raise ValueError(
                f"the picture is {rgb.shape[1]}x{rgb.shape[0]}, camera_info says {camera.width}x{camera.height}"
            )
        if rgb.shape[:2] != self._size:
            self._detector.forget()
            self._size = rgb.shape[:2]
        self.counts.pictures += 1
        candidates = []
        for hand in self._detector.detect(rgb):
            # Landmarks count from pixel edges, cameras from pixel centres.
            placed = place(hand.metric, hand.pixels - 0.5, camera, depth)
            if placed is None:
                self.counts.not_placed += 1
                continue
            self.counts.hands += 1
            self.counts.without_depth += not placed.depths
            sure = hand.score * (1.0 if placed.depths else _GUESSED)
            candidates.append(Candidate(placed.keypoints, hand.right, sure))
        return self._tracker.update(time_ns, candidates)
