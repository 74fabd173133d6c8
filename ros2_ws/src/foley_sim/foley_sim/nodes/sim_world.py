"""`sim_world`: the simulated robot as a ROS node.

Threads::

    executor   life cycle, parameters, diagnostics, `sim/sent` once a second, wishes on `teleop/target_pose`,
               goals of `make_contact`
    world      paces World.advance against ROS time; publishes pose, joints, wrench, tf, plans, audio, contacts
    camera     draws snapshots and publishes images; its OpenGL context lives in this thread alone

Stamps are ROS time at activation plus simulation time, so they never drift from each other. When the machine is too
slow the world lags behind ROS time: nothing is left out but pictures, which the camera thread drops when it is
more than a few behind. The lag is in /diagnostics.
"""

from __future__ import annotations

import dataclasses
import threading
import uuid
from collections.abc import Sequence
from typing import Any, cast

from foley_common.times import NS_PER_S
from foley_ros.node import FoleyNode, Health, run
from foley_sim.condition import State
from foley_sim.config import SimWorldConfig
from foley_sim.editions import make_scene
from foley_sim.motion.teleop import WishRefused
from foley_sim.ros import topics
from foley_sim.ros.camera_thread import CameraThread
from foley_sim.ros.contact_server import ContactServer
from foley_sim.ros.encode import Encoder
from foley_sim.ros.publisher import Publisher
from foley_sim.ros.steering import Steering
from foley_sim.states import with_states
from foley_sim.world.world import STATE_NS, World

SETTLED_NS = NS_PER_S // 2  # everything stamped earlier than this has been sent
LATE_NS = 100_000_000
_STRIDE_NS = 20_000_000  # simulated at a time while catching up


