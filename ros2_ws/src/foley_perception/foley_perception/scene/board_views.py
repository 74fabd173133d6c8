"""A recording of a board to corners and tool poses, as hand-eye calibration takes them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from foley_perception.geometry.hand_eye import BoardSeen
from foley_perception.geometry.tf_buffer import TransformUnavailable
from foley_perception.scene.charuco import Board
from foley_perception.scene.recorded import RecordedPictures

_AROUND_NS = 40_000_000
"""A tool stands still if its pose before and after a picture by this is the same."""


def find_board(
    seen: RecordedPictures,
    board: Board,
    *,
    world_frame: str,
    tool_frame: str,
    still_m: float,
    every: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[BoardSeen], list[str]]:
    """Pictures of the board in which the tool stands still, and what kept the others out."""
    found: list[BoardSeen] = []
    no_pose, moving, no_board, reason = 0, 0, 0, ""
    indices = range(0, len(seen.frames), max(1, every))
    for done, index in enumerate(indices, start=1):
        stamp = int(seen.frames.times_ns[index])
        progress(done, len(indices))
        try:
            before, tool, after = (
                seen.transforms.lookup(world_frame, tool_frame, stamp + d)
                for d in (-_AROUND_NS, 0, _AROUND_NS)
            )
        except TransformUnavailable as error:
            no_pose, reason = no_pose + 1, str(error)
            continue
        if np.linalg.norm(after.translation - before.translation) > still_m:
            moving += 1
            continue
        corners = board.find(np.asarray(seen.frames.read(index), dtype=np.uint8))
        if corners is None:
            no_board += 1
            continue
        found.append(BoardSeen(corners[0], corners[1], tool))
    told = []
    if no_pose:
        told.append(f"{no_pose} of {len(indices)} pictures have no pose of the tool: {reason}")
    if moving:
        told.append(f"{moving} of {len(indices)} pictures were taken while the tool moved")
    if no_board:
        told.append(f"{no_board} of {len(indices)} pictures show too little of the board")
    return found, told
