"""ChArUco boards: drawn to be printed, and found in pictures (OpenCV)."""

from __future__ import annotations

import dataclasses
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEAST_CORNERS = 8


@dataclasses.dataclass(frozen=True)
class Board:
    """A chessboard with ArUco markers in its white squares.

    Raises:
        ValueError: a board that cannot be made.
    """

    columns: int = 8  # squares
    rows: int = 6
    square_m: float = 0.03  # side of a square, as measured on the print
    marker_m: float = 0.022
    dictionary: str = "DICT_5X5_100"

    def __post_init__(self) -> None:
        if self.columns < 3 or self.rows < 3 or not 0 < self.marker_m < self.square_m:
            raise ValueError(
                f"board {self.columns}x{self.rows} with squares of {self.square_m} m and markers of {self.marker_m} m: "
                "need at least 3x3 squares, and markers smaller than squares"
            )
        if not hasattr(cv2.aruco, self.dictionary):
            raise ValueError(
                f"dictionary `{self.dictionary}` is not known to OpenCV, for example DICT_5X5_100 is"
            )

    @cached_property
    def _board(self) -> cv2.aruco.CharucoBoard:
        dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.dictionary))
        return cv2.aruco.CharucoBoard((self.columns, self.rows), self.square_m, self.marker_m, dictionary)

    @property
    def corners(self) -> Array:
        """Inner corners [n, 3] in the board's frame [m]: x along columns, y along rows, z into the board."""
        return np.asarray(self._board.getChessboardCorners(), dtype=np.float64)

    def picture(self, pixels_per_square: int = 100) -> NDArray[np.uint8]:
        """The board to be printed [h, w], without a margin."""
        size = (self.columns * pixels_per_square, self.rows * pixels_per_square)
        return np.asarray(self._board.generateImage(size), dtype=np.uint8)

    def find(self, rgb: NDArray[np.uint8]) -> tuple[Array, Array] | None:
        """Corners [n, 3] in the board's frame and their pixels [n, 2]; None if too few are seen."""
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) if rgb.ndim == 3 else rgb
        pixels, ids, _, _ = cv2.aruco.CharucoDetector(self._board).detectBoard(grey)
        if ids is None or len(ids) < LEAST_CORNERS:
            return None
        return self.corners[np.asarray(ids).ravel()], np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
