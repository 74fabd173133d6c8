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
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foley_sim import arm, mjcf
from foley_sim.editions import sound_for
from foley_sim.gl import import_mujoco
from foley_sim.loose import LooseGrains, LooseRods
from foley_sim.policy import Plan, Policy, Target
from foley_sim.sound.saved import ContactLog, SavedContacts
from foley_sim.spec import ObjectSpec, SceneSpec
from foley_sim.teleop import DEEPEST_M, HOLD_S, Follower, clamp
from foley_sim.touch import IMPACT_WINDOW_S, Contact, Reading, TouchTracker

Array = NDArray[np.float64]
NS = 1_000_000_000

STEP_NS = round(mjcf.TIMESTEP_S * NS)
STATE_RATE_HZ = 250
STATE_NS = NS // STATE_RATE_HZ
CHUNK_SAMPLES = 480
"""Samples of one audio chunk: 10 ms at 48 kHz."""
SOUND_DELAY_NS = round((IMPACT_WINDOW_S + 0.002) * NS)
"""Sound is known this long after it happens: an impulse is measured over the impact."""
FIRST_PLAN_NS = 400_000_000
WRENCH_NOISE = (0.02, 0.002)
"""Standard deviation of the force [N] and torque [N m] sensor."""

SMOOTH_SLIP = 2e-3
"""Slip speed below which friction fades [m/s]."""

PAD_SPEED = 0.15  # [m/s]
PAD_UP_NS = 200_000_000
"""The sleeve begins to go up this long before the end of its plan."""

_STIFFNESS = (2 * np.pi * 25.0) ** 2  # of the driven joints per unit of mass [1/s^2]
_STILL = np.zeros(4)
_NOISE = np.repeat(WRENCH_NOISE, 3)
_DAMPING = 2 * np.sqrt(_STIFFNESS)


