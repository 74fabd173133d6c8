"""Pictures of a calibrated camera to hands in the world: detect, place, follow."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foley_perception.geometry.camera import CameraModel
from foley_perception.hands.lifting import palm_length, place
from foley_perception.hands.track import Candidate, HandTracker, TrackConfig

Array = NDArray[np.float64]

_GUESSED = 0.5
"""Without depth the distance is a guess from the size of the hand: so much is left of the confidence."""
PALM_M = 0.09
"""From the wrist to the knuckle of the middle finger, of an average adult [m]."""


class HandInPicture(Protocol):
    """A hand as a network gives it."""

    @property
    def metric(self) -> Array: ...  # [21, 3] its shape [m]

    @property
    def pixels(self) -> Array: ...  # [21, 2] from the picture's corner

    @property
    def right(self) -> float: ...  # probability

    @property
    def score(self) -> float: ...


class Detector(Protocol):
    """Whatever finds hands in a picture."""

    def detect(self, rgb: NDArray[np.uint8]) -> Sequence[HandInPicture]: ...

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
        palm_m: from the wrist to the knuckle of the middle finger of whoever is followed [m]; 0: as the network guesses
            it anew in each picture. Counts where there is no depth.
    """

    def __init__(
        self, detector: Detector, config: TrackConfig | None = None, *, palm_m: float = PALM_M
    ) -> None:
        self.counts = Counts()
        self._detector, self._tracker, self._palm_m = detector, HandTracker(config), palm_m
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
        return self.settle(time_ns, self._detector.detect(rgb), camera, depth)

    def settle(
        self,
        time_ns: int,
        hands: Sequence[HandInPicture],
        camera: CameraModel,
        depth: NDArray[np.float32] | None = None,
    ) -> tuple[Array, Array]:
        """The same from hands that were found by other means."""
        self.counts.pictures += 1
        candidates = []
        for hand in hands:
            # Landmarks count from pixel edges, cameras from pixel centres.
            guess = palm_length(hand.metric)
            size = self._palm_m / guess if self._palm_m and guess > 0 else 1.0
            placed = place(size * hand.metric, hand.pixels - 0.5, camera, depth)
            if placed is None:
                self.counts.not_placed += 1
                continue
            self.counts.hands += 1
            self.counts.without_depth += not placed.depths
            sure = hand.score * (1.0 if placed.depths else _GUESSED)
            candidates.append(Candidate(placed.keypoints, float(hand.right), sure))
        return self._tracker.update(time_ns, candidates)
