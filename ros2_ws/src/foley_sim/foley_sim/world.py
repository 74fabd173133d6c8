"""The simulated world: physics, exploration and sound on one clock, seen through its sensors.

    policy -> plan -> driven joints -> MuJoCo -> contacts -> TouchTracker -> SoundRenderer -> microphone
                                          |-> joint state, tool pose, wrench (250 Hz)
                                          |-> snapshots for the camera

`advance` moves everything to a time and returns what the sensors delivered on the way. All times are simulation
time in nanoseconds from 0. Nothing here looks at a clock or draws a picture: the node paces it against ROS time,
the generator runs it as fast as it goes, and both see the same world bit for bit.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foley_sim import mjcf
from foley_sim.editions import sound_for
from foley_sim.gl import import_mujoco
from foley_sim.loose import LooseGrains, LooseRods
from foley_sim.policy import Plan, Policy, Target
from foley_sim.robots import robot_of
from foley_sim.robots.base import Motion
from foley_sim.robots.tool import PAD_TRAVEL, WRIST
from foley_sim.sensed import CHUNK_SAMPLES, Audio, Batch, Frame, State
from foley_sim.sound.saved import ContactLog, SavedContacts
from foley_sim.spec import ObjectSpec, SceneSpec
from foley_sim.teleop import DEEPEST_M, HOLD_S, Follower, clamp, yaw_of
from foley_sim.tip import Tip
from foley_sim.touch import IMPACT_WINDOW_S, TouchTracker

Array = NDArray[np.float64]
NS = 1_000_000_000

STEP_NS = round(mjcf.TIMESTEP_S * NS)
STATE_RATE_HZ = 250
STATE_NS = NS // STATE_RATE_HZ
SOUND_DELAY_NS = round((IMPACT_WINDOW_S + 0.002) * NS)
"""Sound is known this long after it happens: an impulse is measured over the impact."""
FIRST_PLAN_NS = 400_000_000
PAD_SPEED = 0.15  # [m/s]
PAD_UP_NS = 200_000_000
"""The sleeve begins to go up this long before the end of its plan."""



class World:
    """One scene in motion.

    Args:
        scene: what stands on the table.
        seed: of the policy, the sound and the sensor noise.
        explore: whether the policy chooses actions; targets given to `request` are carried out either way.
        max_actions: the policy stops after this many; 0 for no limit.
        explore_s: the policy begins nothing after this time; 0 for no limit.
        camera_rate_hz, depth_rate_hz: of the snapshots; 0 for none.
        touch: which objects the policy may touch; None for all.
        audio_block: chunks of sound rendered at a time; more is faster and later. The samples are the same.
        save_contacts: whether `saved_contacts` is wanted at the end; needs memory for every event.

    Raises:
        ValueError: the scene or a rate is not possible.
    """

    def __init__(
        self,
        scene: SceneSpec,
        seed: int,
        *,
        explore: bool = True,
        max_actions: int = 0,
        explore_s: float = 0.0,
        camera_rate_hz: float = 30.0,
        depth_rate_hz: float = 10.0,
        audio_block: int = 1,
        touch: Callable[[ObjectSpec], bool] | None = None,
        save_contacts: bool = False,
    ) -> None:
        for name, rate in (("camera_rate_hz", camera_rate_hz), ("depth_rate_hz", depth_rate_hz)):
            if not 0 <= rate <= STATE_RATE_HZ:
                raise ValueError(f"{name} is {rate}, must lie in [0, {STATE_RATE_HZ}]")
        if audio_block < 1 or max_actions < 0:
            raise ValueError(f"audio_block is {audio_block}, max_actions {max_actions}: need >= 1 and >= 0")
        self._mujoco = mujoco = import_mujoco()
        self.scene = scene
        self.robot = robot_of(scene)
        self.model = mjcf.load(scene)
        self._data = mujoco.MjData(self.model)
        self.policy = Policy(scene, seed, touch=touch)
        self.sound = sound_for(scene, seed=seed)
        self.touch = TouchTracker(scene.striker.tip_mass, mjcf.TIMESTEP_S)
        self._rng = np.random.default_rng([0xF0CE, scene.seed, seed])
        self._explore = explore
        self._max_actions = max_actions
        self._explore_until_ns = round(explore_s * NS) if explore_s > 0 else 2**62
        self._audio_block = audio_block
        self._rates = (camera_rate_hz, depth_rate_hz)
        self._frames = [0, 0]  # snapshots taken so far for colour and depth
        self._frame_due = 0
        self._requests: collections.deque[Target] = collections.deque()
        self._actions = 0
        self._plan: Plan | None = None
        self._follower: Follower | None = None  # while somebody steers the arm
        self._wish = np.zeros(4)
        self._wish_until_ns = 0
        self._reference: Motion | None = None
        self._rest_after = np.zeros(4)
        self._first_step = 0
        self._next_plan_ns = FIRST_PLAN_NS
        self._steps = 0
        self._samples = 0
        self._log = ContactLog() if save_contacts else None
        self._sound_seed = seed
        self._batch = Batch()
        self._set_up()

    # ---- reading -------------------------------------------------------------------------------------------
    @property
    def time_ns(self) -> int:
        return self._steps * STEP_NS

    @property
    def samples(self) -> int:
        """Microphone samples delivered so far."""
        return self._samples

    def saved_contacts(self) -> SavedContacts:
        """All that the sound so far follows from; see sound/saved.py.

        Raises:
            ValueError: made without save_contacts, or nothing is delivered yet.
        """
        if self._log is None:
            raise ValueError("the world keeps no contacts: make it with save_contacts=True")
        duration_s = self._samples / self.scene.microphone.sample_rate
        return self._log.saved(self.scene, seed=self._sound_seed, duration_s=duration_s)

    def configuration(self) -> Array:
        """MuJoCo's qpos now, a copy."""
        return np.array(self._data.qpos)

    @property
    def busy(self) -> bool:
        """Whether a plan is under way."""
        return self._plan is not None

    @property
    def done(self) -> bool:
        """All actions that were asked for are carried out."""
        return not self.busy and not self._wants_action()

    def observe(self) -> State:
        """The robot's state now; the wrench is the mean since the last state."""
        d = self._data
        positions, velocities = d.qpos[self._own].copy(), d.qvel[self._own].copy()
        tool, quaternion = self.robot.tool_pose(positions)
        force = self._tip.mean_force(STATE_NS // STEP_NS)
        return State(
            time_ns=self.time_ns,
            positions=positions,
            velocities=velocities,
            efforts=d.qfrc_actuator[self._own].copy(),
            tool_position=tool,
            tool_quaternion=quaternion,
            wrench=self._tip.wrench(self.robot.in_tool(force, positions), self._rng),
            width=self.robot.width(positions),
            width_rate=self.robot.width_rate(velocities),
        )

    # ---- moving --------------------------------------------------------------------------------------------
    def request(self, target: Target) -> None:
        """Carry out this action next, before what the policy would choose."""
        self._requests.append(target)

    def steer(self, wish: Array) -> bool:
        """Move the tool towards x, y, z [m] and yaw [rad] for the next HOLD_S, instead of exploring.

        A plan under way is given up where it is. False if the wish lay out of the arm's travel and was clamped.

        Raises:
            WishRefused: a value is not finite.
        """
        inside, clamped = clamp(np.asarray(wish, dtype=np.float64), self.robot.reach)
        if self._follower is None:
            self._follower = Follower(self._place())
            self._plan = self._reference = None
        self._wish, self._wish_until_ns = inside, self.time_ns + round(HOLD_S * NS)
        return not clamped

    @property
    def steered(self) -> bool:
        """Whether somebody steers the arm, or it is still on its way up afterwards."""
        return self._follower is not None

    def advance(self, until_ns: int) -> Batch:
        """Simulate up to a time (the last step may end up to one time step before it)."""
        self._batch = Batch()
        while (self._steps + 1) * STEP_NS <= until_ns:
            self._step()
        self._collect_audio()
        batch, self._batch = self._batch, Batch()
        return batch

    def finish(self) -> Batch:
        """Close an open contact and return it with the sound that can still be told. The world stays usable."""
        self._batch = Batch()
        self.touch.finish()
        self._take_events()
        batch, self._batch = self._batch, Batch()
        return batch

    # ---- internals -----------------------------------------------------------------------------------------
    def _set_up(self) -> None:
        mujoco, m, d = self._mujoco, self.model, self._data
        name_to_id = mujoco.mj_name2id
        joints = [name_to_id(m, mujoco.mjtObj.mjOBJ_JOINT, name) for name in self.robot.joints]
        first, count = int(m.jnt_qposadr[joints[0]]), len(joints)
        for addresses in (m.jnt_qposadr[joints], m.jnt_dofadr[joints]):
            if not np.array_equal(addresses, np.arange(first, first + count)):
                raise ValueError(f"the model's joints are not in the order {', '.join(self.robot.joints)}")
        self._own = slice(first, first + count)
        self._wrist = first + self.robot.joints.index(WRIST)
        self._tip = Tip(self.scene, m, d)
        d.qpos[self._own] = self.robot.posture(self.policy.home())
        self._rods = LooseRods(self.scene, m, d)
        self._grains = LooseGrains(self.scene, m, d)
        self._drive = self.robot.drive(m, d, first)
        mujoco.mj_forward(m, d)
        self._settle(self.policy.home())

    def _settle(self, place: Array) -> None:
        """Stay here from now on."""
        self._rest = place
        position = self.robot.posture(place)[: len(self.robot.driven)]
        self._still = (position, np.zeros_like(position), np.zeros_like(position))

    def _place(self) -> Array:
        """Where the tool would be with the wrist at rest, [4]."""
        positions = self._data.qpos[self._own].copy()
        positions[self._wrist - self._own.start] = 0.0
        position, quaternion = self.robot.tool_pose(positions)
        return np.array([*position, yaw_of(quaternion)])

    def _wants_action(self) -> bool:
        limited = self._max_actions > 0 and self._actions >= self._max_actions
        exploring = self._explore and not limited and self.time_ns < self._explore_until_ns
        return bool(self._requests) or exploring

    def _step(self) -> None:
        if self._steps * STEP_NS % STATE_NS == 0:
            self._tick()
        if self.time_ns >= self._frame_due:
            self._snapshot()
        if self._follower is not None:
            position, velocity, acceleration = self._steered_step()
        elif self._plan is None:
            position, velocity, acceleration = self._still
        else:
            position, velocity, acceleration = self._follow()
        self._drive.push(position, velocity, acceleration)
        # Contacts and their forces belong to the state before the step, as does the drive's tip velocity.
        self._mujoco.mj_step(self.model, self._data)
        plan = self._plan
        time_s = self._steps * STEP_NS / NS
        reading = self._tip.reading(time_s, self._drive.tip_velocity()) if self._data.ncon else None
        if plan is not None and self.time_ns >= plan.start_ns:
            target = plan.target
            self.touch.step(time_s, reading, target.action, plan.plan_id, target.head)
        else:
            self.touch.step(time_s, reading)
        self._steps += 1

    def _steered_step(self) -> Motion:
        """Towards the wish; once it is old, up to where the next plan may start."""
        assert self._follower is not None
        if self.time_ns >= self._wish_until_ns:
            self._wish = np.array([*self._wish[:2], self.policy.hover_z, self._wish[3]])
            if self._follower.at_rest(self._wish):
                self._settle(self._wish)
                self._follower = None
                return self._still
        wish = self._wish
        if self._data.qpos[self._wrist] > DEEPEST_M:
            wish = np.array([*wish[:2], max(wish[2], self._follower.position[2]), wish[3]])
        return self.robot.steer(*self._follower.step(wish, STEP_NS / NS), self._data.qpos[self._own])

    def _follow(self) -> Motion:
        assert self._plan is not None and self._reference is not None
        index = self._steps - self._first_step
        if index < 0:
            return self._still
        if index >= len(self._reference[0]):
            self._rest, position = self._rest_after, self._reference[0][-1]
            self._still = (position, np.zeros_like(position), np.zeros_like(position))
            self._plan = self._reference = None
            return self._still
        return self._reference[0][index], self._reference[1][index], self._reference[2][index]

    def _tick(self) -> None:
        """What happens every 4 ms: planning, sensing, and handing events to the sound."""
        self.touch.flush()
        now = self.time_ns
        self.touch.events.extend(self._rods.tick(now / NS, STATE_NS / NS))
        self._take_events()
        if self.scene.striker.has_pad:
            self._move_pad(now)
        free = self._plan is None and self._follower is None
        if free and now >= self._next_plan_ns and self._wants_action():
            self._start_plan(now)
        state = self.observe()
        self._tip.forget()
        self._batch.states.append(state)
        speed = self.robot.motor_speed(state.velocities)
        self.sound.set_joint_speed(now / NS, min(speed, 1.0))
        if self._log is not None:
            self._log.speeds.append((now / NS, min(speed, 1.0)))

    def _move_pad(self, now: int) -> None:
        """The sleeve is down from the start of a plan that uses it until the tip is well on its way up again."""
        plan = self._plan
        down = (
            plan is not None and plan.target.head == "pad" and plan.start_ns <= now < plan.end_ns - PAD_UP_NS
        )
        self._drive.move_pad(PAD_TRAVEL if down else 0.0, PAD_SPEED * STATE_NS / NS)

    def _snapshot(self) -> None:
        now = self.time_ns
        due = [
            round(count * NS / rate) if rate > 0 else 2**62
            for count, rate in zip(self._frames, self._rates, strict=True)
        ]
        colour, depth = (now >= d for d in due)
        self._frames[0] += int(colour)
        self._frames[1] += int(depth)
        if colour or depth:
            self._batch.frames.append(Frame(now, self._data.qpos.copy(), colour, depth))
        self._frame_due = min(
            round(count * NS / rate) if rate > 0 else 2**62
            for count, rate in zip(self._frames, self._rates, strict=True)
        )

    def _start_plan(self, now: int) -> None:
        target = self._requests.popleft() if self._requests else None
        if target is None:
            self._actions += 1
        plan = self.policy.plan(now, self._rest, target)
        self._rods.watch()
        if self.scene.striker.has_pad:
            self._tip.choose_head(plan.target.head == "pad", plan.target.object_id)
        self._next_plan_ns = max(now + round(self.policy.pause_s() * NS), plan.end_ns)
        self._plan = plan
        self._first_step = plan.start_ns // STEP_NS
        times = plan.trajectory.times(NS / STEP_NS)
        places = plan.trajectory.sample(times)
        self._reference, self._rest_after = self.robot.motion(times, *places), places[0][-1]
        self._batch.plans.append(plan)

    def _take_events(self) -> None:
        for event in self.touch.events:
            self.sound.add(event)
            self._grains.push(event)
        if self._log is not None:
            self._log.events.extend(self.touch.events)
        self.touch.events.clear()
        for contact in self.touch.contacts:
            reaction = self._rods.reaction(contact.object_id)
            self._batch.contacts.append(dataclasses.replace(contact, reaction=reaction))
        self.touch.contacts.clear()

    def _collect_audio(self) -> None:
        rate = self.scene.microphone.sample_rate
        block = CHUNK_SAMPLES * self._audio_block
        # Events are handed over every tick, so sound is certain up to the last tick minus the delay.
        certain_ns = self.time_ns - self.time_ns % STATE_NS - SOUND_DELAY_NS
        while (self._samples + block) * NS <= certain_ns * rate:
            samples = self.sound.render((self._samples + block) / rate)
            if samples.shape != (block,):
                raise RuntimeError(f"the sound gave {samples.shape[0]} samples where {block} were due")
            contact: NDArray[np.float32] | None = getattr(self.sound, "contact_samples", None)
            for start in range(0, block, CHUNK_SAMPLES):
                first = self._samples + start
                chunk = slice(start, start + CHUNK_SAMPLES)
                felt = None if contact is None else contact[chunk]
                self._batch.audio.append(Audio(first * NS // rate, first, samples[chunk], felt))
            self._samples += block