@dataclasses.dataclass(frozen=True, eq=False)
class State:
    """What the robot measures at one instant."""

    time_ns: int
    positions: Array  # [7] of arm.JOINTS, or [8] where the striker has a pad: its travel comes last
    velocities: Array  # [7] or [8]
    efforts: Array  # [7] or [8] of the actuators [N or N m]
    tool_position: Array  # [3] in the world [m]
    tool_quaternion: Array  # [4] (x, y, z, w)
    wrench: Array  # [6] force [N] and torque [N m] that the world exerts on the tool, in its frame

    @property
    def width(self) -> float:
        """Of the gripper [m]."""
        return float(self.positions[5] + self.positions[6])


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """The configuration at which a picture is taken; camera.py draws it."""

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
        self._reference: tuple[Array, Array, Array] | None = None
        self._first_step = 0
        self._next_plan_ns = FIRST_PLAN_NS
        self._steps = 0
        self._samples = 0
        self._log = ContactLog() if save_contacts else None
        self._sound_seed = seed
        self._force = np.zeros(3)  # on the tip, summed over the steps since the last state [N]
        self._local = np.zeros(6)
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
        positions = d.qpos[self._order].copy()
        tool, quaternion = arm.tool_pose(positions)
        return State(
            time_ns=self.time_ns,
            positions=positions,
            velocities=d.qvel[self._order].copy(),
            efforts=d.qfrc_actuator[self._order].copy(),
            tool_position=tool,
            tool_quaternion=quaternion,
            wrench=self._wrench(positions[3]),
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
        inside, clamped = clamp(np.asarray(wish, dtype=np.float64))
        if self._follower is None:
            self._follower = Follower(self._qpos[:4])
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
        names = (*arm.JOINTS, arm.PAD) if self.scene.striker.has_pad else arm.JOINTS
        joints = [name_to_id(m, mujoco.mjtObj.mjOBJ_JOINT, name) for name in names]
        self._order = np.array([m.jnt_qposadr[j] for j in joints])
        self._tip = name_to_id(m, mujoco.mjtObj.mjOBJ_GEOM, mjcf.TIP)
        self._names = {
            i: str(m.geom(i).name) for i in range(m.ngeom) if m.geom_conaffinity[i] and m.geom(i).name
        }
        self._face = next(i for i, name in self._names.items() if name != mjcf.TIP)
        friction = {o.object_id: o.material.friction for o in self.scene.objects}
        self._friction = {i: friction.get(name, mjcf.TABLE_FRICTION) for i, name in self._names.items()}
        d.qpos[self._order[:4]] = self.policy.home()
        d.qpos[self._order[5:7]] = arm.stick_width() / 2
        d.ctrl[4:6] = arm.stick_width() / 2
        self._contact_s = {o.object_id: mjcf.contact_s(o, self.scene.edition) for o in self.scene.objects}
        self._rods = LooseRods(self.scene, m, d)
        self._grains = LooseGrains(self.scene, m, d)
        mujoco.mj_forward(m, d)
        mass = np.zeros((m.nv, m.nv))
        mujoco.mj_fullM(m, d, mass)
        self._mass = np.diag(mass)[self._order[:4]].copy()
        self._rest = self.policy.home()
        # Views into MuJoCo's memory: made once, valid as long as the data lives.
        self._qpos, self._qvel, self._ctrl = d.qpos[:5], d.qvel[:5], d.ctrl[:4]
        if not np.array_equal(self._order, np.arange(len(names))):
            raise ValueError(f"the model's joints are not in the order {', '.join(names)}")

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
            position, velocity, acceleration = self._rest, _STILL, _STILL
        else:
            position, velocity, acceleration = self._follow()
        self._ctrl[:] = self._mass * (
            acceleration + _STIFFNESS * (position - self._qpos[:4]) + _DAMPING * (velocity - self._qvel[:4])
        )
        v = self._qvel
        tip_velocity = np.array([v[0], v[1], v[2] + v[4]])
        # Contacts and their forces belong to the state before the step, as do the velocities above.
        self._mujoco.mj_step(self.model, self._data)
        plan = self._plan
        time_s = self._steps * STEP_NS / NS
        reading = self._reading(time_s, tip_velocity) if self._data.ncon else None
        if plan is not None and self.time_ns >= plan.start_ns:
            target = plan.target
            self.touch.step(time_s, reading, target.action, plan.plan_id, target.head)
        else:
            self.touch.step(time_s, reading)
        self._steps += 1

    def _steered_step(self) -> tuple[Array, Array, Array]:
        """Towards the wish; once it is old, up to where the next plan may start."""
        assert self._follower is not None
        if self.time_ns >= self._wish_until_ns:
            self._wish = np.array([*self._wish[:2], self.policy.hover_z, self._wish[3]])
            if self._follower.at_rest(self._wish):
                self._rest, self._follower = self._wish, None
                return self._rest, _STILL, _STILL
        wish = self._wish
        if self._qpos[4] > DEEPEST_M:
            wish = np.array([*wish[:2], max(wish[2], self._follower.position[2]), wish[3]])
        return self._follower.step(wish, STEP_NS / NS)

    def _follow(self) -> tuple[Array, Array, Array]:
        assert self._plan is not None and self._reference is not None
        index = self._steps - self._first_step
        if index < 0:
            return self._rest, _STILL, _STILL
        if index >= len(self._reference[0]):
            self._rest = self._reference[0][-1]
            self._plan = self._reference = None
            return self._rest, _STILL, _STILL
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
        self._force[:] = 0.0
        self._batch.states.append(state)
        speed = float(np.linalg.norm(state.velocities[:3])) / arm.FULL_SPEED
        self.sound.set_joint_speed(now / NS, min(speed, 1.0))
        if self._log is not None:
            self._log.speeds.append((now / NS, min(speed, 1.0)))

    def _choose_head(self, target: Target) -> None:
        """Give the contact of the tip's geom to the pad (softer than most of what it meets) or back to the face."""
        padded = target.head == "pad"
        self.model.geom_priority[self._tip] = 2 if padded else 0
        if padded:
            duration = max(mjcf.PAD_CONTACT_S, self._contact_s.get(target.object_id, 0.0))
            self.model.geom_solref[self._tip] = mjcf.solref(mjcf.PAD_RESTITUTION, duration)
            self.model.geom_solimp[self._tip] = self.model.geom_solimp[self._face]
            self.model.geom_condim[self._tip] = 1

    def _move_pad(self, now: int) -> None:
        """The sleeve is down from the start of a plan that uses it until the tip is well on its way up again."""
        plan = self._plan
        down = (
            plan is not None and plan.target.head == "pad" and plan.start_ns <= now < plan.end_ns - PAD_UP_NS
        )
        goal, step = arm.PAD_TRAVEL if down else 0.0, PAD_SPEED * STATE_NS / NS
        ctrl = self._data.ctrl
        ctrl[6] += min(max(goal - ctrl[6], -step), step)

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
            self._choose_head(plan.target)
        self._next_plan_ns = max(now + round(self.policy.pause_s() * NS), plan.end_ns)
        self._plan = plan
        self._first_step = plan.start_ns // STEP_NS
        self._reference = plan.trajectory.sample(plan.trajectory.times(NS / STEP_NS))
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

    def _reading(self, time_s: float, tip_velocity: Array) -> Reading | None:
        """The deepest contact of the tip in the step just taken; also adds up the force on the tool."""
        mujoco, d = self._mujoco, self._data
        deepest: Reading | None = None
        for i in range(d.ncon):
            contact = d.contact[i]
            if self._tip not in (contact.geom1, contact.geom2) or contact.dist >= 0:
                continue
            other = int(contact.geom2 if contact.geom1 == self._tip else contact.geom1)
            sign = -1.0 if contact.geom1 == self._tip else 1.0  # MuJoCo's normal points from geom1 to geom2
            normal = sign * contact.frame[:3]
            mujoco.mj_contactForce(self.model, d, i, self._local)
            pressure = float(self._local[0])
            slip = tip_velocity - (tip_velocity @ normal) * normal
            # Coulomb friction, smooth through rest.
            drag = self._friction[other] * slip / math.hypot(SMOOTH_SLIP, float(np.linalg.norm(slip)))
            self._force += pressure * (normal - drag)
            if deepest is None or -contact.dist > deepest.penetration:
                deepest = Reading(
                    time_s=time_s,
                    object_id=self._names[other],
                    point=contact.pos.copy(),
                    normal=normal,
                    penetration=-float(contact.dist),
                    velocity=tip_velocity,
                    normal_force=pressure,
                )
        return deepest

    def _wrench(self, yaw: float) -> Array:
        c, s = math.cos(yaw), math.sin(yaw)
        x, y, z = (self._force / (STATE_NS // STEP_NS)).tolist()
        fx, fy, fz = c * x + s * y, s * x - c * y, -z  # in the tool's axes
        length = self.scene.striker.length  # the force acts at the tip, (0, 0, length) in the tool
        noise = self._rng.standard_normal(6) * _NOISE
        return np.asarray(np.array([fx, fy, fz, -length * fy, length * fx, 0.0]) + noise)
