"""Configuration of the hand tracker node."""

from __future__ import annotations

import dataclasses
from typing import Any


def _doc(default: Any, text: str) -> Any:
    return dataclasses.field(default=default, metadata={"doc": text})


@dataclasses.dataclass(frozen=True)
class HandTrackerConfig:
    """Parameters of `hand_tracker`."""

    fixed_frame: str = _doc("world", "frame of all keypoints; must not move")
    camera_transport: str = _doc("auto", "raw, compressed, or auto: compressed where only that is published")
    rate_hz: float = _doc(15.0, "pictures looked at, at most [Hz]")
    least_palm: float = _doc(0.5, "score under which a palm is taken for none")
    least_hand: float = _doc(0.5, "score under which a hand is taken for none")
    depth_within_s: float = _doc(0.05, "depth this far in time from the picture is used [s]")
    calm_hz: float = _doc(1.5, "smoothing: cut-off of a hand that rests [Hz]")
    quick_per_m: float = _doc(40.0, "smoothing: by how much a speed of 1 m/s raises it [Hz]")
    gap_s: float = _doc(0.25, "after so long unseen a hand starts anew [s]")
    palm_m: float = _doc(0.09, "wrist to knuckle of the middle finger, where depth lacks [m]; 0: as guessed")
    threads: int = _doc(2, "of the networks")

    def __post_init__(self) -> None:
        for name, low, high in (
            ("rate_hz", 0.5, 120.0),
            ("least_palm", 0.05, 1.0),
            ("least_hand", 0.05, 1.0),
            ("depth_within_s", 0.0, 1.0),
            ("calm_hz", 0.01, 100.0),
            ("quick_per_m", 0.0, 1000.0),
            ("gap_s", 0.01, 10.0),
            ("palm_m", 0.0, 0.2),
            ("threads", 1, 64),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}, must lie in [{low}, {high}]")
        if self.camera_transport not in ("auto", "raw", "compressed"):
            raise ValueError(
                f"camera_transport is `{self.camera_transport}`, known are auto, raw, compressed"
            )
        if not self.fixed_frame:
            raise ValueError("fixed_frame is empty")
