"""One hand in the world: a robot with its stick, the plan that it follows, and what its tip touches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_sim.headless_gl import import_mujoco
from foley_sim.motion.teleop import DEEPEST_M, HOLD_S, Follower, clamp, yaw_of
from foley_sim.physics import mjcf
from foley_sim.robots.actions import Plan
from foley_sim.robots.base import Motion, Robot
from foley_sim.robots.tool import PAD_TRAVEL
from foley_sim.spec import SceneSpec
from foley_sim.world.contacts import TouchTracker
from foley_sim.world.readings import State
from foley_sim.world.tip import Tip

Array = NDArray[np.float64]

STEP_NS = round(mjcf.TIMESTEP_S * NS_PER_S)
STATE_RATE_HZ = 250
STATE_NS = NS_PER_S // STATE_RATE_HZ
PAD_SPEED = 0.15  # [m/s]
PAD_UP_NS = 200_000_000
"""The sleeve begins to go up this long before the end of its plan."""


class Hand:
    """Moves one robot of a MuJoCo model.

    Args:
        scene: what stands on the table.
        robot: one of the model's.
        model, data: of MuJoCo; the robot's part of qpos is set here.
        home: where the tool rests at first, [4] x, y, z, yaw.
        hover_z: height to which the tool rises when nobody steers it any more [m].

    Raises:
        ValueError: the model's joints are not as the robot has them.
    """

    def __init__(
        self, scene: SceneSpec, robot: Robot, model: Any, data: Any, *, home: Array, hover_z: float
    ) -> None:
        self.robot = robot
        self.plan: Plan | None = None
        self._has_pad = scene.striker.has_pad
        self._data = data
        self._hover_z = hover_z
        mujoco = import_mujoco()
        joints = [mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, name) for name in robot.joints]
        first, count = int(model.jnt_qposadr[joints[0]]), len(joints)
        for addresses in (model.jnt_qposadr[joints], model.jnt_dofadr[joints]):
            if not np.array_equal(addresses, np.arange(first, first + count)):
                raise ValueError(f"the model's joints are not in the order {', '.join(robot.joints)}")
        self._own = slice(first, first + count)
        self._wrist = len(robot.driven)
        self.tip = Tip(scene, model, data, robot.tip)
        self.touch = TouchTracker(scene.striker.tip_mass, mjcf.TIMESTEP_S)
        data.qpos[self._own] = robot.posture(home)
        self._drive = robot.drive(model, data)
        self._reference: Motion | None = None
        self._rest_after = home
        self._first_step = 0
        self._follower: Follower | None = None  # while somebody steers
        self._wish = np.zeros(4)
        self._wish_until_ns = 0
        self._settle(home)

    # ---- what it is about ----------------------------------------------------------------------------------
    @property
    def free(self) -> bool:
        """Whether it rests."""
        return self.plan is None and self._follower is None

    @property
    def rest(self) -> Array:
        """Where the tool rests or rested before the plan under way, [4]."""
        return self._rest

    @property
    def steered(self) -> bool:
        """Whether somebody steers it, or it is still on its way up afterwards."""
        return self._follower is not None

    def follow(self, plan: Plan) -> None:
        """Carry out a plan that begins where the tool rests."""
        if self._has_pad:
            self.tip.choose_head(plan.target.head == "pad", plan.target.object_id)
        self.plan = plan
        self._first_step = plan.start_ns // STEP_NS
        times = plan.trajectory.times(NS_PER_S / STEP_NS)
        places = plan.trajectory.sample(times)
        self._reference, self._rest_after = self.robot.motion(times, *places), places[0][-1]

    def steer(self, wish: Array, now_ns: int) -> bool:
        """Move towards a place [4] for the next HOLD_S; a plan under way is given up. False if it was clamped.

        Raises:
            WishRefused: a value is not finite.
        """
        inside, clamped = clamp(np.asarray(wish, dtype=np.float64), self.robot.reach)
        if self._follower is None:
            self._follower = Follower(self._place())
            self.plan = self._reference = None
        self._wish, self._wish_until_ns = inside, now_ns + round(HOLD_S * NS_PER_S)
        return not clamped

    def retreat(self, now_ns: int) -> None:
        """Give up a plan under way and rise to where the next one may start."""
        if self.plan is not None:
            self._follower = Follower(self._place())
            self.plan = self._reference = None
            self._wish, self._wish_until_ns = self._follower.position.copy(), now_ns

    # ---- steps ---------------------------------------------------------------------------------------------
    def push(self, step: int) -> None:
        """Set the motors for the step with this number."""
        if self._follower is not None:
            motion = self._steered(step * STEP_NS)
        elif self.plan is None:
            motion = self._still
        else:
            motion = self._follow(step)
        self._drive.push(*motion)

    def feel(self, step: int) -> None:
        """Take note of what the tip touched in the step that was just taken."""
        time_s = step * STEP_NS / NS_PER_S
        reading = self.tip.reading(time_s, self._drive.tip_velocity) if self._data.ncon else None
        plan = self.plan
        if plan is not None and step * STEP_NS >= plan.start_ns:
            self.touch.step(time_s, reading, plan.target.action, plan.plan_id, plan.target.head)
        else:
            self.touch.step(time_s, reading)

    def move_pad(self, now_ns: int) -> None:
        """The sleeve is down from the start of a plan that uses it until the tip is well on its way up again."""
        if not self._has_pad:
            return
        plan = self.plan
        down = (
            plan is not None
            and plan.target.head == "pad"
            and plan.start_ns <= now_ns < plan.end_ns - PAD_UP_NS
        )
        self._drive.move_pad(PAD_TRAVEL if down else 0.0, PAD_SPEED * STATE_NS / NS_PER_S)

    def observe(self, time_ns: int, rng: np.random.Generator) -> State:
        """Its state now; the wrench is the mean since `forget`."""
        d = self._data
        positions, velocities = d.qpos[self._own].copy(), d.qvel[self._own].copy()
        tool, quaternion = self.robot.tool_pose(positions)
        force = self.tip.mean_force(STATE_NS // STEP_NS)
        return State(
            time_ns=time_ns,
            positions=positions,
            velocities=velocities,
            efforts=d.qfrc_actuator[self._own].copy(),
            tool_position=tool,
            tool_quaternion=quaternion,
            wrench=self.tip.wrench(self.robot.in_tool(force, positions), rng),
            width=self.robot.width(positions),
            width_rate=self.robot.width_rate(velocities),
        )

    # ---- internals -----------------------------------------------------------------------------------------
    def _settle(self, place: Array) -> None:
        """Stay here from now on."""
        self._rest = place
        self._stay(self.robot.posture(place)[: len(self.robot.driven)])

    def _stay(self, position: Array) -> None:
        self._still: Motion = (position, np.zeros_like(position), np.zeros_like(position))

    def _place(self) -> Array:
        """Where the tool would be with the wrist at rest, [4]."""
        positions = self._data.qpos[self._own].copy()
        positions[self._wrist] = 0.0
        position, quaternion = self.robot.tool_pose(positions)
        return np.array([*position, yaw_of(quaternion)])

    def _steered(self, now_ns: int) -> Motion:
        """Towards the wish; once it is old, up to where the next plan may start."""
        assert self._follower is not None
        if now_ns >= self._wish_until_ns:
            self._wish = np.array([*self._wish[:2], self._hover_z, self._wish[3]])
            if self._follower.at_rest(self._wish):
                self._settle(self._wish)
                self._follower = None
                return self._still
        wish, own = self._wish, self._data.qpos[self._own]
        if own[self._wrist] > DEEPEST_M:
            wish = np.array([*wish[:2], max(wish[2], self._follower.position[2]), wish[3]])
        return self.robot.steer(*self._follower.step(wish, STEP_NS / NS_PER_S), own)

    def _follow(self, step: int) -> Motion:
        assert self._reference is not None
        index = step - self._first_step
        if index < 0:
            return self._still
        if index >= len(self._reference[0]):
            self._rest = self._rest_after
            self._stay(self._reference[0][-1])
            self.plan = self._reference = None
            return self._still
        return self._reference[0][index], self._reference[1][index], self._reference[2][index]
