"""What the sensors of the simulated world deliver. All times are simulation time in nanoseconds from 0."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from foley_sim.robots.actions import Plan
from foley_sim.world.contacts import Contact

Array = NDArray[np.float64]

CHUNK_SAMPLES = 480
"""Samples of one audio chunk: 10 ms at 48 kHz."""


@dataclasses.dataclass(frozen=True, eq=False)
class State:
    """What the robot measures at one instant."""

    time_ns: int
    positions: Array  # [joints] of the robot's joints
    velocities: Array  # [joints]
    efforts: Array  # [joints] of the actuators [N or N m]
    tool_position: Array  # [3] in the world [m]
    tool_quaternion: Array  # [4] (x, y, z, w)
    wrench: Array  # [6] force [N] and torque [N m] that the world exerts on the tool, in its frame
    width: float  # of the gripper [m]
    width_rate: float  # [m/s]


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """The configuration at which a picture is taken; rendering/camera.py draws it."""

    time_ns: int
    qpos: Array
    colour: bool
    depth: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Audio:
    """Consecutive microphone samples."""

    time_ns: int  # of the first sample
    first_sample: int
    samples: NDArray[np.float32]  # [CHUNK_SAMPLES]
    contact: NDArray[np.float32] | None = None  # of the contact microphone, where there is one


@dataclasses.dataclass
class Batch:
    """What the sensors delivered since the last call, each list in order of time."""

    states: list[State] = dataclasses.field(default_factory=list)
    frames: list[Frame] = dataclasses.field(default_factory=list)
    audio: list[Audio] = dataclasses.field(default_factory=list)
    plans: list[Plan] = dataclasses.field(default_factory=list)
    contacts: list[Contact] = dataclasses.field(default_factory=list)
    other_states: list[State] = dataclasses.field(default_factory=list)  # of the other hand, if there is one
    other_plans: list[Plan] = dataclasses.field(default_factory=list)
    other_contacts: list[Contact] = dataclasses.field(default_factory=list)
