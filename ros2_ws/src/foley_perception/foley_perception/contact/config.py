"""Configuration of the contact detector node."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from foley_perception.audio.onset_config import OnsetConfig
from foley_perception.contact.detector import GateConfig
from foley_perception.contact.objects import KnownObject
from foley_perception.scene.sensing import SensingConfig


def _doc(default: Any, text: str) -> Any:
    return dataclasses.field(default=default, metadata={"doc": text})


@dataclasses.dataclass(frozen=True)
class ContactDetectorConfig:
    """Parameters of `contact_detector`."""

    sample_rate: int = _doc(48_000, "of mic/audio [Hz], until its first chunk tells it")
    channel: int = _doc(0, "of mic/audio that is heard, from 0")
    silent_after_s: float = _doc(1.0, "no sound for this long is reported as an unplugged microphone [s]")
    fixed_frame: str = _doc("world", "frame of contact positions; must not move")
    tool_frame: str = _doc("tool", "frame that ee_pose gives")
    tip_frame: str = _doc("tip", "frame of what touches; its transform from tool_frame comes from tf")
    hand: str = _doc("parallel_gripper", "name or path of the hand file")
    min_interval_s: float = _doc(0.08, "shortest time between two contacts [s]")
    min_speed: float = _doc(0.02, "a tip slower than this is at rest [m/s]")
    hit_speed: float = _doc(0.25, "an approach faster than this is a hit, a slower one a tap [m/s]")
    force_step: float = _doc(0.3, "rise of the measured force that tells a contact [N]")
    min_confidence: float = _doc(0.5, "contacts less certain than this are not published, (0, 1]")
    decision_s: float = _doc(0.09, "time after the onset for the motion that follows it [s]")
    use_depth: bool = _doc(True, "use camera/depth for nearness, planned contacts and telling objects apart")
    camera_transport: str = _doc(
        "auto", "of depth: raw, compressed, or auto: compressed where only that is published"
    )
    object_radius: float = _doc(0.06, "contacts closer together than this are on one object [m]")
    state_file: str = _doc(
        "", "file that keeps the objects' names over restarts; empty: a restarted detector gives new ones"
    )
    own_noise: str = _doc(
        "",
        "file of `foley calibrate noise`: what the robot's own motion sounds like is no contact; empty: not known",
    )
    known_objects: tuple[str, ...] = _doc((), "objects known by name, each `name x y z radius` [m]")

    def __post_init__(self) -> None:
        for name in ("silent_after_s", "object_radius"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}, must be positive")
        if self.channel < 0:
            raise ValueError(f"channel is {self.channel}, must not be negative")
        if not self.decision_s <= 0.5:
            raise ValueError(
                f"decision_s is {self.decision_s} s, must be at most 0.5: contacts would come too late"
            )
        for name in ("fixed_frame", "tool_frame", "tip_frame"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty, must name a frame of tf")
        # Each of these refuses its own fields.
        _ = self.onset, self.gates, self.objects, self.sensing

    @property
    def onset(self) -> OnsetConfig:
        return OnsetConfig(sample_rate=self.sample_rate, min_interval_s=self.min_interval_s)

    @property
    def sensing(self) -> SensingConfig:
        return SensingConfig(
            fixed_frame=self.fixed_frame,
            tool_frame=self.tool_frame,
            tip_frame=self.tip_frame,
            hand=self.hand,
            depth=self.use_depth,
            camera_transport=self.camera_transport,
        )

    @property
    def gates(self) -> GateConfig:
        return GateConfig(
            min_speed_m_s=self.min_speed,
            hit_speed_m_s=self.hit_speed,
            force_step_n=self.force_step,
            min_confidence=self.min_confidence,
            decision_s=self.decision_s,
        )

    @property
    def objects(self) -> tuple[KnownObject, ...]:
        return tuple(KnownObject.parse(text) for text in self.known_objects)
