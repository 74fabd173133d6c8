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
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_sim.editions import VERSION, Sound, noise_of, sound_for
from foley_sim.headless_gl import import_mujoco
from foley_sim.motion.even_taps import EvenTaps
from foley_sim.motion.policy import Policy
from foley_sim.motion.second_hand import DELAY_NS, plan_hold, plan_return
from foley_sim.physics import mjcf
from foley_sim.robots import robots_of
from foley_sim.robots.actions import Action, Plan, Target
from foley_sim.spec import ObjectSpec, SceneSpec
from foley_sim.world.arm import STATE_NS, STATE_RATE_HZ, STEP_NS, Hand
from foley_sim.world.contact_log import ContactLog, SavedContacts
from foley_sim.world.contacts import IMPACT_WINDOW_S, TouchTracker
from foley_sim.world.loose_bodies import LooseGrains, LooseRods
from foley_sim.world.readings import CHUNK_SAMPLES, Audio, Batch, Frame, State

Array = NDArray[np.float64]

SOUND_DELAY_NS = round((IMPACT_WINDOW_S + 0.002) * NS_PER_S)
"""Sound is known this long after it happens: an impulse is measured over the impact."""
FIRST_PLAN_NS = 400_000_000


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
        even_taps: the policy taps each object at places apart and at one place (motion/even_taps.py), and nothing else.
        actions: what the policy does, with equal shares; empty: all that the edition has and the striker can do.
        audio_block: chunks of sound rendered at a time; more is faster and later. The samples are the same.
        save_contacts: whether `saved_contacts` is wanted at the end; needs memory for every event.
        sound: what renders the sound; None for what the scene's edition has.
        edition_version: which noise that sound has (editions.py).

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
        actions: Sequence[Action] = (),
        even_taps: bool = False,
        save_contacts: bool = False,
        sound: Sound | None = None,
        edition_version: int = VERSION,
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
        weights = dict.fromkeys(actions, 1.0) if actions else None
        self.policy = EvenTaps(scene, seed) if even_taps else Policy(scene, seed, weights, touch)
        self._noise = noise = noise_of(scene, seed, edition_version)
        self.sound = sound_for(scene, seed=noise.seed, hum=noise.hum) if sound is None else sound
        self._rng = np.random.default_rng([0xF0CE, scene.seed, seed])
        self._explore = explore
        self._max_actions = max_actions
        self._explore_until_ns = round(explore_s * NS_PER_S) if explore_s > 0 else 2**62
        self._audio_block = audio_block
        self._rates = (camera_rate_hz, depth_rate_hz)
        self._frames = [0, 0]  # snapshots taken so far for colour and depth
        self._frame_due = 0
        self._requests: collections.deque[Target] = collections.deque()
        self._actions = 0
        self._waiting: Plan | None = None  # until the other hand has arrived
        self._hold_rng = np.random.default_rng([0x401D, scene.seed, seed])
        self._next_plan_ns = FIRST_PLAN_NS
        self._steps = 0
        self._samples = 0
        self._log = ContactLog() if save_contacts else None
        self._batch = Batch()
        self._rods = LooseRods(scene, self.model, self._data)
        self._grains = LooseGrains(scene, self.model, self._data)
        homes = (self.policy.home(), self.policy.park())
        self.hands = tuple(
            Hand(scene, robot, self.model, self._data, home=home, hover_z=self.policy.hover_z)
            for robot, home in zip(robots_of(scene), homes, strict=False)
        )
        mujoco.mj_forward(self.model, self._data)

    # ---- reading -------------------------------------------------------------------------------------------
    @property
    def time_ns(self) -> int:
        return self._steps * STEP_NS

    @property
    def samples(self) -> int:
        """Microphone samples delivered so far."""
        return self._samples

    def saved_contacts(self) -> SavedContacts:
        """All that the sound so far follows from; see world/contact_log.py.

        Raises:
            ValueError: made without save_contacts, or nothing is delivered yet.
        """
        if self._log is None:
            raise ValueError("the world keeps no contacts: make it with save_contacts=True")
        duration_s = self._samples / self.scene.microphone.sample_rate
        return self._log.saved(self.scene, noise=self._noise, duration_s=duration_s)

    def configuration(self) -> Array:
        """MuJoCo's qpos now, a copy."""
        return np.array(self._data.qpos)

    @property
    def touch(self) -> TouchTracker:
        """Of the first hand."""
        return self.hands[0].touch

    @property
    def busy(self) -> bool:
        """Whether a plan is under way."""
        return self.hands[0].plan is not None or self._waiting is not None

    @property
    def done(self) -> bool:
        """All actions that were asked for are carried out."""
        return not self.busy and not self._wants_action()

    def observe(self) -> State:
        """The first hand's state now; the wrench is the mean since the last state."""
        return self.hands[0].observe(self.time_ns, self._rng)

    # ---- moving --------------------------------------------------------------------------------------------
    def request(self, target: Target) -> None:
        """Carry out this action next, before what the policy would choose."""
        self._requests.append(target)

    def retreat(self) -> None:
        """Give up what was requested and what is under way; every hand rises from where it is."""
        self._requests.clear()
        self._waiting = None
        for hand in self.hands:
            hand.retreat(self.time_ns)

    def steer(self, wish: Array) -> bool:
        """Move the tool towards x, y, z [m] and yaw [rad] for the next HOLD_S, instead of exploring.

        A plan under way is given up where it is. False if the wish lay out of the arm's travel and was clamped.

        Raises:
            WishRefused: a value is not finite.
        """
        self._waiting = None
        return self.hands[0].steer(wish, self.time_ns)

    @property
    def steered(self) -> bool:
        """Whether somebody steers the arm, or it is still on its way up afterwards."""
        return self.hands[0].steered

    def advance(self, until_ns: int) -> Batch:
        """Simulate up to a time (the last step may end up to one time step before it)."""
        self._batch = Batch()
        while (self._steps + 1) * STEP_NS <= until_ns:
            self._step()
        self._collect_audio()
        batch, self._batch = self._batch, Batch()
        return batch

    def finish(self) -> Batch:
        """Close an open contact and return it with the events of its sound. The world stays usable."""
        self._batch = Batch()
        for hand in self.hands:
            hand.touch.finish()
        self._take_events()
        batch, self._batch = self._batch, Batch()
        return batch

    # ---- internals -----------------------------------------------------------------------------------------
    def _wants_action(self) -> bool:
        limited = self._max_actions > 0 and self._actions >= self._max_actions
        exploring = self._explore and not limited and self.time_ns < self._explore_until_ns
        return bool(self._requests) or exploring

    def _step(self) -> None:
        if self._steps * STEP_NS % STATE_NS == 0:
            self._tick()
        if self.time_ns >= self._frame_due:
            self._snapshot()
        for hand in self.hands:
            hand.push(self._steps)
        # Contacts and their forces belong to the state before the step, as do the velocities that a hand feels by.
        self._mujoco.mj_step(self.model, self._data)
        for hand in self.hands:
            hand.feel(self._steps)
        self._steps += 1

    def _tick(self) -> None:
        """What happens every 4 ms: planning, sensing, and handing events to the sound."""
        now = self.time_ns
        for hand in self.hands:
            hand.touch.flush()
        self.touch.events.extend(self._rods.tick(now / NS_PER_S, STATE_NS / NS_PER_S))
        self._take_events()
        for hand in self.hands:
            hand.move_pad(now)
        if self._waiting is not None and now >= self._waiting.published_ns:
            self._follow(self._waiting)
        elif (
            self._waiting is None
            and self.hands[0].free
            and now >= self._next_plan_ns
            and self._wants_action()
        ):
            self._start_plan(now)
        speed = 0.0
        for hand, states in zip(self.hands, (self._batch.states, self._batch.other_states), strict=False):
            state = hand.observe(now, self._rng)
            hand.tip.forget()
            states.append(state)
            speed = max(speed, hand.robot.motor_speed(state.velocities))
        self.sound.set_joint_speed(now / NS_PER_S, min(speed, 1.0))
        if self._log is not None:
            self._log.speeds.append((now / NS_PER_S, min(speed, 1.0)))

    def _snapshot(self) -> None:
        now = self.time_ns
        due = [
            round(count * NS_PER_S / rate) if rate > 0 else 2**62
            for count, rate in zip(self._frames, self._rates, strict=True)
        ]
        colour, depth = (now >= d for d in due)
        self._frames[0] += int(colour)
        self._frames[1] += int(depth)
        if colour or depth:
            self._batch.frames.append(Frame(now, self._data.qpos.copy(), colour, depth))
        self._frame_due = min(
            round(count * NS_PER_S / rate) if rate > 0 else 2**62
            for count, rate in zip(self._frames, self._rates, strict=True)
        )

    def _start_plan(self, now: int) -> None:
        target = self._requests.popleft() if self._requests else None
        if target is None:
            self._actions += 1
        delay = DELAY_NS if len(self.hands) == 2 and self.hands[1].free else 0
        plan = self.policy.plan(now + delay, self.hands[0].rest, target)
        if delay and not self._hold(plan, now):
            plan, delay = plan.later(-delay), 0
        self._next_plan_ns = max(now + delay + round(self.policy.pause_s() * NS_PER_S), plan.end_ns)
        if delay:
            self._waiting = plan
        else:
            self._follow(plan)

    def _follow(self, plan: Plan) -> None:
        self._waiting = None
        self._rods.watch()
        self.hands[0].follow(plan)
        self._batch.plans.append(plan)

    def _hold(self, plan: Plan, now: int) -> bool:
        """Let the other hand hold what the plan is about; else let it go out of the way."""
        other = self.hands[1]
        held = plan_hold(self.scene, plan, other.rest, self.policy.hover_z, self._hold_rng)
        park = self.policy.park()
        if held is None and np.abs(other.rest - park).max() > 1e-6:
            other.follow(plan_return(self.scene, now, other.rest, park))
        elif held is not None:
            other.follow(held)
        if other.plan is not None:
            self._batch.other_plans.append(other.plan)
        return held is not None

    def _take_events(self) -> None:
        both = (self._batch.contacts, self._batch.other_contacts)
        for hand, contacts in zip(self.hands, both, strict=False):
            touch = hand.touch
            for event in touch.events:
                self.sound.add(event)
                self._grains.push(event)
            if self._log is not None:
                self._log.events.extend(touch.events)
            touch.events.clear()
            for contact in touch.contacts:
                reaction = self._rods.reaction(contact.object_id)
                contacts.append(dataclasses.replace(contact, reaction=reaction))
            touch.contacts.clear()

    def _collect_audio(self) -> None:
        rate = self.scene.microphone.sample_rate
        block = CHUNK_SAMPLES * self._audio_block
        # Events are handed over every tick, so sound is certain up to the last tick minus the delay.
        certain_ns = self.time_ns - self.time_ns % STATE_NS - SOUND_DELAY_NS
        while (self._samples + block) * NS_PER_S <= certain_ns * rate:
            samples = self.sound.render((self._samples + block) / rate)
            if samples.shape != (block,):
                raise RuntimeError(f"the sound gave {samples.shape[0]} samples where {block} were due")
            contact: NDArray[np.float32] | None = getattr(self.sound, "contact_samples", None)
            for start in range(0, block, CHUNK_SAMPLES):
                first = self._samples + start
                chunk = slice(start, start + CHUNK_SAMPLES)
                felt = None if contact is None else contact[chunk]
                self._batch.audio.append(Audio(first * NS_PER_S // rate, first, samples[chunk], felt))
            self._samples += block