class SimWorldNode(FoleyNode[SimWorldConfig]):
    """See the module's docstring."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("sim_world", SimWorldConfig, **kwargs)
        self._world: World | None = None
        self._publisher: Publisher | None = None
        self._camera_thread: CameraThread | None = None
        self._steering: Steering | None = None
        self._encoder: Encoder | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._failure_in_loop = ""
        self._lag_ns = self._worst_lag_ns = 0
        self._late_ticks = self._contacts = self._actions = 0
        self._start = (0, 0)  # ROS time and simulation time of the activation
        self._timer: Any = None
        self._contact_server = ContactServer(self)

    # ---- hooks -----------------------------------------------------------------------------------------------
    def setup(self, config: SimWorldConfig) -> None:
        scene = make_scene(config.scene_seed, config.split, config.edition)
        if config.state:
            scene = with_states(scene, cast(State, config.state), config.state_share)
        camera = dataclasses.replace(scene.camera, width=config.image_width, height=config.image_height)
        robot = config.robot or scene.robot
        scene = dataclasses.replace(scene, camera=camera, robot=robot, hands=config.hands)
        self._world = World(
            scene,
            config.policy_seed,
            explore=config.explore,
            max_actions=config.max_actions,
            explore_s=config.explore_s,
            camera_rate_hz=config.camera_rate_hz,
            depth_rate_hz=config.depth_rate_hz,
        )
        if config.camera_rate_hz > 0 or config.depth_rate_hz > 0:
            self._camera_thread = CameraThread(self._world.model, scene.camera, self._world.configuration())
        self._publisher = Publisher(self, topics.published(scene))
        self._steering = Steering(self)

    def start(self) -> None:
        assert self._world is not None and self._publisher is not None
        world, publisher = self._world, self._publisher
        self._start = (self.now_ns(), world.time_ns)
        self._encoder = Encoder(
            world.scene,
            origin_ns=self._start[0] - world.time_ns,
            stream_id=f"sim-{uuid.uuid4().hex[:12]}",
            first_sample=world.samples,
        )
        for message in self._encoder.opening(world.time_ns):
            publisher.send(message)
        if self._camera_thread is not None:
            self._camera_thread.aim(self._encoder, publisher.send)
        self._worst_lag_ns = self._late_ticks = 0
        self._failure_in_loop = ""
        self._stopping.clear()
        self._thread = threading.Thread(
            target=self._loop, args=(world, self._encoder, publisher), name="world"
        )
        self._thread.start()
        self._timer = self.create_timer(1.0, self._tell_account)

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._timer is not None:
            self.destroy_timer(self._timer)
            self._timer = None
        if self._world is None or self._encoder is None or self._publisher is None:
            return
        for message in self._encoder.batch(self._world.finish()):
            self._publisher.send(message)
        if self._camera_thread is not None and not self._camera_thread.idle():
            self.get_logger().warning("the camera was still drawing at the end; its last images are missing")
        now = self._encoder.origin_ns + self._world.time_ns
        self._publisher.account(now, self._world.time_ns / NS_PER_S)

    def teardown(self) -> None:
        if self._camera_thread is not None:
            self._camera_thread.close()
            self._camera_thread = None
        if self._publisher is not None:
            self._publisher.destroy()
            self._publisher = None
        if self._steering is not None:
            self._steering.destroy()
            self._steering = None
        self._world = self._encoder = None

    def health(self) -> Health:
        assert self._world is not None and self._publisher is not None
        started, began = self._start
        elapsed = max(self.now_ns() - started, 1)
        values: dict[str, Any] = {
            "scene": self._world.scene.scene_id,
            "real_time_factor": round((self._world.time_ns - began) / elapsed, 4),
            "lag_ms": round(self._lag_ns / 1e6, 2),
            "worst_lag_ms": round(self._worst_lag_ns / 1e6, 2),
            "late_ticks": self._late_ticks,
            "actions": self._actions,
            "contacts": self._contacts,
            "contacts_made_for_others": self._contact_server.made,
            "contacts_not_made": self._contact_server.refused,
            "late_sound_events": self._world.sound.late_events,
            **{f"sent {name}": count for name, count in self._publisher.sent.items()},
        }
        if self._steering is not None and (self._steering.followed or self._steering.refused):
            values["teleop"] = "steered" if self._world.steered else "waiting"
            for name in ("followed", "clamped", "refused"):
                values[f"teleop_{name}"] = getattr(self._steering, name)
            if self._steering.reason:
                values["teleop_refusal"] = self._steering.reason
        if self._camera_thread is not None:
            values["images_skipped"] = self._camera_thread.skipped
        if self._failure_in_loop:
            return Health.error(f"the world stopped: {self._failure_in_loop}", **values)
        if self._camera_thread is not None and self._camera_thread.trouble:
            return Health.error(f"the camera fails: {self._camera_thread.trouble}", **values)
        if self._lag_ns > LATE_NS:
            return Health.warn(f"simulation lags {self._lag_ns / 1e6:.0f} ms behind real time", **values)
        return Health.ok(f"scene {self._world.scene.scene_id}", **values)

    # ---- world thread ----------------------------------------------------------------------------------------
    def _loop(self, world: World, encoder: Encoder, publisher: Publisher) -> None:
        try:
            while not self._stopping.is_set():
                now = self.now_ns() - encoder.origin_ns
                self._steer(world)
                batch = world.advance(min(now, world.time_ns + _STRIDE_NS))
                for message in encoder.batch(batch):
                    publisher.send(message)
                if self._camera_thread is not None:
                    for frame in batch.frames:
                        self._camera_thread.put(frame)
                self._actions += len(batch.plans)
                self._contacts += len(batch.contacts)
                self._contact_server.attend(world, batch, encoder.origin_ns)
                now = self.now_ns() - encoder.origin_ns
                self._lag_ns = max(now - world.time_ns, 0)
                self._worst_lag_ns = max(self._worst_lag_ns, self._lag_ns)
                self._late_ticks += int(self._lag_ns > LATE_NS)
                due = (world.time_ns // STATE_NS + 1) * STATE_NS
                if due > now:
                    self._stopping.wait((due - now) / NS_PER_S)
        except Exception as error:  # noqa: BLE001 - reported in /diagnostics
            self._failure_in_loop = f"{type(error).__name__}: {error}"
            self.get_logger().error(f"the world stopped: {self._failure_in_loop}")

    def _steer(self, world: World) -> None:
        wish = self._steering.take() if self._steering is not None else None
        if wish is None or self._steering is None:
            return
        try:
            inside = world.steer(wish)
        except WishRefused as error:
            self._steering.refuse(str(error))
            return
        self._steering.followed += 1
        self._steering.clamped += int(not inside)

    def _tell_account(self) -> None:
        if self._world is None or self._encoder is None or self._publisher is None:
            return
        settled = max(self._world.time_ns - SETTLED_NS, 0)
        self._publisher.account(self._encoder.origin_ns + settled, settled / NS_PER_S)


def main(args: Sequence[str] | None = None) -> int:
    return run(SimWorldNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
