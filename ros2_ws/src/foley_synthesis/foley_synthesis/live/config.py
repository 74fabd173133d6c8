"""Parameters of the live nodes. Every field is a ROS parameter of the same name (see foley_ros.params)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, cast

from foley_perception.scene.sensing import SensingConfig
from foley_synthesis.beliefs.fusion import FusionConfig, Method
from foley_synthesis.hearing.inference.opened import DEFAULT_HEARING

FITTED = "fitted"


def parameter(default: Any, doc: str) -> Any:
    """A field with the description that ``ros2 param describe`` shows."""
    return dataclasses.field(default=default, metadata={"doc": doc})


def _in_range(config: Any, low: float, high: float, *names: str, open_low: bool = False) -> None:
    for name in names:
        value = getattr(config, name)
        above = value > low if open_low else value >= low
        if not (math.isfinite(value) and above and value <= high):
            bracket = "(" if open_low else "["
            raise ValueError(f"{name} is {value}, must be in {bracket}{low:g}, {high:g}]")


@dataclasses.dataclass(frozen=True)
class MaterialConfig:
    """Parameters of the `material` node."""

    checkpoint: str = parameter(
        "", "folder of the checkpoint; empty: the one that ships with foley_synthesis"
    )
    hearing: str = parameter(
        "",
        "what hears: a folder of `foley train hearing`, the name of one that ships, or `checkpoint` for the heard part "
        f"of the checkpoint; empty: {DEFAULT_HEARING}",
    )
    predicates_file: str = parameter("", "YAML file of the predicates; empty: the one that ships")
    taught_predicates: str = parameter(
        "",
        "folder of predicates that are taught, by `foley predicate teach` and while the node runs, such as "
        "~/.local/share/foley/predicates; what changes there is taken over; empty: nothing is taught",
    )
    state_file: str = parameter("", "file that keeps the beliefs over restarts; empty: they are not kept")
    threads: int = parameter(
        2, "threads of the model; with a second one contacts are heard in two thirds of the time"
    )
    sample_rate: int = parameter(48000, "[Hz] of mic/audio, until its first chunk tells it")
    channel: int = parameter(0, "of mic/audio that is heard, from 0")
    own_noise: str = parameter(
        "",
        "file of `foley calibrate noise`, what the robot itself sounds like; used with take_off_own_noise; empty: not "
        "known",
    )
    take_off_own_noise: bool = parameter(
        False, "take the robot's own noise off contacts before they are heard and compared"
    )
    before_s: float = parameter(0.25, "[s] of sound before the onset that the model hears")
    after_s: float = parameter(0.65, "[s] of sound after the onset that the model hears; less is sooner")
    patience_s: float = parameter(1.0, "[s] that a contact waits for sound that does not come")
    same_object_radius_m: float = parameter(0.06, "[m] within which contacts without a name are one object")
    fusion: str = parameter(
        "fitted",
        "how evidence adds up: fitted (as fusion.yaml of the checkpoint says, whose answers have a bounded risk), or "
        "log_linear or dirichlet with the numbers below, whose answers have none",
    )
    heard_weight: float = parameter(1.0, "unless fitted: weight of what was heard, 0 to 1")
    sight_weight: float = parameter(1.0, "unless fitted: weight of what was seen, 0 to 1")
    vision_weight: float = parameter(
        0.5, "unless fitted: weight of what a user's image model says on vision_material, 0 to 1"
    )
    heard_correlation: float = parameter(
        0.7, "unless fitted: correlation between places of one object where contacts were heard, 0 to 1"
    )
    place_correlation: float = parameter(
        0.0, "unless fitted: correlation between heard contacts at one place, beyond that, 0 to 1"
    )
    temperature: float = parameter(1.0, "unless fitted: of the fused probabilities; above 1 is less sure")
    abstain_below: float = parameter(
        0.4, "unless fitted: the fused belief abstains while no class is this probable"
    )
    forget_after_s: float = parameter(
        0.0,
        "[s] after which evidence weighs half, and after five times that nothing; 0: never, since what a thing is made "
        "of does not change, and what moves or goes can be told",
    )
    surprise_level: float = parameter(0.95, "percentile above which a contact is surprising")
    snapshot_period_s: float = parameter(1.0, "[s] between snapshots of the predicates without any change")
    lease_s: float = parameter(
        3.0,
        "[s] after a snapshot until which its predicates may be relied on; the next snapshot renews them, so that no "
        "TRUE outlives a node that died or hangs by more than this",
    )

    most_in_pairs: int = parameter(
        8, "objects, those with the newest evidence, between which predicates of two are told; 0: of none"
    )
    contact_detector: str = parameter(
        "contact_detector",
        "node whose heartbeat tells whether contacts are detected; one that was never there is not missed",
    )

    def __post_init__(self) -> None:
        _in_range(self, 1, 64, "threads")
        _in_range(self, 0, 64, "most_in_pairs")
        _in_range(self, 8000, 384000, "sample_rate")
        _in_range(self, 0, 63, "channel")
        _in_range(self, 0.0, 1.0, "before_s", "surprise_level")
        _in_range(self, 0.05, 4.0, "after_s")
        _in_range(self, 0.0, 10.0, "patience_s")
        _in_range(self, 0.0, 1.0, "same_object_radius_m", open_low=True)
        _in_range(self, 0.05, 60.0, "snapshot_period_s")
        _in_range(self, 0.1, 600.0, "lease_s")
        _in_range(self, 0.0, 1e9, "forget_after_s")
        if self.lease_s < 2 * self.snapshot_period_s:
            raise ValueError(
                f"lease_s is {self.lease_s} and snapshot_period_s {self.snapshot_period_s}: a lease shorter than two "
                "periods would lapse whenever one snapshot is late"
            )
        self.fusion_config()

    def fusion_config(self) -> FusionConfig | None:
        """How evidence adds up; None: as it was fitted. Raises ValueError for a field that it refuses."""
        if self.fusion == FITTED:
            return None
        return FusionConfig(
            method=cast(Method, self.fusion),
            heard_weight=self.heard_weight,
            sight_weight=self.sight_weight,
            vision_weight=self.vision_weight,
            heard_correlation=self.heard_correlation,
            place_correlation=self.place_correlation,
            temperature=self.temperature,
            abstain_below=self.abstain_below,
        )


@dataclasses.dataclass(frozen=True)
class SynthesizerConfig:
    """Parameters of the `synthesizer` node."""

    checkpoint: str = parameter(
        "",
        "folder of the checkpoint, of `foley train`, `foley flow train` or `foley flow fit`, or the name of one that "
        "ships, such as contact_flow; empty: the one that ships with foley_synthesis for all nodes",
    )
    sound_checkpoint: str = parameter(
        "",
        "folder or name of a second one whose sounds are told in place of the first one's, which then says the "
        "material alone: contact_flow, for instance; empty: one model does both",
    )
    threads: int = parameter(1, "threads of the model")
    scene: str = parameter(
        "",
        "of a flow: folder of the reconstructed scene that views are rendered of, or whose surface is touched, in "
        "fixed_frame; empty: views are cut from the camera's picture, the surface is that of its depth",
    )
    sight: str = parameter(
        "",
        "of a contact flow: folder of the sight that looks at what is touched; empty: the one within the checkpoint, "
        "if there is; none: nobody looks",
    )
    solver_steps: int = parameter(
        0,
        "of a flow: steps of Euler's method; fewer are sooner and coarser; 0: 10, of a contact flow what its "
        "checkpoint says, 4 at most",
    )
    guidance: float = parameter(1.0, "of a flow: classifier-free guidance; 1 is none and takes half the time")
    seed: int = parameter(1, "of a flow: of the noise that a sound begins with; another seed, another sound")
    stream: bool = parameter(
        True, "of a contact flow: also tell the sound of plans as it goes on, on predicted_sound"
    )
    stream_lead_s: float = parameter(
        0.3,
        "[s] before it is to be heard at which a chunk of that is made; what a plan has sooner is left out; below 0: "
        "so long after its motion, which has then been measured (-0.7: all that the model looks at)",
    )
    stream_measured: bool = parameter(
        False, "of that: what has been measured of a motion by then counts in place of its plan"
    )
    synthesis: str = parameter("example", "of VIS: how features become sound: example or parametric")
    hand: str = parameter("parallel_gripper", "gripper description, by name or path; the hand_mapper's own")
    hand_side: str = parameter(
        "right", "hand that carries the tool in the motions of `predict_contact`: right or left"
    )
    fixed_frame: str = parameter("world", "frame in which plans, poses and contacts are compared")
    tool_frame: str = parameter("tool", "frame that ee_pose moves")
    tip_frame: str = parameter("tip", "frame of the point that touches, fixed to tool_frame in tf")
    executed: bool = parameter(True, "also predict after a contact, from what was measured")
    executed_patience_s: float = parameter(0.5, "[s] that an executed prediction waits for late frames")
    use_depth: bool = parameter(
        True, "find planned contacts on the depth image, not by the plan's shape alone"
    )
    camera_transport: str = parameter(
        "auto", "of images and depth: raw, compressed, or auto: compressed where only that is published"
    )
    tip_margin_m: float = parameter(0.0, "[m] from the tip frame to the point that touches first")
    clear_m: float = parameter(
        0.10, "[m]; with the tip nearer than this an older picture of the place is taken"
    )
    stale_s: float = parameter(2.0, "[s] without a message after which an input is reported as missing")

    def __post_init__(self) -> None:
        _in_range(self, 1, 64, "threads")
        _in_range(self, 0, 1000, "solver_steps")
        _in_range(self, -2.0, 60.0, "stream_lead_s")
        _in_range(self, 0.0, 100.0, "guidance")
        _in_range(self, 1, 2**31 - 1, "seed")
        _in_range(self, 0.0, 1.0, "tip_margin_m", "clear_m")
        _in_range(self, 0.0, 10.0, "executed_patience_s")
        _in_range(self, 0.1, 60.0, "stale_s")
        for name, known in (
            ("synthesis", ("example", "parametric")),
            ("hand_side", ("right", "left")),
            ("camera_transport", ("auto", "raw", "compressed")),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is `{getattr(self, name)}`, known are {', '.join(known)}")
        if self.stream_lead_s < 0 and not self.stream_measured:
            raise ValueError(
                f"stream_lead_s is {self.stream_lead_s}: waiting for motion needs stream_measured"
            )
        for name in ("fixed_frame", "tool_frame", "tip_frame", "hand"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty")

    @property
    def sensing(self) -> SensingConfig:
        return SensingConfig(
            fixed_frame=self.fixed_frame,
            tool_frame=self.tool_frame,
            tip_frame=self.tip_frame,
            hand=self.hand,
            pictures=True,
            depth=self.use_depth,
            camera_transport=self.camera_transport,
            gripper=True,
            tip_margin_m=self.tip_margin_m,
            clear_m=self.clear_m,
            silent_s=self.stale_s,
        )
