"""Landmarks drawn into their picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_perception.hands.detect import SeenHand

BONES = tuple((0 if joint % 4 == 1 else joint - 1, joint) for joint in range(1, 21))
"""Pairs of keypoints that are joined: wrist to knuckles, then along each finger."""
COLOURS = ((70, 130, 255), (255, 150, 60))
"""Of left and right hands."""


def draw_landmarks(rgb: NDArray[np.uint8], hands: Sequence[SeenHand]) -> NDArray[np.uint8]:
    """A copy of a picture with its hands drawn in, left ones blue and right ones orange."""
    drawn = rgb.copy()
    for hand in hands:
        size = float(np.ptp(hand.pixels, axis=0).max())
        points = [tuple(point) for point in np.round(hand.pixels).astype(int).tolist()]
        colour = COLOURS[int(hand.right >= 0.5)]
        for a, b in BONES:
            cv2.line(drawn, points[a], points[b], colour, max(1, round(size / 60)), cv2.LINE_AA)
        for point in points:
            cv2.circle(drawn, point, max(1, round(size / 50)), (245, 235, 225), -1, cv2.LINE_AA)
    return drawn
